"""ONNX files: written, exported, and asked what they answer."""
