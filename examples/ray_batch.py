"""Upscales the pictures of a folder or a bucket on all machines of a Ray cluster, or on this one.

    python examples/ray_batch.py photos/ larger/ --factor 4
    python examples/ray_batch.py s3://bucket/photos s3://bucket/larger --factor 4 --cpus-per-worker 4

It needs ``pip install "ray[data]"``, and for S3 the extra ``s3``. All machines must reach both
places under the same name. A second run does only what is not finished. ``docs/scale.md`` has more.
"""

from __future__ import annotations

import argparse
import errno
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypedDict, get_args

import fsspec

from ray_cluster import connect  # first: it sets what Ray reads when it is imported

# isort: split
import ray.data

from tilewright import Settings, TilewrightError, Upscaler
from tilewright.codecs.decode import decode_any
from tilewright.codecs.formats import INPUT_SUFFIXES, extension
from tilewright.literals import Format
from tilewright.store.backends import open_backend

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ray.actor import ActorHandle

# Pictures of one Ray task at most, because each task costs the driver time. If there are few pictures, they are
# divided into more tasks, so that all workers are busy until the end.
_PICTURES_PER_TASK, _TASKS_PER_WORKER = 16, 4

# How often a picture is begun. Ray itself repeats the task of a worker that has died without end.
_ATTEMPTS = 3

_DISK_FULL, _WORKER_DIED = "diskFull", "workerDied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What all workers have to know.

    Attributes:
        source: Folder or fsspec URL of the pictures.
        results: Folder or fsspec URL of the results.
        factor: 2, 3 or 4, as the network offers.
        format: Format of the results.
        model: Name or file of a network; None for the one of the settings.
        cpus: Cores of one worker.
        gpus: GPUs of one worker: 0 or 1.
    """

    source: str
    results: str
    factor: int
    format: Format
    model: str | None
    cpus: int
    gpus: int


class Outcome(TypedDict):
    """What became of one picture: a row of Ray Data, and a line of the report.

    Attributes:
        source: Path of the picture below the source.
        result: Path of the result below the results.
        code: Error code; empty if the result exists.
        reason: Why there is no result; empty if it exists.
        seconds: Time that the picture took.
        core_seconds: Processor time that the picture took, on all cores together.
    """

    source: str
    result: str
    code: str
    reason: str
    seconds: float
    core_seconds: float


class Attempts:
    """Counts how often each picture is begun, in one process for all workers: one that dies cannot say so itself."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()

    def begin(self, source: str) -> int:
        """Returns the number of this attempt, from 1."""
        self._begun[source] += 1
        return self._begun[source]

    def end(self, source: str) -> None:
        """Forgets a picture that has not killed its worker."""
        self._begun.pop(source, None)  # unknown if this process was lost and started again


class PictureWorker:
    """Upscales pictures, in a process of its own with one open network.

    Only paths travel through Ray. The worker reads and writes the files itself.
    """

    def __init__(self, job: Job, attempts: ActorHandle[Attempts]) -> None:
        """Finds the network; it is opened by the first picture.

        Raises:
            TilewrightError: The network, a setting or the device cannot be used.
        """
        self._job, self._attempts = job, attempts
        self._settings = replace(Settings.from_environment(), threads=job.cpus)
        self._upscaler = Upscaler(settings=self._settings, model=job.model, device="cuda" if job.gpus else "cpu")
        self._source = open_backend(job.source, shared=True)
        self._results = open_backend(job.results, shared=True)

    def __call__(self, row: dict[str, str]) -> Outcome:
        """Upscales the picture that a row names. A failure is an outcome, not an exception."""
        began, began_core = time.monotonic(), time.process_time()
        code = reason = ""
        attempt: int = ray.get(self._attempts.begin.remote(row["source"]))
        try:
            if attempt > _ATTEMPTS:
                reason = f"the worker process died in {_ATTEMPTS} attempts; Ray's logs may tell why"
                code = _WORKER_DIED
            else:
                self._upscale(row["source"], row["result"])
        except TilewrightError as error:
            code, reason = error.code, error.message
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            code, reason = _DISK_FULL if full else "fileError", str(error)
        except Exception as error:  # no picture may stop the others
            code, reason = "unexpected", f"{type(error).__name__}: {error}"
        self._attempts.end.remote(row["source"])
        return Outcome(
            source=row["source"],
            result=row["result"],
            code=code,
            reason=reason,
            seconds=round(time.monotonic() - began, 3),
            core_seconds=round(time.process_time() - began_core, 3),
        )

    def _upscale(self, source: str, result: str) -> None:
        """Writes a result, which appears when it is complete."""
        try:
            self._results.check_exists(result)
        except FileNotFoundError:
            pass
        else:  # by a worker that has died before it could say so
            return
        picture = decode_any(self._source.read(source), limits=self._settings.limits)
        with self._results.open_writer(result) as file:
            self._upscaler.upscale_to_file(picture, self._job.factor, file, self._job.format)


def files_below(location: str) -> list[str]:
    """Returns the paths of all files below a folder or fsspec URL, relative to it and in order."""
    file_system, root = fsspec.core.url_to_fs(location, use_listings_cache=False)
    root = root.rstrip("/") + "/"
    return sorted(path.removeprefix(root) for path in file_system.find(root))


def plan(job: Job) -> tuple[dict[str, str], int]:
    """Looks for pictures that have no result yet.

    Returns:
        The path of the result for the path of each such picture, and the number of the others.

    Raises:
        ValueError: There are no pictures, or two of them would have the same result.
    """
    pictures = [PurePosixPath(path) for path in files_below(job.source)]
    pictures = [path for path in pictures if path.suffix.lower() in INPUT_SUFFIXES and not path.name.startswith(".")]
    if not pictures:
        raise ValueError(f"no pictures in {job.source}")
    results = {str(path): str(path.with_suffix(f".{extension(job.format)}")) for path in pictures}
    result, count = Counter(results.values()).most_common(1)[0]
    if count > 1:
        names = ", ".join(source for source in results if results[source] == result)
        raise ValueError(f"{names} would all become {result}; rename them")
    finished = set(files_below(job.results))
    missing = {source: result for source, result in results.items() if result not in finished}
    return missing, len(results) - len(missing)


def check_network(job: Job) -> None:
    """Reports a mistake once, and not for each picture.

    Raises:
        TilewrightError: The network is unknown.
        ValueError: It does not offer the factor.
    """
    factors = Upscaler(model=job.model, device="cpu").factors()
    if job.factor not in factors:
        raise ValueError(f"factor must be one of {factors}, not {job.factor}")


def remove_leftovers(job: Job, results: Iterable[str]) -> None:
    """Removes half-written files of workers that were killed. Files that are being written are locked, and stay."""
    for folder in {PurePosixPath(result).parent for result in results}:
        open_backend(f"{job.results}/{folder}", shared=True).remove_partial_files(older_than=time.time())


def outcomes(missing: dict[str, str], job: Job) -> Iterator[Outcome]:
    """Upscales pictures and yields an outcome for each, in the order in which they are finished.

    Raises:
        ValueError: The cluster is too small for one worker.
    """
    available = ray.cluster_resources()
    workers = int(available.get("GPU", 0) if job.gpus else available["CPU"] // job.cpus)
    if workers == 0:
        raise ValueError("the cluster has too few cores or GPUs for one worker")
    workers = min(workers, len(missing))
    rows = [{"source": source, "result": result} for source, result in missing.items()]
    tasks = max(-(-len(rows) // _PICTURES_PER_TASK), min(len(rows), _TASKS_PER_WORKER * workers))
    attempts = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Attempts).remote()
    done = ray.data.from_items(rows, override_num_blocks=tasks).map(
        PictureWorker,
        fn_constructor_args=(job, attempts),
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=job.cpus,
        num_gpus=job.gpus,
    )
    yield from done.iter_rows()


def run(missing: dict[str, str], job: Job, report: Path) -> int:
    """Upscales pictures, and appends one line of JSON for each to a report.

    Returns:
        1 if a picture failed or the disk is full, else 0.

    Raises:
        ValueError: The cluster is too small for one worker.
    """
    failed = 0
    with report.open("a", encoding="utf-8") as file:
        for outcome in outcomes(missing, job):
            print(json.dumps(outcome), file=file, flush=True)
            failed += bool(outcome["code"])
            if outcome["code"] == _DISK_FULL:  # the others would be computed for nothing
                print(f"stopped: {outcome['reason']}; free some space and run the command again", file=sys.stderr)
                break
    if failed:
        print(f"{failed} of {len(missing)} failed; the reasons are in {report}", file=sys.stderr)
    return 1 if failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line, and returns its exit status: 2 if nothing could be started."""
    parser = argparse.ArgumentParser(description="Upscales pictures with Ray, on a cluster or on this machine.")
    parser.add_argument("source", help="folder or fsspec URL (s3://bucket/prefix) of the pictures")
    parser.add_argument("results", help="folder or fsspec URL of the results, outside of the source")
    parser.add_argument("--factor", type=int, default=4, help="default: %(default)s")
    parser.add_argument("--format", choices=get_args(Format), default="PNG", help="default: %(default)s")
    parser.add_argument("--model", help="name of a network, or a file that all machines have")
    parser.add_argument("--cpus-per-worker", type=int, default=1, help="cores of one worker; default: %(default)s")
    parser.add_argument("--gpu", action="store_true", help="one worker for each GPU, instead of workers on CPUs")
    parser.add_argument("--report", type=Path, default=Path("report.jsonl"), help="default: %(default)s")
    given = parser.parse_args(arguments)
    source, results = (_absolute(given.source), _absolute(given.results))
    if f"{results}/".startswith(f"{source}/"):
        parser.error("the results must be outside of the source: a second run would take them for pictures")
    if given.cpus_per_worker < 1:
        parser.error("--cpus-per-worker must be at least 1")
    job = Job(
        source=source,
        results=results,
        factor=given.factor,
        format=given.format,
        model=given.model,
        cpus=given.cpus_per_worker,
        gpus=int(given.gpu),
    )
    try:
        missing, finished = plan(job)
        check_network(job)
        print(f"{len(missing)} pictures to upscale; {finished} are finished", file=sys.stderr)
        if not missing:
            return 0
        remove_leftovers(job, missing.values())
        connect()
        return run(missing, job, given.report)
    except (TilewrightError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2


def _absolute(location: str) -> str:
    """Returns a place that does not depend on the working directory, which workers do not share."""
    return location.rstrip("/") if "://" in location else str(Path(location).absolute())


if __name__ == "__main__":
    sys.exit(main())
