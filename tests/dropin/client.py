# SPDX-License-Identifier: Apache-2.0
"""One recorded HTTP request at a time.

Every request goes over a connection of its own, so that an answer can not
depend on what was sent before it on the wire, and is recorded under a label
that is unique in its scene. What varies from run to run (dates, upload ids,
signed upload state) is replaced before answers are compared.
"""

import hashlib
import http.client
import json
import re
import socket
import ssl
import time

HOST = "registry.test:5000"  # what clients call the registry; the real port is nobody's business
TIMEOUT = 20

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
STATE = re.compile(r"([?&])_state=[^&\"\s]*")

# Framing and time: each server may choose; the body itself is compared.
UNCOMPARED = {"date", "connection", "transfer-encoding"}
BOUNDARY = re.compile(r"boundary=([0-9a-zA-Z]+)")


def normalise(text):
    return UUID.sub("<uuid>", STATE.sub(r"\1_state=<state>", text))


SCOPE = re.compile(r'scope="([^"]*)"')


def sorted_scope(match):
    """Distribution lists scopes and their actions in an order that changes from request to request."""
    scopes = [x.rpartition(":") for x in match.group(1).split(" ")]
    return 'scope="' + " ".join(sorted(f"{a}:{','.join(sorted(c.split(',')))}" for a, _, c in scopes)) + '"'


def printable(data):
    return all(32 <= x < 127 or x in b"\t\r\n" for x in data)


class Answer:
    """What came back: as it was (for following it) and normalised (for comparing it)."""

    def __init__(self, status, headers, body, public=""):
        self.status = status
        self.headers = headers
        self.body = body
        self.public = public  # the path that a Location begins with and our requests do not

    def header(self, name, default=None):
        for k, v in self.headers:
            if k.lower() == name.lower():
                return v
        return default

    def path(self, default="/v2/no/location"):
        """The path and query of Location, whatever host it names."""
        location = self.header("Location")
        if not location:
            return default
        return re.sub(r"^[a-z]+://[^/]*", "", location).removeprefix(self.public)

    def comparable(self, method):
        headers = {}
        for k, v in self.headers:
            name = k.lower()
            if name == "content-type":
                v = BOUNDARY.sub("boundary=<boundary>", v)
            if name == "www-authenticate":
                v = SCOPE.sub(sorted_scope, v)
            if name in UNCOMPARED or (name == "content-length" and method != "HEAD"):
                continue
            headers.setdefault(name, []).append(normalise(v))
        return {"status": self.status, "headers": headers, "body": self.comparable_body()}

    def comparable_body(self):
        """JSON as a value, text as text, anything else by its digest."""
        body = self.body
        boundary = BOUNDARY.search(self.header("Content-Type", ""))
        if boundary:
            body = body.replace(boundary.group(1).encode(), b"<boundary>")
        if not body:
            return None
        if len(body) > 5000 or (not printable(body) and body[:1] not in b"{["):
            return f"{len(body)} bytes, sha256 {hashlib.sha256(body).hexdigest()}"
        text = normalise(body.decode("utf-8", "replace"))
        try:
            return json.loads(text)
        except ValueError:
            return text


class Session:
    """The recorded requests of one scene against one server."""

    def __init__(self, port, tls=None):
        self.port = port
        self.tls = tls
        self.answers = {}   # label -> comparable answer
        self.requests = {}  # label -> "METHOD path"
        self.prefix = ""    # put before every path
        self.public = ""    # removed from every Location that is followed

    def __call__(self, label, method, path, body=None, headers=None, chunked=False, host=HOST, port=None, view=None):
        """`view` makes what is compared out of the body's text, where the body itself can not be the same."""
        answer = self.send(method, self.prefix + path, body, headers or {}, chunked, host, port or self.port)
        comparable = answer.comparable(method)
        if view:
            comparable["body"] = view(answer.body.decode())
        self.record(label, f"{method} {normalise(self.prefix + path)}", comparable)
        return answer

    def record(self, label, request, comparable):
        if label in self.answers:
            raise RuntimeError(f"label used twice: {label}")
        self.requests[label] = request
        self.answers[label] = comparable

    def send(self, method, path, body, headers, chunked, host, port):
        conn = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        try:
            conn.connect()
            if self.tls:
                conn.sock = self.tls.wrap_socket(conn.sock, server_hostname="localhost")
            conn._validate_path = lambda url: None  # odd paths are the point of some requests
            conn.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            if host is not None:
                conn.putheader("Host", host)
            for name, value in headers.items():
                conn.putheader(name, value)
            sized = any(name.lower() == "content-length" for name in headers)
            if chunked:
                conn.putheader("Transfer-Encoding", "chunked")
            elif not sized and (body is not None or method in ("POST", "PUT", "PATCH")):
                conn.putheader("Content-Length", str(len(body or b"")))
            conn.endheaders()
            self.send_body(conn, body, chunked)
            response = conn.getresponse()
            return Answer(response.status, response.getheaders(), self.read_body(response), self.public)
        except (OSError, http.client.HTTPException) as e:
            return Answer(0, [], f"no answer: {type(e).__name__}".encode())
        finally:
            conn.close()

    @staticmethod
    def read_body(response):
        try:
            return response.read()
        except http.client.IncompleteRead as e:
            return b"%s<%d bytes less than announced>" % (e.partial, e.expected or 0)

    @staticmethod
    def send_body(conn, body, chunked):
        try:
            if chunked:
                for piece in (body[:7], body[7:]):
                    if piece:
                        conn.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                conn.send(b"0\r\n\r\n")
            elif body:
                conn.send(body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has answered early; read what it said

    @staticmethod
    def pause(seconds):
        time.sleep(seconds)

    def raw(self, label, data):
        """Bytes as they are, for requests that are none; records status only."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            got = b""
            try:
                while chunk := s.recv(65536):
                    got += chunk
            except OSError:
                pass
        m = re.match(rb"HTTP/1\.[01] (\d{3})", got)
        self.record(label, repr(data[:60]), {"status": int(m.group(1)) if m else 0, "headers": {}, "body": None})


def trusting_nothing():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
