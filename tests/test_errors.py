"""Error classes: copies that name a parameter, and short values in messages."""

from __future__ import annotations

import traceback

import pytest

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
        TaskError([{"code": "invalidModel", "message": "unknown"}]),
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
