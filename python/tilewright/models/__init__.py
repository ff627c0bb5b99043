"""Networks: the catalog, the user's own files, and what is known about each."""

from __future__ import annotations

import sys
import types
from typing import Any


class _Package(types.ModuleType):
    """This package, which can still be called as the function that once had its name."""

    def __call__(self) -> list[dict[str, Any]]:
        """Deprecated: use `tilewright.list_models`."""
        import warnings

        from tilewright.models.loader import list_models

        warnings.warn("tilewright.models() is now tilewright.list_models()", DeprecationWarning, stacklevel=2)
        return list_models()


sys.modules[__name__].__class__ = _Package
