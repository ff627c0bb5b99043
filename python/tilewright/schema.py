"""JSON Schemas of requests and responses. The files are in `tilewright.service.schema`."""

from tilewright.service.schema import load

__all__ = ["load"]
