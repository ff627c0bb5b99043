"""The types for callers declare the fields that the schemas describe."""

from __future__ import annotations

import pytest

from tilewright import ErrorItem, GetResponseTask, UploadResult, UploadTask, UpscaleResult, UpscaleTask, schema


@pytest.mark.parametrize(
    ("declared", "page", "definition"),
    [
        (UpscaleTask, "task", "imageUpscale"),
        (UploadTask, "task", "imageUpload"),
        (GetResponseTask, "task", "getResponse"),
        (UpscaleResult, "envelope", "upscaleResult"),
        (UploadResult, "envelope", "uploadResult"),
        (ErrorItem, "envelope", "error"),
    ],
)
def test_type_has_the_fields_of_the_schema(declared, page, definition):
    described = schema.load(page)["$defs"][definition]["properties"]
    assert declared.__annotations__.keys() == described.keys()
