"""Error classes: copies, pickles, copies that name a parameter, and short values in messages."""

from __future__ import annotations

import copy
import inspect
import pickle
import traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

import tilewright
from support.modules import import_all_modules
from tilewright.errors import (
    ImageTooLargeError,
    InvalidTaskError,
    ModelError,
    ParameterError,
    SourceError,
    TaskError,
    TilewrightError,
    short_repr,
)

FAULT_ITEMS = [{"code": "invalidModel", "message": "unknown"}]
FAULT = ParameterError("x must be an integer", code="invalidX", parameter="x", expected_type="integer")


@pytest.mark.parametrize(
    "error",
    [
        TilewrightError("wrong"),
        SourceError("missing", code="invalidInputImage"),
        ImageTooLargeError("too large"),
        ModelError("unknown", allowed_values=["a", "b"]),
        FAULT,
        InvalidTaskError([FAULT]),
        TaskError(FAULT_ITEMS),
    ],
    ids=lambda error: type(error).__name__,
)
def test_for_parameter_changes_the_parameter_of_a_copy(error):
    before = dict(vars(error))
    copy = error.for_parameter("image")
    assert type(copy) is type(error)
    assert (copy.parameter, str(copy), copy.args) == ("image", str(error), error.args)
    assert {**vars(copy), "parameter": error.parameter} == before
    assert vars(error) == before
    assert error.for_parameter("image", "invalidImage").code == "invalidImage"


def raise_from_value_error():
    try:
        int("one")
    except ValueError as error:
        raise SourceError("missing") from error


def test_for_parameter_keeps_cause_and_traceback():
    with pytest.raises(SourceError) as caught:
        raise_from_value_error()
    copy = caught.value.for_parameter("image")
    assert copy.__cause__ is caught.value.__cause__
    assert isinstance(copy.__cause__, ValueError)
    assert "raise_from_value_error" in "".join(traceback.format_tb(copy.__traceback__))


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, 10**10_000, list(range(1000)), b"\n" * 100, {"a": "b" * 100}],
    ids=lambda value: type(value).__name__,
)
def test_short_repr_is_one_short_line(value):
    text = short_repr(value)
    assert len(text) <= 60
    assert "\n" not in text


def error_classes():
    """Returns every error class of the package, from all its modules."""
    import_all_modules()
    found, waiting = [], [TilewrightError]
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].__subclasses__()
    return [each for each in found if each.__module__.startswith("tilewright.")]


def example(error_class):
    """Returns an error with a value for every argument of its constructor."""
    values = {
        "message": "wrong", "code": "invalidX", "parameter": "x", "allowed_values": [1, 2], "expected_type": "integer",
        "faults": [FAULT], "errors": [{"code": "invalidX", "message": "wrong", "parameter": "x"}],
    }  # fmt: skip
    parameters = inspect.signature(error_class).parameters.values()
    error = error_class(
        *(values[each.name] for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD),
        **{each.name: values[each.name] for each in parameters if each.kind is each.KEYWORD_ONLY},
    )
    error.add_note("a note")
    return error


def attributes(error):
    return {**vars(error), "faults": [attributes(fault) for fault in getattr(error, "faults", ())]}


@pytest.mark.filterwarnings("ignore:tilewright.models.source:DeprecationWarning")
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, *(lambda e, n=n: pickle.loads(pickle.dumps(e, n)) for n in range(6))]
)
def test_every_error_class_can_be_copied_and_pickled(duplicate):
    classes = error_classes()
    assert {TilewrightError, ParameterError, InvalidTaskError, TaskError} < set(classes)
    for error in map(example, classes):
        duplicated = duplicate(error)
        assert type(duplicated) is type(error)
        assert (str(duplicated), duplicated.args) == (str(error), error.args)
        assert attributes(duplicated) == attributes(error)


def test_error_in_a_process_pool_reaches_the_caller():
    """An error that does not unpickle stops the pool's reader, and the caller waits forever."""
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(TaskError, match="invalidModel: unknown") as caught,
    ):
        pool.submit(tilewright.raise_for_errors, {"errors": FAULT_ITEMS}).result(timeout=60)
    assert caught.value.errors == FAULT_ITEMS
