"""A node whose database is away, and then all of them: visitors go on by the other node as long as there is one, and
stay logged in when there was none."""

import socket
import threading
import time

from checks import equal, wait_until
from nodes import Cluster
from ports import free_port
from visitor import Visitor

EMAIL = "ann@example.org"
# Rotations, which need the database, all the time.
SHORT = {"access_token_ttl_seconds": 2}


def check(binary, start, postgres):
    with Wire(postgres.port) as first, Wire(postgres.port) as second:
        ports = [first.port, second.port]
        with Cluster(binary, postgres, ports, **SHORT) as cluster, start(cluster) as proxy:
            cluster.add_user(EMAIL)
            visitors = [Visitor(proxy, f"127.0.3.{number + 1}") for number in range(12)]
            for visitor in visitors:
                visitor.log_in(EMAIL)
            one_without_its_database(cluster, visitors, first)
            all_without(visitors, [first, second])
            no_node_at_all(cluster, visitors)


def one_without_its_database(cluster, visitors, wire):
    node = cluster.nodes[0]
    wire.cut()
    # Until it is found out.
    time.sleep(5)
    before = len(node.requests("GET", "/account"))

    def answers():
        return [line["status"] for line in node.requests("GET", "/account")[before:]]

    for _ in range(3):
        time.sleep(1)
        for visitor in visitors:
            assert EMAIL in visitor.get("/account").expect(200).text
    equal([status for status in answers() if status < 500], [], "what the node without a database answered")
    wire.mend()
    wait_until(lambda: load(visitors) and answers().count(200) > 2, "the node gets requests again")


def load(visitors):
    for visitor in visitors:
        visitor.get("/account").expect(200)
    return True


def all_without(visitors, wires):
    """Nobody gets a page, nobody's cookies go."""
    for wire in wires:
        wire.cut()
    time.sleep(5)
    refused(visitors[:1])
    for wire in wires:
        wire.mend()
    recover(visitors)


def no_node_at_all(cluster, visitors):
    for node in cluster.nodes:
        node.terminate()
    refused(visitors[:1])
    for node in cluster.nodes:
        node.start()
    recover(visitors)


def refused(visitors):
    for visitor in visitors:
        before = dict(visitor.jar)
        answer = visitor.get("/account")
        assert answer.status in (502, 503), answer
        equal(visitor.jar, before, "cookies")


def recover(visitors):
    """As soon as a page comes, it is that of somebody who is logged in."""
    for visitor in visitors:
        wait_until(lambda: answered(visitor), "pages")


def answered(visitor):
    answer = visitor.get("/account")
    if answer.status in (502, 503):
        return False
    return EMAIL in answer.expect(200).text


class Wire:
    """Between a node and PostgreSQL, to be cut: connections break, and new ones are refused."""

    def __init__(self, port):
        self.target = port
        self.listener = None
        self.ends = []
        self.port = free_port()

    def __enter__(self):
        self.mend()
        return self

    def __exit__(self, *_):
        self.cut()

    def mend(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def cut(self):
        if self.listener:
            # Wakes whoever accepts.
            shut(self.listener)
            self.listener.close()
            self.listener = None
        ends, self.ends = self.ends, []
        for end in ends:
            shut(end)

    def _accept(self, listener):
        while True:
            try:
                near = listener.accept()[0]
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            self.ends += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            shut(end)


def shut(end):
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
