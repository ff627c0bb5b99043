"""Fuzz target: any request gets an envelope that matches the schema, without an internal error."""

from __future__ import annotations

import os
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.requests import check_any, mutated_tasks, requests
from support.fake_networks import with_fake_networks
from tilewright import Settings, Upscaler


@cache
def _upscaler() -> Upscaler:
    limits = Settings.from_environment({"TILEWRIGHT_CACHE_DIR": os.environ["TILEWRIGHT_CACHE_DIR"]})
    return with_fake_networks(Upscaler(settings=limits, device="cpu", store="memory://fuzz-tasks"))


@settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(request=mutated_tasks() | st.lists(mutated_tasks(), max_size=4) | requests)
def _check(request: object) -> None:
    check_any(_upscaler(), request)


def one_input(data: bytes) -> None:
    """Runs one input of the fuzzer. Hypothesis reads its choices from the bytes."""
    _check.hypothesis.fuzz_one_input(data)


mutator = None


def corpus() -> list[bytes]:
    """Returns the initial inputs, each long enough for a request: constant bytes, and varying bytes."""
    return [bytes(512), bytes(range(256)) * 4]
