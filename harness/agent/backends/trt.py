"""TensorRT: engines built on the board from an ONNX file, run through ctypes and the board's own libcudart.

Owns sessions. How an engine is built is trt_build's, where it is kept engine_cache's, how its tensors are named
trt_tensors'. What a version has is asked of its attributes.
"""

import importlib
import time

from . import cuda, engine_cache, trt_build, trt_layers, trt_tensors

# Options that decide which engine comes out; others may change without building it anew.
BUILD_OPTIONS = ("shapes", "calibration", "workspace_bytes")
NO_TENSORRT = (
    "{}; on a Jetson: sudo apt install python3-libnvinfer (a virtual environment needs --system-site-packages to see "
    "it); elsewhere: python3 -m pip install tensorrt"
)


class TensorRt:
    """Factory of sessions in the file's own precision. The arguments stand in for what a board has, in tests."""

    name = "tensorrt"
    precision = ""  # the file's own

    def __init__(self, find=importlib.import_module, open_runtime=cuda.open_runtime, build=trt_build.in_child):
        self._find, self._open_runtime, self._build = find, open_runtime, build
        # What `prepare` has read and checked, for the `load` that follows: (what it is for, facts, engine).
        self._ready = None

    def why_unavailable(self):
        """None where TensorRT, numpy and a CUDA device are there and the version knows the precision; else why not."""
        try:
            self._find("numpy")
            trt = self._find("tensorrt")
        except (ImportError, OSError) as error:
            return NO_TENSORRT.format(error)
        try:
            self._open_runtime()
        except cuda.CudaError as error:
            return str(error)
        return trt_build.why_not(trt, self.precision)

    def versions(self):
        """Versions of what a session runs on, and the GPU."""
        runtime = self._open_runtime()
        found = {"tensorrt": self._find("tensorrt").__version__, "numpy": self._find("numpy").__version__}
        return dict(found, gpu=runtime.describe()["name"], **runtime.versions())

    def load(self, artifact, options):
        """A session over the file `artifact`: of the engine that was prepared just now, else of one read or built.

        options: shapes (by input), calibration (a .npz on the board, for int8), workspace_bytes.
        """
        if self._ready is None or self._ready[0] != (artifact, options):
            self.prepare(artifact, options)
        (_, facts, engine), self._ready = self._ready, None
        return EngineSession(self._find("tensorrt"), self._open_runtime(), engine, facts)

    def prepare(self, artifact, options, _inputs=None):
        """Build and keep the engine unless it is there, and check it. Returns whether it was built now.

        Hashing a large model takes longer than loading its engine, so what was checked is held for `load`.
        """
        path, key = self._entry(artifact, options)
        found = engine_cache.read(path, key)
        built = found is None
        if built:
            self._build(artifact, _build_options(self.precision, options), path, key)
            found = engine_cache.read(path, key)
        if found is None:
            raise trt_build.BuildFailed(
                "the engine that was just built cannot be read at {}; is the disk full?".format(path)
            )
        self._ready = ((artifact, dict(options)),) + found
        return built

    def profile(self, artifact, options, arrays):
        """What TensorRT executed in one inference, by its own profiler and inspector; as of OnnxRuntime.profile."""
        session = self.load(artifact, options)
        try:
            session.bind(arrays)
            return trt_layers.profile(self._find("tensorrt"), session)
        finally:
            session.close()

    def _entry(self, artifact, options):
        """The place of the engine and all that decides it."""
        from ..outputs import file_sha256

        chosen = _build_options(self.precision, options)
        if chosen.get("calibration"):
            chosen["calibration_sha256"] = file_sha256(chosen.pop("calibration"))
        key = {
            "revision": trt_build.REVISION,
            "artifact_sha256": file_sha256(artifact),
            "tensorrt": self._find("tensorrt").__version__,
            # Power modes may switch multiprocessors off: another engine is the best for fewer.
            "gpu": self._open_runtime().describe(),
            "options": chosen,
        }
        return engine_cache.path_of(artifact, key), key


class TensorRtFp16(TensorRt):
    """fp16 allowed beside fp32, in versions where a flag says so; the builder takes whichever kernel is faster."""

    name = "tensorrt-fp16"
    precision = "fp16"


class TensorRtInt8(TensorRt):
    """int8 from the file's quantizers, or by calibration in versions that have it."""

    name = "tensorrt-int8"
    precision = "int8"


def _build_options(precision, options):
    chosen = {name: options[name] for name in BUILD_OPTIONS if options.get(name) is not None}
    return dict(chosen, precision=precision)


class EngineSession:
    """One engine. `step` queues copies to the device, the inference and copies back, and waits for the stream.

    Buffers are made once. What the device itself spends on the inference, without the copies, is `device_s`.
    """

    clock = staticmethod(time.perf_counter)

    def __init__(self, trt, runtime, engine, facts):
        self._trt, self._runtime, self._built = trt, runtime, dict(facts, bytes=len(engine))
        self._logger = trt_build.messages(trt)
        trt.init_libnvinfer_plugins(self._logger, "")
        # Kept: an engine must not outlive what made it.
        self._maker = trt.Runtime(self._logger)
        self.engine = self._maker.deserialize_cuda_engine(engine)
        if self.engine is None:
            raise RuntimeError("TensorRT {} refuses its engine: {}".format(trt.__version__, self._errors()))
        self.context = self.engine.create_execution_context()
        if self.context is None:
            raise RuntimeError("no room to run the engine: {}".format(self._errors()))
        made = trt_tensors.NamedTensors if hasattr(self.engine, "num_io_tensors") else trt_tensors.Bindings
        self._tensors = made(trt, self.engine, self.context)
        self._stream = runtime.stream()
        self._events = runtime.event(), runtime.event()
        self._buffers = {}
        try:
            self._make_buffers()
        except BaseException:
            self.close()
            raise
        self._rows = None
        self._calls = self._sequence()

    def _make_buffers(self):
        tensors = self._tensors
        for name in self.input_names():
            shape = tuple(self._built["shapes"][name])
            if not tensors.set_shape(name, shape):
                raise RuntimeError("the engine does not take {} as {}: {}".format(name, shape, self._errors()))
        for name in tensors.names:
            shape = tensors.shape(name)
            if any(size < 0 for size in shape):
                raise RuntimeError(
                    "the shape of {} is known only after a run; such models are not supported".format(name)
                )
            self._buffers[name] = cuda.Buffer(
                self._runtime, shape, trt_tensors.numpy_type(self._trt, tensors.dtype(name), name)
            )

    def _sequence(self):
        """The calls of one inference, in order."""
        tensors, runtime, stream = self._tensors, self._runtime, self._stream
        ins = [name for name in tensors.names if tensors.is_input(name)]
        outs = [name for name in tensors.names if not tensors.is_input(name)]
        run = tensors.running({name: buffer.device for name, buffer in self._buffers.items()}, stream)

        def checked():
            if not run():
                raise RuntimeError("TensorRT could not run the engine: {}".format(self._errors()))

        return (
            [self._buffers[name].to_device(stream) for name in ins]
            + [runtime.recording(self._events[0], stream), checked, runtime.recording(self._events[1], stream)]
            + [self._buffers[name].to_host(stream) for name in outs]
            + [runtime.synchronising(stream)]
        )

    def _errors(self):
        return "; ".join(self._logger.errors[-3:]) or "it gave no reason"

    def input_names(self):
        """Names that `bind` takes."""
        return [name for name in self._tensors.names if self._tensors.is_input(name)]

    def bind(self, arrays):
        """Take the inputs, by name. Of fewer rows than the engine's batch, the answers to the others are dropped.

        ValueError for another shape, TypeError for values that the engine's element type cannot hold.
        """
        import numpy

        self._rows = None
        for name in self.input_names():
            array, target = numpy.asarray(arrays[name]), self._buffers[name].array
            if array.shape[1:] != target.shape[1:] or array.shape[:1] > target.shape[:1]:
                raise ValueError("{} was built for {}, not for {}".format(name, target.shape, array.shape))
            if array.shape != target.shape:
                self._rows = len(array)
                target = target[: self._rows]
            numpy.copyto(target, array, casting="same_kind")

    def step(self):
        """One inference."""
        for call in self._calls:
            call()

    def device_s(self):
        """Seconds that the device took for the last step's inference, by events around it; without the copies."""
        return self._runtime.elapsed_s(*self._events)

    def outputs(self):
        """Arrays of the last step."""
        tensors = self._tensors
        arrays = [self._buffers[name].array for name in tensors.names if not tensors.is_input(name)]
        return arrays if self._rows is None else [array[: self._rows] for array in arrays]

    def facts(self):
        """What the engine is, and what it was allowed to compute in."""
        engine = dict(self._built, api=self._tensors.api, layers=self.engine.num_layers)
        # Named anew in 10.1, as it became 64 bits wide.
        name = "device_memory_size_v2" if hasattr(self.engine, "device_memory_size_v2") else "device_memory_size"
        engine["device_memory_bytes"] = int(getattr(self.engine, name))
        return {"providers": ["TensorRT"], "gpu": self._runtime.describe(), "engine": engine}

    def close(self):
        """Give everything back, in the order that the engine's parts need."""
        self._calls = []
        for buffer in self._buffers.values():
            buffer.close()
        self._buffers = {}
        if self._stream is not None:
            for event in self._events:
                self._runtime.destroy_event(event)
            self._runtime.destroy_stream(self._stream)
        self._stream = self._tensors = self.context = self.engine = self._maker = None
