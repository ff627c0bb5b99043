"""Any request: an envelope comes back that the schema knows, and never a fault of ours."""

from __future__ import annotations

import os
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.requests import answer_anything, mutated_tasks, requests
from support.fake_networks import with_fake_networks
from tilewright import Settings, Upscaler


@cache
def _upscaler() -> Upscaler:
    limits = Settings.from_environment({"TILEWRIGHT_CACHE_DIR": os.environ["TILEWRIGHT_CACHE_DIR"]})
    return with_fake_networks(Upscaler(settings=limits, device="cpu", store="memory://fuzz-tasks"))


@settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(request=mutated_tasks() | st.lists(mutated_tasks(), max_size=4) | requests)
def _answered(request: object) -> None:
    answer_anything(_upscaler(), request)


def one_input(data: bytes) -> None:
    """What the fuzzer calls: Hypothesis reads its choices from the bytes."""
    _answered.hypothesis.fuzz_one_input(data)


mutator = None


def corpus() -> list[bytes]:
    """What it begins with: choices enough for a request, all alike and none alike."""
    return [bytes(512), bytes(range(256)) * 4]
