"""Pairs of input and target on disk.

A shard is two arrays with the inputs and the targets of some pairs. Inputs are written last, so it
is complete if its inputs exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tilewright.store.atomic import atomic_write

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Pictures = NDArray[np.uint8]


def exists(folder: Path, number: int) -> bool:
    """Returns whether a shard is complete."""
    return _path(folder, number, "inputs").exists()


def write(folder: Path, number: int, inputs: Pictures, targets: Pictures) -> None:
    """Writes a shard.

    Args:
        folder: Folder of the shards.
        number: Number of the shard.
        inputs: ``[n, h, w, 3]``.
        targets: ``[n, 4h, 4w, 3]``.
    """
    for kind, pictures in (("targets", targets), ("inputs", inputs)):
        with atomic_write(_path(folder, number, kind)) as file:
            np.save(file, pictures)


class Shards:
    """The pairs of all shards that a folder has when it is opened, in the order of their numbers.

    Arrays are mapped into memory, not read.
    """

    def __init__(self, folder: Path) -> None:
        """Opens the shards.

        Raises:
            FileNotFoundError: There are none.
        """
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
        """Returns an input ``[h, w, 3]`` and its target ``[4h, 4w, 3]``."""
        shard, row = self._pairs[index]
        return self._inputs[shard][row], self._targets[shard][row]


def _path(folder: Path, number: int, kind: str) -> Path:
    return folder / f"{number:05d}.{kind}.npy"
