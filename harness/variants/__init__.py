"""Where variants are made: catalog, training, export, quantization, build. Nothing else on the host imports torch."""
