"""Who asks, and for which site: said by the proxy and the settings, never by the visitor."""

import re
import urllib.parse

from checks import equal, wait_until
from client import Client, csrf_token
from nodes import HOST, Cluster
from server import PASSWORD
from visitor import Visitor

EMAIL = "ann@example.org"
FORGERIES = (
    [("X-Forwarded-For", "6.6.6.6")],
    [("X-Forwarded-For", "6.6.6.6, 127.0.0.1")],
    [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "7.7.7.7, 127.0.0.1"), ("x-forwarded-for", "127.0.0.1")],
    [("X-Forwarded-For", ", ".join(["127.0.0.1"] * 200))],
    [("X_Forwarded_For", "6.6.6.6")],
    [("X-Real-IP", "6.6.6.6"), ("True-Client-IP", "6.6.6.6")],
    [("Forwarded", "for=6.6.6.6;proto=http;host=evil.example")],
    [("X-Forwarded-Proto", "http"), ("X-Forwarded-Ssl", "off"), ("X-Forwarded-Port", "80")],
    [("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Server", "evil.example")],
    [("X-Request-Id", "forged-by-evil")],
    [("Connection", "close, X-Forwarded-For, X-Request-Id")],
)


def check(binary, start, postgres):
    with Cluster(binary, postgres) as cluster, start(cluster) as proxy:
        cluster.add_user(EMAIL)
        two_visitors_have_two_addresses(cluster, proxy)
        for forgery in FORGERIES:
            nothing_forged_is_believed(cluster, proxy, forgery)
        another_name_leads_nowhere_else(cluster, proxy)
        strangers_are_no_proxies(cluster)
        no_secret_is_logged(proxy)


def two_visitors_have_two_addresses(cluster, proxy):
    ann, bo = Visitor(proxy, "127.0.0.2"), Visitor(proxy, "127.0.0.3")
    for visitor in (ann, bo):
        answer = visitor.log_in(EMAIL)
        equal(cluster.request(answer.request_id)["address"], visitor.source, "address in the log")
    page = ann.get("/account/sessions").expect(200).text
    equal(set(re.findall(r"from (127\.[\d.]+)", page)), {"127.0.0.2", "127.0.0.3"}, "addresses on the page of sessions")


def nothing_forged_is_believed(cluster, proxy, forgery):
    visitor = Visitor(proxy, "127.0.0.4")
    form = visitor.get("/login?next=/account/sessions", headers=forgery).expect(200)
    fields = {"csrf_token": csrf_token(form.text), "email": EMAIL, "password": PASSWORD, "next": "/account/sessions"}
    body = urllib.parse.urlencode(fields).encode()
    answers = [
        form,
        visitor.get("/account", headers=forgery).expect(303, "/login?next=%2Faccount"),
        visitor.send("POST", "/login", body, headers=forgery).expect(303, "/account/sessions"),
        visitor.get("/account/sessions", headers=forgery).expect(200),
        visitor.get("/api/openapi.json", headers=forgery).expect(200),
        visitor.get("/nowhere", headers=forgery).expect(404),
    ]
    for answer in answers:
        said = f"{answer.headers}{answer.text}"
        assert not re.search(r"6\.6\.6\.6|evil|http://example\.org", said), f"{forgery} is believed: {said}"
        equal(cluster.request(answer.request_id)["address"], "127.0.0.4", f"address in the log, with {forgery}")


def another_name_leads_nowhere_else(cluster, proxy):
    for host in ("evil.example", f"{HOST}:1", f"{HOST}.evil.example"):
        for path in ("/", "/account", "/login"):
            answer = Visitor(proxy, "127.0.0.5").get(path, [("Host", host)])
            said = f"{answer.headers}{answer.text}"
            assert answer.status < 500 and "evil" not in said, f"{host}{path}: {answer.status} {said}"
            assert answer.location in (None, "/login?next=%2Faccount"), f"{host}{path} leads to {answer.location}"


def strangers_are_no_proxies(cluster):
    """A node that can be reached without the proxy does not take the visitor's word for it."""
    for source, address, id in (("127.0.0.9", "127.0.0.9", None), ("127.0.0.1", "6.6.6.6", "said-by-the-proxy")):
        headers = [("X-Forwarded-For", "6.6.6.6"), ("X-Request-Id", "said-by-the-proxy")]
        given = Client(cluster.nodes[0].url, source).send("GET", "/login", headers=headers).request_id
        equal(given == "said-by-the-proxy", id is not None, f"{source}'s word for the request's id is taken")
        equal(cluster.request(given)["address"], address, f"address in the log, of {source}")


def no_secret_is_logged(proxy):
    """Links to the set-up have a token in the query."""
    visitor = Visitor(proxy)
    answer = visitor.get("/setup?token=topsecret", headers=[("Referer", "https://example.org/setup?token=topsecret")])

    def logs():
        return "".join(path.read_text() for path in proxy.folder.glob("*log"))

    if proxy.NAME == "nginx":
        wait_until(lambda: f" {answer.request_id} GET /setup 404 " in logs(), "the request in nginx's log, by its id")
    assert "topsecret" not in logs(), "the proxy logs queries"
