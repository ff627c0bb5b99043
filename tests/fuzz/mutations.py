"""Mutates files with knowledge of their format: rearranged parts and wrong sizes, with correct checksums.

Random changes would mostly break a checksum or the first length, and decoders would stop there.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from fuzz.seeds import seeds

if TYPE_CHECKING:
    from random import Random

_PNG = b"\x89PNG\r\n\x1a\n"
_ODD_NUMBERS = [0, 1, 2, 7, 8, 16, 127, 128, 255, 256, 32767, 32768, 65500, 65535, 2**31 - 1, 2**31, 2**32 - 1]


class Part(NamedTuple):
    """A chunk, segment or block of a file: its name as it is in the file, and its content."""

    name: bytes
    body: bytes


def mutated(data: bytes, random: Random) -> bytes:
    """Returns the file with one to three mutations. It may still be valid."""
    for _ in range(random.randint(1, 3)):
        kind = _kind(data)
        if kind is None or random.random() < 0.3:
            data = _bytes_changed(data, random)
        else:
            data = joined(kind, _parts_changed(kind, parts_of(kind, data), random))
    return data


def _kind(data: bytes) -> str | None:
    magics = (("png", _PNG), ("jpg", b"\xff\xd8"), ("webp", b"RIFF"), ("gif", b"GIF8"), ("bmp", b"BM"))
    for kind, magic in (*magics, ("tiff", b"II"), ("tiff", b"MM")):
        if data.startswith(magic):
            return kind
    return "avif" if data[4:8] == b"ftyp" else None


def parts_of(kind: str, data: bytes) -> list[Part]:
    """Splits a file into parts, up to where its structure is broken. `joined` is the inverse for valid files."""
    splitters = {"png": _png_parts, "jpg": _jpg_parts, "webp": _webp_parts, "gif": _gif_parts}
    splitters |= {"tiff": _tiff_parts, "avif": _avif_parts, "bmp": _bmp_parts}
    return splitters[kind](data)


def joined(kind: str, parts: list[Part]) -> bytes:
    """Joins parts to a file with correct lengths and checksums."""
    if kind == "png":
        return _PNG + b"".join(_png_chunk(part) for part in parts)
    if kind == "jpg":
        return b"\xff\xd8" + b"".join(_jpg_segment(part) for part in parts)
    if kind == "webp":
        chunks = b"WEBP" + b"".join(
            name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) if name else body
            for name, body in parts
        )
        return b"RIFF" + struct.pack("<I", len(chunks)) + chunks
    if kind == "avif":
        return b"".join(struct.pack(">I", 8 + len(body)) + name + body if name else body for name, body in parts)
    return b"".join(name + body for name, body in parts)


def _png_chunk(part: Part) -> bytes:
    name, body = part
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) if name else body


def _jpg_segment(part: Part) -> bytes:
    name, body = part
    return name + struct.pack(">H", (len(body) + 2) & 0xFFFF) + body if name else body


def _png_parts(data: bytes) -> list[Part]:
    parts, at = [], len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        parts.append(Part(data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return parts


def _jpg_parts(data: bytes) -> list[Part]:
    """Splits a JPEG file into segments. Data outside of segments, mostly coded pixels, becomes parts without a name."""
    parts, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        (length,) = struct.unpack_from(">H", data, at + 2)
        parts.append(Part(data[at : at + 2], data[at + 4 : at + 2 + length]))
        at += 2 + length
        if parts[-1].name == b"\xff\xda":
            end = at
            while end + 1 < len(data) and not (data[end] == 0xFF and data[end + 1] not in (0, *range(0xD0, 0xD8))):
                end += 1
            parts.append(Part(b"", data[at:end]))
            at = end
    return [*parts, Part(b"", data[at:])]


def _webp_parts(data: bytes) -> list[Part]:
    parts, at = [], 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        parts.append(Part(data[at : at + 4], data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return parts


def _gif_parts(data: bytes) -> list[Part]:
    """Splits a GIF file into the header with the colour table, and blocks that start with an introducer."""
    flags = data[10] if len(data) > 10 else 0
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    parts = [Part(data[:6], data[6:at])]
    while at < len(data):
        start = at
        if data[at] == 0x2C:
            flags = data[at + 9] if len(data) > at + 9 else 0
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        else:
            at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
        parts.append(Part(data[start : start + 1], data[start + 1 : at]))
    return parts


def _tiff_parts(data: bytes) -> list[Part]:
    """Splits a TIFF file into the tags of its first directory, and what comes before and after them.

    Offsets stay as they are: where tags are removed or added, they lead elsewhere.
    """
    order = "<" if data.startswith(b"II") else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    if len(data) < 16:
        return [Part(b"", data)]
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    if at + 8 > len(data):
        return [Part(b"", data)]
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
    at += 8 if big else 2
    size = 20 if big else 12
    end = min(at + size * count, len(data))
    tags = [Part(data[entry : entry + 2], data[entry + 2 : min(entry + size, end)]) for entry in range(at, end, size)]
    return [Part(b"", data[:at]), *tags, Part(b"", data[end:])]


def _avif_parts(data: bytes) -> list[Part]:
    """Splits a file into its boxes. The last one may be without a name, where the structure is broken."""
    parts, at = [], 0
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if length < 8 or at + length > len(data):
            break
        parts.append(Part(data[at + 4 : at + 8], data[at + 8 : at + length]))
        at += length
    return [*parts, Part(b"", data[at:])]


def _bmp_parts(data: bytes) -> list[Part]:
    """Splits a BMP file into its two headers and the rest."""
    return [Part(b"BM", data[2:14]), Part(b"", data[14:54]), Part(b"", data[54:])]


def _parts_changed(kind: str, parts: list[Part], random: Random) -> list[Part]:
    if not parts:
        return _from_another(kind, random)
    at = random.randrange(len(parts))
    match random.randrange(7):
        case 0:
            del parts[at]
        case 1:
            parts.insert(random.randrange(len(parts)), parts[at])
        case 2:
            other = random.randrange(len(parts))
            parts[at], parts[other] = parts[other], parts[at]
        case 3:
            donor = _from_another(kind, random)
            parts.insert(at, random.choice(donor))
        case 4:
            parts = parts[:at] + _from_another(kind, random)[at:]
        case _:
            parts[at] = _part_changed(parts[at], random)
    return parts


def _from_another(kind: str, random: Random) -> list[Part]:
    same = [data for name, data in seeds().items() if name.startswith(kind)]
    return parts_of(kind, random.choice(same))


def _part_changed(part: Part, random: Random) -> Part:
    if part.name in (b"IDAT", b"iCCP", b"fdAT") and random.random() < 0.7:
        # The compressed data follows the name of a profile, or the number of a frame.
        skipped = {b"IDAT": 0, b"fdAT": 4, b"iCCP": part.body.find(b"\0") + 2}[part.name]
        try:
            inner = zlib.decompress(part.body[skipped:])
        except zlib.error:
            inner = b""
        return Part(part.name, part.body[:skipped] + zlib.compress(_bytes_changed(inner, random)))
    return Part(part.name, _bytes_changed(part.body, random))


def _bytes_changed(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    at = random.randrange(len(data) + 1)
    match random.randrange(7):
        case 0:
            for _ in range(random.randint(1, 8)):
                if changed:
                    changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
        case 1:
            del changed[at:]
        case 2:
            del changed[at : at + random.randint(1, 16)]
        case 3:
            changed[at:at] = random.randbytes(random.randint(1, 16))
        case 4:
            changed[at:at] = changed[at : at + random.randint(1, 64)] * random.randint(1, 8)
        case _:
            # As a size or an offset, such a number overflows, underflows or claims too much.
            number = random.choice(_ODD_NUMBERS)
            size = random.choice([1, 2, 4])
            order = random.choice(["big", "little"])
            changed[at : at + size] = (number % 256**size).to_bytes(size, order)
    return bytes(changed)
