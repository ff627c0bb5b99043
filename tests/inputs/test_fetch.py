"""Fetching a file: content, redirects, limits and deadlines, against servers on loopback."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.http_server import PNG, refusal, serving
from tilewright.errors import CancelledError, ImageTooLargeError, SourceError
from tilewright.inputs.fetch import fetch
from tilewright.limits import InputLimits


def test_content_is_returned_unchanged(server):
    server.reply("/a%20b.png?size=1", PNG, Content_Type="text/plain")
    assert fetch(server.url("/a%20b.png?size=1#part"), allow=(server.authority,)) == PNG
    [(_, headers)] = server.seen
    assert (headers["Host"], headers["Accept-Encoding"]) == (server.authority, "identity")
    assert not {"cookie", "authorization", "referer"} & {name.lower() for name in headers}


def test_spaces_and_non_ascii_characters_are_escaped(server):
    server.reply("/my%20caf%C3%A9.png?q=%C3%BC", PNG)
    assert fetch(server.url("/my café.png?q=ü"), allow=(server.authority,)) == PNG


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nContent-Length: rubbish\r\n\r\n"],
    ids=["none", "rubbish"],
)
def test_content_of_unknown_length_is_read_to_its_end(server, head):
    server.raw("/a", head, PNG[:50], PNG[50:])
    assert fetch(server.url("/a"), allow=(server.authority,), max_bytes=len(PNG)) == PNG


def test_chunked_content(server):
    server.raw("/a", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"4\r\ndefg\r\n0\r\n\r\n")
    assert fetch(server.url("/a"), allow=(server.authority,)) == b"abcdefg"
    server.raw("/b", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"4\r\nde")
    assert "ended early" in refusal(server.url("/b"), allow=(server.authority,))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(server, status):
    with serving() as other:
        server.redirect("/a", "b?x=1", status)
        server.redirect("/b?x=1", other.url("/my caf\xc3\xa9.png"), status)
        other.reply("/my%20caf%C3%A9.png", PNG)
        assert fetch(server.url("/a"), allow=(server.authority, other.authority)) == PNG


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://example.com/a", "data:image/png;base64,AAAA", "gopher://x/"]
)
def test_redirects_to_other_schemes_are_refused(server, location):
    server.redirect("/a", location)
    assert "only http and https" in refusal(server.url("/a"), allow=(server.authority,))


def test_at_most_five_redirects_are_followed(server):
    for number in range(6):
        server.redirect(f"/{number}", f"/{number + 1}")
    server.reply("/6", PNG)
    assert fetch(server.url("/1"), allow=(server.authority,)) == PNG
    assert "more than 5 redirects" in refusal(server.url("/0"), allow=(server.authority,))


def test_redirect_loop_ends(server):
    server.redirect("/a", "/a")
    assert "more than 5 redirects" in refusal(server.url("/a"), allow=(server.authority,))
    assert len(server.seen) == 6


def test_redirect_without_a_valid_location_is_refused(server):
    server.reply("/a", status=302)
    assert "without a Location header" in refusal(server.url("/a"), allow=(server.authority,))
    server.redirect("/a", "http://[oops/")
    assert "malformed" in refusal(server.url("/a"), allow=(server.authority,))


def test_announced_length_beyond_the_limit_is_refused_before_reading(server):
    server.reply("/a", b"x", Content_Length="1000001")
    assert "larger than 1000000 bytes (1000001)" in refusal(
        server.url("/a"), allow=(server.authority,), max_bytes=1_000_000
    )


@pytest.mark.parametrize("chunked", [True, False])
def test_unknown_length_beyond_the_limit_is_refused_while_reading(server, chunked):
    block = bytes(2**16)
    if chunked:
        head, block = b"Transfer-Encoding: chunked\r\n", b"10000\r\n" + block + b"\r\n"
    else:
        head = b""
    server.raw("/a", b"HTTP/1.1 200 X\r\n" + head + b"\r\n", *[block] * 999)
    # Without the limit, the answer would end at the deadline, with another message.
    assert "larger than 2000 bytes" in refusal(server.url("/a"), allow=(server.authority,), max_bytes=2000)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    ],
    ids=["negative chunk", "trailers", "interim responses"],
)
def test_endless_headers_and_chunks_are_bounded(server, head):
    rest = b"HTTP/1.1 100 Continue\r\n\r\n" if head.endswith(b"\n\r\n") else b"X: y\r\n"
    server.raw("/a", head + rest * (2**25 // len(rest)))  # 32 MiB; the limit is 100 bytes
    assert "larger than 100 bytes" in refusal(server.url("/a"), allow=(server.authority,), max_bytes=100)


@pytest.mark.parametrize("length", ["100", None])
def test_content_of_exactly_the_limit_is_accepted(server, length):
    server.reply("/a", bytes(100), Content_Length=length)
    assert fetch(server.url("/a"), allow=(server.authority,), max_bytes=100) == bytes(100)
    assert "larger than 99 bytes" in refusal(server.url("/a"), allow=(server.authority,), max_bytes=99)


@pytest.mark.parametrize("where", ["status", "header", "content", "chunk size"])
def test_slow_server_ends_at_the_deadline(server, where):
    drip = [b"1"] * 1000
    heads = {
        "status": [],
        "header": [b"HTTP/1.1 200 X\r\nX-Slow: "],
        "content": [b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n"],
        "chunk size": [b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"],
    }
    server.raw("/a", *heads[where], *drip)
    # Each byte arrives well within the timeout; only their sum exceeds it.
    message = refusal(server.url("/a"), allow=(server.authority,), timeout=0.5)
    assert "longer than 0.5 seconds" in message


def test_redirects_share_one_deadline(server):
    head = b"HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: "
    for number in range(5):
        server.raw(f"/{number}", head, b"", b"", b"", b"", f"/{number + 1}\r\n\r\n".encode())
    server.reply("/5", PNG)
    assert "longer than 0.5 seconds" in refusal(server.url("/0"), allow=(server.authority,), timeout=0.5)


def test_silent_server_ends_at_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        authority = f"127.0.0.1:{silent.getsockname()[1]}"
        for scheme in ("http", "https"):
            assert "longer than 0.3 seconds" in refusal(f"{scheme}://{authority}/a", allow=(authority,), timeout=0.3)


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 404, 429, 500, 503, 599])
def test_status_other_than_200_is_refused(server, status):
    server.reply("/a", status=status)
    assert f"answers {status}" in refusal(server.url("/a"), allow=(server.authority,))


def test_truncated_content_is_refused(server):
    server.reply("/a", PNG, Content_Length=str(len(PNG) + 1))
    assert f"after {len(PNG)} of {len(PNG) + 1} bytes" in refusal(server.url("/a"), allow=(server.authority,))


@pytest.mark.parametrize("header", ["Content_Encoding", "Transfer_Encoding"])
def test_encoded_content_is_refused(server, header):
    server.reply("/a", gzip.compress(bytes(1000)), **{header: "gzip"})
    assert "encoded" in refusal(server.url("/a"), allow=(server.authority,))


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"220 mail.test ESMTP\r\n", b"\0" * 100_000])
def test_answers_that_are_not_http_are_refused(server, answer):
    server.raw("/a", answer)
    message = refusal(server.url("/a"), allow=(server.authority,))
    assert "not valid HTTP" in message or "connection failed" in message
    assert "SSH" not in message  # the answer of an unknown service is not disclosed


def test_too_many_headers_are_refused(server):
    server.raw("/a", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n")
    assert "not valid HTTP" in refusal(server.url("/a"), allow=(server.authority,))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_cancellation_ends_a_fetch_from_a_silent_server(scheme):
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as pool:
        authority = f"127.0.0.1:{silent.getsockname()[1]}"
        fetching = pool.submit(fetch, f"{scheme}://{authority}/a", allow=(authority,), timeout=600, stop=stop)
        connection, _ = silent.accept()
        connection.recv(1)
        stop.set()
        with pytest.raises(CancelledError):
            fetching.result(timeout=30)
        connection.close()


def test_cancellation_ends_a_fetch_from_a_server_that_never_ends():
    """There is always something to read, so the fetch never waits."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as endless, ThreadPoolExecutor(1) as pool:
        authority = f"127.0.0.1:{endless.getsockname()[1]}"
        options = {"allow": (authority,), "timeout": 600, "max_bytes": 2**40}
        fetching = pool.submit(fetch, f"http://{authority}/a", stop=stop, **options)
        connection, _ = endless.accept()
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(100))
        stop.set()
        with contextlib.suppress(OSError):
            for _ in range(1000):
                connection.sendall(bytes(2**16))
        with pytest.raises(CancelledError):
            fetching.result(timeout=30)
        connection.close()


def test_cancellation_ends_a_name_lookup(monkeypatch):
    stop, released = threading.Event(), threading.Event()

    def look_up(*_, **__):
        stop.set()
        released.wait(timeout=60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(CancelledError):
        fetch("http://slow.test/a.png", timeout=600, stop=stop)
    released.set()


def test_limit_on_the_bytes_of_pictures_holds_for_the_transfer(server):
    server.reply("/a", bytes(3000))
    limits = InputLimits(file_bytes=2000)
    with pytest.raises(ImageTooLargeError, match=r"larger than 2000 bytes \(3000\).* TILEWRIGHT_MAX_INPUT_BYTES"):
        fetch(server.url("/a"), allow=(server.authority,), limits=limits)
    with pytest.raises(SourceError, match="larger than 1000 bytes"):
        fetch(server.url("/a"), allow=(server.authority,), limits=limits, max_bytes=1000)
    assert len(fetch(server.url("/a"), allow=(server.authority,), limits=InputLimits(file_bytes=3000))) == 3000
