"""Any bytes as a picture: a right-sized result comes out, or an error that is documented, and nothing stays."""

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
MAX_PIXELS = 1_000_000  # more than that a header may promise and nothing is decoded
FAULTS = {"invalidInputImage", "imageTooLarge", "unsupportedOutputFormat"}


@cache
def _upscaler(plain: bool) -> Upscaler:
    """One with the settings' defaults, or one that keeps metadata and writes files the other way."""
    switches = ("KEEP_METADATA", "JPG_PROGRESSIVE", "WEBP_LOSSLESS")
    variables = {
        "TILEWRIGHT_CACHE_DIR": os.environ["TILEWRIGHT_CACHE_DIR"],
        "TILEWRIGHT_MAX_INPUT_PIXELS": str(MAX_PIXELS),
        **{f"TILEWRIGHT_{name}": "off" if plain else "on" for name in switches},
    }
    # Files are tried here, and a network takes a hundred times as long as all the rest.
    return with_fake_networks(
        Upscaler(settings=Settings.from_environment(variables), device="cpu", store="memory://fuzz")
    )


def check(data: bytes) -> str:
    """Has a file upscaled.

    Returns:
        The format of the result, or the code of the error.

    Raises:
        AssertionError: something else happened.
    """
    choice = zlib.crc32(data)  # the same for the same file
    upscaler = _upscaler(choice % 2 == 0)
    file_format = ("PNG", "JPG", "WEBP")[choice % 3]
    task = tilewright.new_task(data, FACTOR, outputFormat=file_format, outputType="base64Data")
    response = upscaler.run(task)
    if errors := response.get("errors"):
        [error] = errors
        assert error["code"] in FAULTS, error
        outcome = error["code"]
    else:
        [item] = response["data"]
        _check_size(data, base64.b64decode(item["imageBase64Data"]))
        for kept in ("imageUUID", "inputImageUUID"):
            upscaler.store.delete(item[kept])
        outcome = file_format
    left = [name for name in MemoryFileSystem.store if name.startswith("/fuzz")]
    assert not left, f"something was left in the store: {left}"
    return outcome


def _check_size(data: bytes, result: bytes) -> None:
    source, enlarged = decode_any(data), decode_any(result)
    assert (enlarged.width, enlarged.height) == (source.width * FACTOR, source.height * FACTOR)
    assert isinstance(enlarged, Animation) == isinstance(source, Animation)
    if isinstance(enlarged, Animation):
        for frame in enlarged.frames():
            assert (frame.picture.width, frame.picture.height) == (enlarged.width, enlarged.height)
    if (seen := _size_seen_by_pillow(data)) is not None:
        assert sorted(seen) == sorted([source.width, source.height])


def _size_seen_by_pillow(data: bytes) -> tuple[int, int] | None:
    """The size by an independent reader, before it is turned; None where that does not read the file."""
    if data.startswith(b"GIF8"):  # where the frame is larger than the screen, readers differ
        return None
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except Exception:  # whatever it raises: it takes less than we do
        return None


def one_input(data: bytes) -> None:
    """What the fuzzer calls."""
    check(data)


def mutator(data: bytes, max_size: int, seed: int) -> bytes:
    """What the fuzzer makes new files with: mostly our mutations, now and then its own."""
    import atheris

    random = Random(seed)
    if random.random() < 0.2:
        return atheris.Mutate(data, max_size)
    return mutated(data if random.random() < 0.7 else random.choice([*seeds().values()]), random)[:max_size]


def corpus() -> list[bytes]:
    """What it begins with."""
    return [*seeds().values()]
