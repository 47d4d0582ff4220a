"""A second device: a program with a cookie jar that fills in the served form."""

import http.cookiejar
import urllib.parse
import urllib.request

from client import csrf_token


class Program:
    def __init__(self, url, name):
        self.url = url
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.opener.addheaders = [("User-Agent", name)]

    def get(self, path):
        """Returns the address that it led to, and the page."""
        with self.opener.open(self.url + path) as answer:
            return answer.geturl().removeprefix(self.url), answer.read().decode()

    def log_in(self, email, password):
        fields = {"csrf_token": csrf_token(self.get("/login")[1]), "email": email, "password": password}
        with self.opener.open(self.url + "/login", urllib.parse.urlencode(fields).encode()) as answer:
            assert answer.geturl() == self.url + "/account", answer.geturl()

    def is_logged_in(self):
        return self.get("/account")[0] == "/account"
