"""The ncnn importer, compared with NumPy and with ncnn itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from support.ncnn_layers import LAYERS, NcnnFiles
from support.networks import natural_batch, run
from support.sampling import DEEP_NETWORKS
from tilewright.models.catalog import CATALOG
from tilewright.models.loader import native_model
from tilewright.models.ncnn.importer import import_ncnn

if TYPE_CHECKING:
    from pathlib import Path

    from tilewright.models.catalog_entry import Network

PICTURE = natural_batch(9, 11)[0]


def run_imported(files: NcnnFiles, picture: np.ndarray) -> np.ndarray:
    return run(import_ncnn(files.text, files.weights), picture[None])[0]


def run_ncnn(param: Path, weights: Path, picture: np.ndarray) -> np.ndarray:
    ncnn = pytest.importorskip("ncnn")
    net = ncnn.Net()
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    net.opt.num_threads = 2
    assert net.load_param(str(param)) == 0
    assert net.load_model(str(weights)) == 0
    extractor = net.create_extractor()
    picture = np.ascontiguousarray(picture)  # needs a name, because a Mat does not own its memory
    extractor.input(net.input_names()[0], ncnn.Mat(picture).clone())
    status, output = extractor.extract(net.output_names()[0])
    assert status == 0
    return np.array(output)


@pytest.mark.parametrize("case", LAYERS)
def test_layer_equals_numpy(case: str) -> None:
    files, reference = LAYERS[case]
    np.testing.assert_allclose(run_imported(files, PICTURE), reference(PICTURE), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", LAYERS)
def test_layer_equals_ncnn(case: str, tmp_path: Path) -> None:
    files, _ = LAYERS[case]
    (tmp_path / "net.param").write_text(files.text)
    (tmp_path / "net.bin").write_bytes(files.weights)
    expected = run_ncnn(tmp_path / "net.param", tmp_path / "net.bin", PICTURE)
    np.testing.assert_allclose(run_imported(files, PICTURE), expected, rtol=1e-5, atol=1e-5)


def catalog_networks() -> list[Any]:
    """Returns all networks that are converted from ncnn. The sample has one of each entry that is not deep."""
    return [
        pytest.param(
            entry.name,
            network,
            id=network.stem.removeprefix("models/"),
            marks=() if number == 0 and entry.name not in DEEP_NETWORKS else pytest.mark.grid,
        )
        for entry in CATALOG.values()
        for number, network in enumerate(entry.networks)
        if not network.is_onnx
    ]


@pytest.mark.parametrize(("name", "network"), catalog_networks())
def test_catalog_network_equals_ncnn(name: str, network: Network, photo: np.ndarray) -> None:
    entry, scale = CATALOG[name], network.scale
    if entry.folder is None or not entry.installed:
        pytest.skip(f"{entry.package} is not installed")
    picture = np.ascontiguousarray(photo[100:132, 150:190].transpose(2, 0, 1).astype(np.float32) / 255)
    border = [(0, 0), (network.padding, network.padding), (network.padding, network.padding)]
    expected = run_ncnn(*(entry.folder / name for name in network.files), np.pad(picture, border, mode="reflect"))
    if network.adds_input:
        expected = expected + picture.repeat(scale, axis=1).repeat(scale, axis=2)

    output = run(native_model(entry, network), picture[None])[0]
    assert output.shape == expected.shape == (3, 32 * scale, 40 * scale)
    assert np.abs(output - expected).max() <= 1e-4 * np.abs(expected).max()
    # The result must resemble the input: an omitted step around the network would shift the
    # colours.
    shrunk = output.reshape(3, 32, scale, 40, scale).mean(axis=(2, 4))
    assert np.abs(shrunk - picture).mean() < 0.04


def test_model_has_float32_weights_and_accepts_any_size() -> None:
    model = import_ncnn(LAYERS["conv float16, odd count"][0].text, LAYERS["conv float16, odd count"][0].weights)
    assert {tensor.data_type for tensor in model.graph.initializer} == {1}
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value or dim.dim_param for dim in shape] == ["n", 3, "h", "w"]
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["input", "output"]
