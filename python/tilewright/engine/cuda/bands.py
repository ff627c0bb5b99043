"""Finished bands on their way from the device to the sink, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tilewright.engine.cuda.planner import RING
from tilewright.picture import Pixels

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor
    from types import ModuleType

    from numpy.typing import NDArray

    from tilewright._cuda import DeviceBuffer, DeviceImage, Event, PinnedBuffer, Stream
    from tilewright.engine.buffers import BufferPool
    from tilewright.engine.sinks import RowSink

# Called with the sink's arrays of a finished band and the band's first output row.
FinishBand = Callable[[Sequence[Pixels], int], None]

# Alignment of arrays in a buffer in bytes, enough for the widest access of every kernel.
_ALIGNMENT = 256


@dataclass(slots=True)
class BandSlot:
    """Memory of one band, on the device and on the host.

    Attributes:
        device: Memory that tiles are blended into.
        host: Pinned memory that the band is copied to.
        copied: Recorded after the copy.
        delivery: Hands the band to the sink; None if the slot is free.
    """

    device: DeviceBuffer
    host: PinnedBuffer
    copied: Event
    delivery: Future[None] | None = None

    def wait(self) -> None:
        """Waits until the sink has the band of this slot. Raises what the sink raised."""
        if self.delivery is not None:
            delivery, self.delivery = self.delivery, None
            delivery.result()


@dataclass(frozen=True, slots=True)
class BandFormat:
    """Size and content of the bands of a picture.

    Attributes:
        rows: Largest number of rows of a band.
        width: Width in output pixels.
        dtype: uint8 or uint16.
        channels: Number of channels of each of the sink's arrays that tiles are blended into, by
            the array's index.
    """

    rows: int
    width: int
    dtype: np.dtype
    channels: Mapping[int, int]

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel in all arrays."""
        return sum(self.channels.values()) * self.dtype.itemsize

    def offsets(self) -> tuple[dict[int, int], int]:
        """Returns the byte offset of each array in a slot's memory, and the size of that memory."""
        offsets, end = {}, 0
        for target, channels in self.channels.items():
            offsets[target] = end
            end += -(-self.rows * self.width * channels * self.dtype.itemsize // _ALIGNMENT) * _ALIGNMENT
        return offsets, end


class BandRing:
    """A ring of bands: one is blended while others are copied and taken by the sink."""

    def __init__(
        self,
        kernels: ModuleType,
        band_format: BandFormat,
        sink: RowSink,
        finish_band: FinishBand,
        pool: BufferPool[BandSlot],
        count: int,
    ) -> None:
        """Takes memory for `count` bands, at most `RING`.

        Args:
            kernels: Module of the device.
            band_format: Format of all bands.
            sink: Receives the bands.
            finish_band: Completes a band before the sink takes it.
            pool: Provides the memory and gets it back.
            count: Number of bands that there will be.

        Raises:
            MemoryError: There is not enough memory.
        """
        self._kernels, self._format, self._sink = kernels, band_format, sink
        self._finish_band, self._pool = finish_band, pool
        self._offsets, nbytes = band_format.offsets()
        self._count = min(RING, count)
        self._slots = [slot for slot in pool.take() if slot.device.nbytes >= nbytes]
        while len(self._slots) < self._count:
            self._slots.append(BandSlot(kernels.DeviceBuffer(nbytes), kernels.PinnedBuffer(nbytes), kernels.Event()))
        self._stream: Stream = kernels.Stream()
        self._begun = 0

    def begin(self, rows: int) -> dict[int, DeviceImage]:
        """Waits for a free slot and returns the next band's device arrays.

        Returns:
            Views of the slot's memory, by the index of the sink's array.

        Raises:
            Exception: The sink failed to take an earlier band.
        """
        self._begun += 1
        slot = self._slot
        slot.wait()
        return {
            target: self._kernels.DeviceImage(slot.device, shape, self._format.dtype, offset=self._offsets[target])
            for target, shape in self._shapes(rows).items()
        }

    def send(self, rows: int, begin: int, end: int, thread: ThreadPoolExecutor) -> None:
        """Sends the current band, of which all tiles are blended, to the sink.

        Args:
            rows: Rows of the band.
            begin: First output row that the sink still needs.
            end: Output row at which the band ends.
            thread: Thread that hands the band to the sink.
        """
        slot = self._slot
        views: dict[int, NDArray[np.generic]] = {}
        for target, shape in self._shapes(rows).items():
            offset = self._offsets[target]
            views[target] = slot.host.array(shape, self._format.dtype, offset=offset)
            self._kernels.download(slot.device, views[target], self._stream, offset=offset)
        slot.copied.record(self._stream)
        wanted = {target: view[rows - (end - begin) :] for target, view in views.items()}
        slot.delivery = thread.submit(self._deliver, slot.copied, wanted, begin, end)

    def finish(self) -> None:
        """Waits until the sink has all bands.

        Raises:
            Exception: The sink failed to take one of them.
        """
        for ahead in range(1, self._count + 1):  # the oldest first
            self._slots[(self._begun - 1 + ahead) % self._count].wait()

    def close(self, *, keep: bool) -> None:
        """Waits for copies and releases the memory.

        Args:
            keep: Whether the memory goes back to the pool for the next picture.
        """
        self._stream.synchronize()
        for slot in self._slots:
            slot.delivery = None
        if keep:
            self._pool.keep(self._slots)
        self._slots = []

    @property
    def _slot(self) -> BandSlot:
        return self._slots[(self._begun - 1) % self._count]

    def _shapes(self, rows: int) -> dict[int, tuple[int, int, int]]:
        return {target: (rows, self._format.width, channels) for target, channels in self._format.channels.items()}

    def _deliver(self, copied: Event, views: Mapping[int, NDArray[np.generic]], begin: int, end: int) -> None:
        copied.synchronize()
        targets = self._sink.band(begin, end)
        for target, view in views.items():
            np.copyto(targets[target], view)
        self._finish_band(targets, begin)
