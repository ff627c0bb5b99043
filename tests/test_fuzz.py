"""Runs the fuzz target for pictures on files of every kind and on 300 mutated files."""

from __future__ import annotations

from random import Random

import pytest

from fuzz import pictures
from fuzz.mutations import joined, mutated, parts_of
from fuzz.seeds import seeds


@pytest.mark.parametrize("name", seeds())
def test_seeds_are_upscaled_or_refused(name):
    outcome = pictures.check(seeds()[name])
    if name.startswith("other"):
        assert outcome == "invalidInputImage"
    elif "animation" in name or "chunks" in name:  # JPG has no animations, and not every colour space
        assert outcome in ("PNG", "WEBP", "unsupportedOutputFormat")
    else:
        assert outcome in ("PNG", "JPG", "WEBP")


@pytest.mark.parametrize("name", [name for name in seeds() if not name.startswith("other")])
def test_joined_parts_equal_the_file(name):
    kind, data = name.split()[0], seeds()[name]
    parts = parts_of(kind, data)
    assert len(parts) > 1 or kind == "webp"
    assert joined(kind, parts) == data


@pytest.mark.parametrize("seed", range(6))
def test_mutated_files_are_upscaled_or_refused(seed):
    random = Random(seed)
    outcomes = {pictures.check(mutated(random.choice([*seeds().values()]), random)) for _ in range(50)}
    assert "invalidInputImage" in outcomes
    assert outcomes & {"PNG", "JPG", "WEBP"}, "some mutated files must be readable"


def test_mutations_depend_on_the_seed_only():
    data = seeds()["png 3 channels"]
    assert [mutated(data, Random(5)) for _ in range(2)] == [mutated(data, Random(5))] * 2
    assert len({mutated(data, Random(seed)) for seed in range(50)}) > 40
