# SPDX-License-Identifier: Apache-2.0
"""HTTP by hand over a socket, for what no proper client would send."""
import dataclasses
import socket


@dataclasses.dataclass
class Answer:
    """A response as it came."""
    status: int
    reason: str
    headers: dict
    body: bytes


class Raw:
    """One connection; whatever bytes the test likes."""

    def __init__(self, port, seconds=20, tls=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.pending = b""

    def send(self, data):
        """Sends text or bytes as they are."""
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())
        return self

    def request(self, method, target, *fields, body=b""):
        """Sends a head made of these lines, and the body."""
        lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *fields]
        return self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.pending += data
        return bool(data)

    def read_line(self):
        """One line, or None at the end of the connection."""
        while b"\r\n" not in self.pending:
            if not self._more():
                return None
        line, _, self.pending = self.pending.partition(b"\r\n")
        return line

    def read_bytes(self, count):
        """This many bytes, or fewer at the end."""
        pieces, have = [self.pending], len(self.pending)  # adding to one string would copy it each time
        self.pending = b""
        while have < count and self._more():
            pieces.append(self.pending)
            have += len(self.pending)
            self.pending = b""
        whole = b"".join(pieces)
        self.pending = whole[count:]
        return whole[:count]

    def _read_chunks(self):
        body = b""
        while True:
            size = int(self.read_line().split(b";")[0], 16)
            body += self.read_bytes(size)
            self.read_line()
            if size == 0:
                return body

    def answer(self, head=False):
        """Reads one response, or None when the connection ends first."""
        line = self.read_line()
        if line is None:
            return None
        _, status, reason = (line.decode() + " ").split(" ", 2)
        headers = {}
        while True:
            line = self.read_line()
            if not line:
                break
            key, _, value = line.decode("latin-1").partition(":")
            headers[key.lower()] = value.strip()
        body = b""
        if not head and int(status) >= 200 and int(status) not in (204, 304):
            if "chunked" in headers.get("transfer-encoding", ""):
                body = self._read_chunks()
            elif "content-length" in headers:
                body = self.read_bytes(int(headers["content-length"]))
            else:
                while self._more():
                    pass
                body, self.pending = self.pending, b""
        return Answer(int(status), reason.strip(), headers, body)

    def closed(self):
        """Has the other side closed, with nothing more to read?"""
        try:
            return not self.pending and not self._more()
        except socket.timeout:
            return False

    def close(self):
        """Hangs up."""
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
