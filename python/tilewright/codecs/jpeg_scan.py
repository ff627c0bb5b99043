"""The structure of a JPEG file: its segments and scans, and flaws in them that cost no pixels.

Marker codes and layouts follow ITU-T T.81, annex B.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tilewright.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

_RST0, _RST7, _SOI, _EOI, _SOS, _APP0, _APP14 = 0xD0, 0xD7, 0xD8, 0xD9, 0xDA, 0xE0, 0xEE
_TEM = 0x01
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # DHT, JPG and DAC lie among the SOF markers
_SEQUENTIAL = (0xC0, 0xC1, 0xC9)
_PROGRESSIVE = (0xC2, 0xCA)
_HUFFMAN = (0xC0, 0xC1, 0xC2)

_END = bytes((0xFF, _EOI))
_MARKER = re.compile(rb"\xff[^\x00\xff]")
# Within a scan, FF 00 stands for a byte FF, and restart markers do not end it.
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")

# Bytes that are searched with a regular expression. It is slow where nearly every byte is FF.
_NEAR = 1 << 16
_BLOCK = 1 << 20

# Profiles and extended XMP come in segments of 64 KiB, so that sound files have a few hundred at most.
_MAX_SEGMENTS = 10_000

# Arithmetic codes have no least number of bits. Larger pictures with fewer bytes than this are refused, although a
# picture of one colour could be sound, because decoding takes seconds and gigabytes.
_UNCHECKED_PIXELS = 1 << 24
_MOST_PIXELS_PER_BYTE = 256

# Spectral selection and successive approximation that T.81, table B.3, demands of a sequential scan.
_SEQUENTIAL_PARAMETERS = bytes((0, 63, 0))


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan.

    Attributes:
        begin: Offset of the entropy-coded data.
        end: Offset after it.
    """

    begin: int
    end: int


@dataclass(slots=True)
class Structure:
    """What the markers of a file say, up to its first end marker.

    Attributes:
        frame: Marker of the frame header (SOF0 to SOF15), which names the process; 0 without one.
        precision: Bits of a sample.
        width: Width in pixels.
        height: Height in pixels.
        sampling: Horizontal and vertical sampling factor of each component.
        scans: The scans, in the file's order.
        stray: Begin and end of bytes that belong to no segment.
        corrections: Offset and right value of bytes in headers that are wrong without effect.
        adobe_transform: Offset of the colour transform in an Adobe segment; None without one.
        ended: Whether there is an end marker.
    """

    frame: int = 0
    precision: int = 0
    width: int = 0
    height: int = 0
    sampling: tuple[tuple[int, int], ...] = ()
    scans: list[Scan] = field(default_factory=list)
    stray: list[tuple[int, int]] = field(default_factory=list)
    corrections: list[tuple[int, bytes]] = field(default_factory=list)
    adobe_transform: int | None = None
    ended: bool = False

    @property
    def progressive(self) -> bool:
        """Whether the frame is progressive."""
        return self.frame in _PROGRESSIVE

    @property
    def fewest_bytes(self) -> int:
        """The fewest bytes that the entropy-coded data of a complete file can have.

        Every block of 8 x 8 samples has a Huffman code of at least one bit for its DC coefficient,
        and in sequential files another for the end of the block. Arithmetic codes have no such
        minimum, but large pictures without content are not accepted in them.
        """
        if self.frame not in _HUFFMAN:
            pixels = self.width * self.height
            return pixels // _MOST_PIXELS_PER_BYTE if pixels > _UNCHECKED_PIXELS else 0
        if not all(h and v for h, v in self.sampling):
            return 0
        widest, highest = (max((factors[axis] for factors in self.sampling), default=1) for axis in (0, 1))
        blocks = sum(
            -(-self.width * h // (8 * widest)) * -(-self.height * v // (8 * highest)) for h, v in self.sampling
        )
        return blocks * (1 if self.progressive else 2) // 8


def read_structure(data: bytes) -> Structure:
    """Reads the markers of a file, as far as they can be followed.

    Args:
        data: The whole file, beginning with an SOI marker.

    Raises:
        DecodeError: The file has more than 10,000 segments.
    """
    found = Structure()
    at, segments = 2, 0
    while (begin := _find(_MARKER, data, at)) is not None:
        if (segments := segments + 1) > _MAX_SEGMENTS:  # scans beyond the last one would not be counted
            raise DecodeError(
                f"the JPG file has more than {_MAX_SEGMENTS} segments; save it again with a common program"
            )
        if data[at:begin].strip(b"\xff"):  # FF bytes before a marker are allowed
            found.stray.append((at, begin))
        marker, at = data[begin + 1], begin + 2
        if marker == _EOI:
            found.ended = True
            break
        if marker in (_TEM, _SOI) or _RST0 <= marker <= _RST7:  # these have no length
            continue
        # The length includes its own two bytes. Decoders take 0 and 1 for an empty segment.
        length = max(2, int.from_bytes(data[at : at + 2], "big"))
        if at + length > len(data):
            found.ended = data.find(_END, at) >= 0
            break
        at = _read_segment(found, marker, data, at + 2, at + length)
    return found


def _find(pattern: re.Pattern[bytes], data: bytes, at: int) -> int | None:
    """Returns the offset of the first match of a pattern of two bytes: FF, and another than FF."""
    if match := pattern.search(data, at, at + _NEAR):
        return match.start()
    second = np.array([pattern.fullmatch(bytes((0xFF, value))) is not None for value in range(256)])
    for begin in range(at + _NEAR - 1, len(data) - 1, _BLOCK):
        block = np.frombuffer(data, np.uint8, min(_BLOCK + 1, len(data) - begin), begin)
        candidates = np.flatnonzero((block[:-1] == 0xFF) & (block[1:] != 0xFF))
        found = candidates[second[block[candidates + 1]]]
        if found.size:
            return begin + int(found[0])
    return None


def _read_segment(found: Structure, marker: int, data: bytes, begin: int, end: int) -> int:
    """Notes what a segment says. Returns the offset at which the search for the next marker begins."""
    body = data[begin:end]
    if marker in _FRAMES and len(body) >= 6 and not found.frame:
        found.frame = marker
        found.precision, found.height, found.width, count = struct.unpack(">BHHB", body[:6])
        found.sampling = tuple((each >> 4, each & 15) for each in body[7 : 6 + 3 * count : 3])
    elif marker == _APP0 and body.startswith(b"JFIF\0") and len(body) >= 14 and body[5] != 1:
        found.corrections.append((begin + 5, b"\1"))  # an unknown version
    elif marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
        found.adobe_transform = begin + 11
    elif marker == _SOS and len(body) >= 4:
        after = _find(_SCAN_END, data, end)
        at = end + len(data[end:after].rstrip(b"\xff"))
        found.scans.append(Scan(end, at))
        if found.frame in _SEQUENTIAL and data[end - 3 : end] != _SEQUENTIAL_PARAMETERS:
            found.corrections.append((end - 3, _SEQUENTIAL_PARAMETERS))
        return at
    return end


def without_harmless_flaws(data: bytes, structure: Structure) -> bytes:
    """Returns a file without flaws in headers that decoders warn of although no pixel depends on them.

    These are: parameters of a sequential scan that contradict the process (many phones write them),
    an unknown version of JFIF, an unknown Adobe colour transform, stray bytes before the first scan,
    and padding between later segments. They are repaired to what libjpeg-turbo assumes. The file is
    returned as it is if it has none of them.

    Args:
        data: The whole file.
        structure: Its structure.
    """
    first = structure.scans[0].begin if structure.scans else len(data)
    edits = [(at, at + len(right), right) for at, right in structure.corrections]
    # Stray bytes after a scan can be a scan whose marker was lost.
    edits += [
        (begin, end, b"")
        for begin, end in structure.stray
        if end <= first or not data[begin:end].strip(data[begin : begin + 1])
    ]
    transform = {3: 1, 4: 2}.get(len(structure.sampling))  # YCbCr, YCCK
    if (at := structure.adobe_transform) is not None and transform and data[at] not in (0, transform):
        edits.append((at, at + 1, bytes((transform,))))
    return _edited(data, edits)


def without_padding(data: bytes, structure: Structure) -> bytes:
    """Returns a file without padding at the end of scans: repetitions of one byte before a marker.

    The end of a scan can look like padding. The decoder then misses data in the result.

    Args:
        data: The whole file.
        structure: Its structure.
    """
    edits = []
    for scan in structure.scans:
        last = data[scan.end - 1 : scan.end]
        end = scan.begin + len(data[scan.begin : scan.end].rstrip(last))
        if last == b"\0" and data[end - 1 : end] == b"\xff":  # FF 00 is a byte of the scan
            end += 1
        if scan.end - end > (0 if last == b"\0" else 1):
            edits.append((end, scan.end, b""))
    return _edited(data, edits)


def _edited(data: bytes, edits: Iterable[tuple[int, int, bytes]]) -> bytes:
    """Replaces parts of a file, given as begin, end and replacement; none may overlap."""
    parts, at = [], 0
    for begin, end, replacement in sorted(edits):
        parts += [data[at:begin], replacement]
        at = end
    return b"".join([*parts, data[at:]]) if parts else data
