"""Analysis and rewriting of ONNX graphs."""
