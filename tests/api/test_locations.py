# SPDX-License-Identifier: Apache-2.0
"""The URLs that answers point to: behind proxies, with http.host, http.prefix, http.relativeurls."""
import pytest

import content

UPLOAD = "/v2/{}/blobs/uploads/"


def opened(client, repo, prefix="", **headers):
    """The Location of a new upload."""
    answer = client.post(prefix + UPLOAD.format(repo), headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.headers["Location"]


@pytest.mark.parametrize("headers, base", [
    ({"Host": "registry.example:8443"}, "http://registry.example:8443"),
    ({"Host": "inner", "X-Forwarded-Proto": "https"}, "https://inner"),
    ({"Host": "inner", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "outer.example"}, "https://outer.example"),
    ({"Host": "inner", "X-Forwarded-Host": "first.example, second.example"}, "http://first.example"),
    ({"Host": "inner", "Forwarded": "proto=https;host=fwd.example"}, "https://fwd.example"),
    ({"Host": "inner", "Forwarded": 'for=192.0.2.1;host="fwd.example:5000";proto=https, for=10.0.0.1'},
     "https://fwd.example:5000"),
])
def test_locations_are_what_the_client_can_reach(client, headers, base):
    repo = content.name()
    assert opened(client, repo, **headers).startswith(base + UPLOAD.format(repo))


@pytest.mark.parametrize("headers", [
    {"X-Forwarded-Host": "evil/path\"><x"}, {"X-Forwarded-Proto": "java script"}, {"Forwarded": ";;;=,,\"\""},
    {"Forwarded": "host=\"unterminated"}, {"X-Forwarded-Host": ","},
])
def test_nonsense_from_a_proxy_makes_no_broken_location(client, headers):
    location = opened(client, content.name(), **headers)
    assert "<" not in location and '"' not in location and " " not in location
    assert location.startswith(("http://", "https://", "/"))


def test_http_host_wins_over_what_the_request_says(serve):
    _, client = serve({"http": {"host": "https://registry.example:9999"}})
    repo = content.name()
    location = opened(client, repo, **{"X-Forwarded-Host": "other.example"})
    assert location.startswith("https://registry.example:9999" + UPLOAD.format(repo))


def test_relative_urls(serve):
    _, client = serve({"http": {"relativeurls": True}})
    repo = content.name()
    assert opened(client, repo).startswith(UPLOAD.format(repo))
    digest, data = client.push_image(repo, "v1")
    assert client.put_manifest(repo, "v2", data).headers["Location"] == f"/v2/{repo}/manifests/{digest}"


@pytest.mark.parametrize("prefix", ["/registry/", "/registry"])
def test_a_prefix_is_before_every_route_and_location(serve, prefix):
    _, client = serve({"http": {"prefix": prefix}})
    repo = content.name()
    assert client.get("/registry/v2/").status_code == 200
    assert client.get("/v2/").status_code == 404
    location = opened(client, repo, prefix="/registry")
    assert "/registry/v2/" in location
    digest = content.digest(b"prefixed")
    answer = client.finish(location, digest, b"prefixed")
    assert answer.status_code == 201
    assert client.get(answer.headers["Location"]).content == b"prefixed"
    for n in range(3):
        answer = client.put(f"/registry/v2/{repo}/manifests/t{n}", data=content.index([]),
                            headers={"Content-Type": content.OCI_INDEX})
        assert answer.status_code == 201, answer.text
    assert client.get(f"/registry/v2/{repo}/tags/list?n=1").headers["Link"].startswith(f"</registry/v2/{repo}/tags/list?")
