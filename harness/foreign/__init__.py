"""Results of other benchmarks (pytest-benchmark, trtexec, OpenVINO, onnxruntime_perf_test, LoadGen) as frozen values.

Each reader is a pure function of a text. What a tool does not tell is named, never filled in.
"""
