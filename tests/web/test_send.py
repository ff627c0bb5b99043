"""Sending content to a server, once."""

from __future__ import annotations

import email.utils
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.http_server import serving
from tilewright.errors import CancelledError
from tilewright.web.errors import SendError
from tilewright.web.send import retry_after_seconds, send


def send_to(server, path, content=b"{}", *, method="POST", **options):
    options = {"timeout": 20, "allow": (server.authority,), **options}
    send(method, server.url(path), content, "application/json", **options)


def failure(url, **options):
    """Returns the error with which `send` fails."""
    with pytest.raises(SendError) as caught:
        send("POST", url, b"{}", "application/json", **{"timeout": 5, **options})
    return caught.value


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("size", [0, 5, 20_000_000])
def test_content_arrives_unchanged(server, method, size):
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    server.reply("/a?token=1", status=204)
    send_to(server, "/a?token=1", content, method=method)
    assert server.received == [(method, "/a?token=1", "application/json", content)]
    [(_, headers)] = server.seen
    assert (headers["Host"], headers["User-Agent"]) == (server.authority, "tilewright")
    assert not {"cookie", "authorization", "referer"} & {name.lower() for name in headers}


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_status_of_success_is_accepted(server, status):
    server.reply("/a", b"thanks" if status != 204 else b"", status=status)
    send_to(server, "/a")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 400, 401, 404, 410, 429, 500, 503])
def test_other_statuses_are_failures_and_redirects_are_not_followed(server, status):
    with serving() as other:
        server.reply("/a", status=status, Location=other.url("/b"))
        error = failure(server.url("/a"), allow=(server.authority, other.authority))
        assert f"the server answers {status}" in str(error)
        assert ("redirects are not followed" in str(error)) == (status < 400)
        assert not error.is_final
        assert other.seen == []


def test_answer_is_not_disclosed(server):
    server.raw("/a", b"HTTP/1.1 500 secret-phrase\r\nX-Secret: secret-header\r\n\r\nsecret-body")
    assert "secret" not in str(failure(server.url("/a"), allow=(server.authority,)))


def test_no_more_than_the_beginning_of_an_endless_answer_is_read(server):
    server.raw("/a", b"HTTP/1.1 200 OK\r\n\r\n" + bytes(2**16), *[bytes(2**16)] * 10_000)
    send_to(server, "/a")  # else it would fail after 20 seconds


def test_answer_without_end_of_headers_is_a_failure(server):
    server.raw("/a", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10**6)
    assert "not valid HTTP" in str(failure(server.url("/a"), allow=(server.authority,)))


@pytest.mark.parametrize("url", ["http://localhost:8080/", "http://127.1/", "https://private.test/", "http://[::1]/"])
def test_private_addresses_are_never_connected_to(names, connections, url):
    names.update({"localhost": [["127.0.0.1"]], "127.1": [["127.0.0.1"]], "private.test": [["8.8.8.8", "10.0.0.1"]]})
    error = failure(url)
    assert "not on the public internet" in str(error)
    assert error.is_final
    assert connections == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://user:hunter2@public.test/", "user name or password"),
        ("http://public.test:22/", "port 22"),
        ("ftp://public.test/", "only http and https"),
    ],
)
def test_urls_that_are_not_allowed_fail_for_good(names, connections, url, reason):
    error = failure(url)
    assert reason in str(error)
    assert "hunter2" not in str(error)
    assert error.is_final
    assert (names.asked, connections) == ([], [])


@pytest.mark.usefixtures("names")
def test_failure_of_a_lookup_is_not_final():
    error = failure("http://nowhere.test/")
    assert (str(error), error.is_final) == ("its host name cannot be resolved", False)


def test_failures_of_connections_are_not_final():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        authority = f"127.0.0.1:{silent.getsockname()[1]}"
        error = failure(f"http://{authority}/", allow=(authority,), timeout=0.3)
        assert (str(error), error.is_final) == ("it takes longer than 0.3 seconds", False)
    assert "connection failed" in str(failure(f"http://{authority}/", allow=(authority,)))


def test_receiver_that_does_not_read_ends_at_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        authority = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(SendError, match=r"longer than 0\.5 seconds"):
            send("PUT", f"http://{authority}/", bytes(10**8), "image/png", timeout=0.5, allow=(authority,))


def test_cancellation_ends_an_attempt():
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as pool:
        authority = f"127.0.0.1:{silent.getsockname()[1]}"
        options = {"timeout": 600, "allow": (authority,), "stop": stop}
        sending = pool.submit(send, "PUT", f"http://{authority}/", bytes(10**8), "image/png", **options)
        connection, _ = silent.accept()
        stop.set()
        with pytest.raises(CancelledError):
            sending.result(timeout=30)
        connection.close()


def test_name_is_resolved_without_a_thread_if_none_can_be_started(server, names, monkeypatch):
    def refuse(_self):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    names["late.test"] = [["127.0.0.1"]]
    server.reply("/a")
    authority = f"late.test:{server.server_port}"
    starting = threading.Thread.start

    def start(self):
        (refuse if self.name == "tilewright-resolve" else starting)(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    send("POST", f"http://{authority}/a", b"{}", "application/json", timeout=5, allow=(authority,))
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("9" * 5000, 999999999),
    ],
)
def test_retry_after_in_seconds(header, seconds):
    assert retry_after_seconds(header) == seconds


def test_retry_after_as_a_date():
    later = email.utils.formatdate(time.time() + 1000, usegmt=True)
    assert 900 < retry_after_seconds(later) <= 1000
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after_seconds("Wed, 99 Oct 2015 07:28:00 GMT") is None


def test_failure_has_the_time_that_the_receiver_asks_for(server):
    server.reply("/a", status=503, Retry_After="17")
    assert failure(server.url("/a"), allow=(server.authority,)).retry_after == 17
