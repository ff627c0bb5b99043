"""The networks that are open: found, converted and opened once, then kept."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from tilewright.engine.execute import KeptBuffers
from tilewright.engine.sessions import open_session, resolve_device
from tilewright.engine.sessions.true_colour import TrueColourSession
from tilewright.engine.sessions.tta import AugmentedSession
from tilewright.errors import DeviceError
from tilewright.models.catalog import ALIASES, DEFAULT
from tilewright.models.loader import check_denoise, load_model, offered_factors
from tilewright.runtimes import check_process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tilewright.engine.sessions import Session
    from tilewright.models.spec import Model

_log = logging.getLogger("tilewright")


class Networks:
    """Sessions by network, factor and precision, on one device.

    Attributes:
        device: ``"cpu"`` or ``"cuda"``.
        running: held by whoever runs a session: the runtime owns the cores.
        buffers: of whoever holds `running`.
    """

    def __init__(
        self,
        device: str,
        *,
        threads: int,
        cache_dir: Path,
        overrides: Mapping[str | Path, Mapping[str, object]],
        denoise: Mapping[str | Path, str],
        tta: bool = False,
        true_colour: bool = False,
    ) -> None:
        """Settles the device; nothing is opened yet.

        Args:
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
            threads: threads of a runtime on the CPU.
            cache_dir: where converted networks are kept.
            overrides: for ONNX files, facts that are given rather than found out.
            denoise: strengths of denoising, for networks that are not to have their default.
            tta: whether networks see every tile eight ways round, see `AugmentedSession`.
            true_colour: whether results get the colours of their input, see `TrueColourSession`.

        Raises:
            DeviceError: CUDA was asked for and cannot run.
            ModelError: a network that does not offer the strength.
        """
        self.device = resolve_device(device)
        self.running = threading.RLock()
        self.buffers = KeptBuffers()
        self._may_fall_back = device == "auto"
        self._threads = threads
        self._cache_dir = cache_dir
        self._overrides = overrides
        self._denoise = {self._resolve(name): strength for name, strength in denoise.items()}
        for name, strength in self._denoise.items():
            check_denoise(name, strength)
        self._tta, self._true_colour = tta, true_colour
        self._models: dict[tuple[str | Path, int], Model] = {}
        self._sessions: dict[tuple[str | Path, int, str], Session] = {}
        # Held while a network is found, converted or inspected, never while a picture is upscaled; taken after
        # `running`, never before.
        self._finding = threading.Lock()

    def model(self, name: str | Path, factor: int) -> Model:
        """Finds a network, and converts it if need be.

        Raises:
            ModelError: see `load_model`.
        """
        name = self._resolve(name)
        with self._finding:
            if (name, factor) not in self._models:
                self._models[name, factor] = load_model(
                    name,
                    factor,
                    cache_dir=self._cache_dir,
                    overrides=self._overrides.get(name),
                    denoise=self._denoise.get(name),
                )
            return self._models[name, factor]

    def factors(self, name: str | Path) -> tuple[int, ...]:
        """The factors that a network offers.

        Raises:
            ModelError: see `offered_factors`.
        """
        name = self._resolve(name)
        return offered_factors(name, overrides=self._overrides.get(name))

    def session(self, name: str | Path, factor: int, precision: str) -> Session:
        """Opens a network, once.

        Raises:
            ModelError, DeviceError: see `load_model`, `open_session` and `check_process`.
        """
        check_process()
        name = self._resolve(name)
        with self.running:
            key = (name, factor, precision)
            if key not in self._sessions:
                session = self._wrapped(self._open(self.model(name, factor), precision))
                _log.info("%s x%d on %s, %s", session.spec.name, factor, session.runtime, session.precision)
                self._sessions[key] = session
                # "auto" may have settled on float32: then that is open already.
                self._sessions.setdefault((name, factor, session.precision), session)
            return self._sessions[key]

    def close(self) -> None:
        """Lets go of all sessions."""
        with self.running:
            self._sessions.clear()
            self.buffers.clear()

    def _resolve(self, name: str | Path) -> str | Path:
        if name == "auto":
            return DEFAULT
        return ALIASES.get(name, name) if isinstance(name, str) else name

    def _wrapped(self, session: Session) -> Session:
        if self._tta:
            session = AugmentedSession(session)
        return TrueColourSession(session) if self._true_colour else session

    def _open(self, model: Model, precision: str) -> Session:
        """A network that CUDA cannot run goes to the CPU, unless CUDA was asked for by name."""
        try:
            return open_session(model, device=self.device, precision=precision, threads=self._threads)
        except DeviceError as error:
            if self.device == "cpu" or not self._may_fall_back:
                raise
            _log.warning("%s runs on the CPU: %s", model.spec.name, error)
            return open_session(model, device="cpu", precision=precision, threads=self._threads)
