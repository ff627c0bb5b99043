"""Which files are networks, by their names, and what messages say about others."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tilewright.errors import ModelError
from tilewright.models.file_kinds import SUPPORTED, files_of, is_file_name, kind_of


@pytest.mark.parametrize(
    ("name", "is_file"),
    [
        ("realesrgan-x4plus", False),
        ("auto", False),
        ("4x-v1.5", False),
        ("a.onnx", True),
        ("A.ONNX", True),
        ("4x-UltraSharp.pth", True),
        ("x.PTH", True),
        ("x.safetensors", True),
        ("x.param", True),
        ("x.bin", True),
        ("x.pkl", True),
        ("folder/x", True),
        ("folder\\x", True),
        (Path("x"), True),
    ],
)
def test_names_of_files_are_told_from_names_of_networks(name, is_file):
    assert is_file_name(name) is is_file


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.ONNX", "onnx"), ("a.Pth", "pytorch"), ("a.pt", "pytorch"), ("a.CKPT", "pytorch"), ("a.bin", "ncnn")],
)
def test_kind_follows_from_the_ending_in_any_letter_case(name, kind):
    assert kind_of(Path(name)) == kind


@pytest.mark.parametrize("name", ["a.pkl", "a.tflite", "a.engine", "a"])
def test_other_kinds_are_refused_with_what_is_supported(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(ModelError) as caught:
        files_of(tmp_path / name)
    assert SUPPORTED in caught.value.message
    assert "look for the network in one of these formats" in caught.value.message
    assert caught.value.parameter == "model"


def test_both_halves_of_an_ncnn_network_are_found_from_either(tmp_path):
    param, weights = tmp_path / "net.param", tmp_path / "net.BIN"
    param.touch()
    with pytest.raises(ModelError, match=r"one half of an ncnn network; the other half, net.bin, must be beside it"):
        files_of(param)
    weights.touch()
    assert files_of(param) == files_of(weights) == (param, weights)


def test_a_missing_file_is_reported_whatever_its_ending(tmp_path):
    for name in ("a.onnx", "a.pkl", "a"):
        with pytest.raises(ModelError, match="there is no network file at"):
            files_of(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("net.zip", b"PK", "is an archive; unpack it"),
        ("net.pth", b"", "is empty; download it again"),
        ("net.onnx", b"\n<!DOCTYPE html><html>", "is a web page, not a network"),
        ("net.pth", None, r"is a ZIP archive that contains 4x-Net.pth; unpack it first"),
    ],
)
def test_what_is_often_saved_as_a_network_is_recognised(tmp_path, name, content, message):
    path = tmp_path / name
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("4x-Net.pth", b"weights")
    else:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        files_of(path)


def test_similar_names_in_the_folder_are_suggested(tmp_path):
    (tmp_path / "4x-UltraSharp.pth").write_bytes(b"weights")
    for name in ("4x-UltraSharp", "4x-UltrSharp.pth"):
        with pytest.raises(ModelError, match=r"did you mean .*4x-UltraSharp.pth\?"):
            files_of(tmp_path / name)
    with pytest.raises(ModelError, match="is a folder, not a network file"):
        files_of(tmp_path)
