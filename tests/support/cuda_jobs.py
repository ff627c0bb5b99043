"""Runs pictures on the CUDA executor, with the host executor for comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from support.jobs import run_picture
from tilewright.engine.cuda.executor import CudaExecutor
from tilewright.engine.sessions.cuda import CudaSession
from tilewright.engine.sessions.onnxruntime import OnnxRuntimeSession
from tilewright.engine.sinks import ArraySink, BandSink

if TYPE_CHECKING:
    from tilewright._core import TilePlan
    from tilewright.engine.progress import OnProgress
    from tilewright.engine.sinks import RowSink
    from tilewright.models.spec import Model

# A memory budget in bytes that is never exceeded.
UNLIMITED = 2**40


def with_spec(model: Model, **fields: Any) -> Model:
    """Returns the model with fields of its spec changed."""
    return replace(model, spec=replace(model.spec, **fields))


def open_cuda(model: Model, precision: str = "fp32") -> CudaSession:
    """Opens a session on the emulated device. Needs the fixture `runtime`."""
    return CudaSession(model, precision=precision)


def result_array(picture: np.ndarray, scale: int) -> np.ndarray:
    """Makes a black array for the result of a picture ``[H, W, C]``."""
    height, width, channels = picture.shape
    return np.zeros((height * scale, width * scale, channels), picture.dtype)


def run_on_host(
    picture: np.ndarray, model: Model, plan: TilePlan, *, on_progress: OnProgress | None = None
) -> np.ndarray:
    """Runs a picture on the host executor in float32, and returns the result."""
    result = result_array(picture, model.spec.scale)
    session = OnnxRuntimeSession(model, threads=1)
    run_picture(picture, plan, session, ArraySink(result), on_progress=on_progress)
    return result


def run_on_device(
    picture: np.ndarray,
    session: CudaSession,
    plan: TilePlan,
    *,
    sink: RowSink | None = None,
    exact: CudaSession | None = None,
    **options: Any,
) -> np.ndarray:
    """Runs a picture on the CUDA executor.

    Args:
        picture: Samples ``[H, W, C]``.
        session: Runs the network.
        plan: Plan of the picture.
        sink: Receives the rows; None for the returned array.
        exact: Float32 session; None for `session` itself.
        options: Further arguments of `run_layers`. By default, the executor is new and memory unlimited.

    Returns:
        The result; black if a sink was given.
    """
    result = result_array(picture, session.spec.scale)
    options = {"memory_budget": UNLIMITED, "executor": CudaExecutor(), **options}
    run_picture(picture, plan, session, sink or ArraySink(result), exact_session=lambda: exact or session, **options)
    return result


class RecordingSink:
    """A sink that keeps all bands, and checks that every row is delivered once and in order.

    Attributes:
        bands: Copies of the bands.
        ends: 0, and the row at which each band ends.
    """

    def __init__(self, width: int, channels: int = 3, dtype: Any = np.uint8) -> None:
        self.bands: list[np.ndarray] = []
        self.ends = [0]
        inner = BandSink(width, [channels], np.dtype(dtype), lambda band: self.bands.append(band.copy()))
        self._inner, self.pixel_bytes, self.finish = inner, inner.pixel_bytes, inner.finish

    def band(self, begin: int, end: int) -> Any:
        """Returns the arrays to fill with the rows from `begin` to `end`."""
        assert begin == self.ends[-1], "bands must be delivered in order, without gaps or overlaps"
        self.ends.append(end)
        return self._inner.band(begin, end)

    @property
    def rows(self) -> np.ndarray:
        """All rows."""
        return np.concatenate(self.bands)
