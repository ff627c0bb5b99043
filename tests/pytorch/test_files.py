"""PyTorch files: formats, facts, second use, and hostile content."""

from __future__ import annotations

import importlib
import io
import os
import pickle
import shutil
import struct
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from support.processes import subprocess_environment
from support.small_networks import small_network
from tilewright import Upscaler
from tilewright.cli import main
from tilewright.errors import ModelError
from tilewright.models import isolated, user_file
from tilewright.models.user_file import open_user_file


@pytest.fixture
def state():
    return small_network("Compact").state_dict()


def opened(path, tmp_path, **overrides):
    return open_user_file(path, tmp_path / "cache", overrides)


def refusal(path, tmp_path):
    """Returns the message with which a file is refused; nothing may be left in the cache."""
    with pytest.raises(ModelError) as caught:
        opened(path, tmp_path)
    assert caught.value.parameter == "model"
    assert [file for file in (tmp_path / "cache").rglob("*") if file.is_file()] == []
    return caught.value.message


@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        ("a.pth", lambda state: state),
        ("A.PTH", lambda state: {"params": state}),
        ("a.pt", lambda state: {"params_ema": state, "params": {}}),
        ("a.ckpt", lambda state: {"state_dict": {f"netG.{key}": value for key, value in state.items()}, "epoch": 3}),
        ("a.safetensors", None),
    ],
)
def test_all_formats_give_the_same_network(tmp_path, state, own_cache, name, wrap):
    torch.save(state, tmp_path / "reference.pth")
    if wrap is None:
        safetensors.torch.save_file(state, tmp_path / name, {"modelspec.license": "CC0-1.0"})
    else:
        torch.save(wrap(state), tmp_path / name)
    found = open_user_file(tmp_path / name, own_cache, {})
    reference = open_user_file(tmp_path / "reference.pth", own_cache, {})
    assert found.path.read_bytes() == reference.path.read_bytes()
    assert found.spec.licence == ("CC0-1.0" if wrap is None else "")
    assert found.details["architecture"] == "RealESRGAN Compact"


def test_files_of_old_versions_of_torch_are_read(tmp_path, state):
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert opened(tmp_path / "old.pth", tmp_path).spec.scale == 4


def test_facts_of_a_network(tmp_path, state):
    torch.save(state, tmp_path / "net.pth")
    spec = opened(tmp_path / "net.pth", tmp_path, licence="MIT").spec
    assert (spec.name, spec.scale, spec.channel_order, spec.value_range) == ("net", 4, "RGB", (0.0, 1.0))
    assert (spec.multiple_of, spec.minimum, spec.fixed_size, spec.licence) == (1, 1, None, "MIT")
    assert spec.receptive_radius == spec.halo == 4
    assert spec.feather == 0


def test_second_use_needs_neither_torch_nor_spandrel(tmp_path, state):
    path = tmp_path / "net.pth"
    torch.save(state, path)
    program = (
        "import sys, numpy, tilewright\n"
        "from tilewright.models import user_file\n"
        "if sys.argv[1] == 'without': user_file.check_torch = lambda name: sys.exit('torch is needed')\n"
        "upscaler = tilewright.Upscaler(model='net.pth', device='cpu')\n"
        "print(upscaler.upscale_array(numpy.zeros((8, 8, 3), numpy.uint8), 4).shape, 'torch' in sys.modules)\n"
    )
    environment = subprocess_environment() | {"TILEWRIGHT_CACHE_DIR": str(tmp_path / "cache")}
    for argument in ("with", "without"):
        result = subprocess.run(
            [sys.executable, "-c", program, argument],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert (result.stdout, result.returncode) == ("(32, 32, 3) False\n", 0), result.stderr


@pytest.mark.parametrize("missing", ["torch", "spandrel"])
def test_without_torch_the_message_says_what_to_install(tmp_path, state, monkeypatch, missing):
    torch.save(state, tmp_path / "net.pth")
    find = user_file.importlib.util.find_spec
    monkeypatch.setattr(user_file.importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    message = refusal(tmp_path / "net.pth", tmp_path)
    assert f"its conversion needs {missing}; run: pip install --upgrade torch spandrel" in message


class Poison:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def poisoned(form, state, trap):
    """Returns the content of a file that would create the folder `trap`."""
    content = {**state, "poison": Poison(trap)}
    if form == "pickle":
        return pickle.dumps(content)
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=form == "zip")
    return file.getvalue()


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt"])
@pytest.mark.parametrize("in_own_process", [True, False])
def test_code_in_a_pickle_is_not_run(tmp_path, state, monkeypatch, form, suffix, in_own_process):
    if in_own_process:
        if suffix != ".pth":
            pytest.skip("one ending is enough, as every process takes seconds")
        monkeypatch.setattr(isolated, "_interpreter", lambda: sys.executable)
    trap = tmp_path / "trap"
    path = tmp_path / f"poisoned{suffix}"
    path.write_bytes(poisoned(form, state, trap))
    message = refusal(path, tmp_path)
    assert "holds Python objects besides weights" in message
    assert "look for a .safetensors or .onnx file" in message
    assert not trap.exists()
    # The trap works, or this test would show nothing.
    if form == "pickle":
        pickle.loads(path.read_bytes())
        assert trap.exists()


def test_a_torchscript_program_is_not_run(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch advises against TorchScript
        torch.jit.save(torch.jit.trace(small_network("Compact"), torch.zeros(1, 3, 8, 8)), tmp_path / "program.pt")
    assert "is a TorchScript program, which is not run; save the network's state_dict" in refusal(
        tmp_path / "program.pt", tmp_path
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, state, value):
    state["body.0.weight"][0, 0, 0, 0] = float(value)
    torch.save(state, tmp_path / "net.pth")
    assert "the weight body.0.weight has values that are not finite" in refusal(tmp_path / "net.pth", tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "holds no weights"),
        ({"params": {}}, "holds no weights"),
        ([torch.zeros(3)], "holds a list instead of weights by name"),
        ({"a": torch.zeros(3)}, "its architecture is not known; supported are CRAFT, Compact"),
        ({"body.0.weight": torch.zeros(3).to_sparse()}, "is sparse or quantised"),
    ],
    ids=["empty", "empty params", "list", "unknown", "sparse"],
)
def test_files_without_a_known_network_are_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "net.pth")
    assert message in refusal(tmp_path / "net.pth", tmp_path)


def test_incomplete_weights_are_refused(tmp_path, state):
    del state["body.2.bias"]
    torch.save(state, tmp_path / "net.pth")
    assert "damaged or incomplete" in refusal(tmp_path / "net.pth", tmp_path)


def test_networks_for_faces_and_holes_are_refused(tmp_path):
    recognise = importlib.import_module("tilewright.models.pytorch.recognise")

    class Descriptor:
        """A network that spandrel knows, and that does not enlarge a picture."""

        architecture = type("Architecture", (), {"id": "LaMa"})
        purpose, input_channels, output_channels, scale = "Inpainting", 3, 3, 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recognise.spandrel.ModelLoader, "load_from_state_dict", lambda *_: Descriptor())
        with pytest.raises(ModelError, match="architecture LaMa, which is not supported: it fills holes in pictures"):
            recognise.recognise(tmp_path / "x.pth", {})


def test_an_archive_that_would_grow_is_refused(tmp_path):
    """Weights that claim gigabytes, compressed to a few kilobytes."""
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        with archive.open("archive/data/0", "w", force_zip64=True) as entry:
            for _ in range(64):
                entry.write(bytes(2**20))
    assert (tmp_path / "bomb.pth").stat().st_size < 2**20
    assert "it claims more data than it holds" in refusal(tmp_path / "bomb.pth", tmp_path)


def test_a_weight_that_repeats_its_values_is_refused(tmp_path, state):
    """A file of 2 kB that would take 18 GB."""
    state["body.0.weight"] = torch.zeros(1).expand(20_000, 20_000, 3, 3)
    torch.save(state, tmp_path / "net.pth")
    assert "the weight body.0.weight claims more values than the file holds" in refusal(tmp_path / "net.pth", tmp_path)


def test_an_old_torch_is_refused(tmp_path, state, monkeypatch):
    """Its unpickler for weights can be made to run code."""
    torch.save(state, tmp_path / "net.pth")
    monkeypatch.setattr(user_file.importlib.metadata, "version", lambda _: "2.5.1+cpu")
    assert "its conversion needs torch 2.6 or later" in refusal(tmp_path / "net.pth", tmp_path)


def test_a_header_that_claims_gigabytes_is_refused(tmp_path):
    header = b'{"w":{"dtype":"F32","shape":[1000000,100000],"data_offsets":[0,400000000000]}}'
    (tmp_path / "net.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    assert "is not a readable .safetensors file" in refusal(tmp_path / "net.safetensors", tmp_path)
    (tmp_path / "net.safetensors").write_bytes(struct.pack("<Q", 2**62) + header)
    assert "is not a readable .safetensors file" in refusal(tmp_path / "net.safetensors", tmp_path)


def test_a_network_that_would_take_all_memory_is_refused(tmp_path, state, monkeypatch):
    """The name of one weight claims a million layers, which spandrel would make."""
    monkeypatch.setattr(isolated, "_interpreter", lambda: sys.executable)
    monkeypatch.setattr(user_file, "_DEADLINE", 20.0)
    state["body.99999998.weight"] = state.pop("body.6.weight")
    state["body.99999998.bias"] = state.pop("body.6.bias")
    torch.save(state, tmp_path / "net.pth")
    message = refusal(tmp_path / "net.pth", tmp_path)
    assert "takes longer than 20 seconds" in message or "damaged" in message or "more memory" in message


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", bytes(1000)], ids=["empty", "text", "zip", "zeros"])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".safetensors"])
def test_files_that_are_something_else_are_refused(tmp_path, content, suffix):
    (tmp_path / f"net{suffix}").write_bytes(content)
    message = refusal(tmp_path / f"net{suffix}", tmp_path)
    assert "not a readable" in message or "besides weights, or is damaged" in message or "is empty" in message


@pytest.mark.parametrize("length", [10, 100, 1000, -1])
def test_truncated_files_are_refused(tmp_path, state, length):
    for name in ("net.pth", "net.safetensors"):
        if name.endswith("pth"):
            torch.save(state, tmp_path / name)
        else:
            safetensors.torch.save_file(state, tmp_path / name)
        content = (tmp_path / name).read_bytes()[:length]
        (tmp_path / name).write_bytes(content)
        message = refusal(tmp_path / name, tmp_path)
        assert "not a readable" in message or "damaged" in message


def test_a_network_of_factor_1_runs_before_another(tmp_path, photo):
    torch.save(small_network("Compact-x1").state_dict(), tmp_path / "clean.pth")
    torch.save(small_network("Compact-x2").state_dict(), tmp_path / "double.pth")
    picture = np.ascontiguousarray(photo[:64, :80]).astype(np.uint16) * 257
    options = {"device": "cpu", "precision": "fp32"}
    clean = Upscaler(model=tmp_path / "clean.pth", **options).upscale_array(picture, 1)
    expected = Upscaler(model=tmp_path / "double.pth", **options).upscale_array(clean, 2)
    result = Upscaler(model=tmp_path / "double.pth", pre=tmp_path / "clean.pth", **options).upscale_array(picture, 2)
    assert np.abs(result.astype(int) - expected).max() <= 64


def test_the_cache_is_keyed_by_content(tmp_path):
    path = tmp_path / "net.pth"
    torch.save(small_network("Compact-x2").state_dict(), path)
    assert opened(path, tmp_path).spec.scale == 2
    torch.save(small_network("Compact-x3").state_dict(), path)
    assert opened(path, tmp_path).spec.scale == 3
    shutil.copy(path, tmp_path / "copy.pth")
    assert opened(tmp_path / "copy.pth", tmp_path).path == opened(path, tmp_path).path


def test_the_command_line_takes_a_file(tmp_path, state, photo, capsys):
    torch.save(state, tmp_path / "4x-Net.PTH")
    picture = np.ascontiguousarray(photo[:64, :80])
    Image.fromarray(picture).save(tmp_path / "a.png")
    command = ["upscale", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), "-x", "4", "--device", "cpu"]
    assert main([*command, "--precision", "fp32", "--model", str(tmp_path / "4x-Net.PTH")]) == 0
    assert "converting 4x-Net.PTH, once" in capsys.readouterr().err
    with torch.no_grad():
        batch = torch.from_numpy(picture.transpose(2, 0, 1)[None].copy()).float() / 255
        expected = small_network("Compact")(batch)[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255
    with Image.open(tmp_path / "b.png") as result:
        assert np.abs(np.asarray(result) - expected).max() <= 0.51
