"""Model files that a board can run: read and counted (ONNX), opened by the host's runtime, locked by hash, cached."""
