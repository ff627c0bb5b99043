"""Inspects ONNX files, in a process of its own, and keeps the facts until a file changes.

Named networks of the catalog are not inspected.
"""

from __future__ import annotations

import contextlib
import functools
import json
from typing import TYPE_CHECKING, Any

from tilewright.errors import ModelError
from tilewright.models.isolated import Work, run
from tilewright.models.spec import spec_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tilewright.models.spec import ModelSpec

DEADLINE = 60.0
"""Seconds for the inspection of a file, after which the other process ends itself."""


def inspect_file(path: Path, overrides: Mapping[str, object]) -> ModelSpec:
    """Detects the facts about an ONNX file, see `tilewright.models.inspect.inspect_onnx`.

    Args:
        path: The file.
        overrides: `ModelSpec` fields to use instead of detected values.

    Raises:
        ModelError: See `inspect_onnx`; or the inspection exceeded its deadline, or its process
            died.
    """
    try:
        version = file_version(path)
    except OSError as error:
        raise ModelError(f"there is no network file at {path}", parameter="model") from error
    try:
        given = json.dumps(dict(overrides), sort_keys=True, default=_plain)
    except (TypeError, ValueError) as error:
        raise ModelError(f"a given field of ModelSpec is not a plain value: {error}", parameter="model") from error
    return _inspected(str(path), version, given)


def file_version(path: Path) -> tuple[int, int]:
    """Returns numbers that change with a file: the time of its last change in nanoseconds, and its bytes.

    Raises:
        OSError: There is no such file.
    """
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@functools.lru_cache(maxsize=64)
def _inspected(path: str, _version: tuple[int, int], overrides: str) -> ModelSpec:
    work = Work(
        "tilewright.models.inspect",
        "inspected",
        f"inspecting {path}",
        DEADLINE,
        "if the file is trusted, give its scale, value_range, multiple_of and minimum, so that it need not be run",
    )
    return spec_from_json(run(work, {"path": path, "overrides": json.loads(overrides)}))


def _plain(value: Any) -> object:
    """Converts values that JSON does not know, such as NumPy's numbers."""
    with contextlib.suppress(AttributeError):
        return value.tolist()
    raise TypeError(repr(value))
