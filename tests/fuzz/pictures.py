"""Fuzz target: any bytes as a picture give a result of the right size or a documented error, and leave no files."""

from __future__ import annotations

import base64
import io
import os
import zlib
from functools import cache
from random import Random

from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image

import tilewright
from fuzz.mutations import mutated
from fuzz.seeds import seeds
from support.fake_networks import with_fake_networks
from tilewright import Settings, Upscaler
from tilewright.codecs.decode import decode_any
from tilewright.picture import Animation

FACTOR = 2
MAX_PIXELS = 1_000_000  # pictures with more pixels are refused before they are decoded
EXPECTED_CODES = {"invalidInputImage", "imageTooLarge", "unsupportedOutputFormat"}


@cache
def _upscaler(use_defaults: bool) -> Upscaler:
    """Returns an Upscaler with default settings, or one that keeps metadata and uses other encoder options."""
    switches = ("KEEP_METADATA", "JPG_PROGRESSIVE", "WEBP_LOSSLESS")
    variables = {
        "TILEWRIGHT_CACHE_DIR": os.environ["TILEWRIGHT_CACHE_DIR"],
        "TILEWRIGHT_MAX_INPUT_PIXELS": str(MAX_PIXELS),
        **{f"TILEWRIGHT_{name}": "off" if use_defaults else "on" for name in switches},
    }
    # The target tests the codecs. A real network would take a hundred times as long as everything else.
    return with_fake_networks(
        Upscaler(settings=Settings.from_environment(variables), device="cpu", store="memory://fuzz")
    )


def check(data: bytes) -> str:
    """Upscales a file, and checks the outcome.

    Returns:
        The format of the result, or the code of the error.

    Raises:
        AssertionError: The result or the error is not as documented.
    """
    choice = zlib.crc32(data)  # the same choice for the same file
    upscaler = _upscaler(choice % 2 == 0)
    file_format = ("PNG", "JPG", "WEBP")[choice % 3]
    task = tilewright.new_task(data, FACTOR, outputFormat=file_format, outputType="base64Data")
    response = upscaler.run(task)
    if errors := response.get("errors"):
        [error] = errors
        assert error["code"] in EXPECTED_CODES, error
        outcome = error["code"]
    else:
        [item] = response["data"]
        _check_size(data, base64.b64decode(item["imageBase64Data"]))
        for name in ("imageUUID", "inputImageUUID"):
            upscaler.store.delete(item[name])
        outcome = file_format
    left = [name for name in MemoryFileSystem.store if name.startswith("/fuzz")]
    assert not left, f"files were left in the store: {left}"
    return outcome


def _check_size(data: bytes, result: bytes) -> None:
    source, enlarged = decode_any(data), decode_any(result)
    assert (enlarged.width, enlarged.height) == (source.width * FACTOR, source.height * FACTOR)
    assert isinstance(enlarged, Animation) == isinstance(source, Animation)
    if isinstance(enlarged, Animation):
        for frame in enlarged.frames():
            assert (frame.picture.width, frame.picture.height) == (enlarged.width, enlarged.height)
    if (size := _size_according_to_pillow(data)) is not None:
        assert sorted(size) == sorted([source.width, source.height])


def _size_according_to_pillow(data: bytes) -> tuple[int, int] | None:
    """Returns width and height before the orientation is applied; None if Pillow cannot read the file."""
    if data.startswith(b"GIF8"):  # decoders disagree about frames larger than the screen
        return None
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except Exception:  # Pillow raises many types, and reads fewer files than tilewright
        return None


def one_input(data: bytes) -> None:
    """Runs one input of the fuzzer."""
    check(data)


def mutator(data: bytes, max_size: int, seed: int) -> bytes:
    """Mutates a file: mostly with `mutated`, sometimes with libFuzzer's own mutations."""
    import atheris

    random = Random(seed)
    if random.random() < 0.2:
        return atheris.Mutate(data, max_size)
    return mutated(data if random.random() < 0.7 else random.choice([*seeds().values()]), random)[:max_size]


def corpus() -> list[bytes]:
    """Returns the initial inputs."""
    return [*seeds().values()]
