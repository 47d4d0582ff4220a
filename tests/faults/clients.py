"""Browsers as a crowd of them needs it: HTTP/1.1 over raw sockets, with a cookie jar and a browser's manners.

Cookies are kept as soon as the head of a response is complete, whatever becomes of its body; of half a head nothing is
kept.
"""

import asyncio
import base64
import json
import time
import urllib.parse
from dataclasses import dataclass

TOKENS = ("access_token", "refresh_token")


class Cut(Exception):
    """There was no response, or not all of it."""


class Unbegun(Exception):
    """A connection kept from before ended without a response: browsers then send the request again by themselves."""


@dataclass
class Response:
    status: int
    headers: list
    text: str = ""
    # When it was asked for; after how many attempts that failed; whether one of them may do its work later than this.
    sent_at: float = 0
    attempts: int = 0
    doubtful: bool = False

    def header(self, name):
        return next((value for key, value in self.headers if key == name), None)

    @property
    def location(self):
        return self.header("location") or ""

    @property
    def cookies(self):
        """Name, value (none if the cookie is cleared)."""
        for key, line in self.headers:
            if key == "set-cookie":
                pair, _, attributes = line.partition(";")
                name, _, value = pair.partition("=")
                yield name, None if not value or "Max-Age=0" in attributes.split("; ") else value

    @property
    def delivers(self):
        return any(name in TOKENS and value for name, value in self.cookies)

    @property
    def clears(self):
        return any(name in TOKENS and value is None for name, value in self.cookies)


class Browser:
    """`door` tells the port of a node for each request; `number` makes its address."""

    def __init__(self, door, number, tally):
        self.door, self.tally = door, tally
        self.address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        self.jar = {}
        self.kept = {}
        # Session and generation of the newest refresh token that it was handed, and the bytes of each of that session.
        self.newest, self.handed = (None, 0), {}

    def copy(self):
        """Another browser with the same cookies: a second window, or a thief."""
        copy = Browser(self.door, 0, self.tally)
        copy.address, copy.jar, copy.newest = self.address, dict(self.jar), self.newest
        copy.handed = dict(self.handed)
        return copy

    async def send(self, method, path, form=None, *, port=None, patience=15, bearer=False, **headers):
        """One request; no redirect is followed, nothing is tried again. With `bearer`, as a program sends it: the
        access token and no cookies."""
        request, sent_at = self._written(method, path, form, headers, bearer), time.monotonic()
        port = port or self.door()
        self.tally.count("requests")
        try:
            async with asyncio.timeout(patience):
                attempts = 0
                kept = self.kept.setdefault(port, [])
                while kept:
                    connection = kept.pop()
                    # Closed since, if at its end.
                    if not connection[0].at_eof():
                        try:
                            return await self._exchange(port, connection, request, sent_at, reused=True)
                        except Unbegun:
                            self.tally.count("cut")
                            attempts = 1
                            break
                connection = await asyncio.open_connection("127.0.0.1", port)
                response = await self._exchange(port, connection, request, sent_at)
                response.attempts = attempts
                return response
        except (OSError, EOFError, TimeoutError) as error:
            raise Cut(f"{type(error).__name__}: {error}") from error

    def close(self):
        for kept in self.kept.values():
            for _, writer in kept:
                writer.transport.abort()
        self.kept.clear()

    def _written(self, method, path, form, headers, bearer):
        body = urllib.parse.urlencode(form).encode() if form is not None else b""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"X-Forwarded-For: {self.address}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if bearer:
            lines.append(f"Authorization: Bearer {self.jar['access_token']}")
        elif self.jar:
            lines.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in self.jar.items()))
        if form is not None:
            lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
            lines.append("Sec-Fetch-Site: same-origin")
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def _exchange(self, port, connection, request, sent_at, reused=False):
        reader, writer = connection
        whole = False
        try:
            writer.write(request)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (EOFError, ConnectionError) as error:
                if reused and not getattr(error, "partial", b""):
                    raise Unbegun from error
                raise
            first, *lines = head.decode("latin-1").rstrip().split("\r\n")
            headers = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
            response = Response(int(first.split(" ")[1]), headers, sent_at=sent_at)
            self._keep_cookies(response)
            length = int(response.header("content-length") or 0)
            response.text = (await reader.readexactly(length)).decode(errors="replace")
            whole = True
        finally:
            if whole and response.header("connection") != "close":
                self.kept.setdefault(port, []).append(connection)
            else:
                writer.transport.abort()
        return response

    def _keep_cookies(self, response):
        for name, value in response.cookies:
            if value is None:
                self.jar.pop(name, None)
                continue
            self.jar[name] = value
            if name == "refresh_token" and self.tally.promised_by(response):
                self._note(value)

    def _note(self, token):
        claims = claims_of(token)
        session, generation = claims["sid"], claims["gen"]
        if session != self.newest[0]:
            self.newest, self.handed = (session, generation), {}
        if self.handed.setdefault(generation, token) != token:
            self.tally.fault("wrong", f"generation {generation} of {session} was handed out in different bytes")
        if generation > self.newest[1]:
            self.tally.count("rotations")
            self.newest = (session, generation)

    def forget_after(self, generation):
        """What it was handed since, nobody else knows of any more: it may be made again."""
        self.newest = (self.newest[0], min(self.newest[1], generation))
        self.handed = {each: token for each, token in self.handed.items() if each <= generation}

    @property
    def session(self):
        return claims_of(self.jar["refresh_token"])["sid"]

    def holding(self):
        """Of its tokens, for evidence: generation, and seconds until the end."""
        claims = {name: claims_of(self.jar[name]) for name in TOKENS if name in self.jar}
        return {name: (each["gen"], each["exp"] - int(time.time())) for name, each in claims.items()}


def claims_of(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
