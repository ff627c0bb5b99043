"""Transfer of finished bands from the device to the sink."""

from __future__ import annotations

import numpy as np
import pytest

from support.cuda_jobs import RecordingSink
from tilewright.engine.buffers import BufferPool
from tilewright.engine.cuda.bands import BandFormat, BandRing
from tilewright.engine.cuda.planner import RING


class LazyPool:
    """A thread pool that runs a function only when its result is requested."""

    def submit(self, function, *arguments):
        class LazyFuture:
            def result(self):
                return function(*arguments)

        return LazyFuture()


def test_bands_are_delivered_in_order_and_only_a_few_are_in_transfer(kernels):
    sink = RecordingSink(4, channels=2)
    band_format = BandFormat(rows=6, width=4, dtype=np.dtype(np.uint8), channels={0: 2})
    pool = BufferPool()

    def finish_band(band, begin):
        band[0][:, :, 1] = begin

    ring = BandRing(kernels, band_format, sink, finish_band, pool, 100)
    stream, expected = kernels.Stream(), []
    for number in range(7):
        rows = 6 - number % 2
        (view,) = ring.begin(rows).values()
        delivered = len(sink.ends) - 1
        assert delivered == max(0, number - RING + 1), "a band is delivered only when its slot is needed"
        assert view.shape == (rows, 4, 2)
        band = np.full(view.shape, number, np.uint8)
        kernels.upload(band, ring._slot.device, stream)
        begin = sum(map(len, expected))
        skipped = number == 3  # the first row of this band was delivered before
        expected.append(band[skipped:].copy())
        expected[-1][:, :, 1] = begin
        ring.send(rows, begin, begin + rows - skipped, LazyPool())
    ring.finish()
    sink.finish()
    np.testing.assert_array_equal(sink.rows, np.concatenate(expected))
    ring.close(keep=True)
    assert len(pool.take()) == RING
    assert pool.take() == [], "the memory is in use"


@pytest.mark.parametrize(("rows", "reused"), [(8, True), (7, True), (9, False)])
def test_memory_is_reused_if_it_is_large_enough(kernels, rows, reused):
    pool = BufferPool()

    def new_ring(rows):
        band_format = BandFormat(rows=rows, width=256, dtype=np.dtype(np.uint8), channels={0: 1})
        return BandRing(kernels, band_format, RecordingSink(256, channels=1), lambda *_: None, pool, 1)

    first = new_ring(8)
    slot = first._slots[0]
    first.close(keep=True)
    assert (new_ring(rows)._slots[0] is slot) == reused
