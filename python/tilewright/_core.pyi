"""Kernels for tiles and for rows of PNG files.

Arrays are never copied or converted; an unsuitable array is an error.
"""

from collections.abc import Sequence
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

# Pictures and bands [height, width, channels].
_Samples: TypeAlias = NDArray[np.uint8 | np.uint16]
# Results of networks [planes, height, width].
_Elements: TypeAlias = NDArray[np.float32 | np.float16]

def available_isas() -> list[str]: ...
def default_isa() -> str: ...

@final
class Span:
    @property
    def origin(self) -> int: ...
    @property
    def begin(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def lead(self) -> int: ...
    @property
    def trail(self) -> int: ...

@final
class Tile:
    @property
    def x(self) -> Span: ...
    @property
    def y(self) -> Span: ...

class TilePlan:
    def __init__(
        self,
        width: int,
        height: int,
        *,
        tile_width: int,
        tile_height: int,
        halo: int = 0,
        feather: int = 0,
        multiple: int = 1,
        grid: int = 1,
    ) -> None: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def tile_width(self) -> int: ...
    @property
    def tile_height(self) -> int: ...
    @property
    def halo(self) -> int: ...
    @property
    def feather(self) -> int: ...
    @property
    def multiple(self) -> int: ...
    @property
    def columns(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def redundancy(self) -> float: ...
    @property
    def is_bands(self) -> bool: ...
    @staticmethod
    def bands(width: int, height: int, rows: int) -> TilePlan: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Tile: ...
    @staticmethod
    def smallest_tile(*, halo: int, feather: int, multiple: int, grid: int = 1) -> int: ...

def gather(
    picture: _Samples,
    plan: TilePlan,
    first: int,
    batch: NDArray[np.float32],
    *,
    channels: tuple[int, ...] | list[int] = (0, 1, 2),
    value_range: tuple[float, float] = (0.0, 1.0),
    isa: str | None = None,
) -> None: ...

class Canvas:
    def __init__(
        self,
        plan: TilePlan,
        scale: int,
        *,
        planes: int = 3,
        value_range: tuple[float, float] = (0.0, 1.0),
        shuffle: int = 1,
        adds_base: bool = False,
        isa: str | None = None,
    ) -> None: ...
    def band(self, row: int) -> tuple[int, int]: ...
    def blend(
        self,
        index: int,
        result: _Elements,
        target: _Samples,
        first_channel: int = 0,
        channels: int | None = None,
        *,
        base: NDArray[np.float32] | None = None,
    ) -> int: ...

def alpha_bleed(pixels: _Samples, *, alpha: _Samples | None = None) -> None: ...
def keep_flat_alpha(
    source: _Samples, channel: int, first_row: int, band: _Samples, band_channel: int, *, radius: int
) -> None: ...
def png_filter(
    pixels: _Samples,
    above: NDArray[np.uint8],
    filtered: NDArray[np.uint8],
    *,
    alpha: _Samples | None = None,
    isa: str | None = None,
) -> None: ...
def deflate_runs(data: NDArray[np.uint8]) -> bytes: ...

HAS_ENGINE: bool
"""Whether the native engine is part of this build, and with it ConvNetwork and ConvStream."""

class ConvNetwork:
    def __init__(self, planes: int, *, threads: int, isa: str | None = None) -> None: ...
    def set_input_transform(self, offset: Sequence[float], factor: Sequence[float]) -> None: ...
    def add_step(
        self,
        inputs: Sequence[tuple[int, bool]] | None,
        *,
        weights: NDArray[np.float32],
        bias: Sequence[float],
        activation: str = "none",
        slope: Sequence[float] = [],
        residuals: Sequence[tuple[int, float]] = [],
    ) -> int: ...
    def set_rescale(
        self, *, source_scale: int, weights: NDArray[np.float32], first: int, shuffles: bool, adds_image: bool
    ) -> None: ...
    def tensor_bytes(self, height: int, width: int) -> int: ...
    def band(self, height: int, width: int) -> int: ...
    @property
    def planes(self) -> int: ...
    @property
    def output_channels(self) -> int: ...
    @property
    def output_scale(self) -> int: ...

class ConvStream:
    def __init__(self, network: ConvNetwork) -> None: ...
    def start(self, height: int, width: int) -> None: ...
    def advance(self, rows: NDArray[np.float32], result: NDArray[np.floating]) -> bool: ...
    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating]) -> None: ...
    @property
    def band(self) -> int: ...
    @property
    def wanted(self) -> int: ...
    @property
    def rounds(self) -> int: ...
    @property
    def is_done(self) -> bool: ...
