"""A matrix product of NumPy, as a practical measure of the cores' peak: in a process of its own.

NumPy's library for matrices takes its number of threads from the environment when it is loaded.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np

from interleaved import Baseline

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "a matrix product of NumPy"
SIDE = 2048
FLOPS = 2 * SIDE**3

_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@contextlib.contextmanager
def matrix_product(threads: int) -> Iterator[Baseline]:
    """Starts the process, and gives a baseline that multiplies two float32 matrices of `SIDE` × `SIDE`."""
    environment = os.environ | {name: str(threads) for name in _VARIABLES}
    command = [sys.executable, __file__]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        requests, answers = process.stdin, process.stdout

        def multiply(_: int) -> None:
            print(file=requests, flush=True)
            assert answers.readline() == "done\n"

        multiply(0)  # waits until the process has started
        yield Baseline(NAME, multiply)
        requests.close()


def main() -> None:
    """Multiplies once for each line of the standard input."""
    rng = np.random.default_rng(0)
    left, right = (rng.normal(size=(SIDE, SIDE)).astype(np.float32) for _ in range(2))
    product = left @ right
    np.testing.assert_allclose(product[:4], left[:4].astype(np.float64) @ right, rtol=0, atol=0.01)
    for _ in sys.stdin:
        np.matmul(left, right, out=product)
        print("done", flush=True)


if __name__ == "__main__":
    main()
