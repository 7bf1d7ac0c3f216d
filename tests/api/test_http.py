# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 by hand: what is strict, what is lenient, what must not confuse a proxy in front."""
import socket
import time

import pytest

import content
from client import with_query

GOOD = "GET /v2/ HTTP/1.1\r\nHost: x\r\n"


def test_connections_are_kept_alive(raw):
    connection = raw()
    for _ in range(3):
        assert connection.request("GET", "/v2/").answer().status == 200


def test_pipelined_requests_are_answered_in_order(raw):
    connection = raw()
    connection.send((GOOD + "\r\n") + "GET /v2/none/tags/list HTTP/1.1\r\nHost: x\r\n\r\n" + (GOOD + "\r\n"))
    assert [connection.answer().status for _ in range(3)] == [200, 404, 200]


def test_a_head_may_come_byte_by_byte(raw):
    connection = raw()
    for byte in GOOD + "\r\n":
        connection.send(byte)
        time.sleep(0.005)
    assert connection.answer().status == 200


def test_connection_close_closes(raw):
    connection = raw()
    answer = connection.request("GET", "/v2/", "Connection: close").answer()
    assert answer.headers["connection"] == "close"
    assert connection.closed()


def test_http_1_0_is_answered_and_closed(raw):
    connection = raw()
    assert connection.send("GET /v2/ HTTP/1.0\r\n\r\n").answer().status == 200
    assert connection.closed()


def test_an_absolute_target_is_taken(raw):
    assert raw().send("GET http://example.org/v2/ HTTP/1.1\r\nHost: example.org\r\n\r\n").answer().status == 200


def test_the_client_is_told_to_continue_before_it_sends(raw, client):
    path = "/" + client.upload(content.name()).split("/", 3)[3]
    connection = raw()
    connection.request("PATCH", path, "Expect: 100-continue", "Content-Length: 5")
    assert connection.answer().status == 100
    assert connection.send(b"hello").answer().status == 202


def test_a_refusal_comes_instead_of_a_continue(raw):
    connection = raw()
    connection.request("PUT", "/v2/UPPER/manifests/v1", "Expect: 100-continue", "Content-Length: 5000000")
    assert connection.answer().status in (400, 404)


@pytest.mark.parametrize("pieces", [["5\r\nhello\r\n0\r\n\r\n"], ["5;x=y\r\nhel", "lo\r\n", "0\r\nTrailer: x\r\n\r\n"],
                                    ["00005\r\nhello\r\n", "0\r\n", "\r\n"], ["2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"]])
def test_chunked_bodies_are_understood(raw, client, pieces):
    repo = content.name()
    path = "/" + with_query(client.upload(repo), digest=content.digest(b"hello")).split("/", 3)[3]
    connection = raw()
    connection.request("PUT", path, "Transfer-Encoding: chunked")
    for piece in pieces:
        connection.send(piece)
        time.sleep(0.02)
    assert connection.answer().status == 201


@pytest.mark.parametrize("body", ["x\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n",
                                  "ffffffffffffffffff\r\nhello", "5\nhello\n0\n\n", "0x5\r\nhello\r\n0\r\n\r\n"])
def test_malformed_chunks_are_refused_and_nothing_stored(raw, client, body):
    repo = content.name()
    path = "/" + with_query(client.upload(repo), digest=content.digest(b"hello")).split("/", 3)[3]
    connection = raw()
    connection.request("PUT", path, "Transfer-Encoding: chunked").send(body)
    answer = connection.answer()
    assert answer is None or answer.status == 400
    assert client.head(f"/v2/{repo}/blobs/{content.digest(b'hello')}").status_code == 404


@pytest.mark.parametrize("head", [
    "GET /v2/ HTTP/1.1\r\n\r\n",
    GOOD + "Host: y\r\n\r\n",
    "GET /v2/ HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
    GOOD + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    GOOD + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    GOOD + "Content-Length: +4\r\n\r\nxxxx",
    GOOD + "Content-Length: -1\r\n\r\n",
    GOOD + "Content-Length: 99999999999999999999\r\n\r\n",
    GOOD + "Content-Length: 4, 5\r\n\r\nxxxxx",
    GOOD + "Transfer-Encoding: gzip\r\n\r\n",
    GOOD + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    GOOD + "X : y\r\n\r\n",
    GOOD + "X: a\r\n folded\r\n\r\n",
    GOOD + "X: a\x00b\r\n\r\n",
    GOOD + "no colon\r\n\r\n",
    GOOD + ": empty\r\n\r\n",
    "GET  /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /v2/ HTTP/1.1 \r\nHost: x\r\n\r\n",
    "GET /v2/\r\nHost: x\r\n\r\n",
    "G\x01T /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /v2/ HTTP/9.9\r\nHost: x\r\n\r\n",
    "GET /v2/ ICAP/1.0\r\nHost: x\r\n\r\n",
    "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\r\n\r\n",
], ids=lambda text: ascii(text)[1:50])
def test_ambiguous_and_malformed_heads_are_refused_and_the_connection_closed(raw, client, head):
    connection = raw()
    answer = connection.send(head.encode("latin-1")).answer()
    assert answer is None or answer.status in (400, 414, 431, 501, 505), answer
    assert connection.closed()
    assert client.get("/v2/").status_code == 200


def test_too_large_heads_are_refused(raw):
    assert raw().request("GET", "/v2/", "X: " + "y" * 100_000).answer().status in (400, 431)
    assert raw().request("GET", "/v2/", *[f"X{i}: y" for i in range(2000)]).answer().status in (400, 431)
    assert raw().request("GET", "/v2/" + "a" * 100_000).answer().status in (400, 414, 431)


@pytest.mark.parametrize("target", ["/v2/%", "/v2/%zz/tags/list", "/v2/%00/tags/list", "/v2/a?n=%zz", "/v2/../../etc/passwd",
                                    "/v2/a/blobs/uploads/%2e%2e%2f%2e%2e", "/v2/%c0%ae/tags/list", "//v2//", "*", "/v2/?%"])
def test_odd_targets_are_answered_and_leave_nothing_open(raw, target):
    answer = raw().request("GET", target).answer()
    assert 200 <= answer.status < 500
    assert b"root:" not in answer.body


def test_an_unread_body_does_not_desynchronise_the_connection(raw):
    connection = raw()
    body = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    connection.request("PUT", "/v2/UPPER/manifests/v1", f"Content-Length: {len(body)}", body=body)
    assert connection.answer().status in (400, 404)
    answer = connection.request("GET", "/v2/").answer()
    assert answer is None or answer.status == 200


def test_clients_that_hang_up_early_do_no_harm(server, client):
    repo = content.name()
    digest = client.push_blob(repo, content.noise(16 << 20, seed="early"))
    for _ in range(20):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(f"GET /v2/{repo}/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        connection.recv(1000)
        connection.close()
    assert client.get("/v2/").status_code == 200


def test_a_client_that_only_closes_its_side_gets_its_answer(raw):
    connection = raw()
    connection.request("GET", "/v2/")
    connection.socket.shutdown(socket.SHUT_WR)
    assert connection.answer().status == 200


def test_header_values_are_never_reflected_as_headers(client):
    answer = client.get("/v2/x/tags/list?last=%0d%0aX-Injected:%20yes&n=1")
    assert "X-Injected" not in answer.headers
    answer = client.post(f"/v2/{content.name()}/blobs/uploads/?x=%0d%0aX-Injected:%20yes")
    assert "X-Injected" not in answer.headers
