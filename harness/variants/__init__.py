"""Where variants are made: catalog, training, export, quantization, build. The only part of the host that imports torch."""
