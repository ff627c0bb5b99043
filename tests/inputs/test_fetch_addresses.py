"""Which hosts, addresses and ports are connected to: no request reaches a private network."""

from __future__ import annotations

import http.client
import socket
import threading

import pytest

from support.http_server import PNG, refusal, serving
from tilewright.inputs.fetch import fetch


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
    assert "not on the public internet" in refusal(f"http://{host}/a.png", timeout=5)
    assert "not on the public internet" in refusal(f"https://{host}:8443/a.png", timeout=5)
    assert connections == []


@pytest.mark.parametrize("bad", ["10.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254"])
def test_one_private_address_is_enough_to_refuse_a_host(names, connections, bad):
    for found in (["8.8.8.8", bad], [bad, "8.8.8.8"], ["8.8.8.8", "2606:4700:4700::1111", bad]):
        names["mixed.test"] = [found]
        message = refusal("http://mixed.test/a.png")
        assert "not on the public internet" in message
        assert bad not in message  # addresses of internal names are not disclosed
    assert connections == []


def test_connection_goes_to_the_checked_address_after_one_lookup(names, connections):
    names["rebind.test"] = [["8.8.8.8"], ["127.0.0.1"]]
    assert "connection failed" in refusal("http://rebind.test/a.png")
    assert connections == [("8.8.8.8", 80)]
    assert names.asked == ["rebind.test"]


def test_every_redirect_is_resolved_and_checked(names, server, connections):
    # The first lookup gives the allowed server. The redirect to another port of that name is not
    # allowed, and the second lookup gives another address.
    names["rebind.test"] = [["127.0.0.1"], ["10.0.0.1"]]
    server.redirect("/a", "http://rebind.test:8080/secret")
    message = refusal(f"http://rebind.test:{server.server_port}/a", allow=(f"rebind.test:{server.server_port}",))
    assert "redirected to 'http://rebind.test:8080/secret'" in message
    assert "not on the public internet" in message
    assert names.asked == ["rebind.test", "rebind.test"]
    assert connections == [("127.0.0.1", server.server_port)]


def test_redirects_to_private_addresses_are_refused(server, connections):
    with serving() as other:
        other.reply("/secret", PNG)
        for location in (
            other.url("/secret"),
            f"//localhost:{server.server_port}/secret",  # the host is allowed only as it was written
            "http://169.254.169.254/latest/meta-data/",
            "http://[::ffff:10.0.0.1]/",
        ):
            server.redirect("/a", location)
            message = refusal(server.url("/a"), allow=(server.authority,))
            assert "not on the public internet" in message or "port" in message
            assert "redirected to" in message
        assert other.seen == []
        assert set(connections) == {("127.0.0.1", server.server_port)}


def test_next_address_is_tried_when_one_does_not_answer(names, server, connections):
    names["two.test"] = [["8.8.8.8", "127.0.0.1"]]
    server.reply("/a", PNG)
    authority = f"two.test:{server.server_port}"
    assert fetch(f"http://{authority}/a", allow=(authority,)) == PNG
    assert [address for address, _ in connections] == ["8.8.8.8", "127.0.0.1"]
    assert server.seen[0][1]["Host"] == authority


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_hanging_address_leaves_time_for_the_others(names, server, monkeypatch, scheme):
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
        assert fetch(f"http://{authority}/a", allow=(authority,), timeout=3) == PNG
    else:  # the server is reached, but it does not speak TLS
        assert "no encrypted connection" in refusal(f"https://{authority}/a", allow=(authority,), timeout=3)


def test_machine_without_ipv6_uses_the_ipv4_address(names, server, monkeypatch):
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


def test_unresolvable_names(names):
    assert "cannot be resolved" in refusal("http://nowhere.test/a.png")
    names["empty.test"] = [[]]
    assert "no address" in refusal("http://empty.test/a.png")


def test_silent_dns_ends_at_the_deadline(monkeypatch):
    stop = threading.Event()

    def getaddrinfo(*_args, **_options):
        stop.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert "longer than 0.2 seconds" in refusal("http://slow.test/a.png", timeout=0.2)
    stop.set()


def test_ipv6_server():
    try:
        context = serving(("::1", 0))
        with context as server:
            server.reply("/a", PNG)
            assert fetch(server.url("/a"), allow=(server.authority,)) == PNG
            assert server.seen[0][1]["Host"] == server.authority
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")


def test_unused_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        authority = f"127.0.0.1:{taken.getsockname()[1]}"
    assert "connection failed" in refusal(f"http://{authority}/a", allow=(authority,))


@pytest.mark.parametrize("port", [0, 21, 22, 25, 81, 1024, 3306, 6379, 9200, 11211, 65535])
def test_other_ports_are_refused(names, connections, port):
    names["public.test"] = [["8.8.8.8"]]
    assert f"port {port}" in refusal(f"http://public.test:{port}/a.png")
    assert connections == []


@pytest.mark.parametrize(
    ("url", "port"),
    [("http://public.test/", 80), ("https://public.test", 443), ("http://PUBLIC.test:8080/", 8080)],
)
def test_web_ports_are_allowed(names, connections, url, port):
    names["public.test"] = [["8.8.8.8"]]
    refusal(url)
    assert connections == [("8.8.8.8", port)]


def test_proxy_variables_are_ignored(server, monkeypatch):
    with serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url(""))
        monkeypatch.setenv("no_proxy", "")
        server.reply("/a", PNG)
        assert fetch(server.url("/a"), allow=(server.authority,)) == PNG
        assert proxy.seen == []


def test_http_client_never_connects_by_name(server, monkeypatch):
    def connect(_self):
        raise AssertionError("connected by name")

    monkeypatch.setattr(http.client.HTTPConnection, "connect", connect)
    server.raw("/a", b"")  # closes the connection; some clients would try again
    refusal(server.url("/a"), allow=(server.authority,))
    assert len(server.seen) == 1
