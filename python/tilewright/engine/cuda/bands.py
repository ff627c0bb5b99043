"""Finished bands on their way from a device to the sink, a few at once."""

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

    from tilewright._cuda import DeviceBuffer, Event, DeviceImage, PinnedBuffer, Stream
    from tilewright.engine.sinks import RowSink

# Called with the sink's arrays for a band, and with its first row of the output, when tiles are all there.
Complete = Callable[[Sequence[Pixels], int], None]

# Where an array begins in a buffer: what every kernel's widest access is aligned to.
_ALIGNMENT = 256


@dataclass(slots=True)
class _Slot:
    """Memory of one band, on the device and the same on the host."""

    device: DeviceBuffer
    host: PinnedBuffer
    copied: Event
    delivery: Future[None] | None = None

    def wait(self) -> None:
        """Until the sink has the band that was here; raises what the sink raised."""
        if self.delivery is not None:
            delivery, self.delivery = self.delivery, None
            delivery.result()


class BandMemory:
    """The slots of the picture before, for the next one: pinned memory takes long to get.

    While a picture has them they are gone from here, so one that is begun meanwhile gets its own.
    """

    def __init__(self) -> None:
        self._slots: list[_Slot] = []

    def take(self, kernels: ModuleType, nbytes: int, count: int) -> list[_Slot]:
        """Slots of at least as many bytes.

        Raises:
            MemoryError: the device or the host has not as much memory.
        """
        slots = self._slots if all(slot.device.nbytes >= nbytes for slot in self._slots) else []
        self.clear()
        while len(slots) < count:
            slots.append(_Slot(kernels.DeviceBuffer(nbytes), kernels.PinnedBuffer(nbytes), kernels.Event()))
        return slots

    def keep(self, slots: list[_Slot]) -> None:
        """Takes them back."""
        self._slots = slots

    def clear(self) -> None:
        """Lets go of all."""
        self._slots = []


@dataclass(frozen=True, slots=True)
class BandForm:
    """What a band of a picture is made of.

    Attributes:
        rows: most that a band has.
        width: in output pixels.
        dtype: uint8 or uint16.
        channels: of those of the sink's arrays that tiles are blended into, by their number.
    """

    rows: int
    width: int
    dtype: np.dtype
    channels: Mapping[int, int]

    @property
    def pixel_bytes(self) -> int:
        """Bytes for each pixel, in all arrays."""
        return sum(self.channels.values()) * self.dtype.itemsize

    def offsets(self) -> tuple[dict[int, int], int]:
        """The byte where each array begins, and how many bytes all take."""
        offsets, end = {}, 0
        for target, channels in self.channels.items():
            offsets[target] = end
            end += -(-self.rows * self.width * channels * self.dtype.itemsize // _ALIGNMENT) * _ALIGNMENT
        return offsets, end


class BandRing:
    """Bands that are blended, copied and taken by the sink, each by its own while the others go on."""

    def __init__(
        self, kernels: ModuleType, form: BandForm, sink: RowSink, complete: Complete, memory: BandMemory, count: int
    ) -> None:
        """Takes memory for `count` bands, `RING` at most.

        Args:
            kernels: the module of the device.
            form: of all bands.
            sink: takes them.
            complete: what is left to do to a band before the sink takes it.
            memory: gives the memory, and gets it back.
            count: of bands that there will be.

        Raises:
            MemoryError: there is not as much.
        """
        self._kernels, self._form, self._sink, self._complete, self._memory = kernels, form, sink, complete, memory
        self._offsets, nbytes = form.offsets()
        self._count = min(RING, count)
        self._slots = memory.take(kernels, nbytes, self._count)
        self._stream: Stream = kernels.Stream()
        self._begun = 0

    def begin(self, rows: int) -> dict[int, DeviceImage]:
        """The next band's arrays on the device, by the number of the sink's array, when there is room for it.

        Raises:
            Exception: what the sink raised for a band before.
        """
        self._begun += 1
        slot = self._slot
        slot.wait()
        return {
            target: self._kernels.DeviceImage(slot.device, shape, self._form.dtype, offset=self._offsets[target])
            for target, shape in self._shapes(rows).items()
        }

    def send(self, rows: int, begin: int, end: int, thread: ThreadPoolExecutor) -> None:
        """Puts the band that was begun, which is all blended, on its way to the sink.

        Args:
            rows: of the band.
            begin: row of the output from which on the sink wants it.
            end: row of the output where the band ends.
            thread: hands it to the sink.
        """
        slot = self._slot
        views: dict[int, NDArray[np.generic]] = {}
        for target, shape in self._shapes(rows).items():
            offset = self._offsets[target]
            views[target] = slot.host.array(shape, self._form.dtype, offset=offset)
            self._kernels.download(slot.device, views[target], self._stream, offset=offset)
        slot.copied.record(self._stream)
        wanted = {target: view[rows - (end - begin) :] for target, view in views.items()}
        slot.delivery = thread.submit(self._deliver, slot.copied, wanted, begin, end)

    def finish(self) -> None:
        """Waits until the sink has all bands.

        Raises:
            Exception: what the sink raised for one of them.
        """
        for ahead in range(1, self._count + 1):  # the oldest first
            self._slots[(self._begun - 1 + ahead) % self._count].wait()

    def close(self, *, keep: bool) -> None:
        """Gives the memory back when no copy is under way; `keep` it for the next picture, or let it go."""
        self._stream.synchronize()
        for slot in self._slots:
            slot.delivery = None
        if keep:
            self._memory.keep(self._slots)
        self._slots = []

    @property
    def _slot(self) -> _Slot:
        return self._slots[(self._begun - 1) % self._count]

    def _shapes(self, rows: int) -> dict[int, tuple[int, int, int]]:
        return {target: (rows, self._form.width, channels) for target, channels in self._form.channels.items()}

    def _deliver(self, copied: Event, views: Mapping[int, NDArray[np.generic]], begin: int, end: int) -> None:
        copied.synchronize()
        targets = self._sink.band(begin, end)
        for target, view in views.items():
            np.copyto(targets[target], view)
        self._complete(targets, begin)
