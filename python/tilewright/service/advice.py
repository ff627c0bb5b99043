"""Advice for callers who give a picture where a task is expected."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

TASK_ADVICE = (
    "make one with new_task, as in upscale(new_task(image, 2)), "
    "or give the picture to Upscaler.upscale_array or upscale_to_file"
)
"""What to do with a picture that is not in a task, as the end of a message."""


def takes_task(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Decorates a function of a task, which many call with a picture and a factor at first.

    The `TypeError` for other arguments than the function has then says how a task is made.
    """
    parameters = inspect.signature(function).parameters.values()
    positional = sum(parameter.kind is not parameter.KEYWORD_ONLY for parameter in parameters)
    names = {parameter.name for parameter in parameters}

    @functools.wraps(function)
    def checked(*arguments: _Parameters.args, **options: _Parameters.kwargs) -> _Result:
        if len(arguments) > positional or not options.keys() <= names:
            raise TypeError(f"{function.__name__}() takes only tasks; {TASK_ADVICE}")
        return function(*arguments, **options)

    return checked
