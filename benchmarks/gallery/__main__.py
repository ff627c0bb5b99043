"""Makes the pictures of docs/gallery.md, and the figures in its table and in that of docs/models.md.

python -m benchmarks.gallery                    # all steps
python -m benchmarks.gallery seconds            # one step; the others: inputs, sheets, psnr
python -m benchmarks.gallery seconds --shared   # while other programs use the processor too
"""

from __future__ import annotations

import argparse

from benchmarks.gallery import fidelity, figures, seconds, sheets
from benchmarks.gallery.motifs import write_inputs

STEPS = ("inputs", "sheets", "psnr", "seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(STEPS)}; default: all")
    parser.add_argument("--shared", action="store_true", help="take seconds from CPU time instead of the clock")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each network for its seconds (default: 5)")
    arguments = parser.parse_args()
    if unknown := set(arguments.steps) - set(STEPS):
        parser.error(f"unknown steps: {', '.join(sorted(unknown))}; steps: {', '.join(STEPS)}")
    steps = arguments.steps or STEPS
    if "inputs" in steps:
        write_inputs()
    if "sheets" in steps:
        sheets.write_sheets()
    if "psnr" in steps:
        figures.keep(psnr=fidelity.psnr())
    if "seconds" in steps:
        figures.keep(**seconds.measure(arguments.rounds, shared=arguments.shared))
    figures.update_pages()


if __name__ == "__main__":
    main()
