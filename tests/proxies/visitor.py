"""A visitor of https://example.org by way of a proxy, from an address of its own, with a cookie jar that judges."""

import http.client
import re
import socket
import urllib.parse
from dataclasses import dataclass

from nodes import HOST
from server import PASSWORD

ORIGIN = f"https://{HOST}"
FORM = "application/x-www-form-urlencoded"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def location(self):
        return self.headers["Location"]

    @property
    def request_id(self):
        return self.headers["X-Request-Id"]

    def expect(self, status, location=None):
        seen = f"{self.status} {self.location}, expected {status} {location}: {self.text[:2000]}"
        assert self.status == status and self.location == location, seen
        return self


class Https(http.client.HTTPConnection):
    """Leads to the proxy's port, whatever the name of the site."""

    def __init__(self, proxy, source):
        super().__init__("127.0.0.1", proxy.https_port, timeout=60, source_address=(source, 0))
        self.tls = proxy.tls

    def connect(self):
        super().connect()
        self.sock = self.tls.wrap_socket(self.sock, server_hostname=HOST)


class Visitor:
    def __init__(self, proxy, source="127.0.0.2"):
        self.proxy, self.source = proxy, source
        self.jar = {}
        self.kept = None

    def send(self, method, path, body=None, headers=(), host=HOST):
        """One request and its answer; redirects are not followed. `headers` are pairs, and may repeat a name."""
        connection = self.kept or self.connection()
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", host)
            if self.jar:
                connection.putheader("Cookie", "; ".join(f"{name}={value}" for name, value in self.jar.items()))
            if body is not None:
                connection.putheader("Content-Type", FORM)
                connection.putheader("Content-Length", str(len(body)))
                connection.putheader("Origin", ORIGIN)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            if connection is not self.kept:
                connection.close()
        for cookie in answer.headers.get_all("Set-Cookie", []):
            self.take(cookie)
        return Answer(answer.status, answer.headers, text)

    def connection(self):
        return Https(self.proxy, self.source)

    def keep_connection(self):
        """From now on, all requests use one."""
        self.kept = self.connection()

    def take(self, cookie):
        """As a browser takes it; and every cookie of ours has to have the prefix, which asks for the rest."""
        (name, _, value), *attributes = [part.strip().partition("=") for part in cookie.split(";")]
        attributes = {attribute.lower(): value for attribute, _, value in attributes}
        assert name.startswith("__Host-"), cookie
        assert attributes.keys() - {"max-age"} == {"path", "secure", "httponly", "samesite"}, cookie
        assert (attributes["path"], attributes["samesite"]) == ("/", "Lax"), cookie
        if attributes.get("max-age") == "0":
            self.jar.pop(name, None)
        else:
            self.jar[name] = value

    def get(self, path, **more):
        return self.send("GET", path, **more)

    def submit(self, form, action=None, **fields):
        """Fills the form on the page `form`, and sends it to `action`, which is the same page if left out."""
        page = self.get(form).text
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert token, f"no form at {form}: {page[:2000]}"
        return self.post(action or form, csrf_token=token.group(1), **fields)

    def post(self, path, **fields):
        return self.send("POST", path, body=urllib.parse.urlencode(fields).encode())

    def log_in(self, email):
        answer = self.submit("/login", email=email, password=PASSWORD, remember="on")
        return answer.expect(303, "/account")

    @property
    def generation(self):
        """The refresh token in the jar: another one after each rotation."""
        return self.jar.get("__Host-refresh_token")


class PlainVisitor(Visitor):
    """One who has typed http://."""

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.proxy.http_port, timeout=60)


def raw(proxy, source="127.0.0.2"):
    """A connection on which anything can be written, however slowly."""
    plain = socket.create_connection(("127.0.0.1", proxy.https_port), timeout=60, source_address=(source, 0))
    return proxy.tls.wrap_socket(plain, server_hostname=HOST)
