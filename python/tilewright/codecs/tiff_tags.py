"""Tags of TIFF files that libvips writes: Exif data is added, and a resolution that is not known is removed."""

from __future__ import annotations

import struct

from tilewright.codecs.metadata import parse_exif

_RESOLUTION = frozenset((0x011A, 0x011B, 0x0128))  # horizontal, vertical, unit
_EXIF_DIRECTORIES = (0x8769, 0x8825)  # Exif, GPS
_BIG = 43  # version of BigTIFF


def completed(data: bytes, *, exif: bytes | None, has_resolution: bool) -> bytes:
    """Returns a TIFF file with the tags of Exif data, and without an invented resolution.

    Args:
        data: A file of one page.
        exif: Exif data as TIFF, see `tilewright.picture.Picture`; None if there is none.
        has_resolution: Whether the resolution in the file is the picture's.
    """
    if exif is None and has_resolution:
        return data
    layout = _Layout(data)
    file = bytearray(data.ljust(_even(len(data)), b"\0"))
    entries = layout.entries(file, layout.first(file))
    if not has_resolution:
        entries = {tag: entry for tag, entry in entries.items() if tag not in _RESOLUTION}
    if exif is not None:
        # Pillow writes a directory of its own, with values at absolute offsets. Its entries are then
        # repeated in the directory of the page.
        start = len(file)
        file += _exif_directory(exif, bytes(file[: layout.header_bytes]), start)
        entries = {**layout.entries(file, start), **entries}
        file += bytes(len(file) % 2)
    layout.set_first(file, len(file))
    return bytes(file + layout.directory(entries))


class _Layout:
    """Byte order and widths of a file's directories: TIFF 6.0, or BigTIFF for files above 4 GiB.

    Attributes:
        header_bytes: Length of the file's header, at whose end is the offset of the first directory.
    """

    def __init__(self, data: bytes) -> None:
        self._order = "<" if data[:2] == b"II" else ">"
        big = struct.unpack_from(f"{self._order}H", data, 2)[0] == _BIG
        self._count, self._offset, self._entry_bytes, self.header_bytes = (
            ("Q", "Q", 20, 16) if big else ("H", "I", 12, 8)
        )
        self._link = self.header_bytes - struct.calcsize(self._offset)

    def first(self, file: bytearray) -> int:
        """Returns the offset of the first directory."""
        return int(struct.unpack_from(self._order + self._offset, file, self._link)[0])

    def set_first(self, file: bytearray, at: int) -> None:
        """Sets the offset of the first directory."""
        struct.pack_into(self._order + self._offset, file, self._link, at)

    def entries(self, file: bytearray, at: int) -> dict[int, bytes]:
        """Returns the entries of a directory by tag, as they are stored."""
        (count,) = struct.unpack_from(self._order + self._count, file, at)
        at += struct.calcsize(self._count)
        size = self._entry_bytes
        stored = (bytes(file[start : start + size]) for start in range(at, at + count * size, size))
        return {struct.unpack_from(f"{self._order}H", entry)[0]: entry for entry in stored}

    def directory(self, entries: dict[int, bytes]) -> bytes:
        """Returns the last directory of a file."""
        count = struct.pack(self._order + self._count, len(entries))
        return count + b"".join(entries[tag] for tag in sorted(entries)) + bytes(struct.calcsize(self._offset))


def _exif_directory(exif: bytes, header: bytes, at: int) -> bytes:
    """Returns a directory of Exif data, with the directories below it, for a place in a file."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    found = parse_exif(exif)
    directory = ImageFileDirectory_v2(header)
    for tag in found:
        directory[tag] = dict(found.get_ifd(tag)) if tag in _EXIF_DIRECTORIES else found[tag]
    return directory.tobytes(at)


def _even(length: int) -> int:
    return length + length % 2
