"""Text in PNG files: the chunks tEXt, zTXt and iTXt (PNG specification, third edition, 11.3.3)."""

from __future__ import annotations

import binascii
import zlib
from typing import NamedTuple

from tilewright.codecs.png_chunks import chunk, chunk_positions, has_valid_checksum
from tilewright.picture import TextEntry

# Bytes of text, decompressed. Workflows of image generators take some hundred kilobytes.
_MAX_ENTRY_BYTES = 1 << 22
_MAX_BYTES = 1 << 24
_MAX_ENTRIES = 1000

_XMP_KEYWORD = "XML:com.adobe.xmp"
PROFILE_KEYWORD = "Raw profile type "
"""Begins the keywords under which some programs store other metadata, in hexadecimal digits."""

# Entries that describe the old file, as ImageMagick and the thumbnails of desktops have them.
_STALE = ("Thumb::", "exif:", "jpeg:", "png:", "tiff:")
# Entries that programs write into every file. Their loss is not worth a message.
_USUAL = ("Software", "date:")


class PngText(NamedTuple):
    """Text of a file.

    Attributes:
        entries: The entries.
        iptc: IPTC metadata, as ImageMagick and ExifTool store it in PNG files; None if there is
            none.
        skipped: Number of entries that are damaged or too long.
    """

    entries: tuple[TextEntry, ...] = ()
    iptc: bytes | None = None
    skipped: int = 0


def read_text(data: bytes) -> PngText:
    """Returns the text of a file, without XMP and what describes the old file.

    Args:
        data: The whole file. Truncated and damaged chunks are skipped.

    Raises:
        DecodeError: The file has too many chunks.
    """
    entries: list[TextEntry] = []
    iptc, skipped, left = None, 0, _MAX_BYTES
    for kind, begin, end in chunk_positions(data):
        if kind not in _READERS:
            continue
        if len(entries) == _MAX_ENTRIES:  # the rest, of which there can be a million, is only counted
            skipped += 1
            continue
        if not has_valid_checksum(data, begin, end):
            continue
        body = data[begin:end]
        keyword = body.partition(b"\0")[0].decode("latin-1")
        if not is_carried(keyword):
            continue
        limit = min(left, _MAX_ENTRY_BYTES)
        entry = _READERS[kind](keyword, body[len(keyword) + 1 :], limit)
        # An entry over the limit has taken as much work as one of its length.
        left -= limit if entry is None else len(entry.text)
        if keyword.startswith(PROFILE_KEYWORD):
            iptc = iptc or _iptc(entry)
        elif entry is None:
            skipped += 1
        else:
            entries.append(entry)
    return PngText(tuple(entries), iptc, skipped)


def text_chunks(entries: tuple[TextEntry, ...]) -> bytes:
    """Returns the chunks for entries. Compressed ones stay compressed."""
    return b"".join(map(_text_chunk, entries))


def is_carried(keyword: str) -> bool:
    """Returns whether entries of a keyword are carried: those that are valid, true of a result, and not XMP."""
    return 1 <= len(keyword) <= 79 and keyword != _XMP_KEYWORD and not keyword.startswith(_STALE)


def is_usual(entry: TextEntry) -> bool:
    """Returns whether an entry is one that programs write into every file."""
    return entry.keyword.startswith(_USUAL)


def _text_chunk(entry: TextEntry) -> bytes:
    keyword = entry.keyword.encode("latin-1") + b"\0"
    if not entry.language and not entry.translated_keyword:
        try:
            text = entry.text.encode("latin-1")
        except UnicodeEncodeError:
            pass
        else:
            if entry.compressed:
                return chunk(b"zTXt", keyword + b"\0" + zlib.compress(text))
            return chunk(b"tEXt", keyword + text)
    text = entry.text.encode("utf-8", "replace")
    flags = bytes((entry.compressed, 0))
    names = entry.language.encode("ascii", "replace") + b"\0" + entry.translated_keyword.encode("utf-8") + b"\0"
    return chunk(b"iTXt", keyword + flags + names + (zlib.compress(text) if entry.compressed else text))


def _plain(keyword: str, body: bytes, limit: int) -> TextEntry | None:
    return TextEntry(keyword, body.decode("latin-1").replace("\0", "")) if len(body) <= limit else None


def _compressed(keyword: str, body: bytes, limit: int) -> TextEntry | None:
    text = _inflated(body[1:], limit) if body[:1] == b"\0" else None
    return None if text is None else TextEntry(keyword, text.decode("latin-1").replace("\0", ""), compressed=True)


def _international(keyword: str, body: bytes, limit: int) -> TextEntry | None:
    compressed, method, names = body[:1] == b"\1", body[1:2], body[2:].split(b"\0", 2)
    if len(names) < 3 or method != b"\0":
        return None
    language, translated, text = names
    inflated = _inflated(text, limit) if compressed else text
    if inflated is None or len(inflated) + len(language) + len(translated) > limit:
        return None
    try:
        return TextEntry(
            keyword,
            inflated.decode("utf-8").replace("\0", ""),
            language.decode("ascii"),
            translated.decode("utf-8"),
            compressed=compressed,
        )
    except UnicodeDecodeError:
        return None


_READERS = {b"tEXt": _plain, b"zTXt": _compressed, b"iTXt": _international}


def _inflated(data: bytes, limit: int) -> bytes | None:
    """Returns decompressed data; None if it is damaged, cut short or longer than the limit."""
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(data, max(1, limit))
    except zlib.error:
        return None
    return text if inflater.eof else None


def _iptc(entry: TextEntry | None) -> bytes | None:
    """Returns IPTC metadata from an entry: its name and length on two lines, then hexadecimal digits."""
    if entry is None or entry.keyword != f"{PROFILE_KEYWORD}iptc":
        return None
    lines = entry.text.strip().split("\n", 2)
    try:
        return binascii.unhexlify("".join(lines[2].split())) if len(lines) == 3 else None
    except ValueError:
        return None
