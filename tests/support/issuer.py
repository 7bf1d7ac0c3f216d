# SPDX-License-Identifier: Apache-2.0
"""A little token service as registries know it: signs what it is told to."""
import base64
import hashlib
import json
import time
import uuid

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import certs

SERVICE, NAME = "test.registry", "test.issuer"


class Issuer:
    """A key pair, and tokens made with it."""

    def __init__(self, folder, name="issuer", rsa=True):
        self.pair = certs.make(folder, name, rsa=rsa)
        self.algorithm = "RS256" if rsa else "ES256"
        self.key = self.pair.key.read_bytes()
        self.certificate = x509.load_pem_x509_certificate(self.pair.certificate.read_bytes())

    @property
    def spki(self):
        """The public key, DER."""
        return self.certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    @property
    def fingerprint(self):
        """The key id as libtrust makes it: registry:2 looks keys up by it."""
        text = base64.b32encode(hashlib.sha256(self.spki).digest()[:30]).decode()
        return ":".join(text[i:i + 4] for i in range(0, len(text), 4))

    @property
    def x5c(self):
        """The certificate as a token carries it."""
        return base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()

    def jwk(self, key_id):
        """The public key as a JSON web key."""
        kind = jwt.algorithms.RSAAlgorithm if self.algorithm == "RS256" else jwt.algorithms.ECAlgorithm
        if kind is jwt.algorithms.RSAAlgorithm:
            value = json.loads(kind.to_jwk(self.certificate.public_key()))
        else:
            numbers = self.certificate.public_key().public_numbers()
            value = {"kty": "EC", "crv": "P-256", "x": _number(numbers.x), "y": _number(numbers.y)}
        return value | {"kid": key_id, "alg": self.algorithm, "use": "sig", "key_ops": ["verify"]}

    def claims(self, *access, **changes):
        """The usual claims; each access is "repository:name:pull,push"."""
        now = int(time.time())
        granted = []
        for line in access:
            kind, rest = line.split(":", 1)
            name, actions = rest.rsplit(":", 1)
            granted.append({"type": kind, "name": name, "actions": actions.split(",")})
        value = {"iss": NAME, "sub": "alice", "aud": SERVICE, "iat": now, "nbf": now - 5, "exp": now + 300,
                 "jti": str(uuid.uuid4()), "access": granted} | changes
        return {k: v for k, v in value.items() if v is not None}

    def token(self, *access, headers=None, **changes):
        """A signed token; without other headers it carries the certificate."""
        return jwt.encode(self.claims(*access, **changes), self.key, self.algorithm,
                          headers={"x5c": [self.x5c]} if headers is None else headers)


def _number(value):
    return base64.urlsafe_b64encode(value.to_bytes(32, "big")).rstrip(b"=").decode()
