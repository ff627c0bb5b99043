"""Buffers kept between pictures."""

from __future__ import annotations

from tilewright.engine.buffers import BufferPool


def test_pool_is_empty_while_its_buffers_are_in_use():
    pool = BufferPool()
    pool.keep([1, 2])
    assert pool.take() == [1, 2]
    assert pool.take() == []
    pool.keep([3])
    pool.clear()
    assert pool.take() == []
