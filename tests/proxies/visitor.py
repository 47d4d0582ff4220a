"""A visitor of https://example.org by way of a proxy, from an address of its own, with a cookie jar that judges."""

import socket
import urllib.parse

from checks import PATIENCE
from client import Client, csrf_token
from nodes import HOST
from server import PASSWORD

ORIGIN = f"https://{HOST}"
FORM = "application/x-www-form-urlencoded"


class Visitor(Client):
    def __init__(self, door, source="127.0.0.2"):
        """`door` is the proxy."""
        super().__init__(ORIGIN, source)
        self.door = door
        self.jar = {}

    def connection(self):
        """Leads to the proxy's port, whatever the name of the site."""
        connection = super().connection()
        connection.sock = raw(self.door, self.source)
        return connection

    def send(self, method, path, body=None, headers=()):
        headers = list(headers)
        if self.jar:
            headers.append(("Cookie", "; ".join(f"{name}={value}" for name, value in self.jar.items())))
        if body is not None:
            headers += [("Content-Type", FORM), ("Origin", ORIGIN)]
        answer = super().send(method, path, body, headers)
        for cookie in answer.headers.get_all("Set-Cookie", []):
            self.take(cookie)
        return answer

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

    def get(self, path, headers=()):
        return self.send("GET", path, headers=headers)

    def submit(self, form, action=None, **fields):
        """Fills the form on the page `form`, and sends it to `action`, which is the same page if left out."""
        return self.post(action or form, csrf_token=csrf_token(self.get(form).text), **fields)

    def post(self, path, **fields):
        return self.send("POST", path, body=urllib.parse.urlencode(fields).encode())

    def log_in(self, email):
        answer = self.submit("/login", email=email, password=PASSWORD, remember="on")
        return answer.expect(303, "/account")

    @property
    def refresh_token(self):
        """Another one after each rotation."""
        return self.jar.get("__Host-refresh_token")


def raw(proxy, source="127.0.0.2"):
    """A connection on which anything can be written, however slowly."""
    plain = socket.create_connection(("127.0.0.1", proxy.https_port), timeout=PATIENCE, source_address=(source, 0))
    return proxy.tls.wrap_socket(plain, server_hostname=HOST)
