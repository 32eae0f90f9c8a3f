"""Runtimes. One line each: name -> "module:Class", relative to the agent; imported on first use."""

TABLE = {
    "onnxruntime": ".backends.ort:OnnxRuntime",
    "null": ".backends.null:Null",
}
