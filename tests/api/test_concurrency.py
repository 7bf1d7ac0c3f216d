# SPDX-License-Identifier: Apache-2.0
"""Many clients at once, on the same things."""
import concurrent.futures
import random

import content
from client import Client, walk


def together(count, work):
    """Runs work(i) on as many threads; the results in order."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def test_many_push_the_same_blob(server):
    data, repo = content.noise(300_000), content.name()
    digests = together(12, lambda i: Client(server.url).push_blob(repo if i % 2 else f"{repo}-{i}", data))
    assert len(set(digests)) == 1
    for name in [repo] + [f"{repo}-{i}" for i in range(0, 12, 2)]:
        assert Client(server.url).get(f"{server.url}/v2/{name}/blobs/{digests[0]}").content == data


def test_many_push_and_pull_images_of_their_own(server):
    def work(_):
        client, repo = Client(server.url), content.name("own")
        for tag in range(6):
            digest, data = client.push_image(repo, f"t{tag}", layers=2, size=20_000)
            assert client.get_manifest(repo, f"t{tag}").content == data
            for part in client.get_manifest(repo, digest).json()["layers"]:
                blob = client.get(f"/v2/{repo}/blobs/{part['digest']}").content
                assert content.digest(blob) == part["digest"]
        return client.get(f"/v2/{repo}/tags/list").json()["tags"]
    assert together(10, work) == [[f"t{i}" for i in range(6)]] * 10


def test_many_move_the_same_tag_and_one_wins(server):
    repo, client = content.name("tag"), Client(server.url)
    images = [client.push_image(repo) for _ in range(4)]

    def work(i):
        session = Client(server.url)
        for _ in range(10):
            assert session.put_manifest(repo, "latest", images[i % 4][1]).status_code == 201
            assert session.get_manifest(repo, "latest").content in [data for _, data in images]
    together(8, work)
    assert client.get(f"/v2/{repo}/tags/list").json()["tags"] == ["latest"]


def test_readers_never_see_half_of_a_push_and_delete(server):
    repo, client = content.name("churn"), Client(server.url)
    digest, data = client.push_image(repo, "stay")

    def work(i):
        session = Client(server.url)
        for _ in range(15):
            if i == 0:
                session.delete(f"/v2/{repo}/manifests/{digest}")
                assert session.put_manifest(repo, "stay", data).status_code == 201
            else:
                answer = session.get_manifest(repo, random.choice(("stay", digest)))
                assert answer.status_code in (200, 404)
                if answer.status_code == 200:
                    assert answer.content == data
                assert session.get(f"/v2/{repo}/tags/list").status_code == 200
    together(8, work)


def test_a_blob_deleted_while_it_is_mounted_leaves_no_promise_unkept(server):
    def work(_):
        client = Client(server.url)
        data, origin, target = content.noise(2000), content.name("from"), content.name("to")
        digest = client.push_blob(origin, data)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            gone = pool.submit(Client(server.url).delete, f"/v2/{origin}/blobs/{digest}")
            mounted = pool.submit(Client(server.url).post, f"/v2/{target}/blobs/uploads/",
                                  params={"mount": digest, "from": origin})
            assert gone.result().status_code == 202
            if mounted.result().status_code == 201:
                assert client.get(f"/v2/{target}/blobs/{digest}").content == data
    together(8, work)


def test_two_writers_to_one_upload_never_mix_their_bytes(server):
    client, repo = Client(server.url), content.name("two")
    for _ in range(5):
        location, parts = client.upload(repo), [b"a" * 400_000, b"b" * 400_000]
        answers = together(2, lambda i: Client(server.url).patch_chunk(location, parts[i], 0).status_code)
        assert 202 in answers and set(answers) <= {202, 404, 409, 416}
        answer = client.get(location)
        assert answer.headers["Range"] == "0-399999"
        stored = [client.finish(answer.headers["Location"], content.digest(part)).status_code for part in parts]
        assert 201 in stored


def test_lists_are_walkable_while_they_change(server):
    repo, client = content.name("walk"), Client(server.url)
    _, data = client.push_image(repo)
    steady = sorted(f"s{i:03}" for i in range(40))
    for tag in steady:
        client.put_manifest(repo, tag, data)

    def work(i):
        session = Client(server.url)
        for turn in range(5):
            if i % 2:
                session.put_manifest(repo, f"x{i}-{turn}", data)
                session.delete(f"/v2/{repo}/manifests/x{i}-{turn}")
            else:
                seen = sum(walk(session, f"/v2/{repo}/tags/list?n=7", "tags"), [])
                assert seen == sorted(set(seen))
                assert [tag for tag in seen if tag.startswith("s")] == steady
    together(6, work)


def test_many_referrers_at_once_are_all_listed(server):
    repo, client = content.name("refs"), Client(server.url)
    digest, data = client.push_image(repo)
    subject = {"mediaType": content.OCI_MANIFEST, "digest": digest, "size": len(data)}
    client.push_blob(repo, content.EMPTY)

    def work(i):
        artifact = content.artifact("application/x.example", subject, annotations={"n": str(i)})
        assert Client(server.url).put_manifest(repo, content.digest(artifact), artifact).status_code == 201
        return content.digest(artifact)
    pushed = together(12, work)
    listed = client.get(f"/v2/{repo}/referrers/{digest}").json()["manifests"]
    assert sorted(entry["digest"] for entry in listed) == sorted(pushed)
