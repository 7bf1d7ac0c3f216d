# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, made with openssl as an operator makes them."""
import dataclasses
import pathlib
import ssl
import subprocess


@dataclasses.dataclass
class Pair:
    """A certificate and its key, as PEM files."""
    certificate: pathlib.Path
    key: pathlib.Path

    def files(self):
        """For requests: verify=..., cert=..."""
        return str(self.certificate), str(self.key)


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def make(folder, name, issuer=None, authority=False, rsa=False, days=2):
    """A certificate for 127.0.0.1, localhost and `name`; signed by itself or by an issuer."""
    pair = Pair(pathlib.Path(folder) / f"{name}.crt", pathlib.Path(folder) / f"{name}.key")
    arguments = ["req", "-x509", "-nodes", "-days", days, "-subj", f"/O=test/CN={name}", "-keyout", pair.key, "-out",
                 pair.certificate, "-addext", f"subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:{name}",
                 "-addext", f"basicConstraints=critical,CA:{'TRUE' if authority else 'FALSE'}"]
    arguments += ["-newkey", "rsa:2048"] if rsa else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    if issuer is not None:
        arguments += ["-CA", issuer.certificate, "-CAkey", issuer.key]
    _openssl(*arguments)
    return pair


def context(authority, client=None, version=None):
    """A TLS context that trusts the authority, perhaps with a certificate of its own."""
    made = ssl.create_default_context(cafile=str(authority.certificate))
    if client is not None:
        made.load_cert_chain(*client.files())
    if version is not None:
        made.minimum_version = made.maximum_version = version
    return made
