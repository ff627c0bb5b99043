"""Networks: the catalog, files of the user's own, and facts about both."""

from __future__ import annotations

import sys
import types
from typing import Any


class _Package(types.ModuleType):
    """A callable package: `tilewright.models()` was a function before this package had its name."""

    def __call__(self) -> list[dict[str, Any]]:
        """Deprecated: use `tilewright.list_models`."""
        import warnings

        from tilewright.models.listing import list_models

        warnings.warn("tilewright.models() is now tilewright.list_models()", DeprecationWarning, stacklevel=2)
        return list_models()


sys.modules[__name__].__class__ = _Package
