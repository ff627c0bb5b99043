"""ICC profiles for colour spaces that PNG chunks describe, and RGB profiles for grey pictures.

A profile describes the colour space given by cICP, or by gAMA and cHRM, so the pixels stay
unchanged: a conversion would lose levels. A profile can also be stored in JPG and WEBP.

Profiles follow ICC.1:2022; code points of cICP are those of ITU-T H.273.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


class Primaries(NamedTuple):
    """Chromaticities x and y of white, red, green and blue."""

    white: tuple[float, float]
    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]


# Transfer curve from samples to light, as parameters of ICC's parametricCurveType: (g,) is a power;
# (g, a, b, c, d) is (a·v + b)^g for v >= d and c·v below.
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

# Chunks this close to sRGB are treated as sRGB, as libpng does: most writers of gamma 1/2.2 mean
# sRGB, and chromaticities are often rounded. The gamma tolerance is relative.
_GAMMA_TOLERANCE = 0.05
_CHROMATICITY_TOLERANCE = 0.005
# Chromaticities beyond these describe no colour space in use. A profile holds numbers up to 32768.
_LARGEST_RESPONSE = 10
_LARGEST_COLUMN = 16

_CICP_SRGB = bytes((1, 13, 0, 1))

_D50 = (0.9642, 1.0, 0.8249)
# Cone response matrix of the Bradford transform (ICC.1:2022, annex E).
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


class ColourSpace(NamedTuple):
    """Colour space of a picture.

    Attributes:
        icc: ICC profile; None means sRGB, or plain grey.
        cicp: Data of the chunk cICP if no profile describes the colour space, else None.
    """

    icc: bytes | None
    cicp: bytes | None


def png_colour_space(chunks: dict[bytes, bytes], icc: bytes | None, *, grey: bool) -> ColourSpace:
    """Returns the colour space of a PNG file.

    The first that exists decides, as the specification requires: cICP, iCCP, sRGB, gAMA and cHRM.

    Args:
        chunks: Chunks of the file, see `tilewright.codecs.png_chunks.leading_chunks`.
        icc: ICC profile of the file; None if there is none.
        grey: Whether the samples are grey.
    """
    cicp = chunks.get(b"cICP")
    if cicp is not None and len(cicp) == 4:
        if cicp == _CICP_SRGB:
            return ColourSpace(None, None)
        primaries, curve, matrix, full_range = cicp
        if primaries in _PRIMARIES and curve in _CURVES and (matrix, full_range) == (0, 1):
            return ColourSpace(_profile(_PRIMARIES[primaries], _CURVES[curve], grey=grey), None)
        return ColourSpace(None, cicp)
    if icc is not None or b"sRGB" in chunks:
        return ColourSpace(icc, None)
    chromaticities, gamma = _chromaticities(chunks.get(b"cHRM", b"")), _gamma(chunks.get(b"gAMA", b""))
    srgb_curve = gamma is None or abs(gamma / 2.2 - 1) < _GAMMA_TOLERANCE
    srgb_primaries = (
        grey
        or chromaticities is None
        or bool(np.abs(np.subtract(chromaticities, _BT709)).max() < _CHROMATICITY_TOLERANCE)
    )
    if srgb_curve and srgb_primaries:
        return ColourSpace(None, None)
    profile = _profile(chromaticities or _BT709, _SRGB_CURVE if gamma is None else (gamma,), grey=grey)
    return ColourSpace(profile, None)


def rgb_profile_from_grey(icc: bytes) -> bytes | None:
    """Returns an RGB profile that renders equal channels as a grey profile renders grey.

    Args:
        icc: ICC profile for grey.

    Returns:
        The profile; None if `icc` is not a grey profile with connection space XYZ and a tone curve.
    """
    if icc[16:24] != b"GRAYXYZ ":
        return None
    curve = _read_tags(icc).get(b"kTRC", b"")
    return _rgb_profile(_BT709, curve) if curve[:4] in (b"curv", b"para") else None


def _gamma(body: bytes) -> float | None:
    """Returns the exponent from samples to light; gAMA stores 100000 times its inverse."""
    value = struct.unpack(">I", body)[0] if len(body) == 4 else 0
    return 100_000 / value if 1_000 <= value <= 10_000_000 else None


def _chromaticities(body: bytes) -> Primaries | None:
    """Returns the primaries in cHRM; None if they are absent, absurd, or do not span a colour space."""
    if len(body) != 32:
        return None
    values = [value / 100_000 for value in struct.unpack(">8I", body)]
    primaries = Primaries(*zip(values[::2], values[1::2], strict=True))
    valid = all(0 < x < 1 and 0 < y < 1 and x + y <= 1 for x, y in primaries)
    if not valid or abs(np.linalg.det([_xyz(xy) for xy in primaries[1:]])) <= 1e-3:
        return None
    # The eye's response to white is about 1 in all three cones.
    response = _BRADFORD @ _xyz(primaries.white)
    if response.min() < 1 / _LARGEST_RESPONSE or response.max() > _LARGEST_RESPONSE:
        return None
    return primaries if np.abs(_rgb_columns(primaries)).max() < _LARGEST_COLUMN else None


def _xyz(xy: tuple[float, float]) -> NDArray[np.float64]:
    """Returns XYZ of a chromaticity at Y = 1."""
    x, y = xy
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _profile(primaries: Primaries, curve: Curve, *, grey: bool) -> bytes:
    """Returns a display profile of version 4: a curve for grey, matrix and curves for RGB."""
    function_type = 0 if len(curve) == 1 else 3
    tag = struct.pack(">4sIHH", b"para", 0, function_type, 0) + _s15_fixed16(curve)
    return _assemble(b"GRAY", primaries, {b"kTRC": tag}) if grey else _rgb_profile(primaries, tag)


def _rgb_profile(primaries: Primaries, curve_tag: bytes) -> bytes:
    tags = {}
    for name, column in zip((b"r", b"g", b"b"), _rgb_columns(primaries).T, strict=True):
        tags[name + b"XYZ"], tags[name + b"TRC"] = _xyz_tag(column), curve_tag
    return _assemble(b"RGB ", primaries, tags)


def _rgb_columns(primaries: Primaries) -> NDArray[np.float64]:
    """Returns XYZ of red, green and blue as columns, adapted to D50."""
    columns = np.stack([_xyz(each) for each in primaries[1:]], axis=1)
    adapted: NDArray[np.float64] = _adaptation(primaries) @ (columns * np.linalg.solve(columns, _xyz(primaries.white)))
    return adapted


def _adaptation(primaries: Primaries) -> NDArray[np.float64]:
    """Returns the chromatic adaptation matrix from the primaries' white to D50."""
    white = _xyz(primaries.white)
    adaptation: NDArray[np.float64] = (
        np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white)) @ _BRADFORD
    )
    return adaptation


def _read_tags(icc: bytes) -> dict[bytes, bytes]:
    """Returns the data of a profile's tags by name, truncated if the profile is."""
    (count,) = struct.unpack(">I", icc[128:132].rjust(4, b"\0"))
    tags = {}
    for at in range(132, min(132 + 12 * count, len(icc) - 11), 12):
        name, offset, length = struct.unpack(">4sII", icc[at : at + 12])
        tags[name] = icc[offset : offset + length]
    return tags


def _assemble(colour_model: bytes, primaries: Primaries, specific: dict[bytes, bytes]) -> bytes:
    """Returns a profile from its colour model and the tags that depend on the model."""
    tags = {
        b"desc": _text_tag("colour space of the picture"),
        b"cprt": _text_tag("CC0"),
        b"wtpt": _xyz_tag(_D50),
        b"chad": b"sf32" + bytes(4) + _s15_fixed16(_adaptation(primaries).ravel()),
        **specific,
    }
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4xI4s4s4s", at + len(body), 0x0440_0000, b"mntr", colour_model, b"XYZ ")
    header += struct.pack(">6H4s28x", 2026, 1, 1, 0, 0, 0, b"acsp") + _s15_fixed16(_D50)
    return header.ljust(128, b"\0") + table + body


def _s15_fixed16(values: Iterable[float]) -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _xyz_tag(values: Iterable[float]) -> bytes:
    return b"XYZ " + bytes(4) + _s15_fixed16(values)


def _text_tag(text: str) -> bytes:
    """Returns a multiLocalizedUnicodeType with one English text."""
    encoded = text.encode("utf-16-be")
    return struct.pack(">4sIII2s2sII", b"mluc", 0, 1, 12, b"en", b"US", len(encoded), 28) + encoded
