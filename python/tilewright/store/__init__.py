"""Encoded images by UUID, in a local folder or any fsspec file system."""

from tilewright.store.identifiers import is_uuid4
from tilewright.store.image_store import ImageStore
from tilewright.store.usage import StoreUsage

__all__ = ["ImageStore", "StoreUsage", "is_uuid4"]
