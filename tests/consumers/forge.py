"""Tokens that nobody must accept, made from a genuine one."""

import base64
import hashlib
import hmac
import json

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

GENERATE = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
}


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parts(token):
    """Header and claims as objects, and the signature."""
    header, claims, signature = token.split(".")
    read = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims)]
    return *read, signature


def joined(header, claims):
    return ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))


def tampered(token, **changes):
    """Other claims under the genuine signature."""
    header, claims, signature = parts(token)
    return f"{joined(header, claims | changes)}.{signature}"


def unsigned(token):
    header, claims, _ = parts(token)
    return joined(header | {"alg": "none"}, claims) + "."


def signed_with_public_key(token, jwk):
    """The published key, in each form that a careless verifier may hold it in, as the secret of an HMAC."""
    header, claims, _ = parts(token)
    key = jwt.PyJWK(jwk).key
    forms = [
        key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(jwk).encode(),
        *(value.encode() for name, value in jwk.items() if name in ("x", "n")),
    ]
    text = joined(header | {"alg": "HS256"}, claims)
    return [f"{text}.{encoded(hmac.digest(form, text.encode(), hashlib.sha256))}" for form in forms]


def signed_by_stranger(token, **changes):
    """The same algorithm and claims by a key of one's own, under whatever key id."""
    header, claims, _ = parts(token)
    header |= changes
    return jwt.encode(claims, GENERATE[header["alg"]](), header["alg"], header)
