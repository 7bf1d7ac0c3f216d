# SPDX-License-Identifier: Apache-2.0
"""Bearer tokens of a token service: the challenge, what a token opens, what is refused."""
import json
import time

import jwt
import pytest

import content
from client import Client, errors
from issuer import NAME, SERVICE, Issuer

REALM = "https://auth.example/token"


@pytest.fixture(scope="module", name="issuer")
def issuer_fixture(tmp_path_factory):
    """The issuer whose certificate the server trusts."""
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(name="guarded")
def guarded_fixture(serve, issuer):
    """A server that trusts the issuer."""
    return serve({"auth": {"token": {"realm": REALM, "service": SERVICE, "issuer": NAME,
                                     "rootcertbundle": str(issuer.pair.certificate)}}})[0]


def bearer(server, token):
    """A client that shows a token."""
    client = Client(server.url)
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def challenge(answer):
    """The parameters of the Bearer challenge of a 401."""
    assert answer.status_code == 401, answer.text
    assert errors(answer) == ["UNAUTHORIZED"]
    scheme, _, rest = answer.headers["WWW-Authenticate"].partition(" ")
    assert scheme == "Bearer"
    return dict(part.split("=", 1) for part in rest.replace('"', "").replace(",scope", "\nscope").replace(
        ",service", "\nservice").replace(",error", "\nerror").split("\n"))


def test_the_challenge_says_where_and_for_what_to_ask(guarded):
    client = Client(guarded.url)
    assert challenge(client.get("/v2/")) == {"realm": REALM, "service": SERVICE}
    assert challenge(client.get("/v2/a/b/manifests/v1"))["scope"] == "repository:a/b:pull"
    assert set(challenge(client.post("/v2/a/b/blobs/uploads/"))["scope"].split(":")[-1].split(",")) == {"pull", "push"}
    assert challenge(client.delete(f"/v2/a/b/manifests/{content.digest(b'')}"))["scope"] == "repository:a/b:delete"
    assert challenge(client.get("/v2/_catalog"))["scope"] == "registry:catalog:*"


def test_a_mount_asks_for_both_repositories(guarded):
    answer = Client(guarded.url).post("/v2/to/x/blobs/uploads/", params={"mount": content.digest(b""), "from": "of/y"})
    scope = challenge(answer)["scope"]
    assert "repository:to/x:" in scope and "repository:of/y:pull" in scope


def test_a_token_opens_what_it_grants_and_nothing_else(guarded, issuer):
    client = bearer(guarded, issuer.token("repository:a/b:pull,push"))
    digest, data = client.push_image("a/b", "v1")
    assert client.get_manifest("a/b", digest).content == data
    answer = client.get("/v2/a/c/tags/list")
    assert challenge(answer)["error"] == "insufficient_scope"
    assert client.delete(f"/v2/a/b/manifests/{digest}").status_code == 401
    assert client.get("/v2/_catalog").status_code == 401
    reader = bearer(guarded, issuer.token("repository:a/b:pull"))
    assert reader.get_manifest("a/b", "v1").content == data
    assert reader.post("/v2/a/b/blobs/uploads/").status_code == 401
    owner = bearer(guarded, issuer.token("repository:a/b:delete", "registry:catalog:*"))
    assert owner.get("/v2/_catalog").json() == {"repositories": ["a/b"]}
    assert owner.delete(f"/v2/a/b/manifests/{digest}").status_code == 202


def test_a_token_for_nothing_passes_the_version_check_only(guarded, issuer):
    client = bearer(guarded, issuer.token())
    assert client.get("/v2/").status_code == 200
    assert client.get("/v2/a/b/tags/list").status_code == 401


@pytest.mark.parametrize("rsa", [True, False])
@pytest.mark.parametrize("style", ["x5c", "kid"])
def test_keys_are_found_by_chain_or_fingerprint(serve, tmp_path, rsa, style):
    issuer = Issuer(tmp_path, rsa=rsa)
    server, _ = serve({"auth": {"token": {"realm": REALM, "service": SERVICE, "issuer": NAME,
                                          "rootcertbundle": str(issuer.pair.certificate)}}})
    headers = {"kid": issuer.fingerprint} if style == "kid" else {"x5c": [issuer.x5c]}
    assert bearer(server, issuer.token(headers=headers)).get("/v2/").status_code == 200


@pytest.mark.parametrize("rsa", [True, False])
def test_keys_of_a_jwks_file(serve, tmp_path, rsa):
    issuer = Issuer(tmp_path, rsa=rsa)
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [issuer.jwk("key-1")]}))
    server, _ = serve({"auth": {"token": {"realm": REALM, "service": SERVICE, "issuer": NAME, "jwks": str(path)}}})
    assert bearer(server, issuer.token(headers={"kid": "key-1"})).get("/v2/").status_code == 200
    assert bearer(server, issuer.token(headers={"kid": "key-2"})).get("/v2/").status_code == 401


def test_the_audience_may_be_a_list(guarded, issuer):
    assert bearer(guarded, issuer.token(aud=["other", SERVICE])).get("/v2/").status_code == 200


@pytest.mark.parametrize("changes", [
    {"iss": "somebody"}, {"aud": "other"}, {"aud": ["other"]}, {"exp": int(time.time()) - 3600}, {"exp": None},
    {"nbf": int(time.time()) + 3600}, {"iss": None}, {"aud": None}, {"access": "repository:a/b:pull"}, {"access": [5]},
], ids=str)
def test_claims_that_do_not_hold_are_refused(guarded, issuer, changes):
    answer = bearer(guarded, issuer.token("repository:a/b:pull", **changes)).get("/v2/a/b/tags/list")
    assert challenge(answer)["realm"] == REALM


def test_a_signature_of_another_key_is_refused(guarded, issuer, tmp_path):
    stranger = Issuer(tmp_path, "stranger")
    for headers in (None, {"kid": issuer.fingerprint}, {"x5c": [issuer.x5c]}, {"x5c": [stranger.x5c, issuer.x5c]}):
        assert bearer(guarded, stranger.token(headers=headers)).get("/v2/").status_code == 401


def test_tampered_and_unsigned_tokens_are_refused(guarded, issuer):
    head, body, signature = issuer.token("repository:a/b:pull").split(".")
    other = issuer.token("repository:a/b:pull,push").split(".")[1]
    unsigned = jwt.encode(issuer.claims("repository:a/b:pull"), None, "none")
    symmetric = jwt.encode(issuer.claims(), "secret", "HS256", headers={"kid": issuer.fingerprint})
    for token in (f"{head}.{other}.{signature}", f"{head}.{body}.", f"{head}.{body}", unsigned, symmetric, "x.y.z", "",
                  "." * 50, "A" * 8000, f"{head}.{body}.{signature}x"):
        assert bearer(guarded, token).get("/v2/").status_code == 401, token[:80]


def test_an_algorithm_that_is_not_allowed_is_refused(serve, issuer):
    server, _ = serve({"auth": {"token": {"realm": REALM, "service": SERVICE, "issuer": NAME,
                                          "rootcertbundle": str(issuer.pair.certificate),
                                          "signingalgorithms": ["ES256"]}}})
    assert bearer(server, issuer.token()).get("/v2/").status_code == 401


def test_autoredirect_sends_to_the_host_of_the_request(serve, issuer):
    server, _ = serve({"auth": {"token": {"realm": REALM, "service": SERVICE, "issuer": NAME, "autoredirect": True,
                                          "rootcertbundle": str(issuer.pair.certificate)}}})
    answer = Client(server.url).get("/v2/", headers={"Host": "registry.example:5000"})
    assert challenge(answer)["realm"] in ("http://registry.example:5000/auth/token", "https://registry.example:5000/auth/token")
