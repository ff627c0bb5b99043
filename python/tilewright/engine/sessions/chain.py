"""A network of factor 1, such as one that removes noise, before another one, tile by tile."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from tilewright.engine.sessions.base import finished_result, new_result
from tilewright.errors import ModelError
from tilewright.models.spec import round_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import Session, Streaming
    from tilewright.models.spec import ModelSpec, Tail


class ChainedSession:
    """Two sessions as one: the result of the first goes into the second.

    The halo is the sum of both, so that tiles are as exact as those of each network on its own.
    Between the networks, values are limited to black and white, as if the first result had been
    written to a file.
    """

    tail: Tail | None = None
    tensor_memory: Literal["host", "cuda"] = "host"
    streaming: Streaming | None = None
    ensemble = 1

    def __init__(self, first: Session, second: Session) -> None:
        """Joins the sessions.

        Args:
            first: A session of scale 1.
            second: A session of any scale.

        Raises:
            ModelError: The first network enlarges, or both have fixed sizes that differ.
        """
        self._first, self._second = first, second
        self.spec = _joined(first.spec, second.spec)
        self.device = second.device
        is_same = first.runtime == second.runtime
        self.runtime = second.runtime if is_same else f"{first.runtime} and {second.runtime}"
        precisions = dict.fromkeys((first.precision, second.precision))
        # The lower one counts: it decides whether a tile is worth repeating in float32.
        self.precision = next((each for each in precisions if each != "fp32"), "fp32")
        # Beside the activations of one network: what goes from the first to the second.
        planes = 4 * self.spec.planes
        self.activation_bytes = max(first.activation_bytes, second.activation_bytes) + 2 * planes

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """See `Session.run`."""
        result = self.new_result(batch.shape) if result is None else result
        outer = self.spec.value_range
        between = _run(self._first, batch, outer)
        result[...] = _run(self._second, np.clip(between, *outer), outer)
        return result

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `Session.new_result`."""
        return new_result(shape, self.spec)


def _joined(first: ModelSpec, second: ModelSpec) -> ModelSpec:
    if first.scale != 1:
        raise ModelError(
            f"a network that runs before another one must have the factor 1, but {first.name!r} has {first.scale}",
            parameter="pre",
        )
    fixed = {spec.fixed_size for spec in (first, second)} - {None}
    multiple = math.lcm(first.multiple_of, second.multiple_of)
    size = next(iter(fixed), None)
    if len(fixed) > 1 or (size is not None and any(length % multiple for length in size)):
        raise ModelError(
            f"{first.name!r} cannot run before {second.name!r}: their tiles have no size in common", parameter="pre"
        )
    radii = (first.receptive_radius, second.receptive_radius)
    exact = first.feather == second.feather == 0
    return replace(
        second,
        name=f"{first.name} + {second.name}",
        channel_order=second.channel_order if first.planes == 1 else first.channel_order,
        multiple_of=multiple,
        grid=math.lcm(first.grid, second.grid),
        minimum=round_up(max(first.minimum, second.minimum), multiple),
        fixed_size=size,
        receptive_radius=None if None in radii else sum(radius or 0 for radius in radii),
        halo=first.halo + second.halo,
        feather=max(first.feather, second.feather),
        seam_error=second.seam_error if exact else None,
        flops_per_pixel=first.flops_per_pixel + second.flops_per_pixel,
        bytes_per_pixel=max(first.bytes_per_pixel, second.bytes_per_pixel),
        licence=" AND ".join(dict.fromkeys(filter(None, (first.licence, second.licence)))),
    )


def _run(session: Session, batch: NDArray[np.float32], outer: tuple[float, float]) -> NDArray[np.float32]:
    """Runs a batch in another value range than the session's; a network of one plane, plane by plane."""
    inner = session.spec.value_range
    batch = _in_range(batch, outer, inner)
    if session.spec.planes == batch.shape[1]:
        result = finished_result(session, batch)
    else:
        planes = [np.ascontiguousarray(batch[:, plane : plane + 1]) for plane in range(batch.shape[1])]
        result = np.concatenate([finished_result(session, plane) for plane in planes], axis=1)
    return _in_range(result, inner, outer)


def _in_range(
    values: NDArray[np.float32], source: tuple[float, float], target: tuple[float, float]
) -> NDArray[np.float32]:
    if source == target:
        return values
    gain = np.float32((target[1] - target[0]) / (source[1] - source[0]))
    return np.ascontiguousarray((values - np.float32(source[0])) * gain + np.float32(target[0]))
