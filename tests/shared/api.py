"""A client of the JSON API that sends what it is told to and judges nothing."""

import http.client
import json
import urllib.parse
from dataclasses import dataclass

PROBLEM = "application/problem+json"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def json(self):
        return json.loads(self.text)

    def expect(self, status):
        assert self.status == status, f"{self.status}, expected {status}: {self.text}"
        return self

    def problem(self, status, code):
        """A refusal in the words of RFC 9457 with hallpass's `code`."""
        self.expect(status)
        assert self.headers.get_content_type() == PROBLEM, self.headers.as_string()
        assert (self.json["status"], self.json["code"]) == (status, code), self.text
        return self


class Api:
    def __init__(self, url):
        self.address = urllib.parse.urlsplit(url)

    def call(self, method, path, body=None, bearer=None, **headers):
        """`body` is sent as JSON; a header's name has `_` for `-`."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=30)
        try:
            connection.request(method, f"/api{path}", body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def register(self, email, password, name):
        return self.call("POST", "/users", {"email": email, "password": password, "name": name}).expect(201).json

    def log_in(self, email, password):
        """Access and refresh token, and when the former ends."""
        return self.call("POST", "/auth/login", {"email": email, "password": password}).expect(200).json
