"""Peak memory of the process, and the default memory budget."""

from __future__ import annotations

import math

from tilewright.engine.memory import default_memory_budget, extended_memory_budget, peak_memory


def test_peak_memory_never_falls():
    before = peak_memory()
    block = bytearray(32 * 2**20)
    block[:: 2**12] = b"x" * len(block[:: 2**12])
    during = peak_memory()
    del block
    # Linux updates page counts in batches, so a figure may lag slightly.
    assert peak_memory() + 2**20 >= during >= before - 2**20 > 0


def test_default_budget_is_a_modest_part_of_the_memory():
    assert 2**27 <= default_memory_budget() <= 2**32
    assert math.isfinite(default_memory_budget())
    assert default_memory_budget() <= extended_memory_budget() * 1.1, "free memory changes between the calls"
    assert extended_memory_budget() <= 2**34
