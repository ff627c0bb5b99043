"""By which names, and for which pages, a server over sockets of this machine answers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from support.running_server import running_server
from support.server_tasks import receive, send, task
from tilewright import Settings
from tilewright.server.keys import hash_of
from tilewright.server.names import origin_of
from tilewright.server.state import ServerOptions

PUBLIC = "https://up.example.org"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server without keys, with the options of its settings, as `tilewright.server:app`."""
    with running_server(tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture(scope="module")
def stored(server):
    _, response = server.call([task()])
    return response["data"][0]["imageURL"].removeprefix(server.http)


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.json", "/metrics", "/estimate?width=9&height=9&factor=2"])
def test_a_page_whose_name_leads_to_this_machine_can_read_nothing(server, path):
    name = f"rebound.example.org:{server.port}"
    status, _, body = server.request(path, headers={"Host": name})
    assert (status, json.loads(body)["errors"][0]["code"]) == (403, "forbiddenOrigin")
    assert server.request(path)[0] == 200
    assert server.request(path, headers={"Host": f"localhost:{server.port}"})[0] == 200
    assert server.request(path, headers={"Host": f"[::1]:{server.port}"})[0] == 200


def test_nor_can_it_read_images_or_send_tasks(server, stored):
    name = {"Host": f"rebound.example.org:{server.port}"}
    assert [server.request(stored)[0], server.request(stored, headers=name)[0]] == [200, 403]
    assert server.call([task()], headers={**name, "Origin": f"http://{name['Host']}"})[0] == 403
    with pytest.raises(InvalidStatus, match="403"):
        connect(server.ws, additional_headers=name, origin=f"http://{name['Host']}")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_told_by_any_name(server, path):
    assert server.request(path, headers={"Host": "10.0.0.7:8080"})[0] != 403


def test_a_server_with_keys_or_for_other_machines_answers_to_any_name():
    settings = Settings(store_public_url=f"{PUBLIC}/images")
    assert ServerOptions.from_settings(settings).allowed_hosts[-1] == "up.example.org"
    assert ServerOptions.from_settings(settings, host="0.0.0.0").allowed_hosts == ()
    assert ServerOptions.from_settings(replace(settings, api_key_hashes=(hash_of("key"),))).allowed_hosts == ()


def test_the_settings_limit_the_server(tmp_path):
    settings = Settings(max_body_bytes=100_000, max_bodies_bytes=50_000, max_waiting_calls=7, max_connections=1)
    with running_server(tmp_path, settings=settings) as server, connect(server.ws):
        assert server.call([task(inputImage="A" * 200_000)])[0] == 413
        assert server.call([task(inputImage="A" * 60_000)])[0] == 429
        assert json.loads(server.request("/page.json")[2])["largestFrame"] == 100_000
        with pytest.raises(InvalidStatus, match="429"):
            connect(server.ws)
    assert ServerOptions.from_settings(settings).max_waiting_calls == 7


@pytest.mark.parametrize("host", ["127.0.0.1", "up.example.org"])
def test_the_page_works_at_the_public_address_whatever_host_is_passed_on(tmp_path, host):
    settings = Settings(store_public_url=f"{PUBLIC}/images")
    with running_server(tmp_path, options=ServerOptions.from_settings(settings)) as server:
        assert server.request("/", headers={"Host": host})[0] == 200
        assert server.call([task()], headers={"Host": host, "Origin": PUBLIC})[0] == 200
        with connect(server.ws, additional_headers={"Host": host}, origin=PUBLIC) as ws:
            send(ws, {"taskType": "ping", "ping": True})
            assert "data" in receive(ws)
        assert server.call([task()], headers={"Host": host, "Origin": "https://evil.example.org"})[0] == 403


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://Up.example.org:443/images", "https://up.example.org"),
        ("http://10.0.0.7:8080/images", "http://10.0.0.7:8080"),
        ("http://[::1]:80/images", "http://[::1]"),
        ("", None),
        ("http://[", None),
    ],
)
def test_origins_are_named_as_browsers_do(address, origin):
    assert origin_of(address) == origin
