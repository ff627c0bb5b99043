"""The command `tilewright upscale`: upscales picture files."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from typing import TYPE_CHECKING

from tilewright.cli.durations import told
from tilewright.cli.files import existing_problem, plan_jobs
from tilewright.cli.forecast import forecast
from tilewright.cli.progress import ProgressBar
from tilewright.cli.terminal import print_error, print_line
from tilewright.codecs.decode import decode_any
from tilewright.engine.enlargement import frame_count
from tilewright.errors import SourceError, StoreError, TilewrightError
from tilewright.inputs.resolve import read_file
from tilewright.nsfw import classifier_of
from tilewright.options import new_picture_upscaler
from tilewright.settings import Settings
from tilewright.store.atomic import atomic_write

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from tilewright.cli.files import FileJob
    from tilewright.cli.signals import StopSignals
    from tilewright.engine.report import Report
    from tilewright.nsfw import NsfwClassifier
    from tilewright.picture_upscaler import PictureUpscaler

_log = logging.getLogger("tilewright")


def run(arguments: argparse.Namespace, console: Console, signals: StopSignals) -> int:
    """Upscales all files.

    Returns:
        1 if a file failed, else 0.

    Raises:
        TilewrightError: The command cannot be carried out; nothing was written.
    """
    plan = plan_jobs(
        arguments.inputs,
        arguments.out,
        file_format=arguments.format and arguments.format.upper(),
        recursive=arguments.recursive,
        overwrite=arguments.overwrite,
    )
    for name, problem in plan.problems:
        print_error(console, f"{name}: {problem}")
    if plan.done and not arguments.quiet:
        print_line(console, f"{len(plan.done)} skipped because their results exist; use --overwrite to replace them")
    failed = len(plan.problems)
    if plan.jobs:
        failed += _run_jobs(plan.jobs, arguments, console, signals)
    total = len(plan.jobs) + len(plan.problems)
    if failed and total > 1:
        print_error(console, f"{failed} of {total} failed")
    return 1 if failed else 0


def _run_jobs(jobs: list[FileJob], arguments: argparse.Namespace, console: Console, signals: StopSignals) -> int:
    """Upscales the files and returns how many failed."""
    settings = Settings.from_environment()
    classifier = classifier_of(settings)
    pictures = new_picture_upscaler(
        settings,
        {
            "model": arguments.model,
            "denoise": arguments.denoise,
            "device": arguments.device,
            "precision": arguments.precision,
            "tta": arguments.tta,
            "true_colour": arguments.true_colour,
            "tile": arguments.tile,
        },
    )
    failed = 0
    with (
        contextlib.closing(pictures),
        ProgressBar(console, files=len(jobs), quiet=arguments.quiet) as bar,
    ):
        bar.wait("opening the network")
        # Reports an unknown network once, not once per file. With --size, the factor depends on the
        # file.
        if arguments.factor is None:
            pictures.networks.factors(pictures.model)
        else:
            pictures.session(factor=arguments.factor)
        bar.wait("estimating the time")
        expected = forecast([job.source for job in jobs], arguments, pictures)
        bar.expect(expected.weights, expected.seconds)
        if expected.announcement is not None and not arguments.quiet:
            print_line(console, f"tilewright: {expected.announcement}")
        for job in jobs:
            bar.start_file(job.source.name)
            began = time.monotonic()
            try:
                report, nsfw = _upscale_file(job, arguments, settings, pictures, bar, signals, classifier)
            except Exception as error:  # no failure of one file may stop the others
                print_error(console, _failure(job, error))
                failed += 1
                continue
            if arguments.report:
                verdict = {} if nsfw is None else {"NSFWContent": nsfw}
                print(json.dumps({"file": str(job.target), **report.facts(), **verdict}))
            if not arguments.quiet:
                took = time.monotonic() - began
                width, height = report.output_size
                note = ", NSFW content" if nsfw else ""
                print_line(console, f"{job.source} -> {job.target} {width}x{height} in {told(took)}{note}")
    return failed


def _upscale_file(
    job: FileJob,
    arguments: argparse.Namespace,
    settings: Settings,
    pictures: PictureUpscaler,
    bar: ProgressBar,
    signals: StopSignals,
    classifier: NsfwClassifier | None,
) -> tuple[Report, bool | None]:
    """Upscales one file.

    Returns:
        Its report, and whether the result is likely not safe for work; None if that is not checked.

    Raises:
        TilewrightError: The file cannot be upscaled; nothing was written.
    """
    report = pictures.new_report()
    with report.stage("decode"):
        data = read_file(job.source, settings.limits)
        keep_metadata = arguments.keep_metadata or settings.keep_metadata
        with signals.postponed():  # libvips calls Python while it decodes
            picture = decode_any(data, limits=settings.limits, keep_metadata=keep_metadata)
    with report.stage("open"):
        enlargement = pictures.resolve(
            picture.width,
            picture.height,
            arguments.factor,
            size=arguments.size,
            fit=arguments.fit,
            frames=frame_count(picture),
        )
    try:
        with report.stage("store"), atomic_write(job.target) as file:
            nsfw = pictures.write(
                picture,
                enlargement,
                file,
                job.file_format,
                pictures.encode_options(
                    quality=arguments.quality,
                    compression=arguments.compression,
                    progressive=arguments.progressive,
                    lossless=arguments.lossless,
                ),
                on_progress=bar.tiles(enlargement.width * enlargement.height, frame_count(picture)),
                check_result=None if classifier is None else classifier.is_nsfw,
                report=report,
            )
            # Another program may have written the target while the network ran.
            if not arguments.overwrite and os.path.lexists(job.target):
                raise StoreError(existing_problem(job.target))
    except OSError as error:
        raise StoreError(f"{job.target} cannot be written: {error.strerror or error}") from error
    return report, nsfw


def _failure(job: FileJob, error: Exception) -> str:
    """Returns one line that names the file and the reason."""
    if isinstance(error, SourceError):  # its message names the file
        return error.message
    if isinstance(error, TilewrightError):
        return f"{job.source}: {error.message}"
    _log.info("unexpected failure", exc_info=error)
    return f"{job.source}: unexpected failure: {type(error).__name__}: {error}"
