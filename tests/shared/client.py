"""HTTP without a browser: sends what it is told to, follows no redirect, keeps no cookie."""

import http.client
import json
import re
import urllib.parse
from contextlib import closing
from dataclasses import dataclass

from checks import PATIENCE

PROBLEM = "application/problem+json"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def location(self):
        """Where it leads to. Answers to what made something name its place by the same header."""
        return self.headers["Location"] if 300 <= self.status < 400 else None

    @property
    def request_id(self):
        return self.headers["X-Request-Id"]

    def expect(self, status, location=None):
        seen = f"{self.status} {self.location}, expected {status} {location}: {self.text[:2000]}"
        assert (self.status, self.location) == (status, location), seen
        return self

    def problem(self, status, code):
        """A refusal in the words of RFC 9457 with hallpass's `code`."""
        self.expect(status)
        assert self.headers.get_content_type() == PROBLEM, self.headers.as_string()
        assert (self.json["status"], self.json["code"]) == (status, code), self.text
        return self


class Client:
    def __init__(self, url, source=None):
        """`source` is the address that it has."""
        self.host = urllib.parse.urlsplit(url).netloc
        self.source = source

    def connection(self):
        return http.client.HTTPConnection(self.host, timeout=PATIENCE, source_address=self.source and (self.source, 0))

    def send(self, method, path, body=None, headers=()):
        """`headers` are pairs, and may repeat a name."""
        with closing(self.connection()) as connection:
            connection.putrequest(method, path, skip_host="Host" in dict(headers), skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", len(body))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())

    def send_json(self, method, path, body=None, headers=()):
        if body is None:
            return self.send(method, path, None, headers)
        return self.send(method, path, json.dumps(body).encode(), [*headers, ("Content-Type", "application/json")])


class Api(Client):
    def call(self, method, path, body=None, bearer=None):
        headers = [("Authorization", f"Bearer {bearer}")] if bearer else []
        return self.send_json(method, f"/api{path}", body, headers)

    def register(self, email, password, name):
        return self.call("POST", "/users", {"email": email, "password": password, "name": name}).expect(201).json

    def log_in(self, email, password):
        """Access and refresh token, and when the former ends."""
        return self.call("POST", "/auth/login", {"email": email, "password": password}).expect(200).json


def csrf_token(page):
    """Of a form on the page."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token, f"no form: {page[:2000]}"
    return token.group(1)
