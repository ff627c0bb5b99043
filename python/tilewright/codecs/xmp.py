"""XMP packets: removing what is only true of the source file, scaling sizes, and adding properties.

A packet is rewritten while it is read, in time and memory proportional to its length. The parser is
defusedxml's, which refuses document types, and with them entities, in every encoding.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple
from xml.sax import SAXException
from xml.sax.handler import ContentHandler
from xml.sax.saxutils import XMLGenerator, escape, quoteattr
from xml.sax.xmlreader import AttributesImpl

if TYPE_CHECKING:
    from collections.abc import Sequence

# Packets are typically a few kilobytes.
_MAX_BYTES = 1 << 20

# A byte order mark, or a "<" without one.
_UTF_16_BEGINS = (b"\xfe\xff", b"\xff\xfe", b"\0<", b"<\0")

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
_REGIONS = "http://www.metadataworkinggroup.com/schemas/regions/"
_DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"

_GAIN_MAP, _DEPTH_MAP, _MOTION, _AUDIO = "the gain map", "the depth map", "the motion video", "the audio"

# Properties that are only true of the source file, hold pictures, or point to data that is not
# carried, by namespace. None: all properties of the namespace.
_STALE: dict[str, frozenset[str] | None] = {
    "http://ns.adobe.com/tiff/1.0/": frozenset(
        (
            "Orientation", "ImageWidth", "ImageLength", "BitsPerSample", "Compression", "PhotometricInterpretation",
            "SamplesPerPixel", "PlanarConfiguration", "XResolution", "YResolution", "ResolutionUnit",
            "YCbCrSubSampling", "YCbCrPositioning", "NativeDigest",
        )
    ),
    "http://ns.adobe.com/exif/1.0/": frozenset(
        (
            "PixelXDimension", "PixelYDimension", "NativeDigest", "CompressedBitsPerPixel", "ComponentsConfiguration",
            "SubjectArea", "SubjectLocation", "FocalPlaneXResolution", "FocalPlaneYResolution",
            "FocalPlaneResolutionUnit", "MakerNote",
        )
    ),
    "http://ns.adobe.com/xap/1.0/": frozenset(("Thumbnails",)),
    "http://ns.adobe.com/xap/1.0/mm/": frozenset(("InstanceID",)),  # names one version of the pixels
    "http://ns.adobe.com/xap/1.0/g/img/": None,
    "http://ns.adobe.com/xmp/note/": None,  # refers to extended XMP, which is not kept
    "http://ns.adobe.com/hdr-gain-map/1.0/": None,
    "http://ns.apple.com/HDRGainMap/1.0/": None,
    "http://ns.apple.com/pixeldatainfo/1.0/": None,
    "http://ns.google.com/photos/1.0/audio/": None,
    "http://ns.google.com/photos/1.0/camera/": frozenset(("HdrPlusMakernote",)),
    "http://ns.google.com/photos/1.0/container/": None,
    "http://ns.google.com/photos/1.0/container/item/": None,
    "http://ns.google.com/photos/1.0/depthmap/": None,
    "http://ns.google.com/photos/1.0/image/": None,
    "http://ns.oplus.com/photos/1.0/camera/": None,
    "http://ns.xiaomi.com/photos/1.0/camera/": None,
}  # fmt: skip

# Namespaces of Dynamic Depth, which describe images that are appended to the file.
_STALE_PREFIX = "http://ns.google.com/photos/dd/1.0/"
# Properties in the namespaces of several phone makers.
_STALE_NAMES = ("MotionPhoto", "MicroVideo")

# Properties that hold positions in the picture, and therefore become false when it is rotated.
_POSITIONS = frozenset(((_REGIONS, "Regions"), ("http://ns.microsoft.com/photo/1.2/", "RegionInfo")))

# What properties promise, by namespace and by the semantic of an item in a container.
_PROMISES = {
    "http://ns.adobe.com/hdr-gain-map/1.0/": _GAIN_MAP,
    "http://ns.apple.com/HDRGainMap/1.0/": _GAIN_MAP,
    "http://ns.google.com/photos/1.0/audio/": _AUDIO,
    "http://ns.google.com/photos/1.0/depthmap/": _DEPTH_MAP,
    "http://ns.google.com/photos/dd/1.0/depthmap/": _DEPTH_MAP,
}
# One of these is in every packet in UTF-8 that promises something.
_PROMISING = (b"HDRGainMap", b"MicroVideo", b"MotionPhoto", b"Semantic", b"audio", b"depthmap", b"hdr-gain-map")
_SEMANTICS = {"GainMap": _GAIN_MAP, "DepthMap": _DEPTH_MAP, "Depth": _DEPTH_MAP, "MotionPhoto": _MOTION}

# Sizes and offsets in pixels: 0 for horizontal ones, 1 for vertical ones.
_SIZES = {
    (_PANORAMA, name + suffix): axis
    for axis, names in enumerate(
        (
            ("CroppedAreaImageWidth", "FullPanoWidth", "CroppedAreaLeft", "LargestValidInteriorRectLeft",
             "LargestValidInteriorRectWidth", "SourceImageWidth"),
            ("CroppedAreaImageHeight", "FullPanoHeight", "CroppedAreaTop", "LargestValidInteriorRectTop",
             "LargestValidInteriorRectHeight", "SourceImageHeight"),
        )
    )
    for name in names
    for suffix in ("", "Pixels")
}  # fmt: skip
_APPLIED_TO = (_REGIONS, "AppliedToDimensions")
_APPLIED_SIZES = {(_DIMENSIONS, "w"): 0, (_DIMENSIONS, "h"): 1}
_LARGEST_SIZE = 1e9

Name = tuple[str, str]
"""Namespace and local name of a property."""

Properties = dict[Name, list[str]]
"""Values by property of the namespaces `DC`, `PHOTOSHOP` and `IPTC_CORE`; several for arrays only."""

DC, PHOTOSHOP = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/photoshop/1.0/"
IPTC_CORE = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
_PREFIXES = {DC: "dc", PHOTOSHOP: "photoshop", IPTC_CORE: "Iptc4xmpCore"}
# Kinds of array by property (XMP specification, part 1, section 8). Other properties are simple.
_ARRAYS = {
    (DC, "title"): "Alt",
    (DC, "description"): "Alt",
    (DC, "rights"): "Alt",
    (DC, "creator"): "Seq",
    (DC, "subject"): "Bag",
    (PHOTOSHOP, "SupplementalCategories"): "Bag",
}


class FilteredXmp(NamedTuple):
    """A packet without stale entries.

    Attributes:
        packet: The packet; None if it is too long or cannot be parsed.
        promised: What removed entries say the file also contains, such as ``"the gain map"``.
    """

    packet: bytes | None
    promised: frozenset[str]


def filter_xmp(packet: bytes, *, rotated: bool = False) -> FilteredXmp:
    """Removes properties that are only true of the source file or point to what is not carried.

    Args:
        packet: The packet, of at most 1 MiB and without document type.
        rotated: Whether the pixels have been rotated or mirrored, so that positions are removed too.
    """
    rewriter = _Rewriter(stale=True, rotated=rotated)
    rewritten = _rewritten(packet, rewriter)
    return FilteredXmp(rewritten, frozenset(rewriter.promised) if rewritten is not None else frozenset())


def promises(packet: bytes) -> frozenset[str]:
    """Returns what a packet promises, see `FilteredXmp`, without reading one that promises nothing."""
    return filter_xmp(packet).promised if any(each in packet for each in _PROMISING) else frozenset()


def scale_xmp(packet: bytes, scale: tuple[float, float]) -> bytes | None:
    """Multiplies sizes in pixels by the horizontal and the vertical factor of an enlargement.

    Returns:
        The packet; None if it cannot be parsed.
    """
    return packet if scale == (1, 1) else _rewritten(packet, _Rewriter(scale=scale))


def add_to_xmp(packet: bytes | None, properties: Properties) -> bytes | None:
    """Adds the properties that a packet does not have yet.

    Args:
        packet: The packet; None for a new one.
        properties: Properties to add.

    Returns:
        The packet; None if it cannot be parsed.
    """
    properties = {name: values for name, values in properties.items() if values}
    if not properties:
        return packet
    empty = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}"></rdf:RDF></x:xmpmeta>'
    return _rewritten(empty.encode() if packet is None else packet, _Rewriter(additions=properties))


def _rewritten(packet: bytes, rewriter: _Rewriter) -> bytes | None:
    from defusedxml import DefusedXmlException
    from defusedxml.sax import make_parser

    if len(packet) > _MAX_BYTES:
        return None
    parser = make_parser()
    parser.forbid_dtd = True
    parser.setContentHandler(rewriter)
    try:
        # Padding at both ends. In UTF-16, a NUL is half a character.
        parser.parse(io.BytesIO(packet if packet.startswith(_UTF_16_BEGINS) else packet.strip(b"\0 \t\r\n")))
    except (SAXException, DefusedXmlException, ValueError, LookupError):
        return None
    return rewriter.result()


class _Rewriter(ContentHandler):
    """Writes the elements that it is told of, except for what is removed or changed.

    Names are as in the file, with prefixes; namespaces are looked up by prefix. This keeps the
    prefixes, by which many programs find properties.

    Attributes:
        promised: See `FilteredXmp`.
    """

    def __init__(
        self,
        *,
        stale: bool = False,
        rotated: bool = False,
        scale: tuple[float, float] = (1, 1),
        additions: Properties | None = None,
    ) -> None:
        super().__init__()
        self.promised: set[str] = set()
        self._stale, self._rotated, self._scale, self._additions = stale, rotated, scale, additions
        self._text = io.StringIO()
        self._writer = XMLGenerator(self._text, "utf-8", short_empty_elements=True)
        self._namespaces: dict[str, list[str]] = {}  # by prefix, innermost last
        self._open: list[tuple[Name, list[str]]] = []  # open elements: name, prefixes declared there
        self._skipped = 0  # open elements of which the outermost is removed
        self._applied_to = 0  # open elements that give the dimensions of regions
        self._pending: list[str] = []  # text since the last tag
        self._is_leaf = False  # whether the last tag was a start tag
        self._seen: set[Name] = set()
        self._about = ""

    def result(self) -> bytes:
        return self._text.getvalue().encode()

    def startElement(self, name: str, attrs: AttributesImpl[str]) -> None:  # noqa: N802
        self._flush()
        attributes = dict(attrs.items())
        declared = [key.removeprefix("xmlns").removeprefix(":") for key in attributes if _declares(key)]
        for prefix in declared:
            self._namespaces.setdefault(prefix, []).append(attributes["xmlns:" + prefix if prefix else "xmlns"])
        element = self._resolved(name, is_element=True)
        self._open.append((element, declared))
        self._applied_to += element == _APPLIED_TO
        self._is_leaf = True
        kept = {}
        for key, value in attributes.items():
            if _declares(key):
                if not (self._stale and _is_wholly_stale(value)):
                    kept[key] = value
                continue
            attribute = self._resolved(key)
            self._seen.add(attribute)
            if attribute == (_RDF, "about"):
                self._about = self._about or value
            if not self._removes(attribute, value):
                kept[key] = self._scaled(attribute, value)
        if self._skipped or self._removes(element):
            self._skipped += 1
        else:
            self._seen.add(element)
            self._writer.startElement(name, AttributesImpl(kept))

    def endElement(self, name: str) -> None:  # noqa: N802
        element, declared = self._open.pop()
        self._flush(element if self._is_leaf else None)
        self._is_leaf = False
        if self._skipped:
            self._skipped -= 1
        else:
            if element == (_RDF, "RDF"):
                self._add()
            self._writer.endElement(name)
        self._applied_to -= element == _APPLIED_TO
        for prefix in declared:
            self._namespaces[prefix].pop()

    def characters(self, content: str) -> None:
        self._pending.append(content)

    def _flush(self, leaf: Name | None = None) -> None:
        """Writes the text since the last tag, scaled if it is the value of a size."""
        text = "".join(self._pending)
        self._pending.clear()
        if text and not self._skipped:
            self._writer.characters(self._scaled(leaf, text) if leaf is not None else text)

    def _resolved(self, name: str, *, is_element: bool = False) -> Name:
        """Returns namespace and local name. Only elements are in a namespace without a prefix."""
        prefix, colon, local = name.rpartition(":")
        found = self._namespaces.get(prefix) if colon or is_element else None
        return found[-1] if found else "", local

    def _removes(self, name: Name, value: str = "") -> bool:
        """Returns whether a property is removed, and records what it promises."""
        namespace, local = name
        if not self._stale:
            return False
        is_motion = local.startswith(_STALE_NAMES)
        if is_motion and value.strip() != "0":
            self.promised.add(_MOTION)
        if local == "Semantic" and value in _SEMANTICS:
            self.promised.add(_SEMANTICS[value])
        if namespace in _PROMISES:
            self.promised.add(_PROMISES[namespace])
        names = _STALE.get(namespace, frozenset())
        return (
            is_motion
            or _is_wholly_stale(namespace)
            or (names is not None and local in names)
            or (self._rotated and name in _POSITIONS)
        )

    def _scaled(self, name: Name, text: str) -> str:
        axis = _SIZES.get(name, _APPLIED_SIZES.get(name) if self._applied_to else None)
        if axis is None:
            return text
        try:
            value = float(text)
        except ValueError:
            return text
        return str(round(value * self._scale[axis])) if abs(value) <= _LARGEST_SIZE else text

    def _add(self) -> None:
        additions = self._additions or {}
        self._additions = None  # a packet has one rdf:RDF
        missing = {name: values for name, values in additions.items() if name not in self._seen}
        if missing:
            self._writer.characters("\n")  # completes the start tag
            self._text.write(_description(missing, self._about))


def _declares(attribute: str) -> bool:
    return attribute == "xmlns" or attribute.startswith("xmlns:")


def _is_wholly_stale(namespace: str) -> bool:
    return namespace.startswith(_STALE_PREFIX) or _STALE.get(namespace, frozenset()) is None


def _description(properties: Properties, about: str) -> str:
    """Returns properties as an element rdf:Description."""
    declared = "".join(f' xmlns:{prefix}="{uri}"' for uri, prefix in _PREFIXES.items())
    parts = [f'<rdf:Description xmlns:rdf="{_RDF}"{declared} rdf:about={quoteattr(about)}>']
    for name, values in properties.items():
        tag = f"{_PREFIXES[name[0]]}:{name[1]}"
        parts.append(f"<{tag}>{_value(_ARRAYS.get(name), values)}</{tag}>")
    return "".join([*parts, "</rdf:Description>"])


def _value(array: str | None, values: Sequence[str]) -> str:
    texts = [escape("".join(each for each in value if each >= " " or each in "\t\n")) for value in values]
    if array is None:
        return texts[0]
    attribute = ' xml:lang="x-default"' if array == "Alt" else ""
    items = "".join(f"<rdf:li{attribute}>{text}</rdf:li>" for text in (texts[:1] if array == "Alt" else texts))
    return f"<rdf:{array}>{items}</rdf:{array}>"
