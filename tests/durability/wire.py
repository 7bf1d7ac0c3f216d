# SPDX-License-Identifier: Apache-2.0
"""A small, fast client for load: one connection, one request at a time.

Whatever happens to a request besides an answer is `Gone`: the registry was
killed, and nobody knows whether the request was carried out.
"""
import dataclasses
import http.client
import json
import random
import urllib.parse

import content


class Gone(Exception):
    """No answer: the request may or may not have had its effect."""


@dataclasses.dataclass
class Answer:
    """What came back."""
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def code(self):
        """The first error code of the body, or None."""
        try:
            return json.loads(self.body)["errors"][0]["code"]
        except (ValueError, LookupError):
            return None

    def __str__(self):
        return f"{self.status} {self.body[:300]!r}"


class Wire:
    """One connection to a registry."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def call(self, method, path, body=None, headers=None):
        """Sends a request and reads all of its answer."""
        try:
            self.connection.request(method, path, body, headers or {})
            answer = self.connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise Gone(f"{method} {path}: {error!r}") from error

    def close(self):
        """Lets go of the connection."""
        self.connection.close()

    # ---- blobs

    def upload(self, repo, query=""):
        """POST: the answer, with the path to go on at in `location` when it is 202."""
        answer = self.call("POST", f"/v2/{repo}/blobs/uploads/{query}", b"")
        return answer, relative(answer.headers["Location"]) if answer.status == 202 else None

    def push_blob(self, repo, data, way="put"):
        """Pushes a blob in one of the ways clients have; the last answer."""
        digest = content.digest(data)
        if way == "post":
            return self.call("POST", f"/v2/{repo}/blobs/uploads/?digest={digest}", data, OCTETS)
        answer, location = self.upload(repo)
        if location is None:
            return answer
        return self.fill(location, digest, data, way)

    def fill(self, location, digest, data, way="put"):
        """Sends the bytes of an upload that was begun."""
        if way == "chunks":
            at = 0
            while at < len(data):
                size = random.randint(1, max(1, len(data) // 2))
                chunk = data[at:at + size]
                answer = self.call("PATCH", location, chunk,
                                   OCTETS | {"Content-Range": f"{at}-{at + len(chunk) - 1}"})
                if answer.status != 202:
                    return answer
                location, at = relative(answer.headers["Location"]), at + len(chunk)
            data = b""
        return self.call("PUT", with_digest(location, digest), data, OCTETS)

    def blob(self, repo, digest, method="GET"):
        """GETs or HEADs a blob."""
        return self.call(method, f"/v2/{repo}/blobs/{digest}")

    def mount(self, repo, digest, source):
        """Asks for a blob of another repository: the answer and, when it was 202, where to upload instead."""
        answer, location = self.upload(repo, f"?mount={digest}&from={source}")
        return answer, location

    # ---- manifests

    def manifest(self, repo, reference, method="GET"):
        """GETs or HEADs a manifest."""
        return self.call(method, f"/v2/{repo}/manifests/{reference}", headers={"Accept": content.ALL_MANIFESTS})

    def put_manifest(self, repo, reference, data):
        """PUTs a manifest with the media type it names."""
        return self.call("PUT", f"/v2/{repo}/manifests/{reference}", data,
                         {"Content-Type": json.loads(data)["mediaType"]})

    def delete(self, repo, reference):
        """Deletes a manifest or a tag."""
        return self.call("DELETE", f"/v2/{repo}/manifests/{reference}")


OCTETS = {"Content-Type": "application/octet-stream"}


def relative(location):
    """The path and query of a URL."""
    parts = urllib.parse.urlsplit(location)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def with_digest(location, digest):
    """The URL that finishes an upload."""
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"


def blobs_of(data):
    """Digests of all blobs an image manifest names."""
    value = json.loads(data)
    return [d["digest"] for d in ([value["config"]] if "config" in value else []) + value.get("layers", [])]


def children_of(data):
    """Digests of all manifests an index lists."""
    return [d["digest"] for d in json.loads(data).get("manifests", [])]
