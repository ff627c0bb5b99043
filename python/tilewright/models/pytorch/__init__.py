"""Conversion of PyTorch files to ONNX. Only `convert` is used outside; it needs the extra ``torch``."""
