"""What a visitor does in a week, by way of the proxy: nothing of it may get lost on the way."""

import re
import subprocess
import time

from checks import PATIENCE, equal
from client import Client, csrf_token
from nodes import HOST, Cluster
from visitor import Visitor

EMAIL = "ann@example.org"
# Rotation at every second page, and a second after that, an old token is no straggler any more.
SHORT = {"access_token_ttl_seconds": 2, "refresh_grace_seconds": 1}


def check(binary, start, postgres):
    with Cluster(binary, postgres, **SHORT) as cluster, start(cluster) as proxy:
        cluster.add_user(EMAIL)
        redirects_to_https(proxy)
        stays_logged_in(proxy)
        asks_the_jar(proxy)
        passes_files_and_keeps_nothing(proxy)
        speaks_http_2(proxy)


def redirects_to_https(proxy):
    plain = Client(f"http://127.0.0.1:{proxy.http_port}")
    answer = plain.send("GET", "/account?from=mail", headers=[("Host", HOST)])
    equal((answer.status, answer.location), (308, f"https://{HOST}/account?from=mail"), "http")
    answer = plain.send("GET", "/account", headers=[("Host", "evil.example")])
    assert "evil" not in (answer.location or ""), f"leads to where the visitor said: {answer.location}"


def stays_logged_in(proxy):
    visitor = Visitor(proxy)
    visitor.get("/account").expect(303, "/login?next=%2Faccount")
    answer = visitor.log_in(EMAIL)
    equal(sorted(visitor.jar), ["__Host-access_token", "__Host-browser", "__Host-refresh_token"], "cookies")
    assert "max-age=63072000" in answer.headers["Strict-Transport-Security"]
    page = visitor.get("/account").expect(200)
    assert EMAIL in page.text and "max-age=63072000" in page.headers["Strict-Transport-Security"]
    for path, status in (("/account", 200), ("/nowhere", 404)):
        time.sleep(2.5)
        before = visitor.refresh_token
        visitor.get(path).expect(status)
        assert visitor.refresh_token != before, f"{path} did not rotate"
    visitor.submit("/account", "/account/profile", name="Ann of the Proxies").expect(303, "/account?saved=name")
    assert "Ann of the Proxies" in visitor.get("/account").expect(200).text
    visitor.submit("/logout").expect(303, "/")
    equal(list(visitor.jar), ["__Host-browser"], "cookies after log-out")
    visitor.get("/account").expect(303, "/login?next=%2Faccount")


def asks_the_jar(proxy):
    """A late request with an old token: 307 to the same place, and the jar's newer token answers, body and all."""
    visitor = Visitor(proxy)
    visitor.log_in(EMAIL)
    old = dict(visitor.jar)
    time.sleep(2.5)
    token = csrf_token(visitor.get("/account").expect(200).text)
    visitor.get("/account").expect(200)
    assert visitor.refresh_token != old["__Host-refresh_token"], "did not rotate"
    time.sleep(1.5)
    late = Visitor(proxy)
    late.jar = dict(old)
    late.post("/account/profile", csrf_token=token, name="Late Ann").expect(307, "/account/profile")
    assert "__Host-probe" in late.jar, "nothing to answer with"
    visitor.jar["__Host-probe"] = late.jar["__Host-probe"]
    visitor.post("/account/profile", csrf_token=token, name="Late Ann").expect(303, "/account?saved=name")
    assert "Late Ann" in visitor.get("/account").expect(200).text


def passes_files_and_keeps_nothing(proxy):
    """Files may be kept by browsers, pages by nobody; nothing is compressed, so that lengths tell nothing."""
    visitor, stranger = Visitor(proxy), Visitor(proxy, "127.0.0.3")
    visitor.log_in(EMAIL)
    accept = [("Accept-Encoding", "gzip, br, zstd")]
    for _ in range(2):
        page = visitor.get("/account", headers=accept).expect(200)
        assert EMAIL in page.text
        equal((page.headers["Cache-Control"], page.headers["Content-Encoding"]), ("no-store", None), "a page's headers")
        stranger.get("/account", headers=accept).expect(303, "/login?next=%2Faccount")
    file = visitor.get(re.search(r"/static/[^\"]+\.css", page.text).group(), headers=accept).expect(200)
    assert "immutable" in file.headers["Cache-Control"], file.headers["Cache-Control"]
    equal(len(file.text.encode()), int(file.headers["Content-Length"]), "length of the stylesheet")


def speaks_http_2(proxy):
    visitor = Visitor(proxy)
    visitor.log_in(EMAIL)
    seen = curl(proxy, "/account", "--cookie", "; ".join("=".join(pair) for pair in visitor.jar.items()))
    equal(seen, "2 200", "version and status")


def curl(proxy, path, *arguments):
    """Version and status, as curl says of its request by HTTP/2; status 000 if there was no answer."""
    return subprocess.run(
        ["curl", "--silent", "--http2", "--cacert", proxy.folder / "ca.crt", "--output", "/dev/null",
         "--max-time", str(PATIENCE), "--resolve", f"{HOST}:{proxy.https_port}:127.0.0.1",
         "--write-out", "%{http_version} %{http_code}", *arguments,
         f"https://{HOST}:{proxy.https_port}{path}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    ).stdout
