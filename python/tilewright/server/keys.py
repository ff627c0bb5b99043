"""API keys of the server: kept as hashes, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from tilewright.service.requests import ANONYMOUS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def hash_of(key: str) -> str:
    """Returns the SHA-256 of a key in hexadecimal digits.

    Keys are random and long, so a hash without salt and repetition cannot be reversed.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def bearer_key(headers: Mapping[str, str]) -> str | None:
    """Returns the key in the header ``Authorization: Bearer KEY``; None if there is none."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


class ApiKeys:
    """The keys that a server accepts."""

    def __init__(self, hashes: Iterable[str] = ()) -> None:
        """Takes the keys.

        Args:
            hashes: SHA-256 of each key, see `hash_of`. Empty if no key is needed.
        """
        self._hashes = tuple(hashes)

    @property
    def are_needed(self) -> bool:
        """Whether clients need a key."""
        return bool(self._hashes)

    def client(self, key: str | None) -> str | None:
        """Returns the name of the client with a key; None if the key is not accepted.

        The name is the start of the key's hash, so that logs and turns can tell clients apart
        without revealing keys. All keys are compared, in a time that does not depend on the key.
        """
        if not self._hashes:
            return ANONYMOUS
        given = hash_of(key or "")
        accepted = [hmac.compare_digest(given, each) for each in self._hashes]
        return given[:8] if any(accepted) and key else None
