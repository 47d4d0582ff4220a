"""A service that knows hallpass by its address alone: a token on each line of input, the verdict on each of output.

Usage: service.py ISSUER AUDIENCE ALGORITHM
"""

import json
import sys

import jwt

issuer, audience, algorithm = sys.argv[1:]
# For a key that is made by `hallpass key rotate` and signs at once: the usual 30 s between two looks at the key set
# are for keys that are published ahead.
keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", cooldown_duration=2)


def verify(token):
    key = keys.get_signing_key_from_jwt(token)
    verified = jwt.decode_complete(
        token,
        key,
        algorithms=[algorithm],
        issuer=issuer,
        audience=audience,
        options={"require": ["iss", "aud", "sub", "exp", "nbf", "iat", "jti"]},
    )
    # RFC 9068 section 4: PyJWT leaves this to its caller.
    if verified["header"].get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    return verified["payload"]


for line in sys.stdin:
    try:
        verdict = {"claims": verify(line.strip())}
    except jwt.PyJWTError as error:
        verdict = {"refused": type(error).__name__, "detail": str(error)}
    print(json.dumps(verdict), flush=True)
