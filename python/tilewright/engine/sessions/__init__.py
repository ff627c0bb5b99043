"""Networks ready to run: one module per runtime, and the choice between them."""

from tilewright.engine.sessions.base import Session
from tilewright.engine.sessions.cuda_check import cuda_problem, kernels_problem
from tilewright.engine.sessions.select import open_session, resolve_device

__all__ = ["Session", "cuda_problem", "kernels_problem", "open_session", "resolve_device"]
