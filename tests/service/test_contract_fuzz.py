"""Whatever JSON is sent, an envelope comes back: arbitrary values, and valid tasks with parts replaced."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from fuzz.requests import TASK, answer, answer_anything, mutated_tasks, requests, valid_tasks
from tilewright import Settings, Upscaler

# Derandomized, so that a run says the same of the same code; raise max_examples to search further.
bounded = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    # Of the user's environment only the cache: whoever has switched web addresses on would have them fetched here.
    limits = Settings.from_environment({"TILEWRIGHT_CACHE_DIR": os.environ["TILEWRIGHT_CACHE_DIR"]})
    with Upscaler(settings=limits, device="cpu", store=tmp_path_factory.mktemp("fuzz")) as upscaler:
        yield upscaler


@settings(bounded, max_examples=200)
@given(request=requests)
@example(request=[])
@example(request={})
@example(request="imageUpscale")
@example(request=[{}, 5])
def test_arbitrary_json(server, request):
    answer_anything(server, request)


@settings(bounded, max_examples=300)
@given(task=mutated_tasks())
def test_mutated_tasks(server, task):
    answer(server, task)


@settings(bounded, max_examples=60)
@given(tasks=st.lists(mutated_tasks(), max_size=4))
def test_mutated_arrays(server, tasks):
    answer(server, tasks)


@settings(bounded, max_examples=60)
@given(task=valid_tasks)
def test_valid_tasks_fit_the_schema_and_succeed(server, task):
    assert TASK.is_valid(task)
    assert list(answer(server, task)) == ["data"]


@settings(bounded, max_examples=200)
@given(task=mutated_tasks())
def test_what_the_schema_refuses_is_refused(server, task):
    assume(not TASK.is_valid(task))
    assert "errors" in answer(server, task)
