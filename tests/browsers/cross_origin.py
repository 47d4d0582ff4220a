"""Single-page apps on other origins: what a script can do by `fetch` if its origin is allowed, and that it can do
nothing if it is not."""

import contextlib
import http.server
import json
import threading
import time

import readme
from checks import equal, wait_until
from client import PROBLEM, Api
from server import NEW_PASSWORD, PASSWORD, Server
from webdriver import Chromium

EMAIL = "ada@example.org"
SHORT_SECONDS = 2

FETCH = """
const [method, url, headers, body, credentials, mode] = arguments;
return fetch(url, {method, headers, body, credentials, mode}).then(
    async answer => ({
        status: answer.status,
        type: answer.headers.get("Content-Type"),
        headers: Object.fromEntries(answer.headers),
        text: await answer.text(),
    }),
    error => ({error: error.name}),
);
"""


class Pages(http.server.ThreadingHTTPServer):
    """Serves an empty page: an origin for scripts to come from."""

    daemon_threads = True
    page = "<!doctype html><title>Another origin</title>"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            page = self.server.page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_):
            pass

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def origin(self, host="localhost"):
        return f"http://{host}:{self.server_port}"


class Script:
    """What a script on a page of `origin` sees. `credentials` is fetch's: whether cookies are sent and taken."""

    def __init__(self, browser, origin, server, credentials):
        self.browser, self.origin, self.server, self.credentials = browser, origin, server, credentials
        self.csrf_token = None
        self.bearer = None

    def arrive(self):
        if not self.browser.url().startswith(self.origin + "/"):
            self.browser.open(self.origin + "/")

    def fetch(self, method, path, body=None, mode="cors", **headers):
        """The answer as the script can read it, or the name of the error that `fetch` rejects with."""
        self.arrive()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
            headers["Content-Type"] = "application/json"
        if self.bearer:
            headers["Authorization"] = f"Bearer {self.bearer}"
        if self.csrf_token and method != "GET":
            headers["X-CSRF-Token"] = self.csrf_token
        url = f"{self.server.url}/api{path}"
        return self.browser.script(FETCH, method, url, headers, body, self.credentials, mode)

    def expect(self, status, method, path, *arguments, **headers):
        """The body of an answer with that status."""
        answer = self.fetch(method, path, *arguments, **headers)
        equal(answer.get("status"), status, f"{method} {path} from {self.origin}: {answer}")
        return json.loads(answer["text"]) if answer["text"] else None

    def problem(self, status, code, *request, **headers):
        """A refusal, which the script can read as such."""
        answer = self.fetch(*request, **headers)
        equal((answer.get("status"), answer.get("type")), (status, PROBLEM), f"{request}: {answer}")
        problem = json.loads(answer["text"])
        equal((problem["status"], problem["code"]), (status, code), f"{request}: {answer}")
        return problem

    def take_csrf_token(self):
        self.csrf_token = self.expect(200, "GET", "/auth/csrf")["csrf_token"]

    def sees_no_cookie(self):
        # Cookies know no ports: those of the site are this page's, too, if only they were not HttpOnly.
        self.arrive()
        equal(self.browser.script("return document.cookie"), "", "cookies that the script can read")


class Journey:
    def __init__(self, browser, server, allowed, stranger, short):
        self.browser, self.server, self.short = browser, server, short
        self.allowed, self.stranger = allowed, stranger
        self.api = Api(server.url)

    def run(self):
        self.api.register(EMAIL, PASSWORD, "Ada")
        self.example_of_the_readme()
        self.by_cookies()
        if not self.short:
            self.by_bearer()
            self.from_another_site()
            self.from_a_stranger()

    def example_of_the_readme(self):
        """Served as it stands there, but for the port."""
        empty, self.allowed.page = self.allowed.page, readme.example("html", port8000=self.server.url)
        self.browser.open(self.allowed.origin() + "/page.html")
        for password, said in ((NEW_PASSWORD, "is not right"), (PASSWORD, "Hello Ada")):
            self.browser.fill(email=EMAIL, password=password)
            self.browser.click("button")
            wait_until(lambda: said in self.browser.text("p"), f"{said!r} is said", lambda: self.browser.text("p"))
        self.allowed.page = empty
        self.browser.open(self.allowed.origin() + "/")
        script = Script(self.browser, self.allowed.origin(), self.server, "include")
        script.take_csrf_token()
        script.expect(204, "POST", "/auth/logout")

    def pause(self):
        """Until the access token has expired."""
        if self.short:
            time.sleep(SHORT_SECONDS + 0.5)

    def cookies(self):
        """Those of the site, name and value."""
        self.browser.open(self.server.url + "/healthz")
        return {name: cookie["value"] for name, cookie in self.browser.cookies().items()}

    def owner(self):
        """The account, and how many sessions it has besides the one that asks, as another program sees it."""
        bearer = self.api.log_in(EMAIL, PASSWORD)["access_token"]
        me = self.api.call("GET", "/me", bearer=bearer).expect(200).json
        sessions = self.api.call("GET", "/me/sessions", bearer=bearer).expect(200).json["sessions"]
        self.api.call("POST", "/auth/logout", bearer=bearer).expect(204)
        return me["name"], len(sessions) - 1

    def logged_in_by_cookies(self):
        script = Script(self.browser, self.allowed.origin(), self.server, "include")
        script.take_csrf_token()
        body = script.expect(200, "POST", "/auth/login", {"email": EMAIL, "password": PASSWORD, "delivery": "cookie"})
        equal(sorted(body), ["expires_in", "token_type"], "what the script is told")
        return script

    def by_cookies(self):
        """An allowed origin of the same site: tokens stay in cookies, which no script can read."""
        script = Script(self.browser, self.allowed.origin(), self.server, "include")
        script.problem(401, "unauthenticated", "GET", "/me")
        credentials = {"email": EMAIL, "password": PASSWORD, "delivery": "cookie"}
        script.problem(403, "forgery_refused", "POST", "/auth/login", credentials)
        script = self.logged_in_by_cookies()
        equal(sorted(self.cookies()), ["access_token", "browser", "refresh_token"], "cookies")
        script.sees_no_cookie()
        equal(script.expect(200, "GET", "/me")["email"], EMAIL, "who is logged in")
        script.credentials = "omit"
        script.problem(401, "unauthenticated", "GET", "/me")
        script.credentials = "include"

        csrf_token, script.csrf_token = script.csrf_token, None
        script.problem(403, "forgery_refused", "PATCH", "/me", {"name": "Mallory"})
        equal(self.owner(), ("Ada", 1), "after a request without X-CSRF-Token")
        script.csrf_token = csrf_token
        equal(script.expect(200, "PATCH", "/me", {"name": "Countess"})["name"], "Countess", "new name")
        script.problem(422, "invalid_input", "PATCH", "/me", {"name": "x" * 300})
        equal(self.owner(), ("Countess", 1), "after a change of name")

        for _ in range(3):
            before = self.cookies()
            self.pause()
            script.expect(200, "GET", "/me")
            equal(self.cookies()["refresh_token"] != before["refresh_token"], self.short, "a new refresh token")
        self.pause()
        script.expect(200, "PATCH", "/me", {"name": "Ada"})
        # Without being told that it is time to, too. Cookies that are new stay as they are.
        for waits in (False, True):
            before = self.cookies()
            if waits:
                self.pause()
            body = script.expect(200, "POST", "/auth/refresh")
            equal(sorted(body), ["expires_in", "token_type"], "what the script is told")
            replaced = self.cookies()["refresh_token"] != before["refresh_token"]
            equal(replaced, waits and self.short, "a new refresh token")
        script.sees_no_cookie()

        self.pause()
        script.expect(204, "POST", "/auth/logout")
        script.problem(401, "unauthenticated", "GET", "/me")
        equal(sorted(self.cookies()), ["browser"], "cookies after log-out")
        equal(self.owner(), ("Ada", 0), "after log-out")

    def by_bearer(self, host="localhost"):
        """An allowed origin whose script keeps the tokens itself: no cookie, no form token."""
        script = Script(self.browser, self.allowed.origin(host), self.server, "omit")
        wrong = {"email": EMAIL, "password": NEW_PASSWORD}
        script.problem(401, "invalid_credentials", "POST", "/auth/login", wrong)
        faulty = {"email": "no address", "password": PASSWORD, "name": "Bea"}
        problem = script.problem(422, "invalid_input", "POST", "/users", faulty)
        equal([fault["field"] for fault in problem["errors"]], ["email"], "faults")

        tokens = script.expect(200, "POST", "/auth/login", {"email": EMAIL, "password": PASSWORD})
        script.problem(401, "unauthenticated", "GET", "/me")
        script.bearer = tokens["access_token"]
        equal(script.expect(200, "GET", "/me")["email"], EMAIL, "who is logged in")
        script.expect(200, "PATCH", "/me", {"name": "Ada"})

        script.bearer = None
        newer = script.expect(200, "POST", "/auth/refresh", {"refresh_token": tokens["refresh_token"]})
        assert newer["refresh_token"] != tokens["refresh_token"], "no new refresh token"
        script.bearer = newer["access_token"]
        equal(script.expect(200, "GET", "/me")["email"], EMAIL, "who is logged in")
        script.expect(204, "POST", "/auth/logout")
        script.problem(401, "invalid_token", "GET", "/me")
        script.bearer = None
        stale = {"refresh_token": newer["refresh_token"]}
        script.problem(401, "invalid_grant", "POST", "/auth/refresh", stale)
        assert "access_token" not in self.cookies(), "tokens came as cookies"

    def from_another_site(self):
        """Allowed, but 127.0.0.1 is another site than localhost: Bearer works; cookies, being SameSite=Lax, neither
        arrive nor are taken."""
        self.by_bearer("127.0.0.1")
        self.logged_in_by_cookies()
        before = self.cookies()
        script = Script(self.browser, self.allowed.origin("127.0.0.1"), self.server, "include")
        script.problem(401, "unauthenticated", "GET", "/me")
        script.take_csrf_token()
        credentials = {"email": EMAIL, "password": PASSWORD, "delivery": "cookie"}
        script.problem(403, "forgery_refused", "POST", "/auth/login", credentials)
        equal(self.cookies(), before, "cookies")
        equal(self.owner(), ("Ada", 1), "after all that")
        self.api.call("DELETE", "/me/sessions", bearer=self.api.log_in(EMAIL, PASSWORD)["access_token"]).expect(204)

    def from_a_stranger(self):
        """An origin that is not allowed, in a browser that is logged in, with a form token that it should not have."""
        home = self.logged_in_by_cookies()
        session = home.expect(200, "GET", "/me/sessions")["sessions"]
        [current] = [session["id"] for session in session if session["current"]]
        bearer = self.api.log_in(EMAIL, PASSWORD)["access_token"]
        state = (self.cookies(), self.owner())

        for origin in (self.stranger.origin(), self.stranger.origin("127.0.0.1")):
            for credentials in ("include", "omit"):
                self.stranger_is_refused(Script(self.browser, origin, self.server, credentials), home, bearer, current)
        self.simple_requests_do_nothing()

        equal((self.cookies(), self.owner()), state, "cookies, name and sessions")
        self.api.call("POST", "/auth/login", {"email": "mallory@example.org", "password": PASSWORD}).problem(
            401, "invalid_credentials"
        )
        equal(home.expect(200, "GET", "/me")["name"], "Ada", "name")
        home.expect(204, "POST", "/auth/logout")

    def stranger_is_refused(self, script, home, bearer, session):
        account = {"email": "mallory@example.org", "password": PASSWORD, "name": "Mallory"}
        credentials = {"email": EMAIL, "password": PASSWORD}
        for script.bearer in (None, bearer):
            for script.csrf_token in (None, home.csrf_token):
                for request in (
                    ("GET", "/auth/csrf"),
                    ("POST", "/auth/login", credentials),
                    ("POST", "/auth/login", credentials | {"delivery": "cookie"}),
                    ("POST", "/users", account),
                    ("GET", "/me"),
                    ("GET", "/me/sessions"),
                    ("PATCH", "/me", {"name": "Mallory"}),
                    ("PUT", "/me/password", {"current_password": PASSWORD, "new_password": NEW_PASSWORD}),
                    ("POST", "/auth/refresh"),
                    ("DELETE", f"/me/sessions/{session}"),
                    ("DELETE", "/me/sessions"),
                    ("POST", "/auth/logout"),
                ):
                    equal(script.fetch(*request), {"error": "TypeError"}, f"{request} from {script.origin}")

    def simple_requests_do_nothing(self):
        """Requests for which no browser asks leave first, since a form could send them: they arrive."""
        script = Script(self.browser, self.stranger.origin(), self.server, "include")
        plain = {"Content_Type": "text/plain"}
        account = json.dumps({"email": "mallory@example.org", "password": PASSWORD, "name": "Mallory"})
        log_in = json.dumps({"email": EMAIL, "password": PASSWORD, "delivery": "cookie"})
        for request, headers in (
            (("POST", "/users", account), plain),
            (("POST", "/auth/login", log_in), plain),
            (("POST", "/auth/confirm", json.dumps({"password": PASSWORD})), plain),
            (("POST", "/auth/refresh"), {}),
            (("POST", "/auth/logout"), {}),
            (("GET", "/me"), {}),
            (("GET", "/auth/csrf"), {}),
        ):
            path = "/api" + request[1]
            before = len(self.server.requests(request[0], path))
            equal(script.fetch(*request, **headers), {"error": "TypeError"}, str(request))
            # The way that forms and images take. A GET of that kind names no origin; what it gets, the script does not.
            equal(script.fetch(*request, mode="no-cors", **headers), {"error": "TypeError"}, str(request))
            answers = [line["status"] for line in self.server.requests(request[0], path)[before:]]
            equal(answers, [403, 200] if request[0] == "GET" else [403, 403], f"answers to {request}")


def travel(binary, short):
    with contextlib.ExitStack() as stack:
        allowed, stranger = Pages(), Pages()
        stack.callback(allowed.shutdown)
        stack.callback(stranger.shutdown)
        origins = f"{allowed.origin()},{allowed.origin('127.0.0.1')}"
        settings = {"access_token_ttl_seconds": SHORT_SECONDS} if short else {}
        server = stack.enter_context(Server(binary, cors_origins=origins, **settings))
        browser = Chromium(scripts=True)
        stack.callback(browser.close)
        Journey(browser, server, allowed, stranger, short).run()
