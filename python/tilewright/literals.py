"""Literal types of the strings that options accept."""

from __future__ import annotations

from typing import Literal, get_args

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "fp16"]
Runtime = Literal["auto", "native", "openvino", "onnxruntime"]
"""What runs networks on the CPU."""

FetchUrls = Literal["off", "public"]
SendResults = Literal["off", "public"]

Format = Literal["PNG", "JPG", "WEBP"]
FORMATS: tuple[Format, ...] = get_args(Format)
"""Formats that tasks can ask for."""

FileFormat = Literal["PNG", "JPG", "WEBP", "TIFF"]
FILE_FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)
"""Formats that files can be written in."""

Compression = Literal["fast", "balanced", "small"]
"""Compression effort of PNG files."""

Fit = Literal["inside", "exact"]
"""How a requested size is met: keep the aspect ratio within it, or match it exactly."""

OutputType = Literal["URL", "base64Data", "dataURI"]
ImageParameter = Literal["inputImage", "inputs.image", "image"]

FACTORS = (1, 2, 3, 4, 8, 16)
"""Factors that networks may have."""

TASK_FACTORS = (2, 3, 4)
"""Factors that tasks can ask for."""

INPUT_FORMATS = "PNG, JPG, WEBP, GIF, TIFF, AVIF or BMP"
"""Formats that are read, for messages. HEIC is read too, but only with some builds of libvips."""
