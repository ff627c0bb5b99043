"""What the fuzzer tries, in small: files of every kind, some hundred wrong ones, and whatever it has found before."""

from __future__ import annotations

from random import Random

import pytest

from fuzz import pictures
from fuzz.mutations import joined, mutated, parts_of
from fuzz.seeds import seeds


@pytest.mark.parametrize("name", seeds())
def test_every_seed_is_a_picture_that_is_read_or_one_that_is_refused(name):
    outcome = pictures.check(seeds()[name])
    if name.startswith("other"):
        assert outcome == "invalidInputImage"
    elif "animation" in name or "chunks" in name:  # JPG holds no animation, and not every colour space
        assert outcome in ("PNG", "WEBP", "unsupportedOutputFormat")
    else:
        assert outcome in ("PNG", "JPG", "WEBP")


@pytest.mark.parametrize("name", [name for name in seeds() if not name.startswith("other")])
def test_a_file_taken_apart_and_joined_is_the_same(name):
    kind, data = name.split()[0], seeds()[name]
    parts = parts_of(kind, data)
    assert len(parts) > 1 or kind == "webp"
    assert joined(kind, parts) == data


@pytest.mark.parametrize("seed", range(6))
def test_wrong_files_are_upscaled_or_refused(seed):
    random = Random(seed)
    outcomes = {pictures.check(mutated(random.choice([*seeds().values()]), random)) for _ in range(50)}
    assert "invalidInputImage" in outcomes
    assert outcomes & {"PNG", "JPG", "WEBP"}, "all are refused at once: nothing was tried"


def test_a_mutation_is_the_same_for_the_same_seed():
    data = seeds()["png 3 channels"]
    assert [mutated(data, Random(5)) for _ in range(2)] == [mutated(data, Random(5))] * 2
    assert len({mutated(data, Random(seed)) for seed in range(50)}) > 40
