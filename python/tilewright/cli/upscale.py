"""`tilewright upscale`: picture files in, larger picture files out."""

from __future__ import annotations

import json
import logging
import os
import time
from typing import TYPE_CHECKING

from tilewright.cli.files import existing_problem, plan_jobs
from tilewright.cli.progress import ProgressBar
from tilewright.cli.terminal import complain, say
from tilewright.codecs.decode import decode_any
from tilewright.errors import SourceError, StoreError, TilewrightError
from tilewright.store.atomic import whole_file
from tilewright.upscaler import Upscaler

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from rich.console import Console

    from tilewright.cli.files import Job
    from tilewright.engine.report import Report
    from tilewright.limits import Limits
    from tilewright.picture import Animation, Picture

_log = logging.getLogger("tilewright")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Upscales every picture it can.

    Returns:
        1 when a picture failed, else 0.

    Raises:
        TilewrightError: the command line cannot be carried out; nothing was written.
    """
    plan = plan_jobs(
        arguments.inputs,
        arguments.out,
        file_format=arguments.format and arguments.format.upper(),
        recursive=arguments.recursive,
        overwrite=arguments.overwrite,
    )
    for name, problem in plan.problems:
        complain(console, f"{name}: {problem}")
    if plan.done and not arguments.quiet:
        say(console, f"{len(plan.done)} skipped, their results exist; --overwrite makes them again")
    failed = len(plan.problems)
    if plan.jobs:
        failed += _run_jobs(plan.jobs, arguments, console)
    total = len(plan.jobs) + len(plan.problems)
    if failed and total > 1:
        complain(console, f"{failed} of {total} failed")
    return 1 if failed else 0


def _run_jobs(jobs: list[Job], arguments: argparse.Namespace, console: Console) -> int:
    """How many failed."""
    failed = 0
    # Results go to the named files: the Upscaler's store is not used, and its folder not made.
    with (
        ProgressBar(console, files=len(jobs), quiet=arguments.quiet) as bar,
        Upscaler(
            model=arguments.model,
            denoise=arguments.denoise,
            device=arguments.device,
            precision=arguments.precision,
            tta=arguments.tta,
            true_colour=arguments.true_colour,
            tile=arguments.tile,
        ) as upscaler,
    ):
        bar.wait("opening the network")
        # An unknown network is one error, not one for every file. The factors of a size are known with the pictures.
        if arguments.factor is None:
            upscaler.factors()
        else:
            upscaler.session(factor=arguments.factor)
        for job in jobs:
            bar.start_file(job.source.name)
            began = time.monotonic()
            try:
                report = _upscale_file(job, arguments, upscaler, bar)
            except Exception as error:  # whatever is wrong with one picture must not stop the others
                complain(console, f"{job.source}: {_reason(error)}")
                failed += 1
                continue
            if arguments.report:
                print(json.dumps({"file": str(job.target), **report.facts()}))
            if not arguments.quiet:
                took = time.monotonic() - began
                width, height = report.output_size
                say(console, f"{job.source} -> {job.target} {width}x{height} in {took:.1f} s")
    return failed


def _upscale_file(job: Job, arguments: argparse.Namespace, upscaler: Upscaler, bar: ProgressBar) -> Report:
    report = upscaler.new_report()
    with report.stage("decode"):
        settings = upscaler.settings
        keep_metadata = arguments.keep_metadata or settings.keep_metadata
        picture = _decode(job.source, settings.limits, keep_metadata=keep_metadata)
    wanted = {"size": arguments.size, "fit": arguments.fit}
    with report.stage("open"):
        _, (width, height) = upscaler.goal(picture.width, picture.height, arguments.factor, **wanted)
    try:
        with report.stage("store"), whole_file(job.target) as file:
            upscaler.upscale_to_file(
                picture,
                arguments.factor,
                file,
                job.file_format,
                quality=arguments.quality,
                compression=arguments.compression,
                progressive=arguments.progressive,
                lossless=arguments.lossless,
                on_progress=bar.tiles(width * height),
                report=report,
                **wanted,
            )
            # Somebody else may have written it while the network ran.
            if not arguments.overwrite and os.path.lexists(job.target):
                raise StoreError(existing_problem(job.target))
    except OSError as error:
        raise StoreError(f"{job.target} cannot be written: {error.strerror or error}") from error
    return report


def _decode(source: Path, limits: Limits, *, keep_metadata: bool) -> Picture | Animation:
    try:
        with source.open("rb") as file:
            data = limits.read(file)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}") from error
    return decode_any(data, limits=limits, keep_metadata=keep_metadata)


def _reason(error: Exception) -> str:
    if isinstance(error, TilewrightError):
        return error.message
    _log.info("an unexpected failure", exc_info=error)
    return f"unexpected failure: {type(error).__name__}: {error}"
