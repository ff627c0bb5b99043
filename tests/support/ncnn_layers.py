"""ncnn networks of one or a few layers, each with its forward pass in plain NumPy."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

FLAG_FLOAT16 = 0x01306B47


def float32_blob(values: Any) -> bytes:
    return struct.pack("<I", 0) + raw(values)


def float16_blob(values: Any) -> bytes:
    data = np.asarray(values, "<f2").tobytes()
    return struct.pack("<I", FLAG_FLOAT16) + data + b"\0" * (-len(data) % 4)


def raw(values: Any) -> bytes:
    return np.asarray(values, "<f4").tobytes()


@dataclass
class NcnnFiles:
    """A network from `data` (3 channels) through the layers `lines` to `output`."""

    lines: list[str]
    weights: bytes = b""
    text: str = field(init=False)

    def __post_init__(self) -> None:
        layers = ["Input in 0 1 data", *self.lines]
        self.text = "\n".join(["7767517", f"{len(layers)} 99", *layers]) + "\n"


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
CENTRED = "BinaryOp half 1 1 data h 0=1 1=1 2=0.5"  # maps 0..1 to -0.5..0.5, so that there are negative values


def attention(x: np.ndarray) -> np.ndarray:
    """Channel attention: scales channels by weights computed from their averages."""
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

LAYERS: dict[str, tuple[NcnnFiles, Callable[[np.ndarray], np.ndarray]]] = {
    "conv float32": (
        NcnnFiles(["Convolution c 1 1 data output 0=5 1=3 4=1 5=1 6=135"], float32_blob(W33) + raw(BIAS[:5])),
        lambda x: convolve(x, W33, BIAS, pads=(1, 1, 1, 1)),
    ),
    "conv float16, odd count": (
        NcnnFiles(["Convolution c 1 1 data output 0=3 1=1 11=3 5=1 6=27"], float16_blob(W_ODD) + raw(BIAS[:3])),
        lambda x: convolve(x, W_ODD, BIAS),
    ),
    "conv without bias": (
        NcnnFiles(["Convolution c 1 1 data output 0=5 1=3 6=135"], float16_blob(W33)),
        lambda x: convolve(x, W33, ZERO),
    ),
    "conv kernel 1x2, strides, different padding on each side": (
        NcnnFiles(
            ["Convolution c 1 1 data output 0=2 1=2 11=1 3=2 13=3 4=2 15=1 14=0 16=3 6=12"],
            float32_blob(W12),
        ),
        lambda x: convolve(x, W12, ZERO, stride=(3, 2), pads=(0, 2, 3, 1)),
    ),
    "conv dilated": (
        NcnnFiles(["Convolution c 1 1 data output 0=5 1=3 2=2 12=3 4=1 6=135"], float32_blob(W33)),
        lambda x: convolve(x, W33, ZERO, dilation=(3, 2), pads=(1, 1, 1, 1)),
    ),
    "conv with ReLU": (
        NcnnFiles(["Convolution c 1 1 data output 0=5 1=3 6=135 9=1"], float32_blob(W33)),
        lambda x: np.maximum(convolve(x, W33, ZERO), 0),
    ),
    "conv with leaky ReLU": (
        NcnnFiles(["Convolution c 1 1 data output 0=5 1=3 6=135 9=2 -23310=1,2.5e-1"], float32_blob(W33)),
        lambda x: leaky(convolve(x, W33, ZERO), 0.25),
    ),
    "conv with sigmoid": (
        NcnnFiles(["Convolution c 1 1 data output 0=5 1=3 6=135 9=4"], float32_blob(W33)),
        lambda x: sigmoid(convolve(x, W33, ZERO)),
    ),
    "deconv": (
        NcnnFiles(["Deconvolution d 1 1 data output 0=5 1=3 3=2 5=1 6=135"], float16_blob(W33) + raw(BIAS[:5])),
        lambda x: deconvolve(x, W33, BIAS, stride=(2, 2)),
    ),
    "deconv kernel 1x2, strides, cropped on each side, leaky ReLU": (
        NcnnFiles(
            ["Deconvolution d 1 1 data output 0=2 1=2 11=1 3=2 13=3 4=2 15=1 14=0 16=3 6=12 9=2 -23310=1,0.25"],
            float32_blob(W12),
        ),
        lambda x: leaky(deconvolve(x, W12, ZERO, stride=(3, 2), pads=(0, 2, 3, 1)), 0.25),
    ),
    "channel attention by a product": (
        NcnnFiles([CENTRED, *ATTENTION[0], "BinaryOp m 2 1 h1 excited output 0=2"], ATTENTION[1]),
        lambda x: attention(x - 0.5),
    ),
    "channel attention by a scale": (
        NcnnFiles([CENTRED, *ATTENTION[0], "Scale m 2 1 h1 excited output 0=-233"], ATTENTION[1]),
        lambda x: attention(x - 0.5),
    ),
    "crop by starts and ends": (
        NcnnFiles(["Crop c 1 1 data output -23309=2,2,1 -23310=2,-3,-1 -23311=2,-2,-1"]),
        lambda x: x[:, 2:-3, 1:-1],
    ),
    "crop of columns, axis counted from the channels": (
        NcnnFiles(["Crop c 1 1 data output -23309=1,4 -23310=1,-233 -23311=1,2"]),
        lambda x: x[:, :, 4:],
    ),
    "crop to the size of another input": (
        NcnnFiles(
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
        NcnnFiles([CENTRED, "PReLU p 1 1 h output 0=3"], raw(SLOPES)),
        lambda x: leaky(x - 0.5, SLOPES.reshape(3, 1, 1)),
    ),
    "PReLU, one slope": (
        NcnnFiles([CENTRED, "PReLU p 1 1 h output 0=1"], raw(SLOPES[:1])),
        lambda x: leaky(x - 0.5, 0.25),
    ),
    "pixel shuffle": (
        NcnnFiles(
            ["Convolution c 1 1 data a 0=12 1=1 6=36", "PixelShuffle p 1 1 a output 0=2"], float16_blob(W_SHUFFLE)
        ),
        lambda x: shuffle(convolve(x, W_SHUFFLE, ZERO), 2),
    ),
    "nearest": (
        NcnnFiles(["Interp i 1 1 data output 0=1 1=3.0 2=2.0"]),
        lambda x: x.repeat(3, axis=1).repeat(2, axis=2),
    ),
    "bilinear": (NcnnFiles(["Interp i 1 1 data output 0=2 1=2.0 2=2.0"]), lambda x: bilinear(x, 2)),
    "sigmoid": (NcnnFiles([CENTRED, "Sigmoid s 1 1 h output"]), lambda x: sigmoid(x - 0.5)),
    "swish": (NcnnFiles([CENTRED, "Swish s 1 1 h output"]), lambda x: (x - 0.5) * sigmoid(x - 0.5)),
    "split and concat": (
        NcnnFiles([CENTRED, "Split s 1 2 h a b", "Sigmoid g 1 1 a c", "Concat k 2 1 c b output"]),
        lambda x: np.concatenate([sigmoid(x - 0.5), x - 0.5]),
    ),
    "constant of one value per channel": (
        NcnnFiles(["MemoryData m 0 1 mean 0=3", "BinaryOp b 2 1 data mean output 0=1"], raw(SLOPES)),
        lambda x: x - SLOPES.reshape(3, 1, 1),
    ),
    "constant of three dimensions": (
        NcnnFiles(["MemoryData m 0 1 mean 0=1 1=1 2=3", "BinaryOp b 2 1 data mean output 0=2"], raw(SLOPES)),
        lambda x: x * SLOPES.reshape(3, 1, 1),
    ),
    "sum with coefficients": (
        NcnnFiles([CENTRED, "Split s 1 2 h a b", "Sigmoid g 1 1 a c", "Eltwise e 2 1 c b output 0=1 -23301=2,0.2,1.0"]),
        lambda x: 0.2 * sigmoid(x - 0.5) + (x - 0.5),
    ),
    "sum of three": (
        NcnnFiles(["Split s 1 3 data a b c", "Eltwise e 3 1 a b c output 0=1"]),
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
    LAYERS[f"{name}, two inputs"] = (
        NcnnFiles(["Split s 1 2 data a b", "Sigmoid g 1 1 a c", f"BinaryOp o 2 1 b c output 0={number}"]),
        lambda x, function=function: function(x, sigmoid(x)),
    )
    LAYERS[f"{name}, a scalar"] = (
        NcnnFiles([f"BinaryOp o 1 1 data output 0={number} 1=1 2=5.000000e-01"]),
        lambda x, function=function: function(x, 0.5),
    )
