"""Downloads a network from OpenModelDB, a public index of networks. Nothing else in tilewright downloads.

The index is one JSON file, https://openmodeldb.info/api/v1/models.json: an object of networks by
name. Its fields are described in ``src/lib/schema.ts`` of
https://github.com/OpenModelDB/open-model-database. The files are on the servers of their authors.
"""

from __future__ import annotations

import difflib
import hashlib
import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilewright.errors import ModelError, TilewrightError, short_repr
from tilewright.store.atomic import atomic_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

INDEX_URL = "https://openmodeldb.info/api/v1/models.json"

# The index has 1.4 MB, and the largest file 1.2 GB.
_LARGEST_INDEX = 32 * 2**20
_LARGEST_FILE = 2 * 2**30

_TIMEOUT = 60.0

_CHUNK = 2**18

# Licences of the index that permit commercial use. All others, and none, have to be accepted.
_FREE = frozenset(
    ("Apache-2.0", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "GPL-3.0-only", "MIT", "Unlicense", "WTFPL")
)

# Kinds of files in order of preference: without a pickle first.
_KINDS = ("safetensors", "pth", "onnx")

# Servers that show a page instead of the file.
_PAGES = (
    "1drv.ms", "drive.google.com", "drive.proton.me", "dropbox.com", "icedrive.net", "mediafire.com", "mega.nz",
    "u.pcloud.link",
)  # fmt: skip

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Entry:
    """A network of the index.

    Attributes:
        name: Its name there, such as ``4x-realesr-general-x4v3``.
        title: Its title.
        authors: Names of its authors, joined.
        licence: SPDX expression; empty if the index has none.
        summary: Its description as one line.
        page: Address of its page.
        kind: Ending of the file, without the dot.
        urls: Addresses of the file, to be tried in order.
        sha256: Checksum of the file.
        size: Size of the file in bytes; None if it is unknown.
    """

    name: str
    title: str
    authors: str
    licence: str
    summary: str
    page: str
    kind: str
    urls: tuple[str, ...]
    sha256: str
    size: int | None

    @property
    def needs_consent(self) -> bool:
        """Whether the licence forbids commercial use, or does not say clearly that it permits it."""
        alternatives = re.split(r"\s+OR\s+", self.licence, flags=re.IGNORECASE)
        return not any(licence.strip("() ") in _FREE for licence in alternatives)


class DownloadError(TilewrightError):
    """The index or a file cannot be downloaded."""

    code = "failedToDownload"


def find_entry(name: str, *, index_url: str = INDEX_URL) -> Entry:
    """Finds a network in the index.

    Args:
        name: Its name, in any letter case.
        index_url: Address of the index.

    Raises:
        ModelError: There is no such network, or its file cannot be downloaded by a program.
        DownloadError: The index cannot be downloaded.
    """
    try:
        content = b"".join(_chunks(index_url, _LARGEST_INDEX))
    except DownloadError as error:
        message = f"{error.message}; download the file in a browser, then run: tilewright models import FILE"
        raise DownloadError(message) from error
    try:
        index: Mapping[str, Any] = json.loads(content)
        names = {str(each).casefold(): each for each in index}
    except (ValueError, TypeError) as error:
        raise DownloadError(f"{index_url} is not the index of OpenModelDB: {error}") from error
    found = names.get(name.strip().casefold())
    if found is None:
        similar = difflib.get_close_matches(name.casefold()[:100], names, n=5, cutoff=0.5)
        hint = f"; did you mean {', '.join(names[each] for each in similar)}?" if similar else ""
        raise ModelError(f"OpenModelDB has no network named {short_repr(name)}{hint}", parameter="name")
    page = urllib.parse.urljoin(index_url, f"/models/{urllib.parse.quote(str(found))}")
    try:
        return _entry(str(found), index[found], page)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DownloadError(f"the index describes {found!r} in an unknown form: {type(error).__name__}") from error


def download(entry: Entry, folder: Path, *, on_progress: Callable[[int, int | None], object] | None = None) -> Path:
    """Downloads the file of a network.

    Args:
        entry: From `find_entry`.
        folder: Folder of the file, which is created if it does not exist.
        on_progress: Called with the bytes so far, and their total or None.

    Returns:
        The file. It has the checksum of the index.

    Raises:
        DownloadError: No address gives the file.
        OSError: The folder cannot be written.
    """
    path = folder / f"{entry.name}.{entry.kind}"
    problems = []
    for url in entry.urls:
        try:
            with atomic_write(path, private=True) as file:
                digest, done = hashlib.sha256(), 0
                for chunk in _chunks(url, entry.size or _LARGEST_FILE):
                    file.write(chunk)
                    digest.update(chunk)
                    done += len(chunk)
                    if on_progress is not None:
                        on_progress(done, entry.size)
                if digest.hexdigest() != entry.sha256:
                    raise DownloadError(f"{url} gives a file with the SHA-256 {digest.hexdigest()}")
        except DownloadError as error:
            problems.append(error.message)
        else:
            return path
    raise DownloadError(
        f"no address gives the file of {entry.name} with the SHA-256 {entry.sha256}: {'; '.join(problems)}"
    )


def _entry(name: str, fields: Mapping[str, Any], page: str) -> Entry:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", name):  # it becomes the name of a file
        raise ValueError(name)
    resource = _resource(name, fields["resources"], page)
    authors = fields.get("author") or ""
    size = resource.get("size")
    return Entry(
        name=name,
        title=_plain(str(fields.get("name") or name)),
        authors=_plain(", ".join(authors) if isinstance(authors, list) else str(authors)),
        licence=_plain(str(fields.get("license") or "")),
        summary=_plain(str(fields.get("description") or "")),
        page=page,
        kind=resource["type"],
        urls=tuple(_direct(resource)),
        sha256=str(resource["sha256"]).lower(),
        size=size if isinstance(size, int) and 0 < size <= _LARGEST_FILE else None,
    )


def _resource(name: str, resources: list[dict[str, Any]], page: str) -> dict[str, Any]:
    """Returns the file to download, of several kinds.

    Raises:
        ModelError: There is none that a program can download and check.
    """
    usable = [each for each in resources if each.get("type") in _KINDS and _direct(each) and _has_checksum(each)]
    if not usable:
        raise ModelError(
            f"no file of {name} can be downloaded by a program: its addresses lead to pages for people, or it has no "
            f"checksum; download it from {page}, and then run: tilewright models import FILE",
            parameter="name",
        )
    return min(usable, key=lambda each: _KINDS.index(each["type"]))


def _has_checksum(resource: Mapping[str, Any]) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{64}", str(resource.get("sha256"))) is not None


def _direct(resource: Mapping[str, Any]) -> list[str]:
    """Returns the addresses of a file that give the file itself."""
    direct = []
    for url in resource.get("urls") or []:
        parts = urllib.parse.urlsplit(str(url))
        host = (parts.hostname or "").removeprefix("www.")
        is_archive = parts.path.lower().endswith((".zip", ".rar", ".7z"))
        if _is_allowed(parts) and host not in _PAGES and not is_archive:
            direct.append(str(url))
    return direct


def _is_allowed(parts: urllib.parse.SplitResult) -> bool:
    """Whether an address is encrypted, or on this machine."""
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to allowed addresses only. Releases are redirected to other hosts."""

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        target = str(arguments[-1])
        if not _is_allowed(urllib.parse.urlsplit(target)):
            raise DownloadError(f"a redirect leads to {target}, which is not encrypted")
        return super().redirect_request(*arguments)


def _chunks(url: str, largest: int) -> Iterator[bytes]:
    """Yields the content of an address, at most `largest` bytes of it.

    Raises:
        DownloadError: It cannot be downloaded, or is larger.
    """
    if not _is_allowed(urllib.parse.urlsplit(url)):
        raise DownloadError(f"{url} is not an https address")
    request = urllib.request.Request(url, headers={"User-Agent": "tilewright"})
    done = 0
    try:
        with urllib.request.build_opener(_CheckedRedirects).open(request, timeout=_TIMEOUT) as response:
            while chunk := response.read(_CHUNK):
                done += len(chunk)
                if done > largest:
                    raise DownloadError(f"{url} gives more than {largest} bytes")
                yield chunk
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        OSError,
        ValueError,
    ) as error:  # ValueError: an address that is not valid
        reason = getattr(error, "reason", None) or error
        raise DownloadError(f"cannot download {url}: {reason}") from error


def _plain(text: str) -> str:
    """Returns text as one line of printable characters."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())
