# SPDX-License-Identifier: Apache-2.0
"""The garbage collection as operators and clients see it: what goes, when, what stays, the commands."""
import json
import re
import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

import content
import server
from client import Client, errors

EAGER = {"berth": {"gc": {"grace": "0s", "interval": "1s"}}}
NEVER = {"berth": {"gc": {"enabled": False, "grace": "0s"}}}


def until(condition, seconds=20):
    """Waits until it is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def has_bytes(running, digest):
    """Are the bytes in the directory?"""
    hexes = digest.split(":")[1]
    return (running.root / "docker/registry/v2/blobs/sha256" / hexes[:2] / hexes / "data").exists()


def blobs_of(manifest):
    """The digests of its config and layers."""
    value = json.loads(manifest)
    return [value["config"]["digest"]] + [layer["digest"] for layer in value["layers"]]


def remove(client, repo, reference):
    """DELETE of a manifest."""
    assert client.delete(f"/v2/{repo}/manifests/{reference}").status_code == 202


def gc(running, *options):
    """`berth gc` on its configuration: what it printed."""
    done = server.run("gc", *options, running.config_path)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- what the running registry does by itself


def test_deleted_image_goes_with_its_bytes(serve):
    running, client = serve(EAGER)
    digest, data = client.push_image("r", "v1", layers=3)
    _, kept = client.push_image("r", "v2")
    remove(client, "r", digest)
    until(lambda: not any(has_bytes(running, d) for d in blobs_of(data)))
    for blob in blobs_of(data):
        assert client.head(f"/v2/r/blobs/{blob}").status_code == 404
    for blob in blobs_of(kept):
        assert client.get(f"/v2/r/blobs/{blob}").status_code == 200


def test_blob_without_manifest_goes(serve):
    running, client = serve(EAGER)
    digest = client.push_blob("r", content.noise(100))
    until(lambda: not has_bytes(running, digest))
    assert client.get(f"/v2/r/blobs/{digest}").status_code == 404


def test_shared_layers_stay(serve):
    running, client = serve(EAGER)
    layer, config = content.noise(500), content.config_bytes()
    other = content.config_bytes()
    for repo, conf in (("a", config), ("b", other)):
        for blob in (layer, conf):
            client.push_blob(repo, blob)
        assert client.put_manifest(repo, "v1", content.image(conf, [layer])).status_code == 201
    remove(client, "a", content.digest(content.image(config, [layer])))
    until(lambda: not has_bytes(running, content.digest(config)))
    assert client.get(f"/v2/a/blobs/{content.digest(layer)}").status_code == 404
    assert client.get(f"/v2/b/blobs/{content.digest(layer)}").content == layer


def test_push_again_after_the_collection(serve):
    running, client = serve(EAGER)
    layer, config = content.noise(500), content.config_bytes()
    image = content.image(config, [layer])
    for _ in range(3):
        for blob in (layer, config):
            client.push_blob("r", blob)
        answer = client.put_manifest("r", "v1", image)
        if answer.status_code == 400 and errors(answer) == ["MANIFEST_BLOB_UNKNOWN"]:
            continue  # the collector came in between, as it may without grace
        assert answer.status_code == 201, answer.text
        assert client.get(f"/v2/r/blobs/{content.digest(layer)}").content == layer
        remove(client, "r", content.digest(image))
        until(lambda: not has_bytes(running, content.digest(layer)))


def test_index_and_children(serve):
    running, client = serve({"berth": {"gc": {"grace": "0s", "interval": "1s", "untagged": True,
                                        "untaggedafter": "0s"}}})
    config, layer = content.config_bytes(), content.noise(100)
    for blob in (config, layer):
        client.push_blob("r", blob)
    child = content.image(config, [layer])
    assert client.put_manifest("r", "keep", child).status_code == 201
    index = content.index([(child, {"os": "linux", "architecture": "amd64"})])
    assert client.put_manifest("r", "multi", index).status_code == 201
    assert client.delete("/v2/r/manifests/keep").status_code == 202
    time.sleep(2.5)
    assert client.get_manifest("r", content.digest(child)).status_code == 200, "the index needs it"
    remove(client, "r", content.digest(index))
    until(lambda: client.get_manifest("r", content.digest(child)).status_code == 404)
    until(lambda: not has_bytes(running, content.digest(layer)))


def test_referrers_go_with_their_subject(serve):
    running, client = serve(EAGER)
    digest, data = client.push_image("r", "v1")
    subject = {"mediaType": content.OCI_MANIFEST, "digest": digest, "size": len(data)}
    signature = client.push_artifact("r", "application/x-signature", subject)[1]
    tagged = content.artifact("application/x-sbom", subject)
    assert client.put_manifest("r", "sbom", tagged).status_code == 201
    time.sleep(1.5)
    assert client.get_manifest("r", signature).status_code == 200
    remove(client, "r", digest)
    until(lambda: client.get_manifest("r", signature).status_code == 404)
    assert client.get_manifest("r", "sbom").status_code == 200
    assert running.process.poll() is None


def test_referrers_stay_where_told(serve):
    _, client = serve({"berth": {"gc": {"grace": "0s", "interval": "1s", "referrers": False}}})
    digest, data = client.push_image("r", "v1")
    subject = {"mediaType": content.OCI_MANIFEST, "digest": digest, "size": len(data)}
    signature = client.push_artifact("r", "application/x-signature", subject)[1]
    remove(client, "r", digest)
    time.sleep(2.5)
    assert client.get_manifest("r", signature).status_code == 200


def test_untagged_stay_by_default(serve):
    _, client = serve(EAGER)
    by_digest, _ = client.push_image("r")
    first, _ = client.push_image("r", "v1")
    client.push_image("r", "v1")
    time.sleep(2.5)
    for digest in (by_digest, first):
        assert client.get_manifest("r", digest).status_code == 200


def test_grace_and_head_that_renews_it(serve):
    """A HEAD every second keeps what two seconds of silence lose."""
    running, client = serve({"berth": {"gc": {"grace": "3s", "interval": "1s"}}})
    asked, silent = client.push_blob("r", content.noise(100)), client.push_blob("r", content.noise(100))
    assert has_bytes(running, silent)
    began = time.monotonic()
    gone_after = None
    while time.monotonic() < began + 7:
        assert client.head(f"/v2/r/blobs/{asked}").status_code == 200
        if gone_after is None and not has_bytes(running, silent):
            gone_after = time.monotonic() - began
        time.sleep(0.5)
    assert gone_after and gone_after > 2.5, gone_after
    assert has_bytes(running, asked)
    until(lambda: not has_bytes(running, asked))


def test_nothing_goes_in_read_only_mode(serve):
    running, client = serve(NEVER)
    digest, data = client.push_image("r", "v1")
    remove(client, "r", digest)
    running.stop()
    running.config = server.merge(running.config, EAGER | {"storage": {"maintenance": {"readonly": {"enabled": True}}}})
    running.config["berth"]["gc"]["enabled"] = True
    running.start()
    time.sleep(2.5)
    assert all(has_bytes(running, d) for d in blobs_of(data))


def test_nothing_goes_by_itself_when_switched_off(serve):
    running, client = serve(NEVER)
    digest, data = client.push_image("r", "v1")
    remove(client, "r", digest)
    time.sleep(2.5)
    assert all(has_bytes(running, d) for d in blobs_of(data))
    assert "removed 0 manifests and 2 blobs" in gc(running)
    assert not any(has_bytes(running, d) for d in blobs_of(data))


# ---- the commands


@pytest.fixture(name="garbage", params=["running", "stopped"])
def garbage_fixture(request, serve):
    """A registry with a deleted image, an untagged one and one that is needed; it runs, or does not."""
    running, client = serve({"berth": {"gc": {"enabled": False, "grace": "1h"}}})
    deleted, data = client.push_image("r", "gone")
    untagged, bare = client.push_image("r", "kept")
    client.push_image("r", "kept")
    remove(client, "r", deleted)
    running.images = {"deleted": blobs_of(data), "untagged": blobs_of(bare), "bare": untagged}
    if request.param == "stopped":
        running.stop()
    return running


def there(running, which):
    """Are all bytes of the image there?"""
    found = {has_bytes(running, d) for d in running.images[which]}
    assert len(found) == 1
    return found.pop()


def test_gc_keeps_to_the_grace(garbage):
    assert "removed 0 manifests and 0 blobs" in gc(garbage)
    assert there(garbage, "deleted")


def test_gc_dry_run(garbage):
    out = gc(garbage, "--dry-run", "--now", "--untagged")
    for digest in garbage.images["deleted"] + garbage.images["untagged"]:
        assert f"would remove blob {digest}" in out
    assert f"would remove manifest r@{garbage.images['bare']}" in out
    assert "would remove 1 manifests and 4 blobs" in out
    assert there(garbage, "deleted") and there(garbage, "untagged")
    real = gc(garbage, "--now", "--untagged")
    assert sorted(line for line in out.replace("would remove", "removed").splitlines() if "reviewed" not in line) == \
        sorted(line for line in real.splitlines() if "reviewed" not in line), "a dry run says what a run does"
    assert not there(garbage, "deleted") and not there(garbage, "untagged")


def test_gc_dry_run_keeps_to_the_grace(garbage):
    assert "would remove 0 manifests and 0 blobs" in gc(garbage, "--dry-run", "--untagged")
    assert "removed 0 manifests and 2 blobs" in gc(garbage, "--now"), "the dry run took the candidates"


def test_gc_now(garbage):
    out = gc(garbage, "--now")
    assert sorted(re.findall(r"^removed blob (\S+)", out, re.M)) == sorted(garbage.images["deleted"])
    assert not there(garbage, "deleted") and there(garbage, "untagged")
    assert "removed 0 manifests and 0 blobs" in gc(garbage, "--now")


def test_gc_untagged(garbage):
    out = gc(garbage, "--untagged", "--now")
    assert f"removed manifest r@{garbage.images['bare']}" in out
    assert "removed 1 manifests and 4 blobs" in out
    assert not there(garbage, "deleted") and not there(garbage, "untagged")


def test_gc_quiet(garbage):
    assert gc(garbage, "--quiet", "--now") == ""
    assert not there(garbage, "deleted")


def test_stock_command(garbage):
    """As scripts call it; it collects at once."""
    done = server.run("garbage-collect", "--dry-run", garbage.config_path)
    assert done.returncode == 0 and there(garbage, "deleted")
    for digest in garbage.images["deleted"]:
        assert f"blob eligible for deletion: {digest}" in done.stdout
    done = server.run("garbage-collect", garbage.config_path)
    assert done.returncode == 0 and not there(garbage, "deleted") and there(garbage, "untagged")


@pytest.mark.parametrize("option", ["-m", "--delete-untagged", "--delete-untagged=true"])
def test_stock_command_untagged(garbage, option):
    done = server.run("garbage-collect", option, garbage.config_path)
    assert done.returncode == 0, done.stderr
    assert f"manifest eligible for deletion: {garbage.images['bare']}" in done.stdout
    assert not there(garbage, "deleted") and not there(garbage, "untagged")


def stock(running, *options):
    """`registry garbage-collect` on its configuration: what it printed."""
    done = server.run("garbage-collect", *options, running.config_path)
    assert done.returncode == 0, done.stderr
    return done.stdout


HOUR = {"berth": {"gc": {"enabled": False, "grace": "1h"}}}


def test_stock_command_keeps_the_push_under_way(serve):
    """Blobs before their manifest and children before their index; deleted afterwards they go at once."""
    running, client = serve(HOUR)
    config, layer, mounted = content.config_bytes(), content.noise(300), content.noise(400)
    client.push_blob("other", mounted)
    for blob in (config, layer):
        client.push_blob("r", blob)
        stock(running)
    source = {"mount": content.digest(mounted), "from": "other"}
    assert client.post("/v2/r/blobs/uploads/", params=source).status_code == 201
    assert stock(running, "-m") == "removed 0 manifests and 0 blobs, 0 B; 0 candidates were reviewed\n"
    children = [content.image(config, [layer]), content.image(config, [mounted])]
    for child in children:
        assert client.put_manifest("r", content.digest(child), child).status_code == 201
        stock(running, "-m")
    index = content.index([(child, None) for child in children])
    assert client.put_manifest("r", "multi", index).status_code == 201
    remove(client, "r", content.digest(index))
    assert "removed 0 manifests and 0 blobs" in stock(running), "untagged ones stay without -m"
    dry = stock(running, "-m", "--dry-run")
    assert "would remove 2 manifests and 2 blobs" in dry
    out = stock(running, "-m")
    assert "removed 2 manifests and 2 blobs" in out
    assert [has_bytes(running, content.digest(b)) for b in (config, layer, mounted)] == [False, False, True]
    # A push that never came to its manifest waits for berth.gc.grace, unless nobody can be pushing.
    client.push_blob("r", layer)
    assert "and 0 blobs" in stock(running)
    running.stop()
    assert "and 2 blobs" in stock(running)
    assert not has_bytes(running, content.digest(layer)) and not has_bytes(running, content.digest(mounted))


@pytest.mark.parametrize("way", ["head", "push", "mount"])
def test_stock_command_keeps_what_a_push_found(serve, way):
    """A layer is there, as an older image needs it; that is deleted and collected before the manifest comes."""
    running, client = serve(HOUR)
    _, old = client.push_image("r", "v1")
    config, layer = blobs_of(old)
    data = client.get(f"/v2/r/blobs/{layer}").content
    client.push_blob("other", data)
    if way == "head":
        assert client.head(f"/v2/r/blobs/{layer}").status_code == 200
    elif way == "push":
        client.push_blob("r", data)
    else:
        assert client.post("/v2/r/blobs/uploads/", params={"mount": layer, "from": "other"}).status_code == 201
    fresh = content.config_bytes()
    client.push_blob("r", fresh)
    remove(client, "r", content.digest(old))
    stock(running, "-m")
    assert not has_bytes(running, config), "nobody asked for it"
    assert client.put_manifest("r", "v2", content.image(fresh, [data])).status_code == 201
    remove(client, "r", content.digest(content.image(fresh, [data])))
    stock(running, "-m")
    assert client.head(f"/v2/r/blobs/{layer}").status_code == 404, "the manifest has redeemed the promise"


def test_stock_command_after_a_takeover_keeps_nothing(serve):
    """What registry:2 left without a tag is no push under way, though it was read a moment ago."""
    running, client = serve(HOUR)
    client.push_image("r", "v1")
    bare, data = client.push_image("r")
    running.stop()
    assert server.run("export", running.config_path).returncode == 0
    for path in (running.root / "berth").glob("berth.db*"):
        path.unlink()
    running.start()
    out = stock(running, "-m")
    assert f"manifest eligible for deletion: {bare}" in out
    assert not any(has_bytes(running, d) for d in blobs_of(data))


@pytest.mark.parametrize("arguments", [["gc", "--nonsense"], ["gc", "a", "b"], ["garbage-collect", "--now"],
                                       ["garbage-collect", "a", "b"], ["garbage-collect", "--dry-run=maybe"]])
def test_wrong_usage(arguments):
    done = server.run(*arguments)
    assert done.returncode == 2 and "berth help" in done.stderr, done.stderr


def test_gc_on_an_empty_directory(tmp_path):
    config = tmp_path / "config.yml"
    config.write_text(json.dumps({"version": 0.1, "storage": {"filesystem": {"rootdirectory": str(tmp_path / "new")}}}))
    done = server.run("gc", config)
    assert done.returncode == 0 and "removed 0 manifests and 0 blobs" in done.stdout, done.stderr


# ---- what cannot be removed, and what is to be watched


def test_a_blob_that_cannot_be_removed_keeps_nothing_else(serve):
    running, client = serve(NEVER)
    digests = []
    for _ in range(5):
        digest, data = client.push_image("r")
        digests.append((digest, data))
    for digest, _ in digests:
        remove(client, "r", digest)
    stuck = blobs_of(digests[0][1])[0]
    hexes = stuck.split(":")[1]
    folder = running.root / "docker/registry/v2/blobs/sha256" / hexes[:2] / hexes
    (folder / "data").unlink()
    (folder / "data").mkdir()  # unlink() fails, as root too
    (folder / "data" / "x").write_text("")
    for _ in range(2):
        done = server.run("gc", "--now", running.config_path)
        assert done.returncode == 1 and "1 useless blob could not be removed" in done.stderr, done.stderr
        for _, data in digests:
            assert not any(has_bytes(running, d) for d in blobs_of(data) if d != stuck)
    assert "cannot be removed" in running.text()
    (folder / "data" / "x").unlink()
    (folder / "data").rmdir()
    (folder / "data").write_text("")
    assert f"removed blob {stuck}" in gc(running, "--now")
    assert not folder.exists()
    # What was removed only halfway is finished.
    digest, data = client.push_image("r")
    remove(client, "r", digest)
    half = running.root / "docker/registry/v2/blobs/sha256" / (h := blobs_of(data)[0].split(":")[1])[:2] / h
    (half / "data").unlink()
    gc(running, "--now")
    assert not half.exists()


def test_metrics(serve):
    port = server.free_port()
    running, client = serve(NEVER | {"http": {"debug": {"addr": f"127.0.0.1:{port}", "prometheus": {"enabled": True}}}})
    debug = Client(f"http://127.0.0.1:{port}")

    def values():
        text = debug.get("/metrics").text
        return {s.name: s.value for f in text_string_to_metric_families(text) for s in f.samples
                if s.name.startswith("berth_gc_")}
    digest, _ = client.push_image("r", "v1", size=1000)
    client.push_image("r")
    remove(client, "r", digest)
    gc(running, "--untagged", "--now")
    found = values()
    assert found["berth_gc_removed_blobs_total"] == 4
    assert found["berth_gc_removed_manifests_total"] == 1
    assert 1200 < found["berth_gc_removed_bytes_total"] < 3000
    assert found["berth_gc_reviewed_total"] >= 5
    assert found["berth_gc_seconds_total"] > 0


def test_pulls_and_pushes_go_on_during_a_collection(serve):
    running, client = serve(NEVER)
    kept, data = client.push_image("kept", "v1")
    for _ in range(20):
        client.push_image("r")
    failures, stop = [], threading.Event()

    def pull():
        with Client(running.url) as other:
            while not stop.is_set():
                if other.get_manifest("kept", "v1").content != data:
                    failures.append("pull")
    thread = threading.Thread(target=pull)
    thread.start()
    try:
        out = gc(running, "--untagged", "--now")
        removed = int(re.search(r"removed (\d+) manifests", out).group(1))
        assert removed >= 20 and kept not in out
    finally:
        stop.set()
        thread.join()
    assert not failures
    for digest in blobs_of(data):
        assert client.get(f"/v2/kept/blobs/{digest}").status_code == 200
