# SPDX-License-Identifier: Apache-2.0
"""Watching it: metrics, health, the access log, the log itself."""
import json
import re
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

import content
from client import Client
from server import free_port


@pytest.fixture(name="watched")
def watched_fixture(serve):
    """A server with the debug listener: (server, client, client of the debug listener)."""
    port = free_port()
    server, client = serve({"http": {"debug": {"addr": f"127.0.0.1:{port}", "prometheus": {"enabled": True}}}})
    return server, client, Client(f"http://127.0.0.1:{port}")


def series(debug, path="/metrics"):
    """All samples, by name and labels."""
    answer = debug.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(answer.text) for sample in family.samples}


def total(samples, name, **labels):
    """The sum over the samples of a name that have these labels."""
    return sum(value for (sample, found), value in samples.items()
               if sample == name and set(labels.items()) <= set(found))


def test_metrics_count_what_was_asked(watched):
    _, client, debug = watched
    before = series(debug)
    repo = content.name()
    client.push_image(repo, "v1")
    for _ in range(5):
        assert client.get_manifest(repo, "v1").status_code == 200

    def grown(name, **labels):
        return total(series(debug), name, **labels) - total(before, name, **labels)
    # An answer is counted when it was sent, which the client may know a little earlier.
    until(lambda: grown("registry_http_requests_total", handler="manifest") == 6)
    assert grown("registry_http_requests_total", handler="manifest", method="get", code="200") == 5
    assert grown("registry_http_requests_total", handler="manifest", method="put", code="201") == 1
    assert grown("registry_http_requests_total", handler="blob_upload", method="post", code="202") == 2
    assert grown("registry_http_request_duration_seconds_count", handler="manifest") == 6
    assert "registry_http_in_flight_requests" in {name for name, _ in series(debug)}


def test_every_family_has_help_and_type(watched):
    _, client, debug = watched
    client.push_image(content.name(), "v1")
    text = debug.get("/metrics").text
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        assert family.type != "unknown", family.name
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_the_path_of_metrics_can_be_chosen(serve):
    port = free_port()
    serve({"http": {"debug": {"addr": f"127.0.0.1:{port}", "prometheus": {"enabled": True, "path": "/stats"}}}})
    assert series(Client(f"http://127.0.0.1:{port}"), "/stats")


def test_metrics_are_off_unless_asked_for(serve):
    port = free_port()
    serve({"http": {"debug": {"addr": f"127.0.0.1:{port}"}}})
    assert Client(f"http://127.0.0.1:{port}").get("/metrics").status_code == 404


def test_the_main_listener_tells_nothing_of_this(watched):
    _, client, _ = watched
    assert client.get("/metrics").status_code == 404
    assert client.get("/debug/health").status_code == 404


def test_health_is_an_empty_object_when_all_is_well(watched):
    _, _, debug = watched
    answer = debug.get("/debug/health")
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_answer(watched, path):
    # The main listener may answer a moment before it is said to be ready.
    until(lambda: watched[2].get(path).status_code == 200)


def test_a_failing_check_makes_it_unready_and_every_request_503(serve, tmp_path):
    port, sign = free_port(), tmp_path / "maintenance"
    _, client = serve({"http": {"debug": {"addr": f"127.0.0.1:{port}"}},
                       "health": {"file": [{"file": str(sign), "interval": "100ms"}]}})
    debug = Client(f"http://127.0.0.1:{port}")
    assert client.get("/v2/").status_code == 200
    sign.write_text("")
    until(lambda: debug.get("/debug/health").status_code == 503)
    assert str(sign) in json.dumps(debug.get("/debug/health").json())
    assert client.get("/v2/").status_code == 503
    assert client.get("/v2/").json()["errors"][0]["code"] == "UNAVAILABLE"
    assert debug.get("/readyz").status_code == 503
    assert debug.get("/livez").status_code == 200
    sign.unlink()
    until(lambda: client.get("/v2/").status_code == 200)
    assert debug.get("/readyz").status_code == 200


def until(condition, seconds=15):
    """Waits until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to it"
        time.sleep(0.05)


COMBINED = re.compile(r'^127\.0\.0\.1 - (\S+) \[[^\]]+\] "(\w+) (\S+) HTTP/1\.1" (\d+) (\d+) "([^"]*)" "([^"]*)"')


def test_the_access_log_is_in_the_combined_format(serve):
    server, client = serve({"log": {"accesslog": {"disabled": False}}})
    client.get("/v2/none/tags/list?n=5", headers={"User-Agent": 'a "quoted" agent', "Referer": "http://x/"})
    until(lambda: "/v2/none/tags/list" in server.out.read_text())
    lines = [line for line in server.out.read_text().splitlines() if "/v2/none/tags/list" in line]
    match = COMBINED.match(lines[0])
    assert match, lines
    assert match.group(2, 3, 4) == ("GET", "/v2/none/tags/list?n=5", "404")


def test_the_access_log_can_be_switched_off(serve):
    server, client = serve({"log": {"accesslog": {"disabled": True}}})
    client.get("/v2/none/tags/list")
    client.get("/v2/")
    time.sleep(0.3)
    assert "/v2/none/tags/list HTTP" not in server.out.read_text()


def test_nobody_writes_lines_into_the_logs(serve):
    server, client = serve()
    client.get("/v2/x/tags/list", headers={"User-Agent": "evil\tagent \x1b[31m"})
    client.get("/v2/%0aforged%20line/tags/list")
    time.sleep(0.3)
    text = server.text()
    assert "\x1b" not in text
    assert not any(line.startswith("forged") for line in text.splitlines())


def test_the_json_log_is_json(serve):
    server, client = serve({"log": {"formatter": "json", "level": "debug", "fields": {"site": "test"}}})
    client.push_image(content.name(), "v1")
    client.get("/v2/none/tags/list")
    time.sleep(0.3)
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line]
    assert lines
    assert all({"level", "msg", "time"} <= set(line) and line["site"] == "test" for line in lines)
