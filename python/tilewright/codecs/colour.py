"""ICC profiles: for the colour space that a PNG file tells by chunks, and for grey where there is only RGB.

Pixels stay as they are: a profile says the same as cICP, or gAMA and cHRM, loses no levels as a conversion would, and
can be carried into JPG and WEBP too. Profiles follow ICC.1:2022; code points of cICP are those of ITU-T H.273.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Primaries(NamedTuple):
    """Chromaticities x and y of white, red, green and blue."""

    white: tuple[float, float]
    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]


# A curve from samples to light, by the parameters of ICC's parametricCurveType: one, a power; or five (g, a, b, c, d),
# (a·v + b)^g from d on, and c·v below.
Curve = tuple[float, ...]

_D65 = (0.3127, 0.3290)
_C = (0.310, 0.316)
_BT709 = Primaries(_D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_BT601_525 = Primaries(_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
_PRIMARIES = {
    1: _BT709,
    4: Primaries(_C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: Primaries(_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: _BT601_525,
    7: _BT601_525,
    9: Primaries(_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: Primaries((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: Primaries(_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_BT709_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CURVES: dict[int, Curve] = {
    1: _BT709_CURVE,
    4: (2.2,),
    5: (2.8,),
    6: _BT709_CURVE,
    8: (1.0,),
    13: _SRGB_CURVE,
    14: _BT709_CURVE,
    15: _BT709_CURVE,
}

# Most writers that say 1/2.2 mean sRGB, and so do rounded chromaticities; libpng takes gammas this close for the same.
_SAME_GAMMA = 0.05
_SAME_CHROMATICITY = 0.005

_D50 = (0.9642, 1.0, 0.8249)
# Bradford's cone responses (ICC.1:2022, annex E).
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


class ColourSpace(NamedTuple):
    """What a picture's pixels mean, in the terms of `Picture`."""

    icc: bytes | None
    cicp: bytes | None


def colour_space(chunks: dict[bytes, bytes], icc: bytes | None, *, grey: bool) -> ColourSpace:
    """The colour space of a PNG file: the first of cICP, iCCP, sRGB, and gAMA with cHRM, as the specification asks.

    Args:
        chunks: of the file, see `leading_chunks`.
        icc: the file's profile.
        grey: whether its samples are grey.
    """
    cicp = chunks.get(b"cICP")
    if cicp is not None and len(cicp) == 4:
        primaries, curve, matrix, full_range = cicp
        if cicp == b"\x01\x0d\x00\x01":
            return ColourSpace(None, None)
        if primaries in _PRIMARIES and curve in _CURVES and (matrix, full_range) == (0, 1):
            return ColourSpace(_profile(_PRIMARIES[primaries], _CURVES[curve], grey=grey), None)
        return ColourSpace(None, cicp)
    if icc is not None or b"sRGB" in chunks:
        return ColourSpace(icc, None)
    given, gamma = _chromaticities(chunks.get(b"cHRM", b"")), _gamma(chunks.get(b"gAMA", b""))
    same_curve = gamma is None or abs(gamma / 2.2 - 1) < _SAME_GAMMA
    same_colours = grey or given is None or bool(np.abs(np.subtract(given, _BT709)).max() < _SAME_CHROMATICITY)
    if same_curve and same_colours:
        return ColourSpace(None, None)
    return ColourSpace(_profile(given or _BT709, _SRGB_CURVE if gamma is None else (gamma,), grey=grey), None)


def for_equal_channels(icc: bytes) -> bytes | None:
    """A profile that says of equal red, green and blue what one for grey says of grey.

    Args:
        icc: a profile for grey.

    Returns:
        The profile; None where the curve of `icc` cannot be taken over, as when it leads to L*.
    """
    if icc[16:24] != b"GRAYXYZ ":
        return None
    tags = _tags(icc)
    curve = tags.get(b"kTRC", b"")
    return _rgb_profile(_BT709, curve) if curve[:4] in (b"curv", b"para") else None


def _gamma(body: bytes) -> float | None:
    """The exponent from samples to light; the chunk has the inverse."""
    value = struct.unpack(">I", body)[0] if len(body) == 4 else 0
    return 100_000 / value if 1_000 <= value <= 10_000_000 else None


def _chromaticities(body: bytes) -> Primaries | None:
    if len(body) != 32:
        return None
    values = [value / 100_000 for value in struct.unpack(">8I", body)]
    found = Primaries(*zip(values[::2], values[1::2], strict=True))
    sensible = all(0 < x < 1 and 0 < y < 1 and x + y <= 1 for x, y in found)
    return found if sensible and abs(np.linalg.det([_xyz(xy) for xy in found[1:]])) > 1e-3 else None


def _xyz(xy: tuple[float, float]) -> NDArray[np.float64]:
    """XYZ of a chromaticity at Y = 1."""
    x, y = xy
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _profile(primaries: Primaries, curve: Curve, *, grey: bool) -> bytes:
    """A display profile of version 4 by matrix and curve, or for grey by the curve alone."""
    kind = 0 if len(curve) == 1 else 3
    parametric = struct.pack(">4sIHH", b"para", 0, kind, 0) + _s15(curve)
    return _assembled(b"GRAY", primaries, {b"kTRC": parametric}) if grey else _rgb_profile(primaries, parametric)


def _rgb_profile(primaries: Primaries, curve: bytes) -> bytes:
    """One by matrix and a curve that is a tag's data."""
    columns = np.stack([_xyz(each) for each in primaries[1:]], axis=1)
    columns = _adaptation(primaries) @ (columns * np.linalg.solve(columns, _xyz(primaries.white)))
    tags = {}
    for name, column in zip((b"r", b"g", b"b"), columns.T, strict=True):
        tags[name + b"XYZ"], tags[name + b"TRC"] = _xyz_tag(column), curve
    return _assembled(b"RGB ", primaries, tags)


def _adaptation(primaries: Primaries) -> NDArray[np.float64]:
    """From the primaries' white to the profile's."""
    white = _xyz(primaries.white)
    adaptation: NDArray[np.float64] = (
        np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white)) @ _BRADFORD
    )
    return adaptation


def _tags(icc: bytes) -> dict[bytes, bytes]:
    """The data of a profile's tags, as far as they are there."""
    (count,) = struct.unpack(">I", icc[128:132].rjust(4, b"\0"))
    tags = {}
    for at in range(132, min(132 + 12 * count, len(icc) - 11), 12):
        name, offset, length = struct.unpack(">4sII", icc[at : at + 12])
        tags[name] = icc[offset : offset + length]
    return tags


def _assembled(space: bytes, primaries: Primaries, specific: dict[bytes, bytes]) -> bytes:
    tags = {
        b"desc": _text("colour space of the picture"),
        b"cprt": _text("CC0"),
        b"wtpt": _xyz_tag(_D50),
        b"chad": b"sf32" + bytes(4) + _s15(_adaptation(primaries).ravel()),
        **specific,
    }
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4xI4s4s4s", at + len(body), 0x0440_0000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H4s28x", 2026, 1, 1, 0, 0, 0, b"acsp") + _s15(_D50)
    return header.ljust(128, b"\0") + table + body


def _s15(values: Any) -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _xyz_tag(values: Any) -> bytes:
    return b"XYZ " + bytes(4) + _s15(values)


def _text(text: str) -> bytes:
    """A multiLocalizedUnicodeType of one English text."""
    encoded = text.encode("utf-16-be")
    return struct.pack(">4sIII2s2sII", b"mluc", 0, 1, 12, b"en", b"US", len(encoded), 28) + encoded
