"""Making networks and graphs smaller: pruning, quantization, narrower floats."""
