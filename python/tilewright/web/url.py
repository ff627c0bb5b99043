"""URLs from untrusted users: parsing, redaction for messages, and the check for public addresses."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple, TypeGuard
from urllib.parse import quote, urljoin, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
# Ports of web servers. Other ports would let untrusted users reach mail servers and databases.
_PORTS = (80, 443, 8080, 8443)
_MAX_URL_LENGTH = 8192
_MAX_REDACTED_LENGTH = 120

# Characters that are not escaped in a request: RFC 3986's reserved characters, and % because
# existing escapes are kept.
_UNESCAPED = "!#$%&'()*+,/:;=?@[]~"

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291: the only part of IPv6 assigned to the internet
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
# Special-purpose networks of the IANA registries that `is_global` of some Python versions calls
# global.
_ALSO_NOT_PUBLIC = [
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments; one cloud has its metadata service here
        "192.88.99.0/24",  # relays from IPv6, RFC 7526
        "168.63.129.16/32",  # not in IANA's registry: the host agent of every virtual machine in Azure
        "2001::/23",  # protocol assignments; some are anycast addresses of the nearest gateway
        "3fff::/20",  # documentation, RFC 9637
    )
]

# Scheme, then host, port and path; user name and password in between, query and fragment after them.
_REDACTABLE = re.compile(
    r"(https?://)(?:[^/?#]*@)?((?:\[[0-9a-f:.]+\]|[^/?#@:\[\]]+)(?::[0-9]*)?(?:/[^?#]*)?)(?:[?#]|\Z)",
    re.IGNORECASE | re.ASCII,
)


class UrlNotAllowedError(Exception):
    """A URL that must not be requested; the message completes a phrase such as "cannot be fetched:"."""


class ParsedUrl(NamedTuple):
    """A checked http or https URL.

    Attributes:
        scheme: ``"http"`` or ``"https"``.
        host: Host name in ASCII (IDNA), or IP address without brackets.
        port: TCP port.
        resource: Path and query, escaped for the request line.
    """

    scheme: str
    host: str
    port: int
    resource: str

    @property
    def authority(self) -> str:
        """Host and port as written in URLs, always with the port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_url(url: str) -> ParsedUrl:
    """Parses a URL and checks its text; nothing is resolved.

    Args:
        url: URL as the user wrote it.

    Raises:
        UrlNotAllowedError: The URL is malformed, contains credentials, or is neither http nor https.
    """
    if len(url) > _MAX_URL_LENGTH:
        raise UrlNotAllowedError(f"the URL has {len(url)} characters, more than {_MAX_URL_LENGTH}")
    if re.search(r"[\x00-\x1f\x7f]", url):
        raise UrlNotAllowedError("the URL contains control characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if ":" not in host:
            host = host.encode("idna").decode("ascii")
    except ValueError as error:  # includes UnicodeError
        raise UrlNotAllowedError("the URL is malformed") from error
    if parts.scheme not in DEFAULT_PORTS:
        raise UrlNotAllowedError("only http and https URLs are allowed")
    if "@" in parts.netloc:
        raise UrlNotAllowedError("a URL with a user name or password is not allowed")
    if not re.fullmatch(r"[a-z0-9_.-]+|[0-9a-f:.]*:[0-9a-f:.]*", host, re.IGNORECASE):
        raise UrlNotAllowedError("the URL has no valid host name")
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return ParsedUrl(
        parts.scheme, host, DEFAULT_PORTS[parts.scheme] if port is None else port, quote(resource, safe=_UNESCAPED)
    )


def check_host(url: ParsedUrl, allow: tuple[str, ...]) -> None:
    """Checks host and port of a URL as far as that is possible without resolving the host.

    Args:
        url: The URL.
        allow: Hosts with ports, as in `ParsedUrl.authority`, that may have any address and port.

    Raises:
        UrlNotAllowedError: The port is not one of a web server, or the host is written as an address
            that is not public.
    """
    if url.authority in allow:
        return
    if url.port not in _PORTS:
        raise UrlNotAllowedError(f"port {url.port} is not one of {', '.join(map(str, _PORTS))}")
    try:
        is_public = is_public_address(url.host)
    except ValueError:  # a name
        return
    if not is_public:
        raise UrlNotAllowedError("its host is an address that is not on the public internet")


def resolve_redirect(url: str, location: str) -> str:
    """Returns the URL that a redirect leads to.

    Args:
        url: URL that was requested.
        location: Value of the Location header as http.client gives it, decoded as Latin-1.

    Raises:
        UrlNotAllowedError: The redirect leads from https to http, or `location` is malformed.
    """
    try:
        target = urljoin(url, quote(location, safe=_UNESCAPED, encoding="latin-1"))
    except ValueError as error:
        raise UrlNotAllowedError("it redirects to a malformed URL") from error
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme == "http":
        raise UrlNotAllowedError("it redirects from https to http")
    return target


def is_remote_url(value: object) -> TypeGuard[str]:
    """Returns whether `value` is a string that starts with http:// or https://."""
    return isinstance(value, str) and re.match(r"https?://", value, re.IGNORECASE) is not None


def redacted_url(url: str) -> str:
    """Returns an http or https URL for messages.

    Credentials, query and fragment are removed, and long URLs are cut to 120 characters. Of a URL
    that cannot be parsed, only the scheme is kept, because any other part might hold a password.
    """
    match = _REDACTABLE.match(url)
    if match is None:
        return re.match(r"(?:[a-z]{1,12}:)?", url, re.IGNORECASE | re.ASCII)[0] + "..."  # type: ignore[index]
    redacted = match[1] + match[2]
    return redacted if len(redacted) <= _MAX_REDACTED_LENGTH else f"{redacted[: _MAX_REDACTED_LENGTH - 3]}..."


def is_public_address(address: str) -> bool:
    """Returns whether an IP address belongs to the public internet.

    Private, loopback, link-local, multicast, reserved and unspecified addresses are not public, nor
    are those of carrier-grade NAT and of other networks in IANA's special-purpose registries. An
    IPv6 address that embeds an IPv4 address is judged by the latter.

    Args:
        address: IPv4 address, or IPv6 address with or without a zone.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour
        if embedded is None and ip in _NAT64:
            embedded = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        ip = embedded or ip
    if ip.version == 6 and ip not in _GLOBAL_UNICAST:
        return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _ALSO_NOT_PUBLIC)
