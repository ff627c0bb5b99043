"""Options of the command line that have no effect on what it is asked to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.literals import FILE_FORMATS, FileFormat

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

# Formats that each encoder option applies to.
_APPLIES_TO: dict[str, tuple[FileFormat, ...]] = {
    "quality": ("JPG", "WEBP"),
    "compression": ("PNG",),
    "progressive": ("JPG",),
    "lossless": ("WEBP",),
}

_OF_PLANS = ("model", "pre", "denoise", "tile")

# Of ``info``. Whether it is given or not makes no difference.
_DEFAULT_FACTOR = 4


def of_upscale(arguments: argparse.Namespace, formats: Iterable[FileFormat | None], *, out_is_file: bool) -> list[str]:
    """Returns a line for each option of ``upscale`` that is given and changes no result.

    Args:
        arguments: Parsed command line.
        formats: Formats of the results; None for one that is not known yet.
        out_is_file: Whether ``-o`` names the file of the result.
    """
    written = set(formats)
    lines = []
    for option, applies_to in _APPLIES_TO.items():
        if getattr(arguments, option) is not None and written and written.isdisjoint({None, *applies_to}):
            names = " and ".join(name for name in FILE_FORMATS if name in written)
            lines.append(f"--{option} has no effect on {names}")
    if arguments.quality is not None and arguments.lossless and written == {"WEBP"}:
        lines.append("--quality has no effect with --lossless")
    if arguments.factor is not None and arguments.fit == "exact":
        lines.append("--fit has no effect without --size")
    if arguments.suffix is not None and out_is_file:
        lines.append("--suffix has no effect, because -o names the file")
    return lines


def of_info(arguments: argparse.Namespace) -> list[str]:
    """Returns a line for each option of ``info`` that is given and changes nothing."""
    if arguments.plan is not None:
        return []
    given = [f"--{option}" for option in _OF_PLANS if getattr(arguments, option) is not None]
    given += [] if arguments.factor == _DEFAULT_FACTOR else ["--factor"]
    return [f"{option} has no effect without --plan" for option in given]
