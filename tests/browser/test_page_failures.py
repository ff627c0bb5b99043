"""What the page says when something goes wrong, and how it goes on."""

from __future__ import annotations

import contextlib

import pytest

pytest.importorskip("starlette", reason="needs the extra server")
pytest.importorskip("selenium", reason="needs selenium, which .ci/run browser installs")

from support.relay import relay_to
from support.running_server import running_server
from tilewright.server.keys import hash_of
from tilewright.server.state import ServerOptions


def test_a_file_that_is_no_picture_is_named_and_can_be_tried_again(page, server, tmp_path):
    (tmp_path / "wrong.png").write_bytes(b"no picture")
    page.open(server)
    page.choose(tmp_path / "wrong.png")
    page.enlarge()
    page.wait_until("failed")
    assert page.text("#pictures .state").startswith("Not a picture that can be read")
    assert page.find("#status").get_property("textContent").startswith("wrong.png: ")
    page.run("window.states = []; new MutationObserver(() => window.states.push("
             "document.querySelector('#pictures li').dataset.state)).observe("
             "document.querySelector('#pictures li'), { attributes: true })")  # fmt: skip
    page.find(".retry").click()
    page.wait_for(lambda: page.run("return window.states.at(-1)") == "failed")
    assert "running" in page.run("return window.states")


def test_a_file_that_is_too_large_is_not_sent(page, tmp_path, picture):
    (tmp_path / "large.png").write_bytes(bytes(80_000))
    with running_server(tmp_path / "store", options=ServerOptions(max_body_bytes=100_000)) as server:
        page.open(server)
        page.choose(tmp_path / "large.png")
        assert page.text("#pictures .state") == "The file has 0.0800 MB. This server takes up to 0.0735 MB."
        assert not page.find("#start").is_enabled()
        page.choose(picture)
        page.enlarge()
        page.wait_until("finished")


def test_a_server_that_is_not_there_is_reported(page, tmp_path, picture):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running_server(tmp_path / "store"))
        relay = stack.enter_context(relay_to(server.port))
        page.open(relay)
        relay.refuse()
        page.choose(picture)
        page.enlarge()
        page.wait_for(lambda: "does not answer" in page.text("#error"))
        assert page.state() == "chosen"
        relay.is_open = True
        page.enlarge()
        page.wait_until("finished")
        assert page.text("#error") == ""


def test_results_of_a_lost_connection_arrive_when_it_is_back(page, server, picture):
    with relay_to(server.port) as relay:
        page.open(relay)
        page.choose(picture)
        page.enlarge()
        page.wait_until("finished")
        page.choose(picture)
        before = answers_of(server)
        with server.upscaler._networks.exclusive():  # it waits until the connection is lost
            page.enlarge()
            page.wait_for(lambda: "on the server" in page.text("#pictures .state"))
            relay.refuse()
            page.wait_for(lambda: "was lost" in page.text("#error"))
            assert page.text("#pictures .state") == "Waits for the connection"
        page.wait_for(lambda: answers_of(server) == before + 1)  # it is finished while nobody is connected
        relay.is_open = True
        page.wait_until("finished")
        assert page.text("#error") == ""
        assert answers_of(server) == before + 1, "it ran once"


def answers_of(server):
    """Returns how many tasks a server has answered."""
    lines = server.request("/metrics")[2].decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("tilewright_tasks_total{"))


def test_pictures_are_sent_again_to_a_server_that_was_started_again(page, tmp_path, picture):
    with contextlib.ExitStack() as stack, running_server(tmp_path / "second") as second:
        first = stack.enter_context(running_server(tmp_path / "first"))
        relay = stack.enter_context(relay_to(first.port))
        page.open(relay)
        page.choose(picture)
        with first.upscaler._networks.exclusive():
            page.enlarge()
            page.wait_for(lambda: "on the server" in page.text("#pictures .state"))
            relay.refuse()
            relay.server_port = second.port
            relay.is_open = True
            page.wait_until("finished")
        assert answers_of(second) == 1


def test_pictures_fail_if_the_connection_stays_lost_and_can_be_tried_again(page, server, picture):
    with relay_to(server.port) as relay:
        page.open(relay)
        page.choose(picture)
        with server.upscaler._networks.exclusive():
            page.enlarge()
            page.wait_for(lambda: "on the server" in page.text("#pictures .state"))
            page.run("const now = Date.now; Date.now = () => now() + (window.later ?? 0)")
            relay.refuse()
            page.wait_for(lambda: "was lost" in page.text("#error"))
            page.run("window.later = 60_000")  # milliseconds, which nobody wants to wait for
            page.wait_until("failed")
            assert "does not answer" in page.text("#pictures .state")
        relay.is_open = True
        page.find(".retry").click()
        page.wait_until("finished")


def test_a_server_with_keys_asks_for_one(page, tmp_path, picture):
    with running_server(tmp_path, options=ServerOptions(key_hashes=(hash_of("secret"),))) as server:
        page.open(server)
        assert page.find("#key").is_displayed()
        page.choose(picture)
        page.enlarge()
        page.wait_for(lambda: "needs an API key" in page.text("#error"))
        assert page.driver.switch_to.active_element == page.find("#key")
        assert page.text("#pictures .state") == "Ready", "estimates need the key too"
        page.find("#key").send_keys("secret")
        page.enlarge()
        page.wait_until("finished")
        assert page.text("#error") == ""
