"""Deprecated: this module is now `tilewright.models.loader`."""

import warnings

from tilewright.models.loader import load_model

__all__ = ["load_model"]

warnings.warn("tilewright.models.source is now tilewright.models.loader", DeprecationWarning, stacklevel=2)
