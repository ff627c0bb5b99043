"""Checking and redacting URLs, and telling public addresses from others."""

from __future__ import annotations

import pytest

from support.http_server import refusal
from tilewright.web.url import is_public_address, redacted_url


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
    assert not is_public_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "192.0.1.1", "2606:4700:4700::1111",
        "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
    ],
)  # fmt: skip
def test_addresses_that_are_public(address):
    assert is_public_address(address)


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
def test_malformed_urls_are_refused(url, reason, names, connections):
    assert reason in refusal(url)
    assert names.asked == []
    assert connections == []


@pytest.mark.parametrize(
    "authority", ["user:hunter2@example.com", "hunter2@example.com", "a:hunter2@b@example.com:8080"]
)
def test_credentials_are_refused_and_not_disclosed(authority):
    message = refusal(f"https://{authority}/a.png?token=hunter2#hunter2")
    assert "user name or password" in message
    assert "hunter2" not in message


def test_credentials_and_queries_of_redirects_are_not_disclosed(server):
    server.redirect("/a?signature=hunter2", "http://user:hunter2@example.com/b?key=hunter2")
    message = refusal(server.url("/a?signature=hunter2"), allow=(server.authority,))
    assert "redirected to 'http://example.com/b'" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("url", "redacted"),
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
def test_redacted_url(url, redacted):
    assert redacted_url(url) == redacted


def test_long_url_is_cut():
    assert len(redacted_url("https://example.com/" + "a" * 10**6)) == 120
