"""Connections between the proxy and the nodes: few, and never one that breaks under a visitor's request."""

import http.client
import time
from pathlib import Path

from checks import PATIENCE, equal
from nodes import Cluster
from visitor import Visitor

EMAIL = "ann@example.org"
# Longer than Rocket's keep_alive.
IDLE = 8


def check(binary, start, postgres):
    with Cluster(binary, postgres) as cluster, start(cluster) as proxy:
        cluster.add_user(EMAIL)
        connections_are_used_again(cluster, proxy)
        visitors_stay_at_a_node(cluster, proxy)
        a_closed_connection_is_no_fault(cluster, proxy)
        idle_connections_are_kept(cluster, proxy)


def connections_to(node):
    """All that there have been in the last minute, as the system remembers them: proc(5), /proc/net/tcp."""
    rows = [line.split()[1:3] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    port = f":{node.port:04X}"
    # Whichever end was the one to close remembers it.
    ends = [*rows, *(reversed(row) for row in rows)]
    return {there for here, there in ends if here.endswith(port)}


def connections_are_used_again(cluster, proxy):
    visitor = Visitor(proxy)
    visitor.log_in(EMAIL)
    before = [connections_to(node) for node in cluster.nodes]
    for turn in range(100):
        if turn % 10:
            visitor.get("/account").expect(200)
        else:
            visitor.submit("/account", "/account/profile", name=f"Ann {turn}").expect(303, "/account?saved=name")
    new = sum(len(connections_to(node) - there) for node, there in zip(cluster.nodes, before))
    assert new <= 10, f"{new} connections to the nodes for 110 requests"


def visitors_stay_at_a_node(cluster, proxy):
    for last in range(10, 34):
        visitor = Visitor(proxy, f"127.0.0.{last}")
        for _ in range(3):
            visitor.get("/").expect(200)

    def addresses(node):
        return {line["address"] for line in node.requests("GET", "/")} - {"127.0.0.1"}

    first, second = map(addresses, cluster.nodes)
    assert first and second and not first & second, f"at one node: {first}, at the other: {second}"
    equal(len(first | second), 24, "visitors")


def a_closed_connection_is_no_fault(cluster, proxy):
    """A node that was started again has closed what the proxy kept for later."""
    visitor = Visitor(proxy)
    visitor.log_in(EMAIL)
    for node in cluster.nodes:
        node.terminate()
        node.start()
        visitor.submit("/account", "/account/profile", name="Ann").expect(303, "/account?saved=name")
        # For as long as nginx holds it against the node.
        time.sleep(2)


def idle_connections_are_kept(cluster, proxy):
    """By the nodes: what nginx.conf relies on."""
    visitor = Visitor(proxy)
    visitor.log_in(EMAIL)
    connection = http.client.HTTPConnection("127.0.0.1", cluster.nodes[0].port, timeout=PATIENCE)
    connection.connect()
    first = connection.sock
    for pause in (IDLE, 0):
        connection.request("GET", "/healthz")
        equal(connection.getresponse().read(), b"alive\n", "answer")
        assert connection.sock is first, "the node closed the connection"
        visitor.submit("/account", "/account/profile", name="Ann").expect(303, "/account?saved=name")
        time.sleep(pause)
    connection.close()
