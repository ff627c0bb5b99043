"""Loading and opening third-party runtimes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tilewright import runtimes


@pytest.mark.parametrize(
    ("given", "providers"),
    [({}, ["CPUExecutionProvider"]), ({"providers": [("CUDAExecutionProvider", {})]}, [("CUDAExecutionProvider", {})])],
)
def test_a_network_is_opened_on_the_requested_providers_only(monkeypatch, given, providers):
    """By default the runtime would fall back to other providers and only print that it did."""
    calls = []

    def session(*arguments, **options):
        calls.append((arguments, options))

    monkeypatch.setattr(runtimes, "import_runtime", lambda _: SimpleNamespace(InferenceSession=session))
    runtimes.open_onnx(b"network", "options", **given)
    assert calls == [((b"network", "options"), {"providers": providers, "enable_fallback": 0})]
