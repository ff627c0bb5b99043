"""Durations as text."""

from __future__ import annotations

import math

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def told(seconds: float) -> str:
    """Returns a duration in words: ``2.4 s``, ``3 min 20 s``, ``2 h 05 min`` or ``1 d 3 h``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    minutes = round(seconds / _MINUTE)
    if minutes < _DAY // _MINUTE:
        return f"{minutes // 60} h {minutes % 60:02} min"
    hours = round(seconds / _HOUR)
    return f"{hours // 24} d {hours % 24} h"


def roughly(seconds: float) -> str:
    """Returns an estimated duration in words, with the digits that an estimate deserves."""
    if seconds < 9.5:
        return f"{seconds:.2g} s"
    if seconds < 99.5:
        return f"{round(seconds)} s"
    if seconds < 99.5 * _MINUTE:
        return f"{round(seconds / _MINUTE)} min"
    if seconds < 47.5 * _HOUR:
        return f"{round(seconds / _HOUR)} h"
    return f"{round(seconds / _DAY)} days"


def clock(seconds: float) -> str:
    """Returns a duration as on a clock, rounded up to seconds: ``0:07``, ``12:05`` or ``3:00:20``."""
    minutes, rest = divmod(math.ceil(seconds), _MINUTE)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
