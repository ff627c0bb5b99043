"""All pictures of ``shared/data/torture`` from file to file, judged by decoders that have nothing to do with ours.

The network repeats pixels for all of them, so that what is lost is lost by files; photographs go through a real one
too, except PngSuite, whose patterns it takes for noise. Run by hand, `python tests/codecs/test_torture.py`
prints the table of `docs/fidelity.md`.
"""

from __future__ import annotations

import io
import subprocess
import sys
from functools import cache, lru_cache

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from fuzz.weightless import without_weights
from support.paths import SHARED_DATA
from tilewright import Settings, Upscaler
from tilewright.codecs.decode import decode
from tilewright.codecs.encode import encode
from tilewright.errors import DecodeError, EncodeError
from tilewright.literals import FORMATS

TORTURE = SHARED_DATA / "torture"
VALID = sorted([*TORTURE.glob("png/**/*.png"), *TORTURE.glob("jpeg/**/*.jpg"), *TORTURE.glob("webp/*.webp")])
CORRUPT = sorted(TORTURE.glob("corrupt/*"))
BOMBS = sorted(TORTURE.glob("bomb/*"))

FACTOR = 2
LONGEST = {"PNG": 2**31 - 1, "JPG": 65_500, "WEBP": 16_383}

PHOTOGRAPHS = [path for path in VALID if "pngsuite" not in path.parts]

# Mean difference of colours in sRGB, premultiplied by alpha, in steps of 255: the result made small again by averaging,
# against the picture. JPG may err by a step of its own besides, which is far more than one of sRGB in the dark of a
# file with another gamma.
BOUND = {"PNG": 1.0, "JPG": 1.5, "WEBP": 1.0}
ALPHA_BOUND = 1.0
# A network sharpens, takes out what compression has put in, and shifts flat tones a little; JPG and WEBP, at their
# usual quality, lose a little.
NETWORK_BOUND = 8.0
NETWORK_ALPHA_BOUND = 4.0
# In the pictures whose red and green are swapped these two differ by 13 on average.
SWAPPED_BOUND = 6.0

# Two limits of pixels: one that even what would decode without harm is beyond, and the default.
BOMB_PIXELS = (30_000_000, Settings.from_environment().max_input_pixels)
BOMB_SECONDS, BOMB_MEMORY = 2.0, 500 * 2**20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TORTURE.is_dir(), reason="the torture pictures are not here"),
]


def srgb_encoded(light):
    """IEC 61966-2-1, in steps of 255."""
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def seen(file, *, on_white, brighter=0):
    """What Pillow and LittleCMS make of a file: upright sRGB colours ``[H, W, 3]`` in steps of 255, alpha ``[H, W]``.

    Args:
        file: path or file object.
        on_white: composite on white in the file's own colour space, as is done for JPG.
        brighter: steps of 255 to add to all samples first.
    """
    image = Image.open(file)
    image.load()
    image = ImageOps.exif_transpose(image)
    colours, alpha = parted(image)
    if on_white and image.mode != "CMYK":
        opacity = alpha if colours.ndim == 2 else alpha[:, :, None]
        colours, alpha = colours * opacity + 255 * (1 - opacity), np.ones_like(alpha)
    if image.mode == "CMYK":
        plain = image
    else:
        plain = Image.fromarray(np.rint(np.clip(colours + brighter, 0, 255)).astype(np.uint8))
    return in_srgb(plain, image.info), alpha


def parted(image):
    """Samples in steps of 255 and alpha from 0 to 1."""
    opaque = np.ones(image.size[::-1])
    if image.mode == "CMYK":
        return np.asarray(image).astype(float), opaque
    if image.mode.startswith("I;16"):
        samples = np.asarray(image)
        transparent = image.info.get("transparency")
        return samples / 257, opaque if transparent is None else (samples != transparent).astype(float)
    rgba = np.asarray(image.convert("RGBA")).astype(float)
    # Grey of 16 bits with alpha is RGBA to Pillow; its profile says that it is grey.
    grey = image.mode in ("1", "L", "LA") or image.info.get("icc_profile", b"")[16:20] == b"GRAY"
    return rgba[:, :, 0] if grey else rgba[:, :, :3], rgba[:, :, 3] / 255


def in_srgb(colours, info):
    """Through the profile, else by its gamma, else as they are."""
    profile, gamma = info.get("icc_profile"), info.get("gamma")
    if profile:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        # Optimised, it interpolates a curve between so few points that a steep one is 50 steps off in the dark.
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOOPTIMIZE
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        try:
            rendered = ImageCms.profileToProfile(colours, source, target, intent, "RGB", flags=flags)
            return np.asarray(rendered).astype(float)
        except ImageCms.PyCMSError:  # a profile for another kind of samples
            pass
    if colours.mode == "CMYK":
        inks = 255 - np.asarray(colours).astype(float)
        return inks[:, :, :3] * inks[:, :, 3:] / 255
    samples = np.asarray(colours.convert("RGB")).astype(float)
    if gamma and "srgb" not in info and not profile and abs(1 / gamma / 2.2 - 1) > 0.05:
        return srgb_encoded((samples / 255) ** (1 / gamma))
    return samples


def made_small(samples, factor):
    height, width = samples.shape[0] // factor, samples.shape[1] // factor
    return samples.reshape(height, factor, width, factor, *samples.shape[2:]).mean(axis=(1, 3))


@cache
def upscaler(real):
    result = Upscaler(model="realesr-animevideov3", device="cpu", store="memory://torture")
    return result if real else without_weights(result)


@lru_cache(maxsize=1)
def enlarged(path, real):
    """Through the network once for all formats."""
    return upscaler(real).upscale_picture(decode(path.read_bytes()), FACTOR)


def differences(path, file_format, *, real):
    """Mean differences of colours and of alpha, in steps of 255; None for what the format cannot hold.

    Args:
        path: of the picture.
        file_format: of the result; with the network that repeats pixels, of the best quality.
        real: whether a real network is used.
    """
    result = enlarged(path, real)
    quality, lossless = (95, False) if real else (100, True)
    if max(result.width, result.height) > LONGEST[file_format]:
        with pytest.raises(EncodeError, match=str(LONGEST[file_format])):
            encode(result, file_format)
        return None
    file = io.BytesIO(encode(result, file_format, quality, lossless=lossless))
    with Image.open(path) as image:  # sizes after orientation
        size = ImageOps.exif_transpose(image).size
    # Pillow compares this 4-bit grey's transparent value with samples that it has already stretched to 8 bits.
    source, alpha = seen(path, on_white=file_format == "JPG")
    found, found_alpha = seen(file, on_white=False)
    assert found.shape == (size[1] * FACTOR, size[0] * FACTOR, 3)
    if path.name == "tbbn0g04.png":
        return abs_mean(made_small(found_alpha, FACTOR) - alpha), 0.0
    colour = made_small(found * found_alpha[:, :, None], FACTOR) - source * alpha[:, :, None]
    return abs_mean(colour), 255 * abs_mean(made_small(found_alpha, FACTOR) - alpha)


def one_step(path):
    """What one step of the file's own samples makes in sRGB, on average."""
    picture, brighter = (seen(path, on_white=True, brighter=steps)[0] for steps in (0, 1))
    return abs_mean(brighter - picture)


def abs_mean(values):
    return float(np.abs(values).mean())


def named(paths):
    return [pytest.param(path, id=path.name) for path in paths]


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("path", named(VALID))
def test_a_valid_picture_keeps_its_size_and_colours(path, file_format):
    found = differences(path, file_format, real=False)
    if found is not None:
        assert found[0] < BOUND[file_format] + (one_step(path) if file_format == "JPG" else 0)
        assert found[1] < ALPHA_BOUND


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("path", named(PHOTOGRAPHS))
def test_a_network_keeps_size_and_colours_of_a_photograph(path, file_format):
    found = differences(path, file_format, real=True)
    if found is not None:
        assert found[0] < NETWORK_BOUND
        assert found[1] < NETWORK_ALPHA_BOUND


def verdict(path):
    """What becomes of a damaged file: its error; or the picture, if Pillow reads the same in it without complaint."""
    try:
        picture = decode(path.read_bytes())
    except DecodeError:
        return "refused"
    with Image.open(path) as image:
        image.load()
        same = np.asarray(image.convert("RGBA" if picture.alpha is not None else "RGB"))[:, :, :3]
    return "harmless" if np.abs(same.astype(int) - picture.pixels).max() <= 1 else "differs"


@pytest.mark.parametrize("path", named(CORRUPT))
def test_a_corrupt_file_is_a_clear_error_or_nobody_can_tell(path):
    wanted = {"empt": "refused", "text": "refused", "trun": "refused", "misn": "harmless", "trai": "harmless"}
    assert verdict(path) == wanted.get(path.name[:4], verdict(path))
    assert verdict(path) != "differs"
    if path.name.startswith("flip") and path.suffix == ".png":
        assert verdict(path) == "refused"


BOMB_SCRIPT = """
import sys, time
from tilewright.codecs.decode import decode
from tilewright.engine.report import peak_memory
from tilewright.errors import ImageTooLargeError
from tilewright.limits import Limits
data = open(sys.argv[1], "rb").read()
began = time.monotonic()
try:
    picture = decode(data, limits=Limits(pixels=int(sys.argv[2])))
    outcome = f"harmless {picture.width}x{picture.height}"
except ImageTooLargeError as error:
    assert "the limit is" in error.message
    outcome = "refused"
print(outcome, time.monotonic() - began, peak_memory(), sep="|")
"""


def explode(path, pixels):
    """Outcome, seconds, and most memory of a process of its own."""
    command = [sys.executable, "-c", BOMB_SCRIPT, str(path), str(pixels)]
    outcome, seconds, memory = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("|")
    return outcome, float(seconds), int(memory)


@pytest.mark.parametrize("pixels", BOMB_PIXELS)
@pytest.mark.parametrize("path", named(BOMBS))
def test_a_bomb_is_refused_or_harmless_within_time_and_memory(path, pixels):
    outcome, seconds, memory = explode(path, pixels)
    # What is large in the first is a comment, which is dropped unread; the second has 36 megapixels of one colour.
    harmless = "ztxt" in path.name or ("6000x6000" in path.name and pixels == BOMB_PIXELS[1])
    assert outcome.startswith("harmless" if harmless else "refused")
    assert memory < BOMB_MEMORY
    assert seconds < BOMB_SECONDS


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("path", named(path for path in VALID if "swappedRG" in path.name))
def test_red_and_green_that_a_profile_swaps_back_come_out_right(path, file_format):
    """And would be far off without it, so that the bound means something."""
    upright, _ = seen(path, on_white=False)
    found, _ = seen(io.BytesIO(encode(enlarged(path, True), file_format)), on_white=False)
    small = made_small(found, FACTOR)
    assert abs_mean(small - upright) < SWAPPED_BOUND
    assert abs_mean(small - upright[:, :, [1, 0, 2]]) > 2 * SWAPPED_BOUND


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
        exploded = [explode(path, pixels) for path in BOMBS]
        harmless = sum(outcome.startswith("harmless") for outcome, *_ in exploded)
        seconds, memory = max(each[1] for each in exploded), max(each[2] for each in exploded)
        print(
            f"| bombs, limit {pixels / 1e6:.0f} megapixels | {len(BOMBS)} | {harmless} | – "
            f"| {len(BOMBS) - harmless}; all within {seconds:.2f} s and {memory >> 20} MiB |"
        )


if __name__ == "__main__":
    main()
