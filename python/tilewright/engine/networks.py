"""Open networks: each one is found, converted and opened once, then kept."""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilewright.engine.sessions.base import runtime_label
from tilewright.engine.sessions.chain import ChainedSession
from tilewright.engine.sessions.select import open_session, resolve_device
from tilewright.engine.sessions.true_colour import TrueColourSession
from tilewright.engine.sessions.tta import SelfEnsembleSession
from tilewright.errors import DeviceError, ModelError
from tilewright.forks import abandon, reset_in_children
from tilewright.models.catalog import CATALOG, resolve_name
from tilewright.models.loader import check_denoise, check_exists, load_model, offered_factors
from tilewright.runtimes import check_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tilewright.engine.report import Report
    from tilewright.engine.sessions.base import Session
    from tilewright.literals import Runtime
    from tilewright.models.spec import Model

_log = logging.getLogger("tilewright")


@dataclass(frozen=True, slots=True)
class Lease:
    """Exclusive use of the open networks, for one picture.

    Attributes:
        session: The network of the picture.
        exact_session: Returns the same network in float32, opened at first use.
    """

    session: Session
    exact_session: Callable[[], Session]


@dataclass(frozen=True, slots=True)
class Additions:
    """What every network gets in addition.

    Attributes:
        pre: A network of factor 1 that runs before it, see `ChainedSession`; None for none.
        tta: Whether it runs with self-ensemble, see `SelfEnsembleSession`.
        true_colour: Whether its results get the colours of their input, see `TrueColourSession`.
    """

    pre: str | Path | None = None
    tta: bool = False
    true_colour: bool = False


class Networks:
    """Sessions on one device, by network, factor and precision.

    A runtime uses all cores, so pictures take turns: see `lease`.

    Attributes:
        device: ``"cpu"`` or ``"cuda"``.
    """

    def __init__(
        self,
        device: str,
        *,
        threads: int,
        runtime: Runtime = "auto",
        cache_dir: Path,
        models_dir: Path | None = None,
        overrides: Mapping[str | Path, Mapping[str, object]],
        denoise: Mapping[str | Path, str],
        additions: Additions | None = None,
    ) -> None:
        """Resolves the device; no network is opened yet.

        Args:
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
            threads: Threads of a runtime on the CPU.
            runtime: What runs networks on the CPU, see `Settings`.
            cache_dir: Folder for converted networks.
            models_dir: Folder of imported networks; None for none.
            overrides: For network files, fields of `ModelSpec` that are given instead of inspected.
            denoise: Denoise levels of networks that do not use their default.
            additions: What every network gets in addition; None for nothing.

        Raises:
            DeviceError: CUDA was requested and cannot run.
            ModelError: A network does not offer the denoise level, or the first network cannot be found.
        """
        self.device = resolve_device(device)
        self._may_fall_back = device == "auto"
        self._threads, self._runtime = threads, runtime
        self._cache_dir, self._models_dir = cache_dir, models_dir
        self._overrides = {self._resolve(name): fields for name, fields in overrides.items()}
        for name in self._overrides:
            if name in CATALOG:
                raise ModelError(
                    f"spec is for network files and imported networks, but {str(name)!r} is part of the catalog",
                    parameter="spec",
                )
        self._denoise = {self._resolve(name): level for name, level in denoise.items()}
        for name, level in self._denoise.items():
            check_denoise(name, level)
        self._additions = additions or Additions()
        if self._additions.pre is not None:
            self.check(self._additions.pre)
        self._reset_locks()
        reset_in_children(self)
        self._models: dict[tuple[str | Path, int], Model] = {}
        self._sessions: dict[tuple[str | Path, int, str, Runtime], Session] = {}

    def model(self, name: str | Path, factor: int) -> Model:
        """Finds a network, and converts it if necessary.

        Raises:
            ModelError: See `load_model`.
        """
        name = self._resolve(name)
        with self._finding:
            if (name, factor) not in self._models:
                self._models[name, factor] = load_model(
                    name,
                    factor,
                    cache_dir=self._cache_dir,
                    models_dir=self._models_dir,
                    overrides=self._overrides.get(name),
                    denoise=self._denoise.get(name),
                )
            return self._models[name, factor]

    def check(self, name: str | Path) -> None:
        """Checks that a network exists, without reading it.

        Raises:
            ModelError: See `check_exists`.
        """
        check_exists(self._resolve(name), models_dir=self._models_dir)

    def factors(self, name: str | Path) -> tuple[int, ...]:
        """Returns the factors that a network offers.

        Raises:
            ModelError: See `offered_factors`.
        """
        name = self._resolve(name)
        return offered_factors(
            name, cache_dir=self._cache_dir, models_dir=self._models_dir, overrides=self._overrides.get(name)
        )

    def opened(self, name: str | Path, factor: int, precision: str) -> Session | None:
        """Returns the session of a network if it is open, without waiting for the pictures that run.

        The session must not run; its other members can be used.
        """
        return self._sessions.get((self._resolve(name), factor, precision, self._runtime))

    def session(self, name: str | Path, factor: int, precision: str, runtime: Runtime | None = None) -> Session:
        """Returns the open session of a network.

        Args:
            name: Name of the network, or path of a file.
            factor: Output pixels per input pixel along each axis.
            precision: ``"auto"``, ``"fp32"`` or ``"fp16"``.
            runtime: What runs it on the CPU; None for the one that was chosen for all networks.

        Raises:
            ModelError: See `load_model` and `open_session`.
            DeviceError: See `open_session` and `check_process`.
        """
        check_process()
        name = self._resolve(name)
        with self._running:
            runtime = runtime or self._runtime
            key = (name, factor, precision, runtime)
            if key not in self._sessions:
                session = self._wrapped(self._opened(name, factor, precision, runtime))
                _log.info("%s x%d on %s", session.spec.name, factor, runtime_label(session))
                self._sessions[key] = session
                # "auto" may have resolved to float32, which need not be opened again then.
                self._sessions.setdefault((name, factor, session.precision, runtime), session)
            return self._sessions[key]

    @contextlib.contextmanager
    def lease(self, name: str | Path, factor: int, precision: str, report: Report) -> Iterator[Lease]:
        """Gives one thread exclusive use of the networks, and opens one.

        Args:
            name: Name of the network, or path of a file.
            factor: Output pixels per input pixel along each axis.
            precision: ``"auto"``, ``"fp32"`` or ``"fp16"``.
            report: Receives the time spent waiting (stage ``queue``) and opening (stage ``open``).

        Raises:
            ModelError: See `session`.
            DeviceError: See `session`.
        """
        with report.stage("queue"):
            self._running.acquire()
        try:
            with report.stage("open"):
                session = self.session(name, factor, precision)
            yield Lease(session, lambda: self._exact_session(name, factor, session))
        finally:
            self._running.release()

    def _exact_session(self, name: str | Path, factor: int, session: Session) -> Session:
        """Returns a network in float32 on the runtime of `session`, as another one may cut off another tail."""
        if session.runtime.startswith("openvino"):
            return self.session(name, factor, "fp32", "openvino")
        return self.session(name, factor, "fp32")

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Gives one thread exclusive use of the networks, without opening one."""
        with self._running:
            yield

    def close(self) -> None:
        """Closes all sessions, when no picture runs."""
        with self._running:
            self._sessions.clear()

    def reset_after_fork(self) -> None:
        """See `tilewright.forks`. The parent's sessions may be in use, and closing them could wait forever."""
        self._reset_locks()
        abandon(self._sessions)
        self._sessions = {}

    def _reset_locks(self) -> None:
        # Held by the owner of a lease, and while a network is opened.
        self._running = threading.RLock()
        # Held while a network is found, converted or inspected, never while a picture runs.
        # Acquired after `_running`, never before.
        self._finding = threading.Lock()

    def _resolve(self, name: str | Path) -> str | Path:
        return resolve_name(name) if isinstance(name, str) else name

    def _opened(self, name: str | Path, factor: int, precision: str, runtime: Runtime) -> Session:
        """Opens a network, after the one that runs before it."""
        session = self._open(self.model(name, factor), precision, runtime)
        if (pre := self._additions.pre) is None:
            return session
        if 1 not in (offered := self.factors(pre)):
            raise ModelError(
                f"a network that runs before another one must have the factor 1, but {str(pre)!r} offers "
                f"{', '.join(map(str, offered))}; use it as the network itself (--model, Upscaler(model=…))",
                parameter="pre",
            )
        return ChainedSession(self._open(self.model(pre, 1), precision, runtime), session)

    def _wrapped(self, session: Session) -> Session:
        if self._additions.tta:
            session = SelfEnsembleSession(session)
        return TrueColourSession(session) if self._additions.true_colour else session

    def _open(self, model: Model, precision: str, runtime: Runtime) -> Session:
        """Opens a network, on the CPU if CUDA cannot run it and was not requested by name."""
        try:
            return open_session(model, device=self.device, precision=precision, threads=self._threads, runtime=runtime)
        except DeviceError as error:
            if self.device == "cpu" or not self._may_fall_back:
                raise
            _log.warning("%s runs on the CPU: %s", model.spec.name, error)
            return open_session(model, device="cpu", precision=precision, threads=self._threads, runtime=runtime)
