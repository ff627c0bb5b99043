"""The ncnn importer: against NumPy written out plainly, against ncnn itself, and against damaged files."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilewright.errors import ModelError
from tilewright.models.catalog import CATALOG
from tilewright.models.loader import native_model
from tilewright.models.ncnn.importer import import_ncnn
from tilewright.models.probe import natural_patch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tilewright.models.catalog_entry import Network

FLAG_FLOAT16 = 0x01306B47


def float32_blob(values: Any) -> bytes:
    return struct.pack("<I", 0) + raw(values)


def float16_blob(values: Any) -> bytes:
    data = np.asarray(values, "<f2").tobytes()
    return struct.pack("<I", FLAG_FLOAT16) + data + b"\0" * (-len(data) % 4)


def raw(values: Any) -> bytes:
    return np.asarray(values, "<f4").tobytes()


@dataclass
class Files:
    """A hand-made network: `data` (3 channels) through `lines` to `output`."""

    lines: list[str]
    weights: bytes = b""
    text: str = field(init=False)

    def __post_init__(self) -> None:
        layers = ["Input in 0 1 data", *self.lines]
        self.text = "\n".join(["7767517", f"{len(layers)} 99", *layers]) + "\n"


def run_imported(files: Files, picture: np.ndarray) -> np.ndarray:
    import onnxruntime as ort

    model = import_ncnn(files.text, files.weights)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["output"], {"input": picture[None]})[0][0])


def run_ncnn(param: Path, weights: Path, picture: np.ndarray) -> np.ndarray:
    ncnn = pytest.importorskip("ncnn")
    net = ncnn.Net()
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    net.opt.num_threads = 2
    assert net.load_param(str(param)) == 0
    assert net.load_model(str(weights)) == 0
    extractor = net.create_extractor()
    picture = np.ascontiguousarray(picture)  # kept, as a Mat does not keep what it looks at
    extractor.input(net.input_names()[0], ncnn.Mat(picture).clone())
    status, output = extractor.extract(net.output_names()[0])
    assert status == 0
    return np.array(output)


def patch(height: int = 9, width: int = 11) -> np.ndarray:
    return np.ascontiguousarray(natural_patch(height, width).transpose(2, 0, 1))


# --- the obvious forward passes -------------------------------------------------------------------------------------


def convolve(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    *,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> np.ndarray:
    top, left, bottom, right = pads
    x = np.pad(x.astype(np.float64), ((0, 0), (top, bottom), (left, right)))
    outputs, _, kernel_h, kernel_w = weight.shape
    height = (x.shape[1] - dilation[0] * (kernel_h - 1) - 1) // stride[0] + 1
    width = (x.shape[2] - dilation[1] * (kernel_w - 1) - 1) // stride[1] + 1
    result = np.zeros((outputs, height, width))
    for o in range(outputs):
        for i in range(height):
            for j in range(width):
                rows = i * stride[0] + dilation[0] * np.arange(kernel_h)
                columns = j * stride[1] + dilation[1] * np.arange(kernel_w)
                result[o, i, j] = np.sum(x[:, rows][:, :, columns] * weight[o]) + bias[o]
    return result


def deconvolve(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    *,
    stride: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> np.ndarray:
    outputs, _, kernel_h, kernel_w = weight.shape
    height, width = ((x.shape[axis + 1] - 1) * stride[axis] + weight.shape[axis + 2] for axis in (0, 1))
    result = np.zeros((outputs, height, width)) + bias[:outputs, None, None]
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            rows, columns = i * stride[0], j * stride[1]
            stamp = np.einsum("c,ochw->ohw", x[:, i, j].astype(np.float64), weight)
            result[:, rows : rows + kernel_h, columns : columns + kernel_w] += stamp
    top, left, bottom, right = pads
    return result[:, top : height - bottom, left : width - right]


def leaky(x: np.ndarray, slope: Any) -> np.ndarray:
    return np.where(x < 0, x * slope, x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def shuffle(x: np.ndarray, block: int) -> np.ndarray:
    result = np.zeros((x.shape[0] // block**2, x.shape[1] * block, x.shape[2] * block))
    for channel in range(x.shape[0]):
        colour, phase = divmod(channel, block**2)
        result[colour, phase // block :: block, phase % block :: block] = x[channel]
    return result


def bilinear(x: np.ndarray, factor: int) -> np.ndarray:
    for axis in (1, 2):
        size = x.shape[axis]
        centres = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, size - 1)
        low = np.minimum(np.floor(centres).astype(int), max(size - 2, 0))
        part = (centres - low).reshape((-1, 1) if axis == 1 else (-1,))
        x = np.take(x, low, axis) * (1 - part) + np.take(x, np.minimum(low + 1, size - 1), axis) * part
    return x


RNG = np.random.default_rng(7)
W33 = RNG.normal(size=(5, 3, 3, 3)).astype(np.float16).astype(np.float32)
W12 = RNG.normal(size=(2, 3, 1, 2)).astype(np.float16).astype(np.float32)
W_ODD = RNG.normal(size=(3, 3, 3, 1)).astype(np.float16).astype(np.float32)
W_SHUFFLE = RNG.normal(size=(12, 3, 1, 1)).astype(np.float16).astype(np.float32)
W_SQUEEZE = RNG.normal(size=(2, 3)).astype(np.float16).astype(np.float32)
W_EXCITE = RNG.normal(size=(3, 2)).astype(np.float16).astype(np.float32)
BIAS = RNG.normal(size=12).astype(np.float32)
ZERO = np.zeros(12)
SLOPES = np.array([0.25, -0.5, 2.0], np.float32)
HALVES = "BinaryOp half 1 1 data h 0=1 1=1 2=0.5"  # 0..1 becomes -0.5..0.5, so that signs matter


def attention(x: np.ndarray) -> np.ndarray:
    """Channels weighted by what their averages make of each other."""
    squeezed = np.maximum(W_SQUEEZE @ x.mean(axis=(1, 2)) + BIAS[:2], 0)
    return x * sigmoid(W_EXCITE @ squeezed)[:, None, None]


ATTENTION = (
    [
        "Split s 1 2 h h0 h1",
        "Pooling p 1 1 h0 mean 0=1 4=1",
        "InnerProduct a 1 1 mean squeezed 0=2 1=1 2=6 9=1",
        "InnerProduct b 1 1 squeezed excited 0=3 2=6 9=4",
    ],
    float16_blob(W_SQUEEZE) + raw(BIAS[:2]) + float32_blob(W_EXCITE),
)

TINY: dict[str, tuple[Files, Callable[[np.ndarray], np.ndarray]]] = {
    "conv float32": (
        Files(["Convolution c 1 1 data output 0=5 1=3 4=1 5=1 6=135"], float32_blob(W33) + raw(BIAS[:5])),
        lambda x: convolve(x, W33, BIAS, pads=(1, 1, 1, 1)),
    ),
    "conv float16, odd count": (
        Files(["Convolution c 1 1 data output 0=3 1=1 11=3 5=1 6=27"], float16_blob(W_ODD) + raw(BIAS[:3])),
        lambda x: convolve(x, W_ODD, BIAS),
    ),
    "conv without bias": (
        Files(["Convolution c 1 1 data output 0=5 1=3 6=135"], float16_blob(W33)),
        lambda x: convolve(x, W33, ZERO),
    ),
    "conv kernel 1x2, strides, own padding on each side": (
        Files(
            ["Convolution c 1 1 data output 0=2 1=2 11=1 3=2 13=3 4=2 15=1 14=0 16=3 6=12"],
            float32_blob(W12),
        ),
        lambda x: convolve(x, W12, ZERO, stride=(3, 2), pads=(0, 2, 3, 1)),
    ),
    "conv dilated": (
        Files(["Convolution c 1 1 data output 0=5 1=3 2=2 12=3 4=1 6=135"], float32_blob(W33)),
        lambda x: convolve(x, W33, ZERO, dilation=(3, 2), pads=(1, 1, 1, 1)),
    ),
    "conv with ReLU": (
        Files(["Convolution c 1 1 data output 0=5 1=3 6=135 9=1"], float32_blob(W33)),
        lambda x: np.maximum(convolve(x, W33, ZERO), 0),
    ),
    "conv with leaky ReLU": (
        Files(["Convolution c 1 1 data output 0=5 1=3 6=135 9=2 -23310=1,2.5e-1"], float32_blob(W33)),
        lambda x: leaky(convolve(x, W33, ZERO), 0.25),
    ),
    "conv with sigmoid": (
        Files(["Convolution c 1 1 data output 0=5 1=3 6=135 9=4"], float32_blob(W33)),
        lambda x: sigmoid(convolve(x, W33, ZERO)),
    ),
    "deconv": (
        Files(["Deconvolution d 1 1 data output 0=5 1=3 3=2 5=1 6=135"], float16_blob(W33) + raw(BIAS[:5])),
        lambda x: deconvolve(x, W33, BIAS, stride=(2, 2)),
    ),
    "deconv kernel 1x2, strides, cut on each side, leaky ReLU": (
        Files(
            ["Deconvolution d 1 1 data output 0=2 1=2 11=1 3=2 13=3 4=2 15=1 14=0 16=3 6=12 9=2 -23310=1,0.25"],
            float32_blob(W12),
        ),
        lambda x: leaky(deconvolve(x, W12, ZERO, stride=(3, 2), pads=(0, 2, 3, 1)), 0.25),
    ),
    "attention by a product": (
        Files([HALVES, *ATTENTION[0], "BinaryOp m 2 1 h1 excited output 0=2"], ATTENTION[1]),
        lambda x: attention(x - 0.5),
    ),
    "attention by a scale": (
        Files([HALVES, *ATTENTION[0], "Scale m 2 1 h1 excited output 0=-233"], ATTENTION[1]),
        lambda x: attention(x - 0.5),
    ),
    "crop by starts and ends": (
        Files(["Crop c 1 1 data output -23309=2,2,1 -23310=2,-3,-1 -23311=2,-2,-1"]),
        lambda x: x[:, 2:-3, 1:-1],
    ),
    "crop of columns, counted from the channels": (
        Files(["Crop c 1 1 data output -23309=1,4 -23310=1,-233 -23311=1,2"]),
        lambda x: x[:, :, 4:],
    ),
    "crop to another input": (
        Files(
            [
                "Split s 1 2 data a b",
                "Convolution c 1 1 a d 0=3 1=1 11=3 6=27",
                "Split t 1 2 d e f",
                "Crop r 2 1 b e g 0=0 1=1",
                "Eltwise k 2 1 f g output 0=1",
            ],
            float16_blob(W_ODD),
        ),
        lambda x: convolve(x, W_ODD, ZERO) + x[:, 1:-1],
    ),
    "PReLU": (
        Files([HALVES, "PReLU p 1 1 h output 0=3"], raw(SLOPES)),
        lambda x: leaky(x - 0.5, SLOPES.reshape(3, 1, 1)),
    ),
    "PReLU, one slope": (
        Files([HALVES, "PReLU p 1 1 h output 0=1"], raw(SLOPES[:1])),
        lambda x: leaky(x - 0.5, 0.25),
    ),
    "pixel shuffle": (
        Files(["Convolution c 1 1 data a 0=12 1=1 6=36", "PixelShuffle p 1 1 a output 0=2"], float16_blob(W_SHUFFLE)),
        lambda x: shuffle(convolve(x, W_SHUFFLE, ZERO), 2),
    ),
    "nearest": (
        Files(["Interp i 1 1 data output 0=1 1=3.0 2=2.0"]),
        lambda x: x.repeat(3, axis=1).repeat(2, axis=2),
    ),
    "bilinear": (Files(["Interp i 1 1 data output 0=2 1=2.0 2=2.0"]), lambda x: bilinear(x, 2)),
    "sigmoid": (Files([HALVES, "Sigmoid s 1 1 h output"]), lambda x: sigmoid(x - 0.5)),
    "swish": (Files([HALVES, "Swish s 1 1 h output"]), lambda x: (x - 0.5) * sigmoid(x - 0.5)),
    "split and concat": (
        Files([HALVES, "Split s 1 2 h a b", "Sigmoid g 1 1 a c", "Concat k 2 1 c b output"]),
        lambda x: np.concatenate([sigmoid(x - 0.5), x - 0.5]),
    ),
    "constant of one value per channel": (
        Files(["MemoryData m 0 1 mean 0=3", "BinaryOp b 2 1 data mean output 0=1"], raw(SLOPES)),
        lambda x: x - SLOPES.reshape(3, 1, 1),
    ),
    "constant of three dimensions": (
        Files(["MemoryData m 0 1 mean 0=1 1=1 2=3", "BinaryOp b 2 1 data mean output 0=2"], raw(SLOPES)),
        lambda x: x * SLOPES.reshape(3, 1, 1),
    ),
    "sum with coefficients": (
        Files([HALVES, "Split s 1 2 h a b", "Sigmoid g 1 1 a c", "Eltwise e 2 1 c b output 0=1 -23301=2,0.2,1.0"]),
        lambda x: 0.2 * sigmoid(x - 0.5) + (x - 0.5),
    ),
    "sum of three": (
        Files(["Split s 1 3 data a b c", "Eltwise e 3 1 a b c output 0=1"]),
        lambda x: 3 * x,
    ),
}
for number, name, function in (
    (0, "add", np.add),
    (1, "subtract", np.subtract),
    (2, "multiply", np.multiply),
    (3, "divide", np.divide),
    (4, "maximum", np.maximum),
    (5, "minimum", np.minimum),
):
    TINY[f"{name}, two inputs"] = (
        Files(["Split s 1 2 data a b", "Sigmoid g 1 1 a c", f"BinaryOp o 2 1 b c output 0={number}"]),
        lambda x, function=function: function(x, sigmoid(x)),
    )
    TINY[f"{name}, a scalar"] = (
        Files([f"BinaryOp o 1 1 data output 0={number} 1=1 2=5.000000e-01"]),
        lambda x, function=function: function(x, 0.5),
    )


@pytest.mark.parametrize("case", TINY)
def test_layer_computes_what_numpy_does(case: str) -> None:
    files, reference = TINY[case]
    picture = patch()
    np.testing.assert_allclose(run_imported(files, picture), reference(picture), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", TINY)
def test_layer_computes_what_ncnn_does(case: str, tmp_path: Path) -> None:
    files, _ = TINY[case]
    (tmp_path / "net.param").write_text(files.text)
    (tmp_path / "net.bin").write_bytes(files.weights)
    picture = patch()
    expected = run_ncnn(tmp_path / "net.param", tmp_path / "net.bin", picture)
    np.testing.assert_allclose(run_imported(files, picture), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "network"),
    [
        pytest.param(entry.name, network, id=network.stem.removeprefix("models/"))
        for entry in CATALOG.values()
        for network in entry.networks
        if not network.is_onnx
    ],
)
def test_catalog_network_computes_what_ncnn_does(name: str, network: Network, photo: np.ndarray) -> None:
    import onnxruntime as ort

    entry, scale = CATALOG[name], network.scale
    if entry.folder is None or not entry.installed:
        pytest.skip(f"{entry.package} is not installed")
    picture = np.ascontiguousarray(photo[100:132, 150:190].transpose(2, 0, 1).astype(np.float32) / 255)
    border = [(0, 0), (network.padding, network.padding), (network.padding, network.padding)]
    expected = run_ncnn(*(entry.folder / name for name in network.files), np.pad(picture, border, mode="reflect"))
    if network.adds_input:
        expected = expected + picture.repeat(scale, axis=1).repeat(scale, axis=2)

    model = native_model(entry, network)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    output = session.run(None, {"input": picture[None]})[0][0]

    assert output.shape == expected.shape == (3, 32 * scale, 40 * scale)
    assert np.abs(output - expected).max() <= 1e-4 * np.abs(expected).max()
    # A picture, and the same one: what is left out around a network shows as a shift of colours.
    shrunk = output.reshape(3, 32, scale, 40, scale).mean(axis=(2, 4))
    assert np.abs(shrunk - picture).mean() < 0.04


def test_model_keeps_float32_weights_and_takes_any_size() -> None:
    model = import_ncnn(TINY["conv float16, odd count"][0].text, TINY["conv float16, odd count"][0].weights)
    assert {tensor.data_type for tensor in model.graph.initializer} == {1}
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value or dim.dim_param for dim in shape] == ["n", 3, "h", "w"]
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["input", "output"]


# --- damaged and unsupported files -----------------------------------------------------------------------------------

CONV, _ = TINY["conv float32"]
HALF, _ = TINY["conv float16, odd count"]


@pytest.mark.parametrize("files", [CONV, HALF], ids=["float32", "float16"])
def test_truncated_weights_are_an_error_wherever_they_end(files: Files) -> None:
    for length in range(len(files.weights)):
        with pytest.raises(ModelError, match="ends too early"):
            import_ncnn(files.text, files.weights[:length])


def test_left_over_weights_are_an_error() -> None:
    with pytest.raises(ModelError, match="4 bytes are left over"):
        import_ncnn(CONV.text, CONV.weights + b"\0\0\0\0")


@pytest.mark.parametrize("flag", [0x000D4B38, 0x0002C056, 1, 0x01306B46])
def test_quantised_weights_are_an_error_that_gives_the_flag(flag: int) -> None:
    with pytest.raises(ModelError, match=f"0x{flag:08X}"):
        import_ncnn(CONV.text, struct.pack("<I", flag) + CONV.weights[4:])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["Softmax s 1 1 data output"], "Softmax 's'.*not supported"),
        (["Deconvolution d 1 1 data output 0=5 1=3 6=135 18=1"], "Deconvolution 'd'.*padding of the output"),
        (["Deconvolution d 1 1 data output 0=5 1=3 6=135 28=1"], "Deconvolution 'd'.*another layer"),
        (["Deconvolution d 1 1 data output 0=5 1=3 6=135 4=-233"], "Deconvolution 'd'.*padding"),
        (["Pooling p 1 1 data output 0=1 1=2"], "Pooling 'p'.*whole picture"),
        (["Pooling p 1 1 data output 0=0 4=1"], "Pooling 'p'.*average"),
        (["InnerProduct i 1 1 data output 0=5 2=15"], "InnerProduct 'i'.*one value per channel"),
        (["Pooling p 1 1 data m 0=1 4=1", "InnerProduct i 1 1 m output 0=5 2=16"], "InnerProduct 'i'.*16 weights"),
        (["Pooling p 1 1 data m 0=1 4=1", "InnerProduct i 1 1 m output 0=5 2=15 8=1"], "InnerProduct 'i'.*int8"),
        (["Scale s 1 1 data output 0=3"], "Scale 's'.*second input"),
        (["Crop c 1 1 data output 3=4 4=4"], "Crop 'c'.*starts, ends and axes"),
        (["Crop c 1 1 data output -23309=1,1 -23310=1,-1 -23311=1,0"], "Crop 'c'.*each side"),
        (["Crop c 1 1 data output -23309=1,1 -23310=1,5 -23311=1,1"], "Crop 'c'.*each side"),
        (["Split s 1 2 data a b", "Crop c 2 1 a b output 0=1 1=1 2=1"], "Crop 'c'.*channels"),
        (["Convolution c 1 1 data output 0=5 1=3 6=135 9=5"], "Convolution 'c'.*activation 5"),
        (["Convolution c 1 1 data output 0=5 1=3 6=135 4=-233"], "Convolution 'c'.*padding"),
        (["Convolution c 1 1 data output 0=5 1=3 6=135 8=1"], "Convolution 'c'.*int8"),
        (["Convolution c 1 1 data output 0=5 1=3 6=134"], "Convolution 'c'.*134 weights"),
        (["Convolution c 1 1 data output 0=5 1=3 6=1.5"], "whole number"),
        (["Interp i 1 1 data output 0=3 1=2.0 2=2.0"], "Interp 'i'.*resize type 3"),
        (["Interp i 1 1 data output 0=1 3=64 4=64"], "Interp 'i'.*target size"),
        (["BinaryOp b 1 1 data output 0=6 1=1 2=2.0"], "BinaryOp 'b'.*operation 6"),
        (["BinaryOp b 1 1 data output 0=0"], "BinaryOp 'b'.*two operands"),
        (["Eltwise e 1 1 data output 0=2"], "Eltwise 'e'.*operation 2"),
        (["Eltwise e 1 1 data output 0=1 -23301=2,1.0,2.0"], "2 coefficients for 1"),
        (["Concat s 2 1 data nowhere output"], "'nowhere' is made by no layer"),
        (["Split s 1 2 data a b"], "exactly one output.*has 2"),
        (["Input other 0 1 data2", "Concat c 2 1 data data2 output"], "exactly one input.*has 2"),
        (["Sigmoid s 1 2 data a output"], "exactly one output"),
        (["MemoryData m 0 1 k 0=3 1=2", "BinaryOp b 2 1 data k output"], "two dimensions"),
    ],
)
def test_what_is_not_supported_is_an_error_that_names_the_layer(lines: list[str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        import_ncnn(Files(lines).text, CONV.weights)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7767518\n1 1\nInput in 0 1 data\n",
        "7767517\n",
        "7767517\n9 9\nInput in 0 1 data\n",
        "7767517\n1 1\nInput in 0\n",
        "7767517\n1 1\nInput in 0 2 data 0=1\n",
        "7767517\n1 1\nInput in 0 1 data -23310=3,1,2\n",
        "7767517\n1 1\nInput in 0 1 data 0=x\n",
    ],
)
def test_malformed_param_is_an_error(text: str) -> None:
    with pytest.raises(ModelError, match=r"\.param file"):
        import_ncnn(text, b"")


DAMAGE = ["", "-1", "0", "99", "6=1e999", "0=-5", "x=y", "0=", "-23310=1,nan", "é"]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_param_raises_nothing_but_model_error(data: st.DataObject) -> None:
    files, _ = TINY[data.draw(st.sampled_from(sorted(TINY)))]
    words = files.text.split(" ")
    index = data.draw(st.integers(0, len(words) - 1))
    words[index] = data.draw(
        st.sampled_from(["", "-1", "0", "99", "6=1e999", "0=-5", "x=y", "0=", "-23310=1,nan", "é"])
    )
    with contextlib.suppress(ModelError):
        import_ncnn(" ".join(words), files.weights)
