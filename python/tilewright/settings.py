"""Reads settings from environment variables; no other Python module reads them."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

from tilewright._core import default_isa
from tilewright.cgroups import cpu_limit
from tilewright.errors import SettingsError
from tilewright.folders import user_folder
from tilewright.limits import InputLimits
from tilewright.literals import Compression, Device, FetchUrls, Precision, Runtime, SendResults
from tilewright.pricing import Price, PriceUnit

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("tilewright")

_Choice = TypeVar("_Choice", bound=str)
_Default = TypeVar("_Default")

# A larger number is a typing error, and a runtime would try to start that many threads.
_MAX_THREADS = 1024

# A smaller memory budget without a unit was meant in another unit than bytes.
_SMALLEST_BUDGET = 2**20

# Variables that only the build reads, see pyproject.toml; they may stay set when the package is used.
_BUILD_VARIABLES = ("CUDA", "CUDA_EMULATED", "SANITIZE", "WERROR")

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def _usable_cpus() -> int:
    """Returns how many CPUs this process may use, which a container, a service or taskset can limit."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cpus, cpu_limit() or cpus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings; each is read from ``TILEWRIGHT_`` plus its name in capitals.

    ``docs/configuration.md`` explains them.

    Attributes:
        cache_dir: Folder of converted networks.
        models_dir: Folder of imported networks.
        store: Where images are stored: a folder or an fsspec URL.
        store_ttl: Seconds after which a stored image expires; None for never.
        store_public_url: http(s) URL under which the store's files are served by name; None if they
            are not served.
        store_shared: Whether other users of this machine may read the images in a local folder; None
            for yes if they are served at a URL, else no.
        model: Name or alias of a network, path of a network file, or ``"auto"`` for
            ``"tilewright-photo"``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        precision: ``"auto"``, ``"fp32"``, or ``"fp16"`` on CUDA.
        runtime: What runs networks on the CPU: ``"native"`` (our own engine), ``"openvino"``,
            ``"onnxruntime"``, or ``"auto"`` for the fastest one.
        tta: Whether to use self-ensemble (test-time augmentation): the network runs on all eight
            flips and rotations of each tile, and the results are averaged.
        true_colour: Whether results keep the low-frequency colours of their input.
        threads: Threads of the network's runtime, at least 1.
        memory_budget: Estimated bytes that one picture may use, on the device that holds its tiles;
            None to let the planner choose.
        max_input_pixels: Largest accepted picture, width times height, and for an animation times
            its frames.
        max_input_bytes: Largest accepted file, in bytes.
        max_frames: Most frames of an accepted animation.
        max_decode_seconds: Longest time in which a still picture is decoded.
        max_output_pixels: Largest result, width times height; None for no limit.
        max_tasks: Most tasks of one call.
        max_waiting_tasks: Most asynchronous tasks that are not finished.
        png_compression: PNG compression effort: ``"fast"``, ``"balanced"`` or ``"small"``.
        jpg_progressive: Whether JPG files are progressive.
        webp_lossless: Whether WEBP files are lossless.
        keep_metadata: Whether results keep the Exif, XMP, IPTC and PNG text of their input.
        fetch_urls: ``"off"``, or ``"public"`` to fetch pictures from http(s) URLs on the public
            internet.
        send_results: ``"off"``, or ``"public"`` to send outcomes of tasks to the http(s) URLs on the
            public internet that the tasks name.
        check_nsfw: Whether every result is checked, as if all tasks asked for it.
        price: Pricing rule for ``cost``; None for a cost of 0.
        api_key_hashes: SHA-256 of each API key that the server accepts, in hexadecimal digits; empty
            if it needs none.
        allowed_origins: Origins of pages on other servers that may call the server, such as
            ``https://app.example.org``; ``"*"`` for all.
        max_body_bytes: Largest call that the server accepts, and largest WebSocket frame.
        max_bodies_bytes: Calls that the server holds in memory, together.
        max_waiting_calls: Most calls that wait for their turn in the server.
        max_connections: Most WebSocket connections of the server.
    """

    cache_dir: Path = field(default_factory=lambda: user_folder("cache"))
    models_dir: Path = field(default_factory=lambda: user_folder("models"))
    store: str = field(default_factory=lambda: str(user_folder("images")))
    store_ttl: int | None = None
    store_public_url: str | None = None
    store_shared: bool | None = None
    model: str = "auto"
    device: Device = "auto"
    precision: Precision = "auto"
    runtime: Runtime = "auto"
    tta: bool = False
    true_colour: bool = False
    threads: int = field(default_factory=_usable_cpus)
    memory_budget: int | None = None
    max_input_pixels: int = 200_000_000
    max_input_bytes: int = 2**29
    max_frames: int = 1000
    max_decode_seconds: int = 120
    max_output_pixels: int | None = None
    max_tasks: int = 10_000
    max_waiting_tasks: int = 10_000
    png_compression: Compression = "fast"
    jpg_progressive: bool = False
    webp_lossless: bool = False
    keep_metadata: bool = False
    fetch_urls: FetchUrls = "off"
    send_results: SendResults = "off"
    check_nsfw: bool = False
    price: Price | None = None
    api_key_hashes: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    max_body_bytes: int = 2**28
    max_bodies_bytes: int = 2**30
    max_waiting_calls: int = 1000
    max_connections: int = 1000

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Reads the settings; a variable that is unset or empty gives the default.

        Args:
            environ: Variables by name; None for those of the process.

        Raises:
            SettingsError: A variable has an invalid value; the message names the variable.
        """
        # os.environ is not the default value: help() would print it, secrets included.
        environ = os.environ if environ is None else environ
        read = _Reader(environ)
        _warn_of_unknown_names(environ)
        _check_isa()
        default = cls()
        return cls(
            cache_dir=read.folder("CACHE_DIR", default.cache_dir),
            models_dir=read.folder("MODELS_DIR", default.models_dir),
            store=read.text("STORE") or default.store,
            store_ttl=read.count("STORE_TTL", default.store_ttl),
            store_public_url=read.url("STORE_PUBLIC_URL", default.store_public_url),
            store_shared=read.switch("STORE_SHARED", default.store_shared),
            model=read.text("MODEL") or default.model,
            device=read.choice("DEVICE", get_args(Device), default.device),
            precision=read.choice("PRECISION", get_args(Precision), default.precision),
            runtime=read.choice("RUNTIME", get_args(Runtime), default.runtime),
            tta=read.switch("TTA", default.tta),
            true_colour=read.switch("TRUE_COLOUR", default.true_colour),
            threads=read.count("THREADS", default.threads, maximum=_MAX_THREADS),
            memory_budget=read.size("MEMORY_BUDGET", default.memory_budget, without_unit=_SMALLEST_BUDGET),
            max_input_pixels=read.count("MAX_INPUT_PIXELS", default.max_input_pixels),
            max_input_bytes=read.size("MAX_INPUT_BYTES", default.max_input_bytes),
            max_frames=read.count("MAX_FRAMES", default.max_frames),
            max_decode_seconds=read.count("MAX_DECODE_SECONDS", default.max_decode_seconds),
            max_output_pixels=read.count("MAX_OUTPUT_PIXELS", default.max_output_pixels),
            max_tasks=read.count("MAX_TASKS", default.max_tasks),
            max_waiting_tasks=read.count("MAX_WAITING_TASKS", default.max_waiting_tasks),
            png_compression=read.choice("PNG_COMPRESSION", get_args(Compression), default.png_compression),
            jpg_progressive=read.switch("JPG_PROGRESSIVE", default.jpg_progressive),
            webp_lossless=read.switch("WEBP_LOSSLESS", default.webp_lossless),
            keep_metadata=read.switch("KEEP_METADATA", default.keep_metadata),
            fetch_urls=read.choice("FETCH_URLS", get_args(FetchUrls), default.fetch_urls),
            send_results=read.choice("SEND_RESULTS", get_args(SendResults), default.send_results),
            check_nsfw=read.switch("CHECK_NSFW", default.check_nsfw),
            price=read.price("PRICE", default.price),
            api_key_hashes=read.items("API_KEY_HASHES", r"[0-9a-f]{64}", "SHA-256 checksums of keys, with commas"),
            allowed_origins=read.items(
                "ALLOWED_ORIGINS", r"\*|https?://[^\s/?#]+", "origins such as https://app.example.org, with commas"
            ),
            max_body_bytes=read.size("MAX_BODY_BYTES", default.max_body_bytes),
            max_bodies_bytes=read.size("MAX_BODIES_BYTES", default.max_bodies_bytes),
            max_waiting_calls=read.count("MAX_WAITING_CALLS", default.max_waiting_calls),
            max_connections=read.count("MAX_CONNECTIONS", default.max_connections),
        )

    @property
    def limits(self) -> InputLimits:
        """The limits of input pictures."""
        return InputLimits(
            pixels=self.max_input_pixels,
            file_bytes=self.max_input_bytes,
            frames=self.max_frames,
            seconds=self.max_decode_seconds,
        )


class _Reader:
    """Reads variables by name without prefix; returns the default if one is unset or empty."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        return self._environ.get(f"TILEWRIGHT_{name}", "").strip() or None

    def choice(self, name: str, choices: tuple[_Choice, ...], default: _Choice) -> _Choice:
        text = (self.text(name) or default).lower()
        for choice in choices:
            if choice == text:
                return choice
        raise self._error(name, f"one of {', '.join(choices)}")

    def switch(self, name: str, default: _Default) -> bool | _Default:
        if self.text(name) is None:
            return default
        return self.choice(name, ("off", "on"), "off") == "on"

    def folder(self, name: str, default: Path) -> Path:
        text = self.text(name)
        try:
            return Path(text).expanduser() if text else default
        except RuntimeError as error:
            raise self._error(name, f"a folder ({error})") from error

    def url(self, name: str, default: str | None) -> str | None:
        text = self.text(name)
        if text is None:
            return default
        # File names are appended to the URL, so nothing may follow its path.
        if not re.fullmatch(r"https?://[^\s?#]+", text, re.IGNORECASE):
            raise self._error(name, "a URL such as https://img.example.org/results, without ? or #")
        return re.sub("^https?", lambda scheme: scheme[0].lower(), text, flags=re.IGNORECASE)

    def count(self, name: str, default: _Default, *, maximum: int = 10**18) -> int | _Default:
        text = self.text(name)
        if text is None:
            return default
        if not re.fullmatch(r"[0-9]{1,19}", text) or not 1 <= int(text) <= maximum:
            raise self._error(name, f"an integer from 1 to {maximum}")
        return int(text)

    def size(self, name: str, default: _Default, *, without_unit: int = 1) -> int | _Default:
        """Reads a number of bytes; one without a unit must be at least `without_unit`."""
        text = self.text(name)
        if text is None:
            return default
        match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)\s*([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
        if match is None or (size := int(float(match[1]) * _UNITS[match[2].upper()])) < 1:
            raise self._error(name, "a number of bytes such as 512M or 2G")
        if size < without_unit and text.isdigit():
            raise self._error(name, "a number with a unit such as 512M or 2G, or at least 1 MiB in bytes")
        return size

    def price(self, name: str, default: Price | None) -> Price | None:
        text = self.text(name)
        if text is None:
            return default
        amount, _, unit = (part.strip() for part in text.partition("/"))
        for known in get_args(PriceUnit):
            if unit == known and re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", amount):
                return Price(float(amount), known)
        raise self._error(name, "a price such as 0.0006/second or 0.002/megapixel")

    def items(self, name: str, pattern: str, expected: str) -> tuple[str, ...]:
        """Reads items with commas between them."""
        items = tuple(item.strip() for item in (self.text(name) or "").split(",") if item.strip())
        if not all(re.fullmatch(pattern, item) for item in items):
            raise self._error(name, expected)
        return items

    def _error(self, name: str, expected: str) -> SettingsError:
        value = self._environ[f"TILEWRIGHT_{name}"]
        return SettingsError(f"the environment variable TILEWRIGHT_{name} must be {expected}, not {value!r}")


def _warn_of_unknown_names(environ: Mapping[str, str]) -> None:
    known = [field.name.upper() for field in dataclasses.fields(Settings)] + ["ISA"]
    for variable in environ:
        prefix, _, name = variable.partition("_")
        if prefix == "TILEWRIGHT" and name in _BUILD_VARIABLES:
            continue
        if prefix.upper() == "TILEWRIGHT" and (prefix != prefix.upper() or name not in known):
            similar = difflib.get_close_matches(name.upper(), known, n=1)
            _warn_once(variable, f"; did you mean TILEWRIGHT_{similar[0]}?" if similar else "")


@functools.cache
def _warn_once(name: str, hint: str) -> None:
    _log.warning("the environment variable %s is unknown and has no effect%s", name, hint)


def _check_isa() -> None:
    """Checks TILEWRIGHT_ISA early; the compiled core reads it only when a kernel first runs."""
    try:
        default_isa()
    except ValueError as error:
        raise SettingsError(f"the environment variable {error}") from error
