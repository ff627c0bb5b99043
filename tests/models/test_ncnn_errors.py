"""Damaged and unsupported ncnn files."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.ncnn_layers import LAYERS, NcnnFiles
from tilewright.errors import ModelError
from tilewright.models.ncnn.importer import import_ncnn

CONV, _ = LAYERS["conv float32"]
HALF, _ = LAYERS["conv float16, odd count"]


@pytest.mark.parametrize("files", [CONV, HALF], ids=["float32", "float16"])
def test_weights_truncated_anywhere_are_an_error(files: NcnnFiles) -> None:
    for length in range(len(files.weights)):
        with pytest.raises(ModelError, match="ends too early"):
            import_ncnn(files.text, files.weights[:length])


def test_surplus_weights_are_an_error() -> None:
    with pytest.raises(ModelError, match="4 bytes are left over"):
        import_ncnn(CONV.text, CONV.weights + b"\0\0\0\0")


@pytest.mark.parametrize("flag", [0x000D4B38, 0x0002C056, 1, 0x01306B46])
def test_quantised_weights_error_gives_the_flag(flag: int) -> None:
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
        (["Convolution c 1 1 data output 0=5 1=3 6=1.5"], "an integer"),
        (["Interp i 1 1 data output 0=3 1=2.0 2=2.0"], "Interp 'i'.*resize type 3"),
        (["Interp i 1 1 data output 0=1 3=64 4=64"], "Interp 'i'.*target size"),
        (["BinaryOp b 1 1 data output 0=6 1=1 2=2.0"], "BinaryOp 'b'.*operation 6"),
        (["BinaryOp b 1 1 data output 0=0"], "BinaryOp 'b'.*two operands"),
        (["Eltwise e 1 1 data output 0=2"], "Eltwise 'e'.*operation 2"),
        (["Eltwise e 1 1 data output 0=1 -23301=2,1.0,2.0"], "2 coefficients for 1"),
        (["Concat s 2 1 data nowhere output"], "no earlier layer writes its input 'nowhere'"),
        (["Split s 1 2 data a b"], "exactly one output.*has 2"),
        (["Input other 0 1 data2", "Concat c 2 1 data data2 output"], "exactly one input.*has 2"),
        (["Sigmoid s 1 2 data a output"], "exactly one output"),
        (["MemoryData m 0 1 k 0=3 1=2", "BinaryOp b 2 1 data k output"], "two dimensions"),
    ],
)
def test_unsupported_layer_error_names_the_layer(lines: list[str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        import_ncnn(NcnnFiles(lines).text, CONV.weights)


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
def test_malformed_param_file_is_an_error(text: str) -> None:
    with pytest.raises(ModelError, match=r"\.param file"):
        import_ncnn(text, b"")


DAMAGE = ["", "-1", "0", "99", "6=1e999", "0=-5", "x=y", "0=", "-23310=1,nan", "é"]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_param_file_raises_only_model_error(data: st.DataObject) -> None:
    files, _ = LAYERS[data.draw(st.sampled_from(sorted(LAYERS)))]
    words = files.text.split(" ")
    index = data.draw(st.integers(0, len(words) - 1))
    words[index] = data.draw(st.sampled_from(DAMAGE))
    with contextlib.suppress(ModelError):
        import_ncnn(" ".join(words), files.weights)
