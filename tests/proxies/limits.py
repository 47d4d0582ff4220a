"""How much and how slowly a visitor may send. The largest that hallpass needs has to pass; more is refused by the proxy
or by hallpass, and never becomes a 502."""

import threading
import time

from checks import equal
from journey import curl
from nodes import HOST, Cluster
from visitor import Visitor, raw

EMAIL = "ann@example.org"
# Longer than the files allow, and shorter than what the proxies do by themselves: a minute, or for ever. Caddy's time
# for the body is one for headers and body.
HEADERS_PATIENCE, PATIENCE = 18, 40


def check(binary, start, postgres):
    # The largest tokens.
    with Cluster(binary, postgres, signing_algorithm="RS256") as cluster, start(cluster) as proxy:
        cluster.add_user(EMAIL)
        slow = [Slow(proxy, how) for how in (slow_headers, slow_body)]
        visitor = the_largest_cookies_pass(proxy)
        large_headers_are_refused(proxy, visitor)
        many_headers_are_refused(proxy, visitor)
        large_bodies_are_refused(proxy)
        for one in slow:
            one.judge()
        visitor.get("/account").expect(200)


def the_largest_cookies_pass(proxy):
    visitor = Visitor(proxy)
    answer = visitor.log_in(EMAIL)
    size = len(str(answer.headers))
    assert 2000 < size < 3072, f"the headers of an answer to a log-in have {size} bytes"
    cookies = sum(len(name) + len(value) + 3 for name, value in visitor.jar.items())
    assert 1200 < cookies < 2048, f"the cookies have {cookies} bytes"
    browser = [("User-Agent", "Mozilla/5.0 " + "x" * 4000), ("Referer", f"https://{HOST}/account?" + "y" * 1000)]
    answer = visitor.get("/account?" + "z" * 1000, headers=browser).expect(200)
    assert EMAIL in answer.text
    return visitor


def large_headers_are_refused(proxy, visitor):
    cookies = "; ".join("=".join(pair) for pair in visitor.jar.items())
    for kilobytes in (6, 9, 20, 31, 34, 50, 100, 1000):
        padding = "x" * (kilobytes * 1000)
        seen = [visitor.get("/account", headers=[("X-Padding", padding)]).status]
        # Many headers.
        small = [(f"X-Padding-{number}", "x" * 500) for number in range(kilobytes * 2)]
        seen.append(visitor.get("/account", headers=small).status)
        if kilobytes <= 100:
            # By HTTP/2, some are refused by ending the stream: no status.
            status = int(curl(proxy, "/account", "--cookie", cookies, "--header", f"X-Padding: {padding}").split()[1])
            seen += [status] if status else []
        allowed = {200} if kilobytes == 6 else {200, 400, 431} if kilobytes < 40 else {400, 431}
        assert set(seen) <= allowed, f"{kilobytes} kB of headers: {seen}"


def many_headers_are_refused(proxy, visitor):
    """hallpass takes a hundred."""
    for count in (60, 150, 400):
        status = visitor.get("/account", headers=[(f"X-{number}", "x") for number in range(count)]).status
        assert status == 200 if count == 60 else status in (400, 431), f"{count} headers: {status}"


def large_bodies_are_refused(proxy):
    visitor = Visitor(proxy)
    equal(visitor.post("/login", name="x" * 32_000).status, 403, "a body of 32,000 bytes, without a form token")
    for kilobytes in (33, 40, 60, 100, 1000):
        answer = visitor.post("/login", name="x" * (kilobytes * 1000))
        equal(answer.status, 413, f"a body of {kilobytes} kB")
    # Said at once that there will be more: the answer does not wait for it.
    head = f"POST /login HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    for more in ("Content-Length: 10000000\r\n\r\n" + "x" * 50_000,
                 "Transfer-Encoding: chunked\r\n\r\n" + f"3e8\r\n{'x' * 1000}\r\n" * 50):
        with raw(proxy) as connection:
            connection.sendall((head + more).encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 413"), f"{more[:40]!r} is waited for"
    # Nobody else suffers from it.
    for _ in range(20):
        Visitor(proxy).get("/login").expect(200)


def slow_headers(proxy):
    """A letter now and then, so that something always happens."""
    with raw(proxy) as connection:
        connection.sendall(f"GET /login HTTP/1.1\r\nHost: {HOST}\r\nX-Slow: ".encode())
        end = time.monotonic() + HEADERS_PATIENCE
        connection.settimeout(1)
        while time.monotonic() < end:
            try:
                connection.sendall(b"x")
                return connection.recv(100)
            except TimeoutError:
                pass


def slow_body(proxy):
    """The first half of it."""
    with raw(proxy) as connection:
        connection.settimeout(PATIENCE)
        head = f"POST /login HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        connection.sendall(f"{head}Content-Length: 100\r\n\r\nemail=ann".encode())
        return connection.recv(100)


class Slow(threading.Thread):
    """A visitor who is slow in that way, while others are not."""

    def __init__(self, proxy, how):
        super().__init__(daemon=True)
        self.proxy, self.how, self.seen, self.fault = proxy, how, None, "nothing"
        self.start()

    def run(self):
        try:
            self.seen = self.how(self.proxy)
            self.fault = None
        except ConnectionError:
            self.seen, self.fault = b"", None
        except Exception as fault:
            self.fault = fault

    def judge(self):
        self.join(PATIENCE + 10)
        assert self.fault is None and self.seen is not None, f"{self.how.__name__}: not cut off: {self.fault!r}"
        # Caddy 2.6.2 ends a body that is too slow with an empty page.
        ends = (b"", b"HTTP/1.1 408 ", b"HTTP/1.1 400 ", b"HTTP/1.1 200 ")
        assert self.seen[:13] in ends[:4 if self.proxy.NAME == "caddy" else 3], f"{self.how.__name__}: {self.seen}"
