"""Names and addresses of a server."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

# Browsers leave these out of an origin.
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach a server that listens on an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_of_this_machine(host: str, public_url: str | None) -> tuple[str, ...]:
    """Returns the names by which a server for this machine may be called.

    Args:
        host: The address that it listens on.
        public_url: Address by which clients reach it through a web server in front; None if there is none.
    """
    public = name_in(public_url or "")
    return ("localhost", "127.0.0.1", "::1", host, *([public] if public else []))


def origin_of(address: str) -> str | None:
    """Returns the origin of pages at an address, as browsers name it; None if the address has none."""
    authority = (authority_of(address) or "").lower()
    scheme = address.partition(":")[0].lower()
    return f"{scheme}://{authority.removesuffix(_DEFAULT_PORTS.get(scheme, ''))}" if authority else None


def name_in(address: str) -> str | None:
    """Returns the host name of an address without its port; None if it has none."""
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def authority_of(address: str) -> str | None:
    """Returns host name and port of an address; None if it has none."""
    try:
        return urlsplit(address).netloc or None
    except ValueError:
        return None
