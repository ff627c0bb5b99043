"""What the environment says; nothing else in Python reads it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

import platformdirs

from tilewright import _core
from tilewright.errors import SettingsError
from tilewright.limits import Limits
from tilewright.literals import Compression, Device, FetchUrls, Precision
from tilewright.pricing import Price, PriceUnit

if TYPE_CHECKING:
    from collections.abc import Mapping

_Choice = TypeVar("_Choice", bound=str)

# More would be a slip of the keyboard, and a runtime would try to start them all.
_MOST_THREADS = 1024

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The knobs, each read from ``TILEWRIGHT_`` plus its name in capitals; ``docs/configuration.md`` explains them.

    Attributes:
        cache_dir: where converted networks are kept.
        store: where images are kept: a folder or an fsspec URL.
        store_ttl: seconds after which an image in the store counts as gone; None for never.
        store_public_url: http(s) address under which the store's files are served by name; None where they are not.
        model: catalog name, path of an ONNX file, or ``"auto"`` for ``"tilewright-photo"``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        precision: ``"auto"``, ``"fp32"``, or ``"fp16"`` on CUDA.
        tta: whether networks see every tile eight ways round, and the mean of their answers counts.
        true_colour: whether results get the broad colours of their input.
        threads: threads of the network's runtime, at least 1.
        memory_budget: bytes for a picture on its way, by estimate, where its tiles are; None to let the planner decide.
        max_input_pixels: largest picture accepted, width times height.
        max_input_bytes: largest file accepted.
        max_frames: most frames of an animation.
        max_output_pixels: largest result that is made, width times height; None for no limit.
        png_compression: ``"fast"``, ``"balanced"`` or ``"small"``: how hard PNG files are compressed.
        jpg_progressive: whether JPG files build up while they load.
        webp_lossless: whether WEBP files keep every pixel.
        keep_metadata: whether results have their picture's Exif and XMP.
        fetch_urls: ``"off"``, or ``"public"`` to fetch pictures from http(s) addresses on the public internet.
        check_nsfw: whether every result is checked, as if all tasks asked for it.
        price: the pricing rule behind ``cost``; None for 0.
    """

    cache_dir: Path
    store: str
    store_ttl: int | None = None
    store_public_url: str | None = None
    model: str
    device: Device
    precision: Precision
    tta: bool = False
    true_colour: bool = False
    threads: int
    memory_budget: int | None
    max_input_pixels: int
    max_input_bytes: int = 2**29
    max_frames: int = 1000
    max_output_pixels: int | None = None
    png_compression: Compression = "fast"
    jpg_progressive: bool = False
    webp_lossless: bool = False
    keep_metadata: bool = False
    fetch_urls: FetchUrls = "off"
    check_nsfw: bool = False
    price: Price | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; a variable that is unset or empty gives the default.

        Args:
            environ: variables by name; by default those of the process.

        Raises:
            SettingsError: a value that is not understood; the message names the variable.
        """
        # No default of os.environ: help() would print it, secrets and all.
        read = _Reader(os.environ if environ is None else environ)
        _check_isa()
        return cls(
            cache_dir=read.folder("CACHE_DIR") or platformdirs.user_cache_path("tilewright"),
            store=read.text("STORE") or str(platformdirs.user_data_path("tilewright") / "images"),
            store_ttl=read.count("STORE_TTL"),
            store_public_url=read.web_address("STORE_PUBLIC_URL"),
            model=read.text("MODEL") or "auto",
            device=read.choice("DEVICE", get_args(Device)),
            precision=read.choice("PRECISION", get_args(Precision)),
            tta=read.switch("TTA"),
            true_colour=read.switch("TRUE_COLOUR"),
            threads=read.count("THREADS", most=_MOST_THREADS) or _usable_cpus(),
            memory_budget=read.size("MEMORY_BUDGET"),
            max_input_pixels=read.count("MAX_INPUT_PIXELS") or 200_000_000,
            max_input_bytes=read.size("MAX_INPUT_BYTES") or 2**29,
            max_frames=read.count("MAX_FRAMES") or 1000,
            max_output_pixels=read.count("MAX_OUTPUT_PIXELS"),
            png_compression=read.choice("PNG_COMPRESSION", get_args(Compression)),
            jpg_progressive=read.switch("JPG_PROGRESSIVE"),
            webp_lossless=read.switch("WEBP_LOSSLESS"),
            keep_metadata=read.switch("KEEP_METADATA"),
            fetch_urls=read.choice("FETCH_URLS", get_args(FetchUrls)),
            check_nsfw=read.switch("CHECK_NSFW"),
            price=read.price("PRICE"),
        )

    @property
    def limits(self) -> Limits:
        """Of pictures that come in."""
        return Limits(pixels=self.max_input_pixels, file_bytes=self.max_input_bytes, frames=self.max_frames)


class _Reader:
    """Reads variables by their name without the prefix; None where one is unset or empty."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        return self._environ.get(f"TILEWRIGHT_{name}", "").strip() or None

    def choice(self, name: str, choices: tuple[_Choice, ...]) -> _Choice:
        text = (self.text(name) or choices[0]).lower()
        for choice in choices:
            if choice == text:
                return choice
        raise self._fault(name, f"one of {', '.join(choices)}")

    def switch(self, name: str) -> bool:
        return self.choice(name, ("off", "on")) == "on"

    def folder(self, name: str) -> Path | None:
        text = self.text(name)
        try:
            return Path(text).expanduser() if text else None
        except RuntimeError as error:
            raise self._fault(name, f"a folder ({error})") from error

    def web_address(self, name: str) -> str | None:
        text = self.text(name)
        # File names are appended to it, so nothing may come after the path.
        if text is not None and not re.fullmatch(r"https?://[^\s?#]+", text, re.IGNORECASE):
            raise self._fault(name, "an address such as https://img.example.org/results, without ? or #")
        return None if text is None else re.sub("^https?", lambda scheme: scheme[0].lower(), text, flags=re.IGNORECASE)

    def count(self, name: str, *, most: int = 10**18) -> int | None:
        text = self.text(name)
        if text is None:
            return None
        if not re.fullmatch(r"[0-9]{1,19}", text) or not 1 <= int(text) <= most:
            raise self._fault(name, f"a whole number from 1 to {most}")
        return int(text)

    def size(self, name: str) -> int | None:
        text = self.text(name)
        if text is None:
            return None
        match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)\s*([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
        if match is None or (size := int(float(match[1]) * _UNITS[match[2].upper()])) < 1:
            raise self._fault(name, "a number of bytes such as 512M or 2G")
        return size

    def price(self, name: str) -> Price | None:
        text = self.text(name)
        if text is None:
            return None
        amount, _, unit = (part.strip() for part in text.partition("/"))
        for known in get_args(PriceUnit):
            if unit == known and re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", amount):
                return Price(float(amount), known)
        raise self._fault(name, "a price such as 0.0006/second or 0.002/megapixel")

    def _fault(self, name: str, wanted: str) -> SettingsError:
        value = self._environ[f"TILEWRIGHT_{name}"]
        return SettingsError(f"the environment variable TILEWRIGHT_{name} must be {wanted}, it is {value!r}")


def _check_isa() -> None:
    """The compiled core reads TILEWRIGHT_ISA itself, when a kernel first runs; a fault of it is better said at once."""
    try:
        _core.default_isa()
    except ValueError as error:
        raise SettingsError(f"the environment variable {error}") from error


def _usable_cpus() -> int:
    """CPUs that this process may run on, which in a container or under taskset are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
