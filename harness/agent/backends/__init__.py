"""Runtimes. One line each: name -> "module:Class", relative to the agent; imported on first use.

What planning must know of them beforehand is in harness.model.backend.
"""

TABLE = {
    "onnxruntime": ".backends.ort:OnnxRuntime",
    "onnxruntime-cuda": ".backends.ort:OnnxRuntimeCuda",
    "onnxruntime-tensorrt": ".backends.ort:OnnxRuntimeTensorRt",
    "tensorrt": ".backends.trt:TensorRt",
    "tensorrt-fp16": ".backends.trt:TensorRtFp16",
    "tensorrt-int8": ".backends.trt:TensorRtInt8",
    "torch": ".backends.pytorch:Torch",
    "torch-compiled": ".backends.pytorch:TorchCompiled",
    "torch-cuda": ".backends.pytorch:TorchCuda",
    "torch-cuda-compiled": ".backends.pytorch:TorchCudaCompiled",
    "torch-cuda-graph": ".backends.pytorch:TorchCudaGraph",
    "null": ".backends.null:Null",
}
