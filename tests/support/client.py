# SPDX-License-Identifier: Apache-2.0
"""A plain registry client: requests with the protocol's usual steps on top."""
import json
import urllib.parse

import requests

import content


class Client(requests.Session):
    """A session with one registry. Paths are relative to it; errors are returned, not raised."""

    def __init__(self, base, **settings):
        super().__init__()
        self.base = base
        self.trust_env = False
        for key, value in settings.items():
            setattr(self, key, value)

    def request(self, method, url, **kw):  # pylint: disable=arguments-differ
        kw.setdefault("timeout", 60)
        kw.setdefault("allow_redirects", False)
        return super().request(method, urllib.parse.urljoin(self.base, url), **kw)

    # ---- uploads

    def upload(self, repo, **query):
        """Opens an upload: the absolute URL to go on with."""
        answer = self.post(f"/v2/{repo}/blobs/uploads/", params=query or None)
        assert answer.status_code == 202, answer.text
        return urllib.parse.urljoin(self.base, answer.headers["Location"])

    def patch_chunk(self, location, data, start=None, **kw):
        """Sends a chunk, with Content-Range when `start` is given."""
        headers = {"Content-Type": "application/octet-stream"}
        if start is not None:
            headers["Content-Range"] = f"{start}-{start + len(data) - 1}"
        return self.patch(location, data=data, headers=headers, **kw)

    def finish(self, location, digest, data=b"", headers=None):
        """Closes an upload with the digest and perhaps the last bytes."""
        return self.put(with_query(location, digest=digest), data=data,
                        headers={"Content-Type": "application/octet-stream"} | (headers or {}))

    def push_blob(self, repo, data, algorithm="sha256"):
        """Pushes a blob in two requests: its digest."""
        digest = content.digest(data, algorithm)
        answer = self.finish(self.upload(repo), digest, data)
        assert answer.status_code == 201, answer.text
        return digest

    # ---- manifests

    def put_manifest(self, repo, reference, data, media_type=None, **kw):
        """PUTs a manifest with its own media type, or another."""
        if media_type is None:
            media_type = json.loads(data).get("mediaType", content.OCI_MANIFEST)
        return self.put(f"/v2/{repo}/manifests/{reference}", data=data, headers={"Content-Type": media_type}, **kw)

    def get_manifest(self, repo, reference, accept=content.ALL_MANIFESTS, method="GET", **headers):
        """GETs a manifest as clients do, with all the media types they know."""
        sent = {"Accept": accept} if accept else {"Accept": None}
        return self.request(method, f"/v2/{repo}/manifests/{reference}", headers=sent | headers)

    def push_image(self, repo, reference=None, docker=False, algorithm="sha256", layers=1, size=200, **more):
        """Pushes a small image that nobody has pushed: (its digest, its manifest's bytes)."""
        config = content.config_bytes()
        blobs = [content.noise(size) for _ in range(layers)]
        for blob in [config] + blobs:
            self.push_blob(repo, blob, algorithm)
        data = content.image(config, blobs, docker=docker, algorithm=algorithm, **more)
        digest = content.digest(data, algorithm)
        answer = self.put_manifest(repo, reference or digest, data)
        assert answer.status_code == 201, answer.text
        return digest, data

    def push_artifact(self, repo, artifact_type, subject=None, **more):
        """Pushes an artifact by digest: (answer, digest, bytes)."""
        self.push_blob(repo, content.EMPTY)
        data = content.artifact(artifact_type, subject, **more)
        answer = self.put_manifest(repo, content.digest(data), data)
        assert answer.status_code == 201, answer.text
        return answer, content.digest(data), data


def with_query(url, **query):
    """The URL with more query parameters."""
    return url + ("&" if "?" in url else "?") + urllib.parse.urlencode(query)


def errors(answer):
    """The error codes of an answer; its body must be the specification's JSON."""
    assert answer.headers["Content-Type"].startswith("application/json"), answer.headers
    listed = answer.json()["errors"]
    assert listed and all(isinstance(e["message"], str) and e["message"] for e in listed), listed
    return [e["code"] for e in listed]


def expect_error(answer, status, code, *words):
    """An answer is this error, and its body says these words."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    assert code in errors(answer), answer.text
    for word in words:
        assert word.lower() in answer.text.lower(), f"{word!r} is not in {answer.text}"


def next_page(answer):
    """The URL of the next page of a list, or None."""
    link = answer.headers.get("Link")
    if link is None:
        return None
    target, _, parameters = link.partition(">")
    assert target.startswith("<") and parameters.strip().replace(" ", "") == ';rel="next"', link
    return target[1:]


def walk(client, url, key):
    """All items of a paged list, page by page."""
    pages = []
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json()[key])
        url = next_page(answer)
    return pages
