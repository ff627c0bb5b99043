"""Encoded images by UUID, in a local folder or any fsspec file system."""

from tilewright.store.identifiers import is_uuid4
from tilewright.store.image_store import ImageStore

__all__ = ["ImageStore", "is_uuid4"]
