"""`tilewright serve`: where it listens, whom it lets in, and how it stops."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from support.processes import subprocess_environment
from tilewright.cli import main
from tilewright.server.keys import hash_of


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "can be reached from other machines; give --api-key KEY, or --without-key"),
        (["--host", "0.0.0.0", "--without-key"], "give --public-url"),
        (["--public-url", "not a url"], "--public-url must be an address such as"),
        (["--host", "no.such.host.invalid", "--without-key"], "cannot listen on no.such.host.invalid"),
        (["--port", "99999"], "is not a port"),
        (["--api-key", ""], "an API key is empty"),
        (["--api-key", "secret", "--api-key", " "], "an API key is empty"),
        (["--model", "none"], "there is no network named 'none'"),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, message):
    assert main(["serve", "--port", "0", *arguments]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "serving on" not in line]
    assert len(errors) == 1
    assert message in errors[0]


def test_the_checksum_of_an_empty_key_is_a_mistake(capsys, monkeypatch):
    monkeypatch.setenv("TILEWRIGHT_API_KEY_HASHES", hash_of(""))
    assert main(["serve", "--port", "0"]) == 2
    assert "an API key is empty" in capsys.readouterr().err


@contextlib.contextmanager
def serving(folder, *arguments):
    """Runs the command with an image store in a folder; yields the process and its address."""
    environment = subprocess_environment() | {"TILEWRIGHT_STORE": str(folder / "store")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tilewright", "serve", "--port", "0", *arguments],
        stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        line = process.stderr.readline()
        yield process, re.search(r"http://\S+?(?=,)", line)[0]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_with_status_0(tmp_path, signum):
    with serving(tmp_path) as (process, address):
        with urllib.request.urlopen(f"{address}/healthz", timeout=60) as response:
            assert response.read() == b"ok\n"
        if hasattr(signal, "SIGHUP"):
            process.send_signal(signal.SIGHUP)  # the terminal was closed
        process.send_signal(signum)
        assert process.wait(timeout=60) == 0


def status_of(address, key):
    request = urllib.request.Request(f"{address}/v1", b"[]", {"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_key_is_needed_if_one_is_given(tmp_path):
    with serving(tmp_path, "--api-key", "secret") as (_, address):
        assert (status_of(address, "wrong"), status_of(address, "secret")) == (401, 200)
