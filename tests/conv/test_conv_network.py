"""The convolution engine against plain NumPy in float64."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from support.conv_reference import activate, convolve, enlarge
from tilewright._core import ConvNetwork, ConvStream, available_isas

ISAS = available_isas()


class Pair:
    """A network of the engine and the same network in NumPy, built step by step."""

    def __init__(self, planes=3, *, threads=2, isa=None, seed=0):
        self.network = ConvNetwork(planes, threads=threads, isa=isa)
        self.planes = planes
        self._rng = np.random.default_rng(seed)
        self._steps = []

    def add(self, inputs, outputs, *, side=3, activation="none", residuals=()):
        """Adds a convolution with random weights; returns its number."""
        depth = self.planes if inputs is None else sum(len(self._steps[number][1]) for number, _ in inputs)
        weights = self._rng.normal(0, (depth * side**2) ** -0.5, (outputs, depth, side, side)).astype(np.float32)
        bias = self._rng.normal(0, 0.2, outputs).astype(np.float32)
        slope = self._rng.uniform(-0.3, 0.5, outputs).astype(np.float32) if activation == "prelu" else np.empty(0)
        number = self.network.add_step(
            inputs,
            weights=weights,
            bias=bias.tolist(),
            activation=activation,
            slope=slope.tolist(),
            residuals=list(residuals),
        )
        self._steps.append((inputs, bias, weights, activation, slope, residuals))
        return number

    def expected(self, image):
        """Returns the last step's result in float64 for an image ``[planes, height, width]``."""
        results = []
        for inputs, bias, weights, activation, slope, residuals in self._steps:
            parts = (
                [image] if inputs is None else [enlarge(results[i]) if larger else results[i] for i, larger in inputs]
            )
            values = convolve(np.concatenate(parts).astype(np.float64), weights.astype(np.float64), bias)
            results.append(activate(values, activation, slope, [(results[i], factor) for i, factor in residuals]))
        return results[-1]

    def picture(self, height, width, count=1):
        return self._rng.normal(0, 1, (count, self.planes, height, width)).astype(np.float32)

    def run(self, batch):
        return run(ConvStream(self.network), self.network, batch)


def run(stream, network, batch):
    count, _, height, width = batch.shape
    scale = network.output_scale
    result = np.full((count, network.output_channels, height * scale, width * scale), np.nan, np.float32)
    stream.run(batch, result)
    return result


def check(pair, batch, tolerance=1e-4):
    result = pair.run(batch)
    for image, found in zip(batch, result, strict=True):
        np.testing.assert_allclose(found, pair.expected(image), rtol=0, atol=tolerance)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (4, 4), (5, 70), (13, 8), (37, 31), (70, 65)])
def test_every_size(isa, size):
    pair = Pair(isa=isa)
    first = pair.add(None, 16)
    pair.add([(first, False)], 16)
    check(pair, pair.picture(*size))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("outputs", [1, 3, 12, 16, 27, 48, 64])
@pytest.mark.parametrize("channels", [5, 16, 48, 64, 192])
def test_every_number_of_channels(isa, channels, outputs):
    pair = Pair(isa=isa)
    first = pair.add(None, channels)
    pair.add([(first, False)], outputs)
    check(pair, pair.picture(9, 14))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("activation", ["none", "prelu", "silu", "attention"])
@pytest.mark.parametrize("side", [1, 3])
@pytest.mark.parametrize("residuals", [0, 1, 2])
def test_epilogues(isa, side, activation, residuals):
    pair = Pair(isa=isa)
    first = pair.add(None, 32, activation="none" if activation == "attention" else activation)
    second = pair.add([(first, False)], 32)
    added = [(first, 0.2), (second, -1.5)][:residuals] or ([(first, 1.0)] if activation == "attention" else [])
    pair.add([(second, False)], 32, side=side, activation=activation, residuals=added)
    check(pair, pair.picture(11, 18))


@pytest.mark.parametrize("isa", ISAS)
def test_dense_blocks(isa):
    pair = Pair(isa=isa)
    first = pair.add(None, 64)
    block = [first]
    for _ in range(4):
        block.append(pair.add([(each, False) for each in block], 32, activation="prelu"))
    pair.add([(each, False) for each in block], 64, residuals=[(first, 0.2)])
    check(pair, pair.picture(15, 22))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("size", [(1, 1), (7, 10), (33, 18)])
def test_enlargements(isa, size):
    pair = Pair(isa=isa)
    number = pair.add(None, 16)
    for _ in range(2):
        number = pair.add([(number, True)], 16, activation="prelu")
    pair.add([(number, False)], 3)
    assert pair.network.output_scale == 4
    check(pair, pair.picture(*size))


@pytest.mark.parametrize("planes", [1, 3, 4])
def test_input_transform(planes):
    pair = Pair(planes)
    pair.add(None, 16)
    batch = pair.picture(6, 7)
    offset, factor = np.arange(planes) * 0.3 - 0.5, np.arange(planes) + 0.5
    pair.network.set_input_transform(offset.tolist(), factor.tolist())
    changed = (batch[0] + offset[:, None, None]) * factor[:, None, None]
    np.testing.assert_allclose(pair.run(batch)[0], pair.expected(changed), rtol=0, atol=2e-5)


def test_batches():
    pair = Pair()
    first = pair.add(None, 16)
    pair.add([(first, False)], 5)
    check(pair, pair.picture(6, 9, count=3))


def shallow_network(**arguments):
    """A network of few layers, which runs in bands on all but small pictures."""
    pair = Pair(**arguments)
    first = number = pair.add(None, 16)
    for _ in range(5):
        number = pair.add([(number, False)], 16, activation="prelu")
    number = pair.add([(number, False)], 32, residuals=[])
    number = pair.add([(first, False), (number, False)], 16, side=1)
    number = pair.add([(number, False)], 16, residuals=[(first, 1.0)])
    pair.add([(number, True)], 3)
    return pair


# Width and height for which bands take less memory than the whole picture.
BANDS = (130, 500)


def test_bands_give_the_result_of_the_whole_picture():
    pair = shallow_network()
    batch = pair.picture(*BANDS)
    stream = ConvStream(pair.network)
    stream.start(*BANDS)
    assert stream.band < BANDS[0] / 3
    check(pair, batch)


@pytest.mark.parametrize("isa", ISAS)
def test_results_do_not_depend_on_threads(isa):
    batch = shallow_network().picture(*BANDS)
    results = [shallow_network(threads=threads, isa=isa).run(batch) for threads in (1, 2, 3, 5)]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_a_stream_can_be_used_again_for_other_sizes():
    pair = shallow_network()
    stream = ConvStream(pair.network)
    for size in [(40, 30), BANDS, (3, 5), (130, 500), (500, 40), (1, 1), (40, 30)]:
        batch = pair.picture(*size)
        np.testing.assert_array_equal(run(stream, pair.network, batch), pair.run(batch))


@pytest.mark.parametrize("size", [(1, 1), (30, 40), BANDS, (131, 501), (500, 77)])
def test_rows_can_be_pushed_through(size):
    pair = shallow_network()
    batch = pair.picture(*size)
    whole = pair.run(batch)[0]
    stream, scale = ConvStream(pair.network), pair.network.output_scale
    stream.start(*size)
    rows = np.full((3, stream.band, size[1]), np.nan, np.float32)
    out = np.full((3, stream.band * scale, size[1] * scale), np.nan, np.float32)
    found, taken = [], 0
    while not stream.is_done:
        rows[:, : stream.wanted] = batch[0, :, taken : taken + stream.wanted]
        taken += stream.wanted
        if stream.advance(rows, out):
            found.append(out.copy())
            out[:] = np.nan
    np.testing.assert_array_equal(np.concatenate(found, axis=1)[:, : size[0] * scale], whole)


def test_streams_of_one_network_do_not_disturb_each_other():
    pair = shallow_network()
    batches = [pair.picture(*BANDS) for _ in range(2)]
    streams = [ConvStream(pair.network) for _ in batches]
    results = [np.zeros((3, BANDS[0] * 2, BANDS[1] * 2), np.float32) for _ in batches]
    rows, out = [], []
    for stream in streams:
        stream.start(*BANDS)
        rows.append(np.zeros((3, stream.band, BANDS[1]), np.float32))
        out.append(np.zeros((3, stream.band * 2, BANDS[1] * 2), np.float32))
    taken, done = [0, 0], [0, 0]
    while not all(stream.is_done for stream in streams):
        for i, stream in enumerate(streams):
            if stream.is_done:
                continue
            rows[i][:, : stream.wanted] = batches[i][0, :, taken[i] : taken[i] + stream.wanted]
            taken[i] += stream.wanted
            if stream.advance(rows[i], out[i]):
                count = min(out[i].shape[1], BANDS[0] * 2 - done[i])
                results[i][:, done[i] : done[i] + count] = out[i][:, :count]
                done[i] += count
    for batch, result in zip(batches, results, strict=True):
        np.testing.assert_array_equal(result, pair.run(batch)[0])


def test_rounds_are_the_calls_that_a_picture_takes():
    pair = shallow_network()
    stream = ConvStream(pair.network)
    for size in [(1, 1), (40, 30), BANDS, (131, 501)]:
        stream.start(*size)
        rows = np.zeros((3, stream.band, size[1]), np.float32)
        out = np.zeros((3, stream.band * 2, size[1] * 2), np.float32)
        expected, calls = stream.rounds, 0
        while not stream.is_done:
            stream.advance(rows, out)
            calls += 1
        assert calls == expected
        with pytest.raises(ValueError, match="the picture is done"):
            stream.advance(rows, out)


def test_a_network_with_a_stream_cannot_be_changed():
    pair = shallow_network()
    ConvStream(pair.network)
    with pytest.raises(ValueError, match="cannot be changed"):
        pair.add([(0, False)], 16)
    with pytest.raises(ValueError, match="cannot be changed"):
        pair.network.set_input_transform([0.0] * 3, [1.0] * 3)
    with pytest.raises(ValueError, match="cannot be changed"):
        pair.network.set_rescale(
            source_scale=2, weights=np.ones((1, 1), np.float32), first=0, shuffles=False, adds_image=False
        )


def test_a_picture_that_does_not_fit_into_memory_is_an_error_and_the_next_one_runs():
    pair = shallow_network()
    stream = ConvStream(pair.network)
    with pytest.raises(MemoryError):
        stream.start(2**20, 2**38)
    assert stream.is_done
    batch = pair.picture(20, 30)
    np.testing.assert_array_equal(run(stream, pair.network, batch), pair.run(batch))


def test_threads_may_share_a_stream_for_whole_pictures():
    pair = shallow_network()
    stream = ConvStream(pair.network)
    batches = [pair.picture(40 + 10 * i, 50 + 7 * i) for i in range(6)]
    wanted = [pair.run(batch) for batch in batches]
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda batch: run(stream, pair.network, batch), batches * 3))
    for result, want in zip(results, wanted * 3, strict=True):
        np.testing.assert_array_equal(result, want)


def test_threads_may_use_streams_of_one_network_at_the_same_time():
    pair = shallow_network()
    batches = [pair.picture(*BANDS) for _ in range(3)]
    wanted = [pair.run(batch) for batch in batches]
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(pair.run, batches))
    for result, want in zip(results, wanted, strict=True):
        np.testing.assert_array_equal(result, want)


def test_memory_of_bands_grows_with_the_width_only():
    network = shallow_network().network
    assert network.tensor_bytes(8000, 1000) == network.tensor_bytes(2000, 1000)
    assert network.tensor_bytes(2000, 2000) < 3 * network.tensor_bytes(2000, 1000)
    assert network.tensor_bytes(2000, 1000) < 2000 * 1000 * 64


def test_values_that_are_not_finite_stay_visible():
    pair = Pair()
    first = pair.add(None, 16, activation="prelu")
    pair.add([(first, False)], 16, activation="silu")
    batch = pair.picture(12, 12)
    batch[0, 1, 6, 6] = np.nan
    assert np.isnan(pair.run(batch)[0, :, 6, 6]).all()


def test_extreme_values_of_silu():
    network = ConvNetwork(1, threads=1)
    identity = np.zeros((1, 1, 3, 3), np.float32)
    identity[0, 0, 1, 1] = 1
    network.add_step(None, weights=identity, bias=[0.0], activation="silu")
    values = np.array([-1e30, -200, -88, -1, -1e-6, 0, 1e-6, 1, 88, 200, 1e30], np.float32)
    found = run(ConvStream(network), network, values[None, None, None])[0, 0, 0]
    wide = values.astype(np.float64)
    expected = np.where(wide < -700, 0, wide / (1 + np.exp(-np.maximum(wide, -700))))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-6, atol=1e-35)
