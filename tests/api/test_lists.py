# SPDX-License-Identifier: Apache-2.0
"""The tag list and the catalog: order, pages, limits."""
import contextlib
import sqlite3

import pytest
import requests

import content
from client import Client, expect_error, next_page, walk
from server import Server

TAGS = ["0.9", "1", "1.0", "1.0.0", "Latest", "_x", "a", "a-b", "a.b", "a_b", "latest", "z"]


@pytest.fixture(scope="module", name="tagged")
def tagged_fixture(shared_server):
    """A repository with many tags."""
    client, repo = Client(shared_server.url), content.name("tags")
    _, data = client.push_image(repo)
    for tag in reversed(TAGS):
        assert client.put_manifest(repo, tag, data).status_code == 201
    return repo


def test_tags_come_in_bytewise_order(client, tagged):
    answer = client.get(f"/v2/{tagged}/tags/list")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json() == {"name": tagged, "tags": sorted(TAGS)}


@pytest.mark.parametrize("size", [1, 2, 5, len(TAGS) - 1, len(TAGS), len(TAGS) + 1])
def test_pages_of_tags_make_the_whole(client, tagged, size):
    pages = walk(client, f"/v2/{tagged}/tags/list?n={size}", "tags")
    assert sum(pages, []) == sorted(TAGS)
    assert all(len(page) == size for page in pages[:-1])
    assert len(pages) == -(-len(TAGS) // size)


def test_the_link_to_the_next_page_is_rfc_5988(client, tagged):
    answer = client.get(f"/v2/{tagged}/tags/list?n=3")
    link = answer.headers["Link"]
    assert link.startswith(f"</v2/{tagged}/tags/list?") and link.endswith('>; rel="next"')
    assert "n=3" in link and f"last={sorted(TAGS)[2]}" in link


def test_last_without_n_skips_up_to_it(client, tagged):
    for last in ("1.0", "b", "zz", "0"):
        answer = client.get(f"/v2/{tagged}/tags/list", params={"last": last})
        assert answer.json()["tags"] == [tag for tag in sorted(TAGS) if tag > last]


def test_n_zero_is_an_empty_page(client, tagged):
    answer = client.get(f"/v2/{tagged}/tags/list?n=0")
    assert answer.status_code == 200
    assert answer.json()["tags"] == []
    assert next_page(answer) is None


@pytest.mark.parametrize("bad", ["-1", "x", "1.5", "99999999999999999999999", ""])
def test_a_bad_n_is_refused(client, tagged, bad):
    answer = client.get(f"/v2/{tagged}/tags/list?n={bad}")
    if bad == "":
        assert answer.status_code in (200, 400)
    else:
        expect_error(answer, 400, "PAGINATION_NUMBER_INVALID")


def test_tags_of_an_unknown_repository_are_404(client):
    repo = content.name("unknown")
    expect_error(client.get(f"/v2/{repo}/tags/list"), 404, "NAME_UNKNOWN", repo)


def test_a_repository_without_tags_has_an_empty_list(client):
    repo = content.name("untagged")
    client.push_image(repo)
    answer = client.get(f"/v2/{repo}/tags/list")
    assert answer.status_code == 200
    assert not answer.json()["tags"]


def test_n_is_clamped_to_the_configured_maximum(serve):
    _, client = serve({"tags": {"maxtags": 4}})
    repo = content.name()
    _, data = client.push_image(repo)
    for tag in TAGS:
        client.put_manifest(repo, tag, data)
    assert len(client.get(f"/v2/{repo}/tags/list?n=100").json()["tags"]) == 4
    assert sum(walk(client, f"/v2/{repo}/tags/list?n=100", "tags"), []) == sorted(TAGS)


# ---- the catalog

@pytest.fixture(scope="module", name="catalog")
def catalog_fixture(tmp_path_factory):
    """A registry of its own with repositories: (client, their names in order)."""
    names = [f"{group}/{word}" for group in ("a", "b-c", "b/c", "z9") for word in ("app", "app.x", "base")] + ["top"]
    with Server(tmp_path_factory.mktemp("catalog"), {"catalog": {"maxentries": 50}}) as server:
        client = Client(server.url)
        for name in reversed(names):
            client.push_image(name, "v1")
        client.push_blob("only/blobs", b"no manifest")
        yield client, sorted(names)


def test_an_empty_registry_has_an_empty_catalog(serve):
    _, client = serve()
    answer = client.get("/v2/_catalog")
    assert (answer.status_code, answer.json()) == (200, {"repositories": []})


def test_the_catalog_lists_repositories_with_manifests_in_order(catalog):
    client, names = catalog
    assert client.get("/v2/_catalog").json() == {"repositories": names}


@pytest.mark.parametrize("size", [1, 4, 12, 13, 50])
def test_pages_of_the_catalog_make_the_whole(catalog, size):
    client, names = catalog
    assert sum(walk(client, f"/v2/_catalog?n={size}", "repositories"), []) == names


def test_the_link_of_the_catalog_is_rfc_5988(catalog):
    client, names = catalog
    link = client.get("/v2/_catalog?n=2").headers["Link"]
    assert link == f'</v2/_catalog?last={names[1].replace("/", "%2F")}&n=2>; rel="next"'


def test_last_need_not_be_a_repository(catalog):
    client, names = catalog
    answer = client.get("/v2/_catalog", params={"last": "b/zzz"})
    assert answer.json()["repositories"] == [name for name in names if name > "b/zzz"]


@pytest.mark.parametrize("bad", ["51", "-1", "x"])
def test_a_page_larger_than_the_maximum_is_refused(catalog, bad):
    client, _ = catalog
    answer = client.get(f"/v2/_catalog?n={bad}")
    expect_error(answer, 400, "PAGINATION_NUMBER_INVALID")
    assert "at most 50" in answer.text or not bad.isdigit(), answer.text


def test_hundreds_of_tags_in_pages(client):
    repo = content.name("many")
    _, data = client.push_image(repo)
    tags = [f"v{i}" for i in range(300)]
    digest = content.digest(data)
    for start in range(0, len(tags), 30):
        answer = client.put_manifest(repo, digest, data, params=[("tag", t) for t in tags[start:start + 30]])
        assert answer.status_code == 201, answer.text
    pages = walk(client, f"/v2/{repo}/tags/list?n=100", "tags")
    assert [len(page) for page in pages] == [100, 100, 100]
    assert sum(pages, []) == sorted(tags)


def test_a_list_that_breaks_off_is_explained_in_the_log(serve):
    """The database is damaged where the last of several thousand tags are."""
    running, client = serve()
    repo = content.name("broken")
    _, data = client.push_image(repo)
    for start in range(0, 3000, 60):
        tags = [("tag", f"v{i:04}-{'x' * 100}") for i in range(start, start + 60)]
        assert client.put_manifest(repo, content.digest(data), data, params=tags).status_code == 201
    running.stop()
    path = running.root / "berth/berth.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        size, = database.execute("PRAGMA page_size").fetchone()
        last, = database.execute("SELECT pageno FROM dbstat WHERE name = 'tag' AND pagetype = 'leaf' "
                                 "ORDER BY path DESC LIMIT 1").fetchone()
    with open(path, "r+b") as file:
        file.seek((last - 1) * size)
        file.write(b"\xff" * size)
    running.start()
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.get(f"/v2/{repo}/tags/list")
    said, = [line for line in running.log.read_text().splitlines() if "a list of tags was cut off" in line]
    assert repo in said and "malformed" in said and "request=" in said, said
