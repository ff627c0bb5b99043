"""All pictures of ``shared/data/torture``, upscaled to files and compared by independent decoders.

The network repeats pixels, so all losses are caused by files. Photographs are also upscaled with a
real network, except PngSuite, whose patterns a network treats as noise. Run as a script, this file
prints the table in `docs/fidelity.md`: ``PYTHONPATH=tests python tests/codecs/test_torture.py``.
"""

from __future__ import annotations

import io
import subprocess
import sys
from functools import cache, lru_cache

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from support.fake_networks import with_fake_networks
from support.paths import SHARED_DATA
from support.picture_files import srgb_encoded
from tilewright import Settings, Upscaler
from tilewright.codecs.decode import decode
from tilewright.codecs.encode import encode
from tilewright.codecs.formats import EncodeOptions
from tilewright.errors import DecodeError, EncodeError
from tilewright.literals import FORMATS

TORTURE = SHARED_DATA / "torture"
VALID = sorted([*TORTURE.glob("png/**/*.png"), *TORTURE.glob("jpeg/**/*.jpg"), *TORTURE.glob("webp/*.webp")])
CORRUPT = sorted(TORTURE.glob("corrupt/*"))
BOMBS = sorted(TORTURE.glob("bomb/*"))

FACTOR = 2
LONGEST = {"PNG": 2**31 - 1, "JPG": 65_500, "WEBP": 16_383}

PHOTOGRAPHS = [path for path in VALID if "pngsuite" not in path.parts]

# Mean difference between the result, reduced by averaging, and the picture: colours in sRGB,
# premultiplied by alpha, in steps of 255. JPG may be off by one more step of its own samples. With
# another gamma, such a step is far more than one step of sRGB in dark areas.
BOUND = {"PNG": 1.0, "JPG": 1.5, "WEBP": 1.0}
ALPHA_BOUND = 1.0
# A network sharpens, removes compression artefacts and shifts flat tones slightly. JPG and WEBP at
# default quality add small losses.
NETWORK_BOUND = 8.0
NETWORK_ALPHA_BOUND = 4.0
# In the pictures with swapped red and green, these channels differ by 13 on average.
SWAPPED_BOUND = 6.0

# Two pixel limits: one that even pictures that would decode without harm exceed, and the default.
BOMB_PIXELS = (30_000_000, Settings.from_environment().max_input_pixels)
BOMB_SECONDS, BOMB_MEMORY = 2.0, 500 * 2**20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TORTURE.is_dir(), reason="the torture pictures are not available"),
]


def rendered(file, *, on_white, brighter=0):
    """Renders a file with Pillow and LittleCMS.

    Args:
        file: Path or file object.
        on_white: Whether to composite on white in the file's own colour space, as is done for JPG.
        brighter: Steps of 255 to add to all samples first.

    Returns:
        Upright sRGB colours ``[H, W, 3]`` in steps of 255, and alpha ``[H, W]`` from 0 to 1.
    """
    image = Image.open(file)
    image.load()
    image = ImageOps.exif_transpose(image)
    colours, alpha = split_alpha(image)
    if on_white and image.mode != "CMYK":
        opacity = alpha if colours.ndim == 2 else alpha[:, :, None]
        colours, alpha = colours * opacity + 255 * (1 - opacity), np.ones_like(alpha)
    if image.mode == "CMYK":
        plain = image
    else:
        plain = Image.fromarray(np.rint(np.clip(colours + brighter, 0, 255)).astype(np.uint8))
    return in_srgb(plain, image.info), alpha


def split_alpha(image):
    """Returns the samples in steps of 255, and alpha from 0 to 1."""
    opaque = np.ones(image.size[::-1])
    if image.mode == "CMYK":
        return np.asarray(image).astype(float), opaque
    if image.mode.startswith("I;16"):
        samples = np.asarray(image)
        transparent = image.info.get("transparency")
        return samples / 257, opaque if transparent is None else (samples != transparent).astype(float)
    rgba = np.asarray(image.convert("RGBA")).astype(float)
    # Pillow opens 16-bit grey with alpha as RGBA; its profile tells that it is grey.
    grey = image.mode in ("1", "L", "LA") or image.info.get("icc_profile", b"")[16:20] == b"GRAY"
    return rgba[:, :, 0] if grey else rgba[:, :, :3], rgba[:, :, 3] / 255


def in_srgb(colours, info):
    """Converts to sRGB by the profile, else by gAMA; else the samples are sRGB already."""
    profile, gamma = info.get("icc_profile"), info.get("gamma")
    if profile:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        # The optimised transform samples curves at few points; a steep curve is then 50 steps off
        # in dark areas.
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOOPTIMIZE
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        try:
            converted = ImageCms.profileToProfile(colours, source, target, intent, "RGB", flags=flags)
            return np.asarray(converted).astype(float)
        except ImageCms.PyCMSError:  # a profile for another colour model
            pass
    if colours.mode == "CMYK":
        inks = 255 - np.asarray(colours).astype(float)
        return inks[:, :, :3] * inks[:, :, 3:] / 255
    samples = np.asarray(colours.convert("RGB")).astype(float)
    if gamma and "srgb" not in info and not profile and abs(1 / gamma / 2.2 - 1) > 0.05:
        return srgb_encoded((samples / 255) ** (1 / gamma))
    return samples


def box_reduced(samples, factor):
    height, width = samples.shape[0] // factor, samples.shape[1] // factor
    return samples.reshape(height, factor, width, factor, *samples.shape[2:]).mean(axis=(1, 3))


@cache
def upscaler(real):
    result = Upscaler(model="realesr-animevideov3", device="cpu", store="memory://torture")
    return result if real else with_fake_networks(result)


@lru_cache(maxsize=1)
def upscaled(path, real):
    """Returns the upscaled picture; cached, so that it is computed once for all formats."""
    return upscaler(real).upscale_picture(decode(path.read_bytes()), FACTOR)


def differences(path, file_format, *, real):
    """Compares the upscaled picture, written to a file, with the picture.

    Args:
        path: Picture file.
        file_format: Format of the result, written at the best quality unless the network is real.
        real: Whether a real network is used instead of one that repeats pixels.

    Returns:
        Mean differences of colours and of alpha in steps of 255; None if the format cannot hold
        the result.
    """
    result = upscaled(path, real)
    quality, lossless = (95, False) if real else (100, True)
    if max(result.width, result.height) > LONGEST[file_format]:
        with pytest.raises(EncodeError, match=str(LONGEST[file_format])):
            encode(result, file_format)
        return None
    file = io.BytesIO(encode(result, file_format, EncodeOptions(quality=quality, lossless=lossless)))
    with Image.open(path) as image:
        size = ImageOps.exif_transpose(image).size
    source, alpha = rendered(path, on_white=file_format == "JPG")
    colours, result_alpha = rendered(file, on_white=False)
    assert colours.shape == (size[1] * FACTOR, size[0] * FACTOR, 3)
    # Pillow compares the transparent value of this 4-bit grey file with samples scaled to 8 bits, and
    # finds none.
    if path.name == "tbbn0g04.png":
        return abs_mean(box_reduced(result_alpha, FACTOR) - alpha), 0.0
    difference = box_reduced(colours * result_alpha[:, :, None], FACTOR) - source * alpha[:, :, None]
    return abs_mean(difference), 255 * abs_mean(box_reduced(result_alpha, FACTOR) - alpha)


def one_step(path):
    """Returns the mean change in sRGB if all samples of a file increase by one step of 255."""
    picture, brighter = (rendered(path, on_white=True, brighter=steps)[0] for steps in (0, 1))
    return abs_mean(brighter - picture)


def abs_mean(values):
    return float(np.abs(values).mean())


def named(paths):
    return [pytest.param(path, id=path.name) for path in paths]


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("path", named(VALID))
def test_valid_picture_keeps_size_and_colours(path, file_format):
    result = differences(path, file_format, real=False)
    if result is not None:
        assert result[0] < BOUND[file_format] + (one_step(path) if file_format == "JPG" else 0)
        assert result[1] < ALPHA_BOUND


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("path", named(PHOTOGRAPHS))
def test_real_network_keeps_size_and_colours_of_photographs(path, file_format):
    result = differences(path, file_format, real=True)
    if result is not None:
        assert result[0] < NETWORK_BOUND
        assert result[1] < NETWORK_ALPHA_BOUND


def verdict(path):
    """Returns "refused", "harmless" if Pillow decodes a file to the same pixels, else "differs"."""
    try:
        picture = decode(path.read_bytes())
    except DecodeError:
        return "refused"
    with Image.open(path) as image:
        image.load()
        expected = np.asarray(image.convert("RGBA" if picture.alpha is not None else "RGB"))[:, :, :3]
    return "harmless" if np.abs(expected.astype(int) - picture.pixels).max() <= 1 else "differs"


@pytest.mark.parametrize("path", named(CORRUPT))
def test_corrupt_file_is_refused_or_decodes_as_in_pillow(path):
    expected = {"empt": "refused", "text": "refused", "trun": "refused", "misn": "harmless", "trai": "harmless"}
    assert verdict(path) == expected.get(path.name[:4], verdict(path))
    assert verdict(path) != "differs"
    if path.name.startswith("flip") and path.suffix == ".png":
        assert verdict(path) == "refused"


BOMB_SCRIPT = """
import sys, time
from tilewright.codecs.decode import decode
from tilewright.engine.memory import peak_memory
from tilewright.errors import ImageTooLargeError
from tilewright.limits import InputLimits
data = open(sys.argv[1], "rb").read()
began = time.monotonic()
try:
    picture = decode(data, limits=InputLimits(pixels=int(sys.argv[2])))
    outcome = f"harmless {picture.width}x{picture.height}"
except ImageTooLargeError as error:
    assert "the limit is" in error.message
    outcome = "refused"
print(outcome, time.monotonic() - began, peak_memory(), sep="|")
"""


def decode_bomb(path, pixels):
    """Decodes a file in a new process; returns the outcome, seconds and peak memory in bytes."""
    command = [sys.executable, "-c", BOMB_SCRIPT, str(path), str(pixels)]
    outcome, seconds, memory = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("|")
    return outcome, float(seconds), int(memory)


@pytest.mark.parametrize("pixels", BOMB_PIXELS)
@pytest.mark.parametrize("path", named(BOMBS))
def test_decompression_bomb_is_refused_or_harmless_within_time_and_memory(path, pixels):
    outcome, seconds, memory = decode_bomb(path, pixels)
    # The first has a large comment, which is skipped; the second has 36 megapixels of one colour.
    harmless = "ztxt" in path.name or ("6000x6000" in path.name and pixels == BOMB_PIXELS[1])
    assert outcome.startswith("harmless" if harmless else "refused")
    assert memory < BOMB_MEMORY
    assert seconds < BOMB_SECONDS


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("path", named(path for path in VALID if "swappedRG" in path.name))
def test_profile_that_swaps_red_and_green_is_applied(path, file_format):
    """Without the profile the result would be far off, so the bound is significant."""
    source, _ = rendered(path, on_white=False)
    result, _ = rendered(io.BytesIO(encode(upscaled(path, True), file_format)), on_white=False)
    reduced = box_reduced(result, FACTOR)
    assert abs_mean(reduced - source) < SWAPPED_BOUND
    assert abs_mean(reduced - source[:, :, [1, 0, 2]]) > 2 * SWAPPED_BOUND


def main():
    print("| pictures | files | come out | differ at most: colour, alpha | refused |\n|---|---|---|---|---|")
    for paths, real, name in ((VALID, False, "valid"), (PHOTOGRAPHS, True, "photographs, by a network")):
        found = [[differences(path, file_format, real=real) for file_format in FORMATS] for path in paths]
        for file_format, column in zip(FORMATS, zip(*found, strict=True), strict=True):
            sound = [each for each in column if each is not None]
            colour, alpha = (max(each) for each in zip(*sound, strict=True))
            refused = len(column) - len(sound)
            print(
                f"| {name} → {file_format} | {len(paths)} | {len(sound)} | {colour:.1f}, {alpha:.1f} "
                f"| {f'{refused}, too long for the format' if refused else '–'} |"
            )
    verdicts = [verdict(path) for path in CORRUPT]
    print(
        f"| corrupt, misnamed | {len(CORRUPT)} | {verdicts.count('harmless')}, as Pillow shows them | – "
        f"| {verdicts.count('refused')} |"
    )
    for pixels in BOMB_PIXELS:
        exploded = [decode_bomb(path, pixels) for path in BOMBS]
        harmless = sum(outcome.startswith("harmless") for outcome, *_ in exploded)
        seconds, memory = max(each[1] for each in exploded), max(each[2] for each in exploded)
        print(
            f"| bombs, limit {pixels / 1e6:.0f} megapixels | {len(BOMBS)} | {harmless} | – "
            f"| {len(BOMBS) - harmless}; all within {seconds:.2f} s and {memory >> 20} MiB |"
        )


if __name__ == "__main__":
    main()
