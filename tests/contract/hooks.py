"""What a document can't tell schemathesis: who is logged in, and values for which a well-formed one does not do.

Read by schemathesis (SCHEMATHESIS_HOOKS). CONTRACT_VISITOR says who asks: `nobody`, `bearer` or `cookies`.
"""

import ipaddress
import json
import os
import time
import zlib

import schemathesis
from client import PROBLEM, Api
from server import PASSWORD

URL = os.environ["CONTRACT_URL"]
VISITOR = os.environ["CONTRACT_VISITOR"]
SETUP_TOKEN = os.environ["CONTRACT_SETUP_TOKEN"]
EMAIL = "visitor@example.org"
# What is sensitive wants a log-in of the last five minutes.
SESSION_SECONDS = 120


class Visitor:
    """The owner of an account, who logs in anew when the session in use was ended by what was tested."""

    def __init__(self):
        self.api = Api(URL)
        self.password = PASSWORD
        self.token_ids = []
        self.api.register(EMAIL, self.password, "Visitor")
        self.change_browser()

    def change_browser(self):
        """Another one, that is not logged in yet."""
        self.tokens = None
        self.began = 0.0
        answer = self.api.call("GET", "/auth/csrf").expect(200)
        self.csrf_token = answer.json["csrf_token"]
        self.browser = answer.headers["Set-Cookie"].partition(";")[0].partition("=")[2]

    def new_tokens(self):
        """Of another session."""
        return self.api.log_in(EMAIL, self.password)

    def session(self):
        """The tokens in use."""
        if self.tokens is None or time.monotonic() - self.began > SESSION_SECONDS:
            self.tokens = self.new_tokens()
            self.began = time.monotonic()
        return self.tokens

    def as_owner(self, method, path, body=None):
        return self.api.call(method, path, body, bearer=self.session()["access_token"])

    def new_session_id(self):
        """Of a session that is not in use."""
        token = self.new_tokens()["access_token"]
        sessions = self.api.call("GET", "/me/sessions", bearer=token).expect(200).json["sessions"]
        return next(session["id"] for session in sessions if session["current"])

    def new_token_id(self):
        token = {"name": "script", "scopes": ["read"], "expires_in_days": 1, "password": self.password}
        made = self.as_owner("POST", "/me/tokens", token).expect(201).json["id"]
        self.keep(made)
        return made

    def keep(self, token_id):
        """Revokes the oldest of many: an account may have 50."""
        self.token_ids.append(token_id)
        if len(self.token_ids) > 40:
            # It may have been revoked by a test.
            self.as_owner("DELETE", f"/me/tokens/{self.token_ids.pop(0)}")


visitor = Visitor()


def chosen(case, choices):
    """One of the choices: the same for the same case, also when it is sent again."""
    shown = json.dumps(case.body, sort_keys=True)
    return choices[zlib.crc32(shown.encode()) % len(choices)]


def schemes(operation):
    """The security schemes that the operation names."""
    security = operation.definition.raw.get("security", [])
    return {name for requirement in security for name in requirement}


class Credentials:
    """Sent wherever the document says that they may be. What is in angle brackets is filled in when the case is sent:
    a token of a moment ago may be dead by then."""

    def get(self, case, context):
        known = schemes(context.operation)
        if VISITOR == "bearer":
            if "bearer" in known:
                return {"Authorization": "Bearer <access>"}
            if "refresh_token" in known:
                return {"Authorization": "Bearer <refresh>"}
        elif "form_token" in known or "cookie" in known:
            cookie = "browser=<browser>"
            # One of the two tokens, though a browser has both: schemathesis takes away the one that the document
            # names, to see that the request is refused then.
            if "cookie" in known:
                cookie += "; access_token=<access>"
            elif "refresh_cookie" in known:
                cookie += "; refresh_token=<refresh>"
            return {"Cookie": cookie, "X-CSRF-Token": "<form>"}
        return None

    def set(self, case, headers, context):
        # Not in the case's own cookies, where one that the document does not name makes the whole case a faulty one.
        case.headers = {**(case.headers or {}), **headers}


FILLED_IN = {
    "<access>": lambda: visitor.session()["access_token"],
    "<refresh>": lambda: visitor.new_tokens()["refresh_token"],
    "<browser>": lambda: visitor.browser,
    "<form>": lambda: visitor.csrf_token,
}


def filled_in(value):
    for place, now in FILLED_IN.items():
        if place in value:
            value = value.replace(place, now())
    return value


if VISITOR != "nobody":
    # Without its cache and its second try after a 401, which would hide that a session was lost.
    schemathesis.auth(refresh_interval=None, retry_on=[])(Credentials)

ADDRESSES = ipaddress.ip_network("10.0.0.0/8")
addresses = 0


@schemathesis.hook
def before_call(context, case, kwargs):
    global addresses
    # Each from an address of its own: what is tested here is not the allowance of one address.
    addresses += 1
    case.headers = {name: filled_in(str(value)) for name, value in (case.headers or {}).items()}
    case.headers["X-Forwarded-For"] = str(ADDRESSES[addresses])
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    path = context.operation.path.removeprefix("/api")
    make_real(case, f"{case.method} {path}")


def make_real(case, what):
    """Puts values that exist in the place of well-formed ones."""
    body = None
    if isinstance(case.body, dict):
        # A copy: other cases may be made from the same one.
        body = case.body = dict(case.body)
    if what in ("POST /users", "POST /setup", "PATCH /me", "POST /me/tokens"):
        body["name"] = visible(body["name"])
    if what in ("POST /users", "POST /setup"):
        body["email"] = f"{addresses}@example.org"
        body["password"] = uncommon(body["password"])
    if what == "POST /setup":
        body["token"] = chosen(case, [SETUP_TOKEN, body["token"]])
    if what == "POST /auth/login":
        body["email"] = f"{addresses}@example.org"
        if chosen(case, [True, True, False]):
            body["email"], body["password"] = EMAIL, visitor.password
    if what == "POST /auth/confirm":
        body["password"] = visitor.password
    if what == "PUT /me/password":
        body["current_password"] = visitor.password
        body["new_password"] = uncommon(body["new_password"])
    if what == "POST /me/tokens":
        # The visitor is no administrator.
        body["scopes"] = [scope for scope in body["scopes"] if scope != "admin"] or ["read"]
        body["password"] = visitor.password
    if what in ("POST /auth/refresh", "POST /auth/logout") and body:
        body["refresh_token"] = visitor.new_tokens()["refresh_token"]
    known_ids = {"DELETE /me/sessions/{id}": visitor.new_session_id, "DELETE /me/tokens/{id}": visitor.new_token_id}
    if what in known_ids and VISITOR != "nobody":
        # Of what exists, of what schemathesis makes of earlier answers, and of nothing.
        ids = [known_ids[what], lambda: case.path_parameters["id"], lambda: f"no-{addresses}"]
        case.path_parameters = {"id": ids[addresses % 3]()}


def visible(text):
    """Without characters that cannot be seen, and something in any case."""
    return "".join(character for character in text if character.isprintable()).strip() or "X"


def uncommon(password):
    """Long enough, not to be guessed and not the one before, whatever was generated."""
    return f"{visible(password)[:100]} {PASSWORD} {addresses}"


@schemathesis.hook
def after_call(context, case, response):
    what = f"{case.method} {context.operation.path}"
    with open(os.environ["CONTRACT_RECORD"], "a") as record:
        record.write(json.dumps([what, response.status_code]) + "\n")
    if response.status_code == 429:
        # Wrong passwords are counted for each session and browser.
        visitor.change_browser()
    if response.status_code >= 300:
        return
    if what == "POST /api/me/tokens":
        visitor.keep(response.json()["id"])
    if what == "PUT /api/me/password" and VISITOR != "nobody":
        visitor.password = case.body["new_password"]
        visitor.tokens = None
    # They end the session that was used, or one that may be it.
    if what in ("POST /api/auth/logout", "POST /api/auth/refresh", "DELETE /api/me/sessions/{id}"):
        visitor.tokens = None


@schemathesis.check
def a_live_session_is_not_refused(context, response, case):
    """Else a run in which every request is refused would pass, too."""
    if response.status_code == 401 and case._has_explicit_auth:
        code = response.json()["code"]
        # These judge what the body says, or a refresh token in the place of an access token.
        assert code in ("invalid_credentials", "invalid_grant"), f"a live session was refused: {code}"


@schemathesis.check
def every_refusal_is_a_problem_document(context, response, case):
    """RFC 9457, and what RFC 9110 asks of some statuses: also of those that no operation names."""
    status = response.status_code
    if status < 400:
        return
    header = {name.lower(): values[0] for name, values in response.headers.items()}
    assert header.get("content-type") == PROBLEM, header
    problem = response.json()
    assert problem["status"] == status and problem["code"] and problem["title"] and problem["detail"], problem
    assert status != 422 or problem["errors"], "no field is named"
    assert status != 401 or header.get("www-authenticate", "").startswith("Bearer"), header
    assert status != 405 or header.get("allow"), header
    assert status not in (429, 503) or int(header["retry-after"]) > 0, header


@schemathesis.check
def nothing_is_kept_by_a_cache(context, response, case):
    if case.operation.path != "/api/openapi.json":
        cache = response.headers.get("cache-control", [""])[0]
        assert "no-store" in cache, f"Cache-Control: {cache}"
