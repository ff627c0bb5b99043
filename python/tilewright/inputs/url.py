"""Addresses of the web: taking them apart, showing them without their secrets, and telling public hosts from others."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple, TypeGuard
from urllib.parse import quote, urljoin, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_URL = 8192

# What stands unescaped in a request: RFC 3986's reserved characters, and % because escapes are kept as they are.
_UNESCAPED = "!#$%&'()*+,/:;=?@[]~"

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291: the only part of IPv6 handed out to the internet
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
# What `is_global` of some Python versions takes for public, by the IANA registries of special-purpose addresses.
_NOT_PUBLIC_EITHER = [
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments; one cloud has its metadata service there
        "192.88.99.0/24",  # relays from IPv6, RFC 7526
        "168.63.129.16/32",  # not special by IANA, but the host agent of every virtual machine in Azure
        "2001::/23",  # protocol assignments, some of which mean the nearest gateway, whoever's it is
        "3fff::/20",  # documentation, RFC 9637
    )
]

_SHOWABLE = re.compile(
    r"(https?://)(?:[^/?#]*@)?((?:\[[0-9a-f:.]+\]|[^/?#@:\[\]]+)(?::[0-9]*)?(?:/[^?#]*)?)(?:[?#]|\Z)",
    re.IGNORECASE | re.ASCII,
)


class UnfitAddressError(Exception):
    """Why an address cannot be fetched, in words that follow on "cannot be fetched:"."""


class Target(NamedTuple):
    """A checked URL: `host` in ASCII and without brackets, `resource` as it is written in the request."""

    scheme: str
    host: str
    port: int
    resource: str

    @property
    def authority(self) -> str:
        """Host and port as URLs have them, the port always."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_url(url: str) -> Target:
    """Check an address by its text alone.

    Raises:
        UnfitAddressError: it is malformed, holds credentials, or is neither http nor https.
    """
    if len(url) > _LONGEST_URL:
        raise UnfitAddressError(f"the address has {len(url)} characters, more than {_LONGEST_URL}")
    if re.search(r"[\x00-\x1f\x7f]", url):
        raise UnfitAddressError("the address contains control characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if ":" not in host:
            host = host.encode("idna").decode("ascii")
    except ValueError as error:  # UnicodeError is one
        raise UnfitAddressError("the address is malformed") from error
    if parts.scheme not in DEFAULT_PORTS:
        raise UnfitAddressError("only http and https addresses are fetched")
    if "@" in parts.netloc:
        raise UnfitAddressError("an address with a user name or password is not fetched")
    if not re.fullmatch(r"[a-z0-9_.-]+|[0-9a-f:.]*:[0-9a-f:.]*", host, re.IGNORECASE):
        raise UnfitAddressError("the address has no valid host name")
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(
        parts.scheme, host, DEFAULT_PORTS[parts.scheme] if port is None else port, quote(resource, safe=_UNESCAPED)
    )


def redirected(url: str, location: str) -> str:
    """Where a redirect leads.

    Args:
        url: where it comes from.
        location: the header of that name, as http.client gives it: each byte a character.

    Raises:
        UnfitAddressError: it leads from https to http, or `location` is malformed.
    """
    try:
        target = urljoin(url, quote(location, safe=_UNESCAPED, encoding="latin-1"))
    except ValueError as error:
        raise UnfitAddressError("it redirects to a malformed address") from error
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme == "http":
        raise UnfitAddressError("it redirects from https to http")
    return target


def is_remote_url(value: object) -> TypeGuard[str]:
    """Whether `value` is the address of a picture on the web."""
    return isinstance(value, str) and re.match(r"https?://", value, re.IGNORECASE) is not None


def shown_url(url: str) -> str:
    """An http or https address for messages: without credentials, query and fragment, and not long."""
    match = _SHOWABLE.match(url)
    if match is None:  # who knows which part of it is a password
        return re.match(r"(?:[a-z]{1,12}:)?", url, re.IGNORECASE | re.ASCII)[0] + "..."  # type: ignore[index]
    shown = match[1] + match[2]
    return shown if len(shown) <= 120 else f"{shown[:117]}..."


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet; one that holds an IPv4 address is judged by that.

    Not public are private, loopback, link-local, multicast, reserved and unspecified addresses, those of carrier-grade
    NAT, and others of IANA's special-purpose registries.

    Args:
        address: IPv4, or IPv6 with or without a zone.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        ip = inner or ip
    if ip.version == 6 and ip not in _GLOBAL_UNICAST:
        return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC_EITHER)
