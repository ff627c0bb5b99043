"""Image super-resolution in process: tile, feed an ONNX network, blend."""
