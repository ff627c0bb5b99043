"""Encoded images by UUID, in a local folder or any fsspec file system."""

from tilewright.store.image_store import ImageStore, is_uuid4

__all__ = ["ImageStore", "is_uuid4"]
