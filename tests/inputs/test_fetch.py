"""Fetching pictures from the web, against servers on the loopback interface; no test leaves this machine.

Loopback is what the library refuses, so tests allow it by host and port. Names ending in ``.test`` belong to nobody
(RFC 6761); what they resolve to is decided here.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import http.server
import io
import shutil
import socket
import ssl
import subprocess
import threading

import numpy as np
import pytest
from PIL import Image

from tilewright.errors import DecodeError, ImageTooLargeError, InvalidTaskError, SourceError
from tilewright.inputs.fetch import fetch
from tilewright.inputs.resolve import load_picture
from tilewright.inputs.url import is_public, shown_url
from tilewright.limits import Limits
from tilewright.service.parsing import parse_task
from tilewright.store.image_store import ImageStore


def png():
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


PNG = png()


class Server(http.server.ThreadingHTTPServer):
    """Answers with what a test put into `routes`; keeps every request line and its headers in `seen`."""

    def __init__(self, address=("127.0.0.1", 0)):
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, Handler)
        self.routes = {}
        self.seen = []
        self.stop = threading.Event()

    @property
    def authority(self):
        host = self.server_address[0]
        return f"[{host}]:{self.server_port}" if ":" in host else f"{host}:{self.server_port}"

    def url(self, path):
        return f"http://{self.authority}{path}"

    def reply(self, path, body=b"", *, status=200, **headers):
        """Answer `path`; a header that is None is left out."""
        headers = {"Content-Length": str(len(body))} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
        self.raw(path, "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode("latin-1") + body)

    def raw(self, path, *chunks):
        """Answer `path` with bytes as they are, each chunk a moment after the one before."""
        self.routes[path] = chunks

    def redirect(self, path, location, status=302):
        self.reply(path, status=status, Location=location)

    def handle_error(self, *_args):
        pass  # a client that hangs up is what many of these tests are about


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, self.headers))
        self.close_connection = True
        for number, chunk in enumerate(self.server.routes[self.path]):
            if number and self.server.stop.wait(0.05):
                return
            self.wfile.write(chunk)
            self.wfile.flush()

    def log_message(self, *_args):
        pass


@contextlib.contextmanager
def serving(address=("127.0.0.1", 0), context=None):
    server = Server(address)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.stop.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server():
    with serving() as server:
        yield server


class Names(dict):
    """Names, each with its answers (lists of addresses), the last of which stays; `asked` are the names asked for."""

    def __init__(self):
        self.asked = []

    def answer(self, name):
        self.asked.append(name)
        if name not in self:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self[name].pop(0) if len(self[name]) > 1 else self[name][0]


@pytest.fixture
def names(monkeypatch):
    """What DNS knows."""
    names = Names()
    real = socket.getaddrinfo

    def getaddrinfo(host, port, **options):
        return [entry for address in names.answer(host) for entry in real(address, port, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


@pytest.fixture
def connections(monkeypatch):
    """Socket addresses that were connected to; nothing but loopback is really reached."""
    made = []
    real = socket.socket.connect

    def connect(self, address):
        made.append(address[:2])
        if address[0] not in ("127.0.0.1", "::1"):
            raise ConnectionRefusedError(111, "Connection refused")
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return made


def refused(url, **options):
    """The message of the refusal."""
    with pytest.raises(SourceError) as caught:
        fetch(url, **options)
    assert caught.value.code == "failedToTransferImage"
    assert repr(shown_url(url)) in caught.value.message
    return caught.value.message


def test_a_file_is_fetched_as_it_is(server):
    server.reply("/a%20b.png?size=1", PNG, Content_Type="text/plain")
    assert fetch(server.url("/a%20b.png?size=1#part"), allow=(server.authority,)) == PNG
    [(_, headers)] = server.seen
    assert (headers["Host"], headers["Accept-Encoding"]) == (server.authority, "identity")
    assert not {"cookie", "authorization", "referer"} & {name.lower() for name in headers}


def test_spaces_and_other_letters_are_escaped(server):
    server.reply("/my%20caf%C3%A9.png?q=%C3%BC", PNG)
    assert fetch(server.url("/my café.png?q=ü"), allow=(server.authority,)) == PNG


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nContent-Length: rubbish\r\n\r\n"],
    ids=["none", "rubbish"],
)
def test_a_file_of_unannounced_length_is_read_to_its_end(server, head):
    server.raw("/a", head, PNG[:50], PNG[50:])
    assert fetch(server.url("/a"), allow=(server.authority,), max_bytes=len(PNG)) == PNG


def test_a_chunked_answer_is_put_together(server):
    server.raw("/a", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"4\r\ndefg\r\n0\r\n\r\n")
    assert fetch(server.url("/a"), allow=(server.authority,)) == b"abcdefg"
    server.raw("/b", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"4\r\nde")
    assert "ended early" in refused(server.url("/b"), allow=(server.authority,))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "[::1]", "[::]",
        "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "10.1.2.3", "192.168.0.1",
        "169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "100.100.100.200", "127。0。0。1", "１２７.0.0.1",
        "224.0.0.1",
    ],
)  # fmt: skip
def test_hosts_that_are_not_public_are_never_connected_to(host, connections):
    assert "not on the public internet" in refused(f"http://{host}/a.png", timeout=5)
    assert "not on the public internet" in refused(f"https://{host}:8443/a.png", timeout=5)
    assert connections == []


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.254", "127.0.0.1", "127.255.255.255",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1",
        "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "168.63.129.16", "::", "::1", "::7f00:1", "::8.8.8.8", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "100::1", "2001::1", "2001:0:4136:e378::1",
        "2001:1::1", "2001:10::1", "2001:db8::1", "2002:a00:1::", "2002:a9fe:a9fe::1", "3fff::1", "4000::1", "5f00::1",
        "fc00::1",
        "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "192.0.1.1", "2606:4700:4700::1111",
        "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
    ],
)  # fmt: skip
def test_addresses_that_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize("bad", ["10.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254"])
def test_one_bad_address_among_good_ones_is_enough(names, connections, bad):
    for found in (["8.8.8.8", bad], [bad, "8.8.8.8"], ["8.8.8.8", "2606:4700:4700::1111", bad]):
        names["mixed.test"] = [found]
        message = refused("http://mixed.test/a.png")
        assert "not on the public internet" in message
        assert bad not in message  # what an internal name resolves to is told to nobody
    assert connections == []


def test_the_checked_address_is_connected_to_and_dns_is_asked_once(names, connections):
    names["rebind.test"] = [["8.8.8.8"], ["127.0.0.1"]]
    assert "connection failed" in refused("http://rebind.test/a.png")
    assert connections == [("8.8.8.8", 80)]
    assert names.asked == ["rebind.test"]


def test_every_redirect_is_resolved_and_judged_anew(names, server, connections):
    # The first answer leads to the allowed server; the same name on another port has no allowance, and a new address.
    names["rebind.test"] = [["127.0.0.1"], ["10.0.0.1"]]
    server.redirect("/a", "http://rebind.test:8080/secret")
    message = refused(f"http://rebind.test:{server.server_port}/a", allow=(f"rebind.test:{server.server_port}",))
    assert "redirected to 'http://rebind.test:8080/secret'" in message
    assert "not on the public internet" in message
    assert names.asked == ["rebind.test", "rebind.test"]
    assert connections == [("127.0.0.1", server.server_port)]


def test_further_addresses_are_tried_when_one_does_not_answer(names, server, connections):
    names["two.test"] = [["8.8.8.8", "127.0.0.1"]]
    server.reply("/a", PNG)
    authority = f"two.test:{server.server_port}"
    assert fetch(f"http://{authority}/a", allow=(authority,)) == PNG
    assert [address for address, _ in connections] == ["8.8.8.8", "127.0.0.1"]
    assert server.seen[0][1]["Host"] == authority


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_address_that_hangs_leaves_time_for_the_others(names, server, monkeypatch, scheme):
    names["two.test"] = [["8.8.8.8", "127.0.0.1"]]
    real = socket.socket.connect

    def connect(self, address):
        if address[0] == "8.8.8.8":
            threading.Event().wait(self.gettimeout())
            raise TimeoutError
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    server.reply("/a", PNG)
    authority = f"two.test:{server.server_port}"
    if scheme == "http":
        assert fetch(f"http://{authority}/a", allow=(authority,), timeout=1) == PNG
    else:  # the server is reached, and speaks no TLS
        assert "no encrypted connection" in refused(f"https://{authority}/a", allow=(authority,), timeout=1)


def test_a_machine_without_ipv6_takes_the_other_address(names, server, monkeypatch):
    names["two.test"] = [["2606:4700:4700::1111", "127.0.0.1"]]

    class Socket(socket.socket):
        def __init__(self, family=-1, *args, **options):
            if family == socket.AF_INET6:
                raise OSError(97, "Address family not supported by protocol")
            super().__init__(family, *args, **options)

    server.reply("/a", PNG)
    authority = f"two.test:{server.server_port}"
    monkeypatch.setattr(socket, "socket", Socket)
    assert fetch(f"http://{authority}/a", allow=(authority,)) == PNG


def test_a_name_that_does_not_resolve(names):
    assert "cannot be resolved" in refused("http://nowhere.test/a.png")
    names["empty.test"] = [[]]
    assert "no address" in refused("http://empty.test/a.png")


def test_dns_that_does_not_answer_ends_at_the_deadline(monkeypatch):
    stop = threading.Event()

    def getaddrinfo(*_args, **_options):
        stop.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert "longer than 0.2 seconds" in refused("http://slow.test/a.png", timeout=0.2)
    stop.set()


def test_ipv6_servers_are_fetched_from():
    try:
        context = serving(("::1", 0))
        with context as server:
            server.reply("/a", PNG)
            assert fetch(server.url("/a"), allow=(server.authority,)) == PNG
            assert server.seen[0][1]["Host"] == server.authority
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(server, status):
    with serving() as other:
        server.redirect("/a", "b?x=1", status)
        server.redirect("/b?x=1", other.url("/my caf\xc3\xa9.png"), status)
        other.reply("/my%20caf%C3%A9.png", PNG)
        assert fetch(server.url("/a"), allow=(server.authority, other.authority)) == PNG


def test_redirects_to_where_nobody_may_go(server, connections):
    with serving() as other:
        other.reply("/secret", PNG)
        for location in (
            other.url("/secret"),
            f"//localhost:{server.server_port}/secret",  # the allowance is for the host as it is written
            "http://169.254.169.254/latest/meta-data/",
            "http://[::ffff:10.0.0.1]/",
        ):
            server.redirect("/a", location)
            message = refused(server.url("/a"), allow=(server.authority,))
            assert "not on the public internet" in message or "port" in message
            assert "redirected to" in message
        assert other.seen == []
        assert set(connections) == {("127.0.0.1", server.server_port)}


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://example.com/a", "data:image/png;base64,AAAA", "gopher://x/"]
)
def test_redirects_to_other_schemes(server, location):
    server.redirect("/a", location)
    assert "only http and https" in refused(server.url("/a"), allow=(server.authority,))


def test_six_redirects_are_one_too_many(server):
    for number in range(6):
        server.redirect(f"/{number}", f"/{number + 1}")
    server.reply("/6", PNG)
    assert fetch(server.url("/1"), allow=(server.authority,)) == PNG
    assert "more than 5 redirects" in refused(server.url("/0"), allow=(server.authority,))


def test_a_loop_of_redirects_ends(server):
    server.redirect("/a", "/a")
    assert "more than 5 redirects" in refused(server.url("/a"), allow=(server.authority,))
    assert len(server.seen) == 6


def test_a_redirect_to_nowhere(server):
    server.reply("/a", status=302)
    assert "without saying where" in refused(server.url("/a"), allow=(server.authority,))
    server.redirect("/a", "http://[oops/")
    assert "malformed" in refused(server.url("/a"), allow=(server.authority,))


def test_an_announced_length_beyond_the_limit_is_refused_before_reading(server):
    server.reply("/a", b"x", Content_Length="1000001")
    assert "larger than 1000000 bytes (1000001)" in refused(
        server.url("/a"), allow=(server.authority,), max_bytes=1_000_000
    )


@pytest.mark.parametrize("chunked", [True, False])
def test_an_unannounced_length_beyond_the_limit_is_refused_while_reading(server, chunked):
    block = bytes(2**16)
    if chunked:
        head, block = b"Transfer-Encoding: chunked\r\n", b"10000\r\n" + block + b"\r\n"
    else:
        head = b""
    server.raw("/a", b"HTTP/1.1 200 X\r\n" + head + b"\r\n", *[block] * 999)
    # An endless answer would end at the deadline instead, with another message.
    assert "larger than 2000 bytes" in refused(server.url("/a"), allow=(server.authority,), max_bytes=2000)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    ],
    ids=["negative chunk", "trailers", "interim answers"],
)
def test_what_http_client_would_read_for_ever_is_bounded(server, head):
    rest = b"HTTP/1.1 100 Continue\r\n\r\n" if head.endswith(b"\n\r\n") else b"X: y\r\n"
    server.raw("/a", head + rest * (2**25 // len(rest)))  # 32 MiB, where 100 bytes are accepted
    assert "larger than 100 bytes" in refused(server.url("/a"), allow=(server.authority,), max_bytes=100)


@pytest.mark.parametrize("length", ["100", None])
def test_the_limit_itself_is_within_it(server, length):
    server.reply("/a", bytes(100), Content_Length=length)
    assert fetch(server.url("/a"), allow=(server.authority,), max_bytes=100) == bytes(100)
    assert "larger than 99 bytes" in refused(server.url("/a"), allow=(server.authority,), max_bytes=99)


@pytest.mark.parametrize("where", ["status", "header", "content", "chunk size"])
def test_a_slow_drip_ends_at_the_deadline(server, where):
    drip = [b"1"] * 1000
    heads = {
        "status": [],
        "header": [b"HTTP/1.1 200 X\r\nX-Slow: "],
        "content": [b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n"],
        "chunk size": [b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"],
    }
    server.raw("/a", *heads[where], *drip)
    # Each byte comes long before the timeout; only all of them together are late.
    message = refused(server.url("/a"), allow=(server.authority,), timeout=0.5)
    assert "longer than 0.5 seconds" in message


def test_redirects_share_one_deadline(server):
    head = b"HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: "
    for number in range(5):
        server.raw(f"/{number}", head, b"", b"", b"", b"", f"/{number + 1}\r\n\r\n".encode())
    server.reply("/5", PNG)
    assert "longer than 0.5 seconds" in refused(server.url("/0"), allow=(server.authority,), timeout=0.5)


def test_a_server_that_accepts_and_says_nothing():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        authority = f"127.0.0.1:{silent.getsockname()[1]}"
        for scheme in ("http", "https"):
            assert "longer than 0.3 seconds" in refused(f"{scheme}://{authority}/a", allow=(authority,), timeout=0.3)


def test_an_unused_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        authority = f"127.0.0.1:{taken.getsockname()[1]}"
    assert "connection failed" in refused(f"http://{authority}/a", allow=(authority,))


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 404, 429, 500, 503, 599])
def test_other_answers_than_200_are_refused(server, status):
    server.reply("/a", status=status)
    assert f"answers {status}" in refused(server.url("/a"), allow=(server.authority,))


def test_a_file_cut_short_is_refused(server):
    server.reply("/a", PNG, Content_Length=str(len(PNG) + 1))
    assert f"after {len(PNG)} of {len(PNG) + 1} bytes" in refused(server.url("/a"), allow=(server.authority,))


@pytest.mark.parametrize("header", ["Content_Encoding", "Transfer_Encoding"])
def test_encoded_answers_are_refused(server, header):
    server.reply("/a", gzip.compress(bytes(1000)), **{header: "gzip"})
    assert "encoded" in refused(server.url("/a"), allow=(server.authority,))


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"220 mail.test ESMTP\r\n", b"\0" * 100_000])
def test_answers_that_are_no_http(server, answer):
    server.raw("/a", answer)
    message = refused(server.url("/a"), allow=(server.authority,))
    assert "not valid HTTP" in message or "connection failed" in message
    assert "SSH" not in message  # what an unknown service says goes no further


def test_headers_without_end_are_refused(server):
    server.raw("/a", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n")
    assert "not valid HTTP" in refused(server.url("/a"), allow=(server.authority,))


@pytest.mark.parametrize("port", [0, 21, 22, 25, 81, 1024, 3306, 6379, 9200, 11211, 65535])
def test_ports_where_no_web_servers_are(names, connections, port):
    names["public.test"] = [["8.8.8.8"]]
    assert f"port {port}" in refused(f"http://public.test:{port}/a.png")
    assert connections == []


@pytest.mark.parametrize(
    ("url", "port"),
    [("http://public.test/", 80), ("https://public.test", 443), ("http://PUBLIC.test:8080/", 8080)],
)
def test_ports_where_web_servers_are(names, connections, url, port):
    names["public.test"] = [["8.8.8.8"]]
    refused(url)
    assert connections == [("8.8.8.8", port)]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://", "no valid host"),
        ("http:///a.png", "no valid host"),
        ("http://a..b/c", "malformed"),
        ("http://host:port/", "malformed"),
        ("http://host:99999/", "malformed"),
        ("http://[::1/", "malformed"),
        ("http://[fe80::1%25eth0]/", "no valid host"),
        ("http://ex ample.com/", "no valid host"),
        ("http://good.test\\.evil.test/", "no valid host"),
        ("http://127%2e0.0.1/", "no valid host"),
        ("http://host/a\r\nX-Injected: 1", "control characters"),
        ("http://host/\0", "control characters"),
        ("ftp://host/a", "only http and https"),
        ("http://host/" + "a" * 9000, "more than 8192"),
    ],
)
def test_addresses_that_are_none(url, reason, names, connections):
    assert reason in refused(url)
    assert names.asked == []
    assert connections == []


@pytest.mark.parametrize(
    "authority", ["user:hunter2@example.com", "hunter2@example.com", "a:hunter2@b@example.com:8080"]
)
def test_credentials_are_refused_and_not_told(authority):
    message = refused(f"https://{authority}/a.png?token=hunter2#hunter2")
    assert "user name or password" in message
    assert "hunter2" not in message


def test_credentials_and_queries_of_redirects_are_not_told(server):
    server.redirect("/a?signature=hunter2", "http://user:hunter2@example.com/b?key=hunter2")
    message = refused(server.url("/a?signature=hunter2"), allow=(server.authority,))
    assert "redirected to 'http://example.com/b'" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a.png?key=1#x", "https://example.com/a.png"),
        ("HTTPS://user:pw@example.com:8443", "HTTPS://example.com:8443"),
        ("http://u:p@w@[2001:db8::1]:80/@me", "http://[2001:db8::1]:80/@me"),
        ("http://user:pa/ss@host/", "http:..."),
        ("http://user:pa?ss@host/", "http:..."),
        ("http://user:pa#ss@host/", "http:..."),
        ("http://?secret", "http:..."),
        ("data:image/png;base64,AAAA", "data:..."),
        ("secret", "..."),
    ],
)
def test_what_is_shown_of_an_address(url, shown):
    assert shown_url(url) == shown


def test_a_long_address_is_shown_in_part():
    assert len(shown_url("https://example.com/" + "a" * 10**6)) == 120


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Files of a certificate for pictures.test that vouches for itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=pictures.test", "-addext", "subjectAltName=DNS:pictures.test",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def tls_server(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    asked = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with serving(context=context) as server:
        server.sni = asked
        yield server


def test_https_names_and_verifies_the_host_at_the_pinned_address(tls_server, names, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    names["pictures.test"] = names["other.test"] = [["127.0.0.1"]]
    tls_server.reply("/a", PNG)
    port = tls_server.server_port
    allow = (f"pictures.test:{port}", f"other.test:{port}")
    assert fetch(f"https://pictures.test:{port}/a", allow=allow) == PNG
    assert tls_server.sni == ["pictures.test"]
    assert "certificate is not valid" in refused(f"https://other.test:{port}/a", allow=allow)
    tls_server.redirect("/a", f"http://pictures.test:{port}/b")
    assert "from https to http" in refused(f"https://pictures.test:{port}/a", allow=allow)
    tls_server.redirect("/a", "/b")
    tls_server.reply("/b", PNG)
    assert fetch(f"https://pictures.test:{port}/a", allow=allow) == PNG


def test_a_certificate_nobody_vouches_for_is_refused(tls_server, names):
    names["pictures.test"] = [["127.0.0.1"]]
    authority = f"pictures.test:{tls_server.server_port}"
    assert "certificate is not valid" in refused(f"https://{authority}/a", allow=(authority,))
    assert tls_server.seen == []


def test_https_to_a_server_without_it(server):
    server.reply("/a", PNG)
    assert "no encrypted connection" in refused(f"https://{server.authority}/a", allow=(server.authority,))


def test_proxies_of_the_environment_are_not_used(server, monkeypatch):
    with serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url(""))
        monkeypatch.setenv("no_proxy", "")
        server.reply("/a", PNG)
        assert fetch(server.url("/a"), allow=(server.authority,)) == PNG
        assert proxy.seen == []


def test_the_connection_never_opens_itself_by_name(server, monkeypatch):
    def connect(_self):
        raise AssertionError("connected by name")

    monkeypatch.setattr(http.client.HTTPConnection, "connect", connect)
    server.raw("/a", b"")  # hangs up; some clients would try again
    refused(server.url("/a"), allow=(server.authority,))
    assert len(server.seen) == 1


def test_a_fetched_picture_is_judged_by_its_content_and_kept(server, tmp_path):
    store = ImageStore(tmp_path)

    def fetcher(url):
        return fetch(url, allow=(server.authority,))

    server.reply("/photo.jpg", PNG, Content_Type="image/jpeg")
    picture, image_uuid = load_picture(server.url("/photo.jpg"), store, fetcher=fetcher)
    assert (picture.width, picture.height) == (7, 5)
    assert store.get(image_uuid) == PNG
    server.reply("/page", b"<!doctype html><title>Login</title>", Content_Type="image/png")
    with pytest.raises(DecodeError, match="not a picture") as caught:
        load_picture(server.url("/page"), store, fetcher=fetcher, parameter="image")
    assert (caught.value.code, caught.value.parameter) == ("invalidImage", "image")
    with pytest.raises(ImageTooLargeError):
        load_picture(server.url("/photo.jpg"), store, fetcher=fetcher, limits=Limits(pixels=34))
    server.reply("/gone", status=404)
    with pytest.raises(SourceError, match="answers 404") as caught:
        load_picture(server.url("/gone"), store, fetcher=fetcher, parameter="inputs.image")
    assert (caught.value.code, caught.value.parameter) == ("failedToTransferImage", "inputs.image")


def test_a_fetcher_is_asked_for_web_addresses_alone(tmp_path):
    def fetcher(url):
        raise AssertionError(url)

    assert load_picture(base64.b64encode(PNG).decode(), ImageStore(tmp_path), fetcher=fetcher)[0].width == 7
    with pytest.raises(SourceError, match="file URL"):
        load_picture("file:///etc/passwd", ImageStore(tmp_path), fetcher=fetcher)


def test_tasks_accept_web_addresses_only_where_they_are_enabled():
    uuid4 = "19abad0d-6ec5-40a6-b7af-203775fa5b7f"
    url = "https://user:hunter2@example.com/a.png?token=hunter2"
    for task, code in (
        (
            {"taskType": "imageUpscale", "taskUUID": uuid4, "inputImage": url, "upscaleFactor": 2},
            "unsupportedInputImage",
        ),
        ({"taskType": "imageUpload", "taskUUID": uuid4, "image": url}, "unsupportedImage"),
    ):
        assert parse_task(task, urls=True).task_uuid == uuid4
        with pytest.raises(InvalidTaskError) as caught:
            parse_task(task)
        assert [fault.code for fault in caught.value.faults] == [code]
        assert "TILEWRIGHT_FETCH_URLS" in caught.value.message
        assert "hunter2" not in caught.value.message


# --- through a task ---------------------------------------------------------------------------------------------------


def test_a_task_may_give_an_address_when_that_is_enabled(monkeypatch, tmp_path):
    import io

    from PIL import Image

    import tilewright

    buffer = io.BytesIO()
    Image.new("RGB", (6, 5), (200, 30, 90)).save(buffer, "PNG")
    asked = []

    def fetch_here(url):
        asked.append(url)
        return buffer.getvalue()

    monkeypatch.setenv("TILEWRIGHT_FETCH_URLS", "public")
    monkeypatch.setattr("tilewright.inputs.fetch.fetch", fetch_here)
    upscaler = tilewright.Upscaler(device="cpu", store=tmp_path)
    task = tilewright.new_task("https://example.com/a.png", 2, outputType="base64Data")
    response = upscaler.run([task, {"taskType": "imageUpload", "taskUUID": tilewright.new_task(0)["taskUUID"],
                                    "image": "https://example.com/b.png"}])  # fmt: skip
    assert "errors" not in response
    assert sorted(asked) == ["https://example.com/a.png", "https://example.com/b.png"]

    monkeypatch.delenv("TILEWRIGHT_FETCH_URLS")
    refused = tilewright.Upscaler(device="cpu", store=tmp_path).run(task)
    assert refused["errors"][0]["code"] == "unsupportedInputImage"
    assert len(asked) == 2
