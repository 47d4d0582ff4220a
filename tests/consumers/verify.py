"""What a second service must accept and refuse, for each algorithm and library. Started by `run`."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import forge
import readme
from checks import PATIENCE, equal, wait_until
from client import Api, Client
from report import Report
from server import PASSWORD, Server

HERE = Path(__file__).parent
EMAIL = "ada@example.org"

# Why each library refuses: a token refused for another reason than the one under test has tested nothing.
PYJWT = {
    "signature": "InvalidSignatureError",
    "audience": "InvalidAudienceError",
    "issuer": "InvalidIssuerError",
    "expired": "ExpiredSignatureError",
    "unknown key": "PyJWKClientError",
    "algorithm": "InvalidAlgorithmError",
    "refresh token": "PyJWKClientError",
}
JOSE = {
    "signature": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
    "audience": "ERR_JWT_CLAIM_VALIDATION_FAILED",
    "issuer": "ERR_JWT_CLAIM_VALIDATION_FAILED",
    "expired": "ERR_JWT_EXPIRED",
    "unknown key": "ERR_JWKS_NO_MATCHING_KEY",
    "algorithm": "ERR_JOSE_ALG_NOT_ALLOWED",
    # HS256: refused before a key is looked for.
    "refresh token": "ERR_JOSE_ALG_NOT_ALLOWED",
}


class Service:
    """A process that verifies tokens, and remembers the key set as it would for a day."""

    def __init__(self, command, reasons, issuer, algorithm, audience=None):
        self.reasons = reasons
        self.process = subprocess.Popen(
            [*command, issuer, audience or issuer, algorithm],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=20)

    def verdict(self, token):
        self.process.stdin.write(token + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def accepts(self, token):
        verdict = self.verdict(token)
        assert "claims" in verdict, verdict
        return verdict["claims"]

    def refuses(self, token, reason):
        verdict = self.verdict(token)
        equal(verdict.get("refused"), self.reasons[reason], f"refusal ({reason}) {verdict}")
        # jose has one code for all claims.
        if reason in ("audience", "issuer"):
            assert reason[:3] in verdict["detail"].lower(), verdict


class Library:
    def __init__(self, name, command, reasons):
        self.name, self.command, self.reasons = name, command, reasons

    def service(self, server, algorithm, audience=None, issuer=None):
        return Service(self.command, self.reasons, issuer or server.url, algorithm, audience)


def log_in(server):
    return Api(server.url).log_in(EMAIL, PASSWORD)


def key_set(server):
    keys = Client(server.url).send("GET", "/.well-known/jwks.json").expect(200).json["keys"]
    return {key["kid"]: key for key in keys}


def kid(token):
    return forge.parts(token)[0]["kid"]


def looks(server):
    """How often the key set was asked for."""
    return len(server.requests("GET", "/.well-known/jwks.json"))


def genuine(server, algorithm, library):
    user = Api(server.url).call("GET", "/me", bearer=log_in(server)["access_token"]).expect(200).json
    with library.service(server, algorithm) as service:
        for _ in range(3):
            token = log_in(server)["access_token"]
            equal(forge.parts(token)[0]["alg"], algorithm, "algorithm")
            claims = service.accepts(token)
            equal((claims["iss"], claims["aud"], claims["sub"]), (server.url, server.url, user["id"]), "claims")


def rotation(server, algorithm, library):
    """The key is replaced while the server runs: what it signed before and what the new one signs both verify."""
    before = log_in(server)["access_token"]
    with library.service(server, algorithm) as service:
        at_first = looks(server)
        service.accepts(before)
        service.accepts(before)
        equal(looks(server) - at_first, 1, "looks at the key set for two tokens of one key")

        server.command("key", "rotate")
        after = signed_by_another_key(server, before)
        # So that the verifier may look again, and must, since it has only the old key.
        time.sleep(2)
        service.accepts(before)
        equal(looks(server) - at_first, 1, "looks for a token of the key that it knows")
        service.accepts(after)
        equal(looks(server) - at_first, 2, "looks after the first token of the new key")
        service.accepts(before)
        service.accepts(after)
        equal(looks(server) - at_first, 2, "looks once both keys are known")
        stranger = forge.signed_by_stranger(after, kid="no-such-key")
        service.refuses(stranger, "unknown key")
        equal(looks(server) - at_first, 2, "looks for a made-up key id right after another")
    with library.service(server, algorithm) as newcomer:
        newcomer.accepts(before)
        newcomer.accepts(after)
    published = key_set(server)
    assert {kid(before), kid(after)} <= set(published), published


def signed_by_another_key(server, token):
    """A new token, once the running server has learnt of the key that a command made."""
    def other():
        fresh = log_in(server)["access_token"]
        return kid(fresh) != kid(token) and fresh

    return wait_until(other, "the server signs with the new key")


def forgeries(server, algorithm, library):
    tokens = log_in(server)
    token, refresh_token = tokens["access_token"], tokens["refresh_token"]
    with library.service(server, algorithm) as service:
        service.accepts(token)
        service.refuses(forge.tampered(token, sub="someone-else"), "signature")
        service.refuses(forge.tampered(token, scope="admin"), "signature")
        service.refuses(forge.tampered(token, exp=forge.parts(token)[1]["exp"] + 1), "signature")
        service.refuses(forge.signed_by_stranger(token), "signature")
        service.refuses(forge.signed_by_stranger(token, kid="no-such-key"), "unknown key")
        service.refuses(forge.unsigned(token), "algorithm")
        for confused in forge.signed_with_public_key(token, key_set(server)[kid(token)]):
            service.refuses(confused, "algorithm")
        service.refuses(refresh_token, "refresh token")
        service.accepts(token)
    with library.service(server, algorithm, audience="https://elsewhere.example") as other:
        other.refuses(token, "audience")


def other_site(server, algorithm, library, binary):
    """Two sites of the same operator: neither's tokens are good at the other."""
    with Server(binary, signing_algorithm=algorithm) as other:
        register(other)
        with library.service(server, algorithm) as service:
            service.refuses(log_in(other)["access_token"], "unknown key")
            service.accepts(log_in(server)["access_token"])


def expiry(binary, algorithm, library):
    with Server(binary, signing_algorithm=algorithm, access_token_ttl_seconds=2) as server:
        register(server)
        with library.service(server, algorithm) as service:
            # The verifier's first look at the key set may take longer than the token lives.
            service.verdict(log_in(server)["access_token"])
            token = log_in(server)["access_token"]
            service.accepts(token)
            time.sleep(2.1)
            service.refuses(token, "expired")


def register(server):
    Api(server.url).register(EMAIL, PASSWORD, "Ada")


def example_of_the_readme(binary):
    """It must refresh by itself: between its two calls, the access token expires."""
    with Server(binary, access_token_ttl_seconds=2) as server:
        Api(server.url).register("ann@example.org", "wide open windows in may", "Ann")
        lines = readme.example("python", port8000=server.url)
        last = lines.rindex("print(")
        program = f"{lines[:last]}import time\ntime.sleep(2.5)\n{lines[last:]}"
        # Once more before the log-out, which needs no living access token.
        again = "time.sleep(2.5)\nprint(session.call('GET', '/me').json()['name'])"
        program = program.replace("time.sleep(2.5)", again)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        renamed, name, status = done.stdout.splitlines()
        assert "'email': 'ann@example.org'" in renamed and "'name': 'Ann Bright'" in renamed, renamed
        equal((name, status), ("Ann Bright", "204"), "what the example printed")
        refreshed = [line["status"] for line in server.requests("POST", "/api/auth/refresh")]
        equal(refreshed, [200], "refreshes")


def main():
    binary, modules = sys.argv[1:]
    # Node looks for packages beside the module that imports them.
    shutil.copy(HERE / "service.mjs", modules)
    libraries = [
        Library("PyJWT", [sys.executable, HERE / "service.py"], PYJWT),
        Library("jose", ["node", f"{modules}/service.mjs"], JOSE),
    ]
    report = Report("consumers")
    report.check("the README's example in Python", example_of_the_readme, binary)
    for algorithm in ("EdDSA", "ES256", "RS256"):
        with Server(binary, signing_algorithm=algorithm) as server:
            register(server)
            for library in libraries:
                what = f"{library.name}, {algorithm}"
                report.check(f"{what}: access tokens are accepted", genuine, server, algorithm, library)
                report.check(f"{what}: forgeries are refused", forgeries, server, algorithm, library)
                report.check(f"{what}: another site's are refused", other_site, server, algorithm, library, binary)
                report.check(f"{what}: keys are rotated", rotation, server, algorithm, library)
                report.check(f"{what}: expired ones are refused", expiry, binary, algorithm, library)
    return report.end()


sys.exit(main())
