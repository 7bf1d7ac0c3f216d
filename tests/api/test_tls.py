# SPDX-License-Identifier: Apache-2.0
"""TLS: serving it, client certificates, versions, new certificates without a restart."""
import os
import shutil
import ssl
import time

import pytest
import requests

import certs
import content
from client import Client
from raw import Raw
from server import Server


@pytest.fixture(scope="module", name="authority")
def authority_fixture(tmp_path_factory):
    """An authority of the tests."""
    return certs.make(tmp_path_factory.mktemp("authority"), "authority", authority=True)


@pytest.fixture(name="pair")
def pair_fixture(tmp_path, authority):
    """The certificate of a server."""
    return certs.make(tmp_path, "server", issuer=authority)


def settings(pair, **more):
    """The configuration for a certificate."""
    return {"http": {"tls": {"certificate": str(pair.certificate), "key": str(pair.key)} | more}}


def test_an_image_goes_round_over_tls(serve, pair, authority):
    _, client = serve(settings(pair), client={"verify": str(authority.certificate)})
    repo = content.name()
    blob = content.noise(3 << 20)
    digest = client.push_blob(repo, blob)
    assert client.get(f"/v2/{repo}/blobs/{digest}").content == blob
    assert client.get(f"/v2/{repo}/blobs/{digest}", headers={"Range": "bytes=100000-2000000"}).content == \
        blob[100_000:2_000_001]
    digest, data = client.push_image(repo, "v1")
    assert client.get_manifest(repo, "v1").content == data
    assert client.upload(repo).startswith("https://")


def test_plain_http_to_a_tls_port_does_no_harm(serve, pair, authority):
    server, client = serve(settings(pair), client={"verify": str(authority.certificate)})
    with Raw(server.port) as plain:
        plain.send("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = None
        try:
            answer = plain.answer()
        except (ValueError, OSError):
            pass
        assert answer is None or answer.status == 400
    assert client.get("/v2/").status_code == 200


@pytest.mark.parametrize("least, refused", [("tls1.2", None), ("tls1.3", ssl.TLSVersion.TLSv1_2)])
def test_the_least_version_is_kept(serve, pair, authority, least, refused):
    server, _ = serve(settings(pair, minimumtls=least))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = certs.context(authority, version=version)
        if version == refused:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                Raw(server.port, tls=context)
            continue
        with Raw(server.port, tls=context) as connection:
            assert connection.request("GET", "/v2/").answer().status == 200


def test_a_required_client_certificate_is_required(serve, pair, authority, tmp_path):
    server, _ = serve(settings(pair, clientcas=[str(authority.certificate)]))
    good = certs.make(tmp_path, "alice", issuer=authority)
    stranger = certs.make(tmp_path, "stranger", authority=True)
    trusted = {"verify": str(authority.certificate)}
    assert Client(server.url, cert=good.files(), **trusted).get("/v2/").status_code == 200
    for bad in ({}, {"cert": stranger.files()}):
        with pytest.raises((requests.exceptions.SSLError, requests.exceptions.ConnectionError)):
            Client(server.url, **trusted, **bad).get("/v2/")


def test_a_client_certificate_may_be_optional(serve, pair, authority, tmp_path):
    server, _ = serve(settings(pair, clientcas=[str(authority.certificate)], clientauth="verify-client-cert-if-given"))
    trusted = {"verify": str(authority.certificate)}
    good = certs.make(tmp_path, "alice", issuer=authority)
    stranger = certs.make(tmp_path, "stranger", authority=True)
    assert Client(server.url, **trusted).get("/v2/").status_code == 200
    assert Client(server.url, cert=good.files(), **trusted).get("/v2/").status_code == 200
    with pytest.raises((requests.exceptions.SSLError, requests.exceptions.ConnectionError)):
        Client(server.url, cert=stranger.files(), **trusted).get("/v2/")


def served(port, authority):
    """The serial number of the certificate that is served."""
    with Raw(port, tls=certs.context(authority)) as connection:
        return connection.socket.getpeercert()["serialNumber"]


def test_a_new_certificate_is_served_without_a_restart(serve, pair, authority, tmp_path):
    server, _ = serve(settings(pair))
    before = served(server.port, authority)
    kept = Raw(server.port, tls=certs.context(authority))
    assert kept.request("GET", "/v2/").answer().status == 200
    other = tmp_path / "renewed"
    other.mkdir()
    renewed = certs.make(other, "server", issuer=authority)
    shutil.copy(renewed.key, pair.key)
    shutil.copy(renewed.certificate, pair.certificate)
    deadline = time.monotonic() + 20
    while served(server.port, authority) == before:
        assert time.monotonic() < deadline, "the old certificate is still served"
        time.sleep(0.2)
    assert kept.request("GET", "/v2/").answer().status == 200
    kept.close()


def test_a_broken_new_certificate_keeps_the_old_one_and_is_logged(serve, pair, authority):
    server, _ = serve(settings(pair))
    before = served(server.port, authority)
    pair.certificate.write_text("not a certificate\n")
    deadline = time.monotonic() + 20
    while str(pair.certificate) not in server.log.read_text():
        assert time.monotonic() < deadline, server.text()
        served(server.port, authority)
        time.sleep(0.2)
    assert served(server.port, authority) == before


@pytest.mark.parametrize("damage", ["missing", "no PEM", "empty", "another key", "missing client CA"])
def test_a_certificate_that_cannot_be_used_is_named(tmp_path, pair, authority, damage):
    config = settings(pair)
    named = pair.certificate
    if damage == "missing":
        pair.certificate.unlink()
    elif damage == "no PEM":
        pair.certificate.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    elif damage == "empty":
        pair.certificate.write_text("")
    elif damage == "another key":
        shutil.copy(authority.key, pair.key)
        named = pair.key
    else:
        named = tmp_path / "none.crt"
        config = settings(pair, clientcas=[str(named)])
    server = Server(tmp_path / "server", config).launch()
    assert server.process.wait(30) != 0
    assert os.path.basename(named) in server.text(), server.text()
    server.check_report()


def test_unfinished_handshakes_hold_nobody_up(serve, pair, authority):
    server, client = serve(settings(pair), client={"verify": str(authority.certificate)})
    waiting = [Raw(server.port) for _ in range(50)]
    for connection in waiting[:25]:
        connection.send(b"\x16\x03\x01\x02\x00\x01\x00")
    started = time.monotonic()
    assert client.get("/v2/").status_code == 200
    assert time.monotonic() - started < 5
    for connection in waiting:
        connection.close()
