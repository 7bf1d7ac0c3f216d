# SPDX-License-Identifier: Apache-2.0
"""Referrers: artifacts that point to a manifest as their subject."""
import json

import pytest

import content
from client import expect_error, walk

SBOM, SIGNATURE = "application/x.example.sbom", "application/x.example.signature"


def referrers(client, repo, digest, **params):
    """GETs the list; it must be an index."""
    answer = client.get(f"/v2/{repo}/referrers/{digest}", params=params or None)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == content.OCI_INDEX
    value = answer.json()
    assert value["schemaVersion"] == 2 and value["mediaType"] == content.OCI_INDEX
    return answer, value["manifests"]


@pytest.fixture(name="subject", params=["sha256", "sha512"])
def subject_fixture(client, request):
    """An image to refer to: (repository, its descriptor)."""
    repo = content.name("referrers")
    digest, data = client.push_image(repo, algorithm=request.param)
    return repo, {"mediaType": content.OCI_MANIFEST, "digest": digest, "size": len(data)}


def test_nothing_refers_to_a_fresh_image(client, subject):
    repo, descriptor = subject
    assert referrers(client, repo, descriptor["digest"])[1] == []


def test_an_unknown_repository_has_an_empty_list(client):
    assert referrers(client, content.name("unknown"), content.digest(b"x"))[1] == []


@pytest.mark.parametrize("bad", ["latest", "sha256:short", "md5:" + "0" * 32])
def test_a_malformed_digest_is_refused(client, bad):
    answer = client.get(f"/v2/{content.name()}/referrers/{bad}")
    assert answer.status_code in (400, 404)
    assert "uploaded" not in answer.text, "nothing was uploaded"


def test_a_push_with_a_subject_is_confirmed_and_listed(client, subject):
    repo, descriptor = subject
    notes = {"org.example.note": "first", "org.example.größe": "ü"}
    answer, digest, data = client.push_artifact(repo, SBOM, descriptor, annotations=notes)
    assert answer.headers["OCI-Subject"] == descriptor["digest"]
    assert referrers(client, repo, descriptor["digest"])[1] == [{
        "mediaType": content.OCI_MANIFEST, "digest": digest, "size": len(data), "artifactType": SBOM,
        "annotations": notes}]


def test_a_push_by_tag_is_confirmed_too(client, subject):
    repo, descriptor = subject
    client.push_blob(repo, content.EMPTY)
    answer = client.put_manifest(repo, "tagged", content.artifact(SBOM, descriptor))
    assert answer.headers["OCI-Subject"] == descriptor["digest"]


def test_a_push_without_a_subject_confirms_none(client, subject):
    repo, _ = subject
    answer, _, _ = client.push_artifact(repo, SBOM)
    assert "OCI-Subject" not in answer.headers


def test_the_artifact_type_of_an_image_is_its_config_type(client, subject):
    repo, descriptor = subject
    config = content.config_bytes()
    client.push_blob(repo, config)
    data = content.image(config, [], subject=descriptor)
    assert client.put_manifest(repo, content.digest(data), data).status_code == 201
    assert referrers(client, repo, descriptor["digest"])[1][0]["artifactType"] == content.OCI_CONFIG


def test_an_index_may_refer_as_well(client, subject):
    repo, descriptor = subject
    plain = content.index([], subject=descriptor, annotations={"kind": "plain"})
    typed = content.index([], subject=descriptor, artifactType=SBOM)
    for data in (plain, typed):
        answer = client.put_manifest(repo, content.digest(data), data)
        assert answer.status_code == 201 and answer.headers["OCI-Subject"] == descriptor["digest"]
    listed = {entry["digest"]: entry for entry in referrers(client, repo, descriptor["digest"])[1]}
    assert listed[content.digest(plain)]["annotations"] == {"kind": "plain"}
    assert "artifactType" not in listed[content.digest(plain)]
    assert listed[content.digest(typed)]["artifactType"] == SBOM
    assert listed[content.digest(typed)]["mediaType"] == content.OCI_INDEX


def test_filtering_by_artifact_type(client, subject):
    repo, descriptor = subject
    _, bill, _ = client.push_artifact(repo, SBOM, descriptor)
    _, sign, _ = client.push_artifact(repo, SIGNATURE, descriptor)
    answer, listed = referrers(client, repo, descriptor["digest"], artifactType=SBOM)
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    assert [entry["digest"] for entry in listed] == [bill]
    answer, listed = referrers(client, repo, descriptor["digest"], artifactType="application/none")
    assert listed == []
    answer, listed = referrers(client, repo, descriptor["digest"])
    assert "OCI-Filters-Applied" not in answer.headers
    assert {entry["digest"] for entry in listed} == {bill, sign}


def test_a_deleted_referrer_vanishes_at_once(client, subject):
    repo, descriptor = subject
    _, digest, _ = client.push_artifact(repo, SBOM, descriptor)
    assert client.delete(f"/v2/{repo}/manifests/{digest}").status_code == 202
    assert referrers(client, repo, descriptor["digest"])[1] == []


def test_referrers_outlive_and_precede_their_subject(client, subject):
    repo, descriptor = subject
    _, digest, _ = client.push_artifact(repo, SBOM, descriptor)
    assert client.delete(f"/v2/{repo}/manifests/{descriptor['digest']}").status_code == 202
    assert [entry["digest"] for entry in referrers(client, repo, descriptor["digest"])[1]] == [digest]
    later = content.image(content.EMPTY, [], annotations={"x": "later"})
    _, early, _ = client.push_artifact(repo, SIGNATURE, content.descriptor(later, content.OCI_MANIFEST))
    assert client.put_manifest(repo, content.digest(later), later).status_code == 201
    assert [entry["digest"] for entry in referrers(client, repo, content.digest(later))[1]] == [early]


def test_an_artifact_may_refer_to_an_artifact(client, subject):
    repo, descriptor = subject
    _, first, data = client.push_artifact(repo, SBOM, descriptor)
    _, second, _ = client.push_artifact(repo, SIGNATURE, content.descriptor(data, content.OCI_MANIFEST))
    assert [entry["digest"] for entry in referrers(client, repo, first)[1]] == [second]


def test_referrers_belong_to_their_repository(client, subject):
    repo, descriptor = subject
    client.push_artifact(repo, SBOM, descriptor)
    assert referrers(client, content.name("stranger"), descriptor["digest"])[1] == []


def test_a_repeated_push_is_listed_once(client, subject):
    repo, descriptor = subject
    client.push_artifact(repo, SBOM, descriptor)
    client.push_artifact(repo, SBOM, descriptor)
    assert len(referrers(client, repo, descriptor["digest"])[1]) == 1


def test_long_lists_come_in_pages_that_make_the_whole(client, subject):
    repo, descriptor = subject
    pushed = {client.push_artifact(repo, SBOM, descriptor, annotations={"i": str(i), "pad": "x" * 30_000})[1]
              for i in range(150)}
    pages = walk(client, f"/v2/{repo}/referrers/{descriptor['digest']}", "manifests")
    listed = [entry["digest"] for page in pages for entry in page]
    assert len(listed) == len(pushed) and set(listed) == pushed
    filtered = walk(client, f"/v2/{repo}/referrers/{descriptor['digest']}?artifactType={SBOM}", "manifests")
    assert {entry["digest"] for page in filtered for entry in page} == pushed
    assert all(len(json.dumps(page)) < (4 << 20) + 65536 for page in pages)


def test_no_other_method_is_allowed(client, subject):
    repo, descriptor = subject
    expect_error(client.put(f"/v2/{repo}/referrers/{descriptor['digest']}", data=b""), 405, "UNSUPPORTED")
