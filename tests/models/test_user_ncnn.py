"""ncnn files of the user's own, made from those of installed packages under other names."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tilewright import Upscaler
from tilewright.errors import ModelError
from tilewright.models import stored, user_file
from tilewright.models.catalog import CATALOG
from tilewright.models.loader import load_model, offered_factors
from tilewright.models.user_file import open_user_file


@pytest.fixture(autouse=True)
def forget():
    user_file._converted.cache_clear()
    yield
    user_file._converted.cache_clear()


def copy_of(name, folder, stem, *, factor=None, suffixes=(".param", ".bin")):
    """Copies the files of a network of the catalog under another name; returns the network and the first file."""
    entry = CATALOG[name]
    if not entry.installed:
        pytest.skip(f"{entry.package} is not installed")
    network = entry.network(factor or entry.scale)
    paths = [(folder / stem).with_suffix(suffix) for suffix in suffixes]
    for source, path in zip(network.files, paths, strict=True):
        shutil.copy(entry.folder / source, path)
    return network, paths[0]


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("realesr-animevideov3", 4),
        ("realesrgan-x4plus-anime", 4),
        ("waifu2x-upconv7-anime", 2),  # unpadded convolutions: its input gets a mirrored border
        ("waifu2x-cunet", 2),
        ("realcugan-se", 4),  # it computes the difference from the enlarged input
    ],
)
def test_a_renamed_network_gives_the_bytes_of_the_one_in_the_catalog(own_cache, photo, tmp_path, name, factor):
    network, path = copy_of(name, tmp_path, "RealESRGAN_General_x4_v3", factor=factor)
    opened = open_user_file(path, own_cache, {})
    assert (opened.spec.scale, opened.spec.name) == (factor, "RealESRGAN_General_x4_v3")
    assert opened.spec.sha256 == network.weights_sha256
    picture = np.ascontiguousarray(photo[100:140, 150:200])
    options = {"device": "cpu", "precision": "fp32"}
    expected = Upscaler(model=name, **options).upscale_array(picture, factor)
    np.testing.assert_array_equal(Upscaler(model=path, **options).upscale_array(picture, factor), expected)


def test_endings_in_capitals_and_the_other_half_are_accepted(own_cache, tmp_path):
    _, path = copy_of("realesr-animevideov3", tmp_path, "NET", suffixes=(".PARAM", ".BIN"))
    assert offered_factors(path, cache_dir=own_cache) == (2, 3, 4)
    assert load_model(str(path.with_suffix(".BIN")), 3, cache_dir=own_cache).spec.scale == 3


def test_second_use_converts_nothing(own_cache, tmp_path, monkeypatch):
    _, path = copy_of("realesr-animevideov3", tmp_path, "net")
    first = open_user_file(path, own_cache, {})
    user_file._converted.cache_clear()
    monkeypatch.setattr(user_file, "_convert", lambda _: pytest.fail("it was converted again"))
    assert open_user_file(path, own_cache, {}) == first
    renamed = path.with_name("other.param")
    path.rename(renamed)
    path.with_suffix(".bin").rename(renamed.with_suffix(".bin"))
    again = open_user_file(renamed, own_cache, {"licence": "MIT"})
    assert (again.path, again.spec.name, again.spec.licence) == (first.path, "other", "MIT")


@pytest.mark.parametrize("damage", ["network", "record", "foreign"])
def test_a_damaged_conversion_is_made_again(tmp_path, damage):
    _, path = copy_of("realesr-animevideov3", tmp_path, "net")
    first = open_user_file(path, tmp_path / "cache", {})
    record = next(first.path.parent.glob("*.json"))
    if damage == "network":
        first.path.write_bytes(first.path.read_bytes()[:-1] + b"!")
    elif damage == "record":
        record.write_text("{}")
    else:
        first.path.parent.chmod(0o777)  # anybody could have put files there
    user_file._converted.cache_clear()
    again = open_user_file(path, tmp_path / "cache", {})
    assert again.spec == first.spec
    assert stored.is_private(again.path.parent)
    assert again.path.read_bytes() == open_user_file(path, tmp_path / "other cache", {}).path.read_bytes()


def test_an_emptied_cache_is_filled_again(tmp_path):
    _, path = copy_of("realesr-animevideov3", tmp_path, "net")
    first = open_user_file(path, tmp_path / "cache", {})
    shutil.rmtree(tmp_path / "cache")
    assert open_user_file(path, tmp_path / "cache", {}) == first
    assert first.path.is_file()


def test_unusable_files_leave_nothing_in_the_cache(tmp_path):
    _, path = copy_of("realesr-animevideov3", tmp_path, "net")
    weights = path.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="ends too early"):
        open_user_file(path, tmp_path / "cache", {})
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="not a text file"):
        open_user_file(path, tmp_path / "cache", {})
    assert [file for file in (tmp_path / "cache").rglob("*") if file.is_file()] == []


def test_a_file_that_is_replaced_while_it_is_converted_is_an_error(tmp_path, monkeypatch):
    """Its network would be found by the content of the other file."""
    _, path = copy_of("realesr-animevideov3", tmp_path, "net")
    convert = user_file._convert

    def replacing(files):
        result = convert(files)
        files[1].write_bytes(files[1].read_bytes() + b"!")
        return result

    monkeypatch.setattr(user_file, "_convert", replacing)
    with pytest.raises(ModelError, match="was changed while it was converted; try again"):
        open_user_file(path, tmp_path / "cache", {})
    assert [file for file in (tmp_path / "cache").rglob("*") if file.is_file()] == []
