"""The rescale at the end of a network, against plain NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest

from support.conv_reference import convolve, enlarge, reduce_axis, shuffle
from tilewright._core import ConvNetwork, ConvStream, available_isas

ISAS = available_isas()


class Rescaled:
    """A network with random weights that ends in a rescale, and the same in NumPy."""

    def __init__(self, source_scale, scale, *, shuffles, adds_image=False, planes=3, taps=(11, -4), **options):
        rng = np.random.default_rng(source_scale * 10 + scale)
        self.network = ConvNetwork(planes, **{"threads": 2, **options})
        depth, number, self._layers = planes, None, []
        enlargements = 0 if shuffles else source_scale.bit_length() - 1
        for outputs in [16] * enlargements + [planes * source_scale**2 if shuffles else planes]:
            weights = rng.normal(0, (9 * depth) ** -0.5, (outputs, depth, 3, 3)).astype(np.float32)
            bias = rng.normal(0, 0.1, outputs).astype(np.float32)
            inputs = None if number is None else [(number, True)]
            number = self.network.add_step(inputs, weights=weights, bias=bias.tolist())
            self._layers.append((weights, bias))
            depth = outputs
        count, self._first = taps
        self.weights = rng.normal(0, count**-0.5, (scale, count)).astype(np.float32)
        self.network.set_rescale(
            source_scale=source_scale, weights=self.weights, first=self._first, shuffles=shuffles, adds_image=adds_image
        )
        self._source_scale, self._shuffles, self._adds_image = source_scale, shuffles, adds_image

    def expected(self, image):
        values = image.astype(np.float64)
        for index, (weights, bias) in enumerate(self._layers):
            values = convolve(enlarge(values) if index else values, weights.astype(np.float64), bias)
        if self._shuffles:
            values = shuffle(values, self._source_scale)
        if self._adds_image:
            values = values + image.repeat(self._source_scale, 1).repeat(self._source_scale, 2)
        for axis in (1, 2):
            values = reduce_axis(values, self.weights, self._first, self._source_scale, axis)
        return values

    def run(self, image):
        scale = self.network.output_scale
        _, height, width = image.shape
        result = np.full((1, self.network.output_channels, height * scale, width * scale), np.nan, np.float32)
        ConvStream(self.network).run(image[None], result)
        return result[0]


def picture(height, width, planes=3):
    return np.random.default_rng(height * 1000 + width).normal(0, 1, (planes, height, width)).astype(np.float32)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (6, 1), (5, 9), (23, 40), (50, 70), (9, 530)])
@pytest.mark.parametrize(("source_scale", "scale"), [(4, 2), (4, 3)])
@pytest.mark.parametrize("shuffles", [True, False])
def test_every_size(isa, size, source_scale, scale, shuffles):
    rescaled = Rescaled(source_scale, scale, shuffles=shuffles, isa=isa)
    image = picture(*size)
    assert rescaled.network.output_scale == scale
    np.testing.assert_allclose(rescaled.run(image), rescaled.expected(image), rtol=0, atol=2e-5)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    ("source_scale", "scale", "taps"),
    [(2, 1, (1, 0)), (2, 1, (8, -3)), (3, 2, (32, -16)), (4, 4, (5, 2)), (8, 2, (3, -20))],
)
@pytest.mark.parametrize("adds_image", [True, False])
def test_every_filter(isa, source_scale, scale, taps, adds_image):
    rescaled = Rescaled(source_scale, scale, shuffles=True, adds_image=adds_image, planes=1, taps=taps, isa=isa)
    image = picture(40, 33, planes=1)
    np.testing.assert_allclose(rescaled.run(image), rescaled.expected(image), rtol=0, atol=2e-5)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shuffles", [True, False])
def test_bands_and_threads_give_the_same_bytes(isa, shuffles):
    """The picture is large enough for several bands, strips and pieces for threads."""
    image = picture(200, 700)
    results = []
    for threads in (1, 2, 3):
        rescaled = Rescaled(4, 3, shuffles=shuffles, adds_image=True, isa=isa, threads=threads)
        results.append(rescaled.run(image))
    assert rescaled.network.band(200, 700) < 100
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    if shuffles:  # the reference takes long for the others
        np.testing.assert_allclose(results[0], rescaled.expected(image), rtol=0, atol=2e-5)


def one_layer(outputs=12):
    network = ConvNetwork(3, threads=1)
    network.add_step(None, weights=np.zeros((outputs, 3, 3, 3), np.float32), bias=[0.0] * outputs)
    return network


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source_scale": 0}, "at least 1"),
        ({"source_scale": 3}, "no whole planes"),
        ({"weights": np.zeros((1, 0), np.float32)}, "at least 1"),
        ({"weights": np.zeros((1, 40), np.float32)}, "too long"),
        ({"first": -33}, "too long"),
        ({"source_scale": 1, "first": 17, "shuffles": False}, "too long"),
        ({"first": -(2**40)}, "too long"),
        ({"weights": np.zeros((65, 2), np.float32)}, "too large"),
        ({"weights": np.zeros(4, np.float32)}, r"shape \[scale, taps\]"),
        ({"shuffles": False}, "contradicts the scale"),
    ],
)
def test_arguments_that_contradict_each_other(changes, message):
    arguments = {"source_scale": 2, "weights": np.ones((1, 4), np.float32), "first": -1, "shuffles": True}
    with pytest.raises(ValueError, match=message):
        one_layer().set_rescale(**arguments | {"adds_image": False} | changes)


def test_weights_must_be_float32():
    with pytest.raises(TypeError, match="float32"):
        one_layer().set_rescale(source_scale=2, weights=np.ones((1, 4)), first=0, shuffles=True, adds_image=False)


def test_input_can_only_be_added_to_as_many_planes():
    network = one_layer(outputs=4)
    arguments = {"source_scale": 2, "weights": np.ones((1, 4), np.float32), "first": -1, "shuffles": True}
    with pytest.raises(ValueError, match="same number of planes"):
        network.set_rescale(**arguments, adds_image=True)
    assert network.output_channels == 4, "the network is as before"
    network.set_rescale(**arguments, adds_image=False)
    assert network.output_channels == 1
    with pytest.raises(ValueError, match="no step can follow"):
        network.add_step([(0, False)], weights=np.zeros((4, 4, 3, 3), np.float32), bias=[0.0] * 4)
