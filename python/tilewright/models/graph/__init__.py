"""What an ONNX graph tells about a network, and how it is rewritten."""
