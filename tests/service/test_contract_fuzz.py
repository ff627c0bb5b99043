"""Arbitrary JSON values and mutated tasks get a valid envelope as response."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from fuzz.requests import TASK, check_any, check_tasks, mutated_tasks, requests, valid_tasks
from support.fake_networks import with_fake_networks
from tilewright import Settings, Upscaler

# Derandomised, so that a run on the same code gives the same result. Raise max_examples to search further.
bounded = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    # Only the cache comes from the environment: with URLs enabled there, the tests would fetch some.
    limits = Settings.from_environment({"TILEWRIGHT_CACHE_DIR": os.environ["TILEWRIGHT_CACHE_DIR"]})
    with Upscaler(settings=limits, device="cpu", store=tmp_path_factory.mktemp("fuzz")) as upscaler:
        yield with_fake_networks(upscaler)


@settings(bounded, max_examples=200)
@given(request=requests)
@example(request=[])
@example(request={})
@example(request="imageUpscale")
@example(request=[{}, 5])
def test_arbitrary_json(server, request):
    check_any(server, request)


@settings(bounded, max_examples=300)
@given(task=mutated_tasks())
def test_mutated_tasks(server, task):
    check_tasks(server, task)


@settings(bounded, max_examples=60)
@given(tasks=st.lists(mutated_tasks(), max_size=4))
def test_mutated_arrays(server, tasks):
    check_tasks(server, tasks)


@settings(bounded, max_examples=60)
@given(task=valid_tasks)
def test_valid_tasks_match_the_schema_and_succeed(server, task):
    assert TASK.is_valid(task)
    assert list(check_tasks(server, task)) == ["data"]


@settings(bounded, max_examples=200)
@given(task=mutated_tasks())
def test_requests_that_violate_the_schema_are_refused(server, task):
    assume(not TASK.is_valid(task))
    assert "errors" in check_tasks(server, task)
