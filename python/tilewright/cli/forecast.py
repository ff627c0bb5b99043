"""How long `tilewright upscale` will take, and what would be faster."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilewright.cli.durations import roughly
from tilewright.codecs.header import pixel_count
from tilewright.errors import TilewrightError
from tilewright.models.catalog import DEFAULT, resolve_name

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from tilewright.picture_upscaler import PictureUpscaler

# A command that takes longer is announced.
_ANNOUNCED = 60.0

# The speed is measured only if there are more pixels than this. Fewer take no minute on any machine,
# and on a CUDA device, measuring takes seconds.
_WORTH_MEASURING = {"cpu": 40_000, "cuda": 4_000_000}

# Headers that are read; those of other files are taken to be alike.
_SAMPLED_FILES = 100

# Another network or tile is mentioned if it takes at most this share of the time.
_MUCH_FASTER = 0.5


@dataclass(frozen=True, slots=True)
class Forecast:
    """Work and time of all files.

    Attributes:
        weights: Input pixels of each file; where unknown, the mean of the others.
        seconds: Estimated seconds in the network for all files; None if not measured.
        announcement: One line to print beforehand; None if the command takes less than a minute.
    """

    weights: Sequence[float]
    seconds: float | None = None
    announcement: str | None = None


def forecast(sources: Sequence[Path | None], arguments: argparse.Namespace, pictures: PictureUpscaler) -> Forecast:
    """Estimates the time for all files from their headers and from a small patch.

    Args:
        sources: The files; None for stdin. If there are very many, only some headers are read.
        arguments: Of the command, with ``factor``, ``size``, ``fit`` and ``tile``.
        pictures: Runs the network briefly.
    """
    step = max(1, math.ceil(len(sources) / _SAMPLED_FILES))
    sampled = {index: path for index in range(0, len(sources), step) if (path := sources[index]) is not None}
    known = {index: count for index, path in sampled.items() if (count := pixel_count(path))}
    if not known:
        return Forecast([1.0] * len(sources))
    mean = sum(known.values()) / len(known)
    weights = [float(known.get(index, mean)) for index in range(len(sources))]
    if sum(weights) < _WORTH_MEASURING[pictures.networks.device]:
        return Forecast(weights)
    # All pictures are taken to be squares of the mean size.
    side = max(1, round(math.sqrt(mean)))
    try:
        seconds = _seconds(pictures, side, arguments) * len(sources)
        if seconds < _ANNOUNCED:
            return Forecast(weights, seconds)
        faster = _faster(pictures, side, arguments, seconds / len(sources))
    except TilewrightError:  # reported when the picture is upscaled
        return Forecast(weights)
    subject = sampled[0].name if len(sources) == 1 else f"{len(sources)} pictures"
    text = f"{subject} will take about {roughly(seconds)}"
    if faster is not None:
        text += f"; {faster[0]} about {roughly(faster[1] * len(sources))}"
    return Forecast(weights, seconds, text)


def _seconds(
    pictures: PictureUpscaler,
    side: int,
    arguments: argparse.Namespace,
    model: str | None = None,
    without_tile: bool = False,
) -> float:
    factor = arguments.factor
    if factor is None:
        factor = pictures.resolve(side, side, size=arguments.size, fit=arguments.fit, model=model).factor
    return pictures.estimate(side, side, factor, model=model, without_tile=without_tile).seconds


def _faster(
    pictures: PictureUpscaler, side: int, arguments: argparse.Namespace, seconds: float
) -> tuple[str, float] | None:
    """Returns what would be much faster, and its seconds; None if nothing is known to be."""
    if arguments.tile is not None:
        found = _seconds(pictures, side, arguments, without_tile=True)
        if found <= _MUCH_FASTER * seconds:
            return "without --tile", found
    offered = (None, *pictures.networks.factors(DEFAULT))
    if resolve_name(str(pictures.model)) != DEFAULT and arguments.factor in offered:
        found = _seconds(pictures, side, arguments, model=DEFAULT)
        if found <= _MUCH_FASTER * seconds:
            return f"with --model {DEFAULT}", found
    return None
