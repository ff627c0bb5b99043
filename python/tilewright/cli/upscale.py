"""The command `tilewright upscale`: upscales picture files."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilewright.cli.durations import told
from tilewright.cli.existing import compare_existing, differences_line, network_description, summary, unknown_line
from tilewright.cli.fidelity import left_out_line
from tilewright.cli.files import own_format, plan_jobs
from tilewright.cli.forecast import forecast
from tilewright.cli.network_options import alias_line, chosen_networks, spec_options
from tilewright.cli.output import DiskFullError, check_absent, open_output, read_input, remove_leftovers
from tilewright.cli.progress import ProgressBar
from tilewright.cli.sharing import Elsewhere
from tilewright.cli.sizes import reduction_line, without_impossible
from tilewright.cli.streams import has_lost_reader
from tilewright.cli.terminal import print_error, print_line
from tilewright.cli.without_effect import of_upscale
from tilewright.cli.wording import message_of
from tilewright.codecs.decode import decode_any
from tilewright.codecs.formats import DEFAULT_OPTIONS, stays_lossless
from tilewright.engine.enlargement import frame_count
from tilewright.errors import SourceError, TilewrightError
from tilewright.nsfw import classifier_of
from tilewright.options import new_picture_upscaler
from tilewright.settings import Settings

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from tilewright.cli.job import FileJob
    from tilewright.cli.signals import StopSignals
    from tilewright.engine.report import Report
    from tilewright.nsfw import NsfwClassifier
    from tilewright.picture_upscaler import PictureUpscaler

_OK, _FAILED, _UNUSABLE = 0, 1, 2

_log = logging.getLogger("tilewright")


def run(arguments: argparse.Namespace, console: Console, signals: StopSignals) -> int:
    """Upscales all files.

    Returns:
        1 if a file failed, 2 if results would overwrite inputs or each other, else 0.

    Raises:
        TilewrightError: The command cannot be carried out; nothing was written.
    """
    settings = Settings.from_environment()
    arguments.model, arguments.pre = chosen_networks(arguments, settings)
    made_with = network_description(arguments, settings)
    plan = plan_jobs(
        arguments.inputs,
        arguments.out,
        suffix=_suffix(arguments),
        file_format=arguments.format and arguments.format.upper(),
        recursive=arguments.recursive,
        overwrite=arguments.overwrite,
    )
    for line in plan.conflicts:
        print_error(console, line)
    if plan.conflicts:
        return _UNUSABLE
    jobs, too_large = without_impossible(plan.jobs, arguments)
    problems = [*plan.problems, *too_large]
    for name, problem in problems:
        print_error(console, f"{name}: {problem}")
    different, unknown = compare_existing(plan.existing, arguments, made_with)
    if different:
        print_error(console, differences_line(different))
    skipped = len(plan.existing) - len(different)
    if not arguments.quiet:
        for line in of_upscale(arguments, [job.file_format for job in jobs], out_is_file=plan.out_is_file):
            print_error(console, line)
        if jobs and (alias := alias_line(arguments.model, settings)):
            print_line(console, f"tilewright: {alias}")
        for line in plan.notes:
            print_line(console, line)
        if skipped:
            print_line(console, f"{skipped} skipped because their results exist; use --overwrite to replace them")
        if unknown:
            print_line(console, unknown_line(unknown))
    failed = len(problems)
    total = len(jobs) + failed + len(different)
    if jobs:
        remove_leftovers(jobs)
        failed += _run_jobs(jobs, _Command(arguments, settings, console, signals, made_with, classifier_of(settings)))
    if arguments.report and has_lost_reader():
        print_error(console, "stdout was closed by its reader, so reports are missing")
    if (failed or different) and total > 1:
        print_error(console, summary(failed=failed, different=len(different), skipped=skipped, total=total))
    return _FAILED if failed or different else _OK


@dataclass(frozen=True, slots=True)
class _Command:
    """What holds for all files of one command.

    Attributes:
        arguments: Parsed command line.
        settings: Settings from the environment.
        console: Console on stderr.
        signals: Handler of Ctrl-C and other signals.
        made_with: What the results are made with, see `network_description`.
        classifier: Checks the results; None if they are not checked.
    """

    arguments: argparse.Namespace
    settings: Settings
    console: Console
    signals: StopSignals
    made_with: str
    classifier: NsfwClassifier | None


def _suffix(arguments: argparse.Namespace) -> str:
    """Returns what is appended to the stem of a picture's name for that of its result."""
    if arguments.suffix is not None:
        return str(arguments.suffix)
    if arguments.out is not None:
        return ""
    return f"-x{arguments.factor}" if arguments.factor is not None else "-{}x{}".format(*arguments.size)


def _run_jobs(jobs: list[FileJob], command: _Command) -> int:
    """Upscales the files and returns how many failed."""
    arguments, console = command.arguments, command.console
    pictures = new_picture_upscaler(
        command.settings,
        {
            "model": arguments.model,
            "pre": arguments.pre,
            "spec": spec_options(arguments.spec),
            "denoise": arguments.denoise,
            "device": arguments.device,
            "precision": arguments.precision,
            "tta": arguments.tta,
            "true_colour": arguments.true_colour,
            "tile": arguments.tile,
        },
    )
    failed = 0
    elsewhere = Elsewhere()
    with (
        contextlib.closing(pictures),
        ProgressBar(console, files=len(jobs), quiet=arguments.quiet) as bar,
    ):
        _prepare(jobs, command, pictures, bar)
        for count, job in enumerate(elsewhere.with_postponed(jobs), 1):
            bar.start_file(job.label)
            began = time.monotonic()
            try:
                report, nsfw = _upscale_file(job, command, pictures, bar)
            except Exception as error:  # no failure of one file may stop the others
                if not elsewhere.takes(job, error):
                    print_error(console, _failure(job, error, arguments))
                    failed += 1
                if isinstance(error, DiskFullError):  # the others would be computed for nothing
                    _print_untried(len(jobs) - count, console)
                    break
                continue
            if arguments.report:
                _print_report(job, report, nsfw, console)
            if not arguments.quiet:
                took = told(time.monotonic() - began)
                width, height = report.output_size
                note = ", NSFW content" if nsfw else ""
                print_line(console, f"{job.source_name} -> {job.target_name} {width}x{height} in {took}{note}")
    if not arguments.quiet:
        for line in elsewhere.lines():
            print_line(console, line)
    return failed


def _prepare(jobs: list[FileJob], command: _Command, pictures: PictureUpscaler, bar: ProgressBar) -> None:
    """Opens the network, and announces the time that the work will take.

    Raises:
        TilewrightError: The network cannot be opened. It is reported once, not once per file.
    """
    arguments = command.arguments
    bar.wait("opening the network")
    if arguments.factor is None:  # with --size, the factor depends on the file
        pictures.networks.factors(pictures.model)
    else:
        pictures.session(factor=arguments.factor)
    bar.wait("estimating the time")
    expected = forecast([job.source for job in jobs], arguments, pictures)
    bar.expect(expected.weights, expected.seconds)
    if expected.announcement is not None and not arguments.quiet:
        print_line(command.console, f"tilewright: {expected.announcement}")


def _print_untried(count: int, console: Console) -> None:
    """Says that the disk is full and how many pictures were not tried."""
    if count > 0:
        print_error(console, f"stopped, {count} not tried; free some space and repeat the command")


def _print_report(job: FileJob, report: Report, nsfw: bool | None, console: Console) -> None:
    """Prints a report on stdout, or on stderr if the picture goes to stdout."""
    verdict = {} if nsfw is None else {"NSFWContent": nsfw}
    line = json.dumps({"file": job.target_name, **report.facts(), **verdict})
    if job.target is None:
        print_line(console, line)
    else:
        print(line, flush=True)


def _upscale_file(
    job: FileJob, command: _Command, pictures: PictureUpscaler, bar: ProgressBar
) -> tuple[Report, bool | None]:
    """Upscales one file.

    Returns:
        Its report, and whether the result is likely not safe for work; None if that is not checked.

    Raises:
        ResultExistsError: The result exists by now.
        BusyError: Another process is making the result.
        TilewrightError: The file cannot be upscaled; nothing was written.
    """
    arguments, settings = command.arguments, command.settings
    check_absent(job, overwrite=arguments.overwrite)
    report = pictures.new_report()
    with report.stage("decode"):
        data = read_input(job, settings.limits)
        keep_metadata = arguments.keep_metadata or settings.keep_metadata
        with command.signals.postponed():  # libvips calls Python while it decodes
            stop = command.signals.stop
            picture = decode_any(data, limits=settings.limits, keep_metadata=keep_metadata, stop=stop)
    file_format = job.file_format or own_format(data)
    if not arguments.quiet and (line := left_out_line(picture, file_format)):
        print_line(command.console, f"{job.source_name}: {line}")
    with report.stage("open"):
        enlargement = pictures.resolve(
            picture.width,
            picture.height,
            arguments.factor,
            size=arguments.size,
            fit=arguments.fit,
            frames=frame_count(picture),
        )
    if not arguments.quiet and (line := reduction_line(picture.width, picture.height, enlargement.size)):
        print_line(command.console, f"{job.source_name}: {line}")
    with (
        report.stage("store"),
        open_output(job, overwrite=arguments.overwrite, made_with=command.made_with) as file,
    ):
        nsfw = pictures.write(
            picture,
            enlargement,
            file,
            file_format,
            pictures.encode_options(
                quality=arguments.quality or DEFAULT_OPTIONS.quality,
                compression=arguments.compression,
                progressive=arguments.progressive,
                lossless=arguments.lossless or stays_lossless(picture, file_format, arguments.quality) or None,
            ),
            on_progress=bar.tiles(enlargement.width * enlargement.height, frame_count(picture)),
            check_result=None if command.classifier is None else command.classifier.is_nsfw,
            report=report,
        )
    return report, nsfw


def _failure(job: FileJob, error: Exception, arguments: argparse.Namespace) -> str:
    """Returns one line that names the file and the reason."""
    if isinstance(error, SourceError):  # its message names the file
        return error.message
    if isinstance(error, TilewrightError):
        return f"{job.source_name}: {message_of(error, arguments)}"
    _log.info("unexpected failure", exc_info=error)
    return f"{job.source_name}: unexpected failure: {type(error).__name__}: {error}"
