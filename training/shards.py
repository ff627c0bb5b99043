"""Pairs of input and target on disk: a shard is two arrays of a few pairs, mapped into memory when read.

A shard is there when its inputs are: those are written last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tilewright.store.atomic import whole_file

if TYPE_CHECKING:
    from pathlib import Path


Pictures = "NDArray[np.uint8]"


def exists(folder: Path, number: int) -> bool:
    """Whether all of a shard is there."""
    return _path(folder, number, "inputs").exists()


def write(folder: Path, number: int, inputs: Pictures, targets: Pictures) -> None:
    """Stores pairs: ``[n, h, w, 3]`` and ``[n, 4h, 4w, 3]``, uint8."""
    for kind, pictures in (("targets", targets), ("inputs", inputs)):
        with whole_file(_path(folder, number, kind)) as file:
            np.save(file, pictures)


class Shards:
    """All pairs of a folder, in the order of their numbers; the length is known when it is opened."""

    def __init__(self, folder: Path) -> None:
        names = sorted(folder.glob("*.inputs.npy"))
        if not names:
            raise FileNotFoundError(f"there are no shards in {folder}: run training.targets first")
        self._inputs = [np.load(name, mmap_mode="r") for name in names]
        self._targets = [
            np.load(name.with_name(name.name.replace("inputs", "targets")), mmap_mode="r") for name in names
        ]
        self._pairs = [(shard, row) for shard, inputs in enumerate(self._inputs) for row in range(len(inputs))]

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> tuple[Pictures, Pictures]:
        """Input ``[h, w, 3]`` and target ``[4h, 4w, 3]``."""
        shard, row = self._pairs[index]
        return self._inputs[shard][row], self._targets[shard][row]


def _path(folder: Path, number: int, kind: str) -> Path:
    return folder / f"{number:05d}.{kind}.npy"
