"""ONNX Runtime: on the CPU, or with its CUDA or TensorRT provider first. Owns the session settings; those of the CPU
are the same in `nox -s overhead`, which checks the loop.

Every call here is in onnxruntime 1.10, the last that Python 3.6 can have.
"""

import json
import os
import tempfile
import time

from . import apart, engine_cache

# Inferences under the profiler after the first, which allocates.
PROFILED = 4
CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
# The first with the option use_tf32; older ones refuse a session whose options they do not know.
TF32_SINCE = (1, 18)
GPU_FIX = (
    "on a Jetson, pip's onnxruntime and onnxruntime-gpu are no Jetson builds: take the onnxruntime-gpu wheel of its "
    "JetPack from the Jetson Zoo, or from pypi.jetson-ai-lab for JetPack 6; elsewhere: "
    "python3 -m pip uninstall onnxruntime, then python3 -m pip install onnxruntime-gpu"
)


class OnnxRuntime:
    """Factory of sessions. The runtime is imported by `why_unavailable` or `load`, whichever comes first."""

    name = "onnxruntime"
    provider = CPU

    def why_unavailable(self):
        """None where onnxruntime and numpy import and the provider is built in, else the reason with the remedy.

        Whether a provider's own libraries load only a session shows: its facts say which providers it really has.
        """
        try:
            import numpy  # noqa: F401  # asked for its presence
            import onnxruntime
        except ImportError as error:
            fix = "on the board run: python3 -m pip install onnxruntime" if self.provider == CPU else GPU_FIX
            return "{}; {}".format(error, fix)
        return missing_provider(self.provider, onnxruntime.__version__, onnxruntime.get_available_providers())

    def versions(self):
        """Versions of what a session runs on."""
        import numpy
        import onnxruntime

        return {"onnxruntime": onnxruntime.__version__, "numpy": numpy.__version__}

    def load(self, artifact, options):
        """A session over the file `artifact`.

        options: threads (intra-op), optimized (the graph; default yes), providers (names or [name, options], the first
        this backend's own; default its own, then those it falls back to); for TensorRT: fp16 and int8 (allowed in the
        engine; default no).
        """
        return OnnxSession(artifact, options, self._providers(artifact, options))

    def profile(self, artifact, options, arrays):
        """Run the model a few times under the runtime's own profiler; what it executed, by operator.

        Returns [{"op", "provider", "precision", "count", "duration_s"}] of one inference: count is kernels, duration
        their mean sum. precision: the element type of a kernel's first input, which is what it computes in.
        """
        with tempfile.TemporaryDirectory() as folder:
            settings = session_options(options["threads"], options.get("optimized", True))
            settings.enable_profiling = True
            settings.profile_file_prefix = os.path.join(folder, "profile")
            import onnxruntime

            session = onnxruntime.InferenceSession(artifact, settings, providers=self._providers(artifact, options))
            for _ in range(1 + PROFILED):
                session.run(None, dict(arrays))
            with open(session.end_profiling(), encoding="utf-8") as source:
                return operators(json.load(source), 1 + PROFILED)

    def _providers(self, artifact, options):
        import onnxruntime

        version = tuple(int(part) for part in onnxruntime.__version__.split(".")[:2])
        return providers_for(self.provider, artifact, options, version)


class OnnxRuntimeCuda(OnnxRuntime):
    """Kernels of CUDA and cuDNN; `run` copies inputs to the device and returns when the outputs are back."""

    name = "onnxruntime-cuda"
    provider = CUDA


class OnnxRuntimeTensorRt(OnnxRuntime):
    """Subgraphs as TensorRT engines, built by the first session over them, or its first inference, and kept beside the
    artifact: by a session of another process, so that none that is measured builds them. `build` stands in, in tests.

    That the provider finds its engines again was never tried on a board; its own documentation says so.
    """

    name = "onnxruntime-tensorrt"
    provider = TENSORRT

    def __init__(self, build=None):
        self._build = build or (lambda asked: apart.run(__name__, "run_once", asked))
        self._engines = None

    def prepare(self, artifact, options, inputs=None):
        """Run the model once in a process of its own, unless that was done before. Returns whether it was done now.

        inputs: an .npz of what it is run on; the engines are for their shapes. What went wrong stands in the facts of
        the session: it may do without, and if not says more.
        """
        key = self._key(artifact, options, inputs)
        path, folder = engine_cache.path_of(artifact, key), engines_of(artifact)
        kept = engine_cache.read(path, key)
        if kept is not None and set(kept[0]["files"]) <= set(_files(folder)):
            self._engines = kept[0]
            return False
        begin = time.perf_counter()
        status, said = self._build({"artifact": artifact, "options": options, "inputs": inputs, "backend": self.name})
        if status:
            self._engines = {"not_built": said or "it died of signal {}".format(-status)}
            return True
        self._engines = {"build_s": time.perf_counter() - begin, "files": _files(folder)}
        engine_cache.write(path, key, self._engines, b"")
        return True

    def load(self, artifact, options):
        """As of OnnxRuntime; facts of a session tell of its engines where they were prepared."""
        session = OnnxRuntime.load(self, artifact, options)
        session.engines = self._engines
        return session

    def _key(self, artifact, options, inputs):
        from ..outputs import file_sha256

        # The engines' names say for which GPU they are: the provider itself builds others for another one.
        return {
            "artifact_sha256": file_sha256(artifact),
            "inputs_sha256": None if inputs is None else file_sha256(inputs),
            "options": options,
            "versions": self.versions(),
        }


def run_once(asked):
    """The work of `prepare`: a session, and one inference where there is something to run it on."""
    from .. import backends, outputs, tables

    backend = tables.resolve(backends.TABLE, "backend", asked["backend"])()
    session = OnnxRuntime.load(backend, asked["artifact"], asked["options"])
    if asked["inputs"] is not None:
        session.bind(outputs.load_inputs(asked["inputs"]))
        session.step()


def engines_of(artifact):
    """Where the TensorRT provider keeps its engines: beside the artifact, and removed with it."""
    return os.path.join(os.path.dirname(os.path.abspath(artifact)), "engines", "onnxruntime")


def _files(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def missing_provider(provider, version, available):
    """Why a provider that was not built in cannot be used, with the fix; None for one that is there."""
    if provider in available:
        return None
    return "onnxruntime {} here has no {} (it has: {}); {}".format(version, provider, ", ".join(available), GPU_FIX)


def providers_for(provider, artifact, options, version):
    """Providers of a session in order, each a name or (name, options). `version`: onnxruntime's, as two numbers.

    ValueError where options ask for another provider first than the backend is named after.
    """
    order = {CPU: [CPU], CUDA: [CUDA, CPU], TENSORRT: [TENSORRT, CUDA, CPU]}[provider]
    asked = [one if isinstance(one, str) else tuple(one) for one in options.get("providers") or order]
    names = [one if isinstance(one, str) else one[0] for one in asked]
    if names[0] != provider:
        raise ValueError("this backend runs {} first, but its options ask for {}".format(provider, names[0]))
    own = {}
    if version >= TF32_SINCE:
        # What is called fp32 is to be fp32; before that version there is no such switch.
        own[CUDA] = {"use_tf32": "0"}
    if provider == TENSORRT:
        folder = engines_of(artifact)
        os.makedirs(folder, exist_ok=True)
        own[TENSORRT] = {
            # "True": what every version reads.
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": folder,
            "trt_fp16_enable": str(bool(options.get("fp16", False))),
            "trt_int8_enable": str(bool(options.get("int8", False))),
        }
    return [(one, own[one]) if isinstance(one, str) and one in own else one for one in asked]


def operators(events, runs):
    """Kernel events of onnxruntime's profile (a Chrome trace) summed by operator, provider and precision."""
    found = {}
    for event in events:
        if event.get("cat") != "Node" or not event.get("name", "").endswith("_kernel_time"):
            continue
        about = event["args"]
        key = (about["op_name"], about.get("provider", ""), _precision(about.get("input_type_shape", [])))
        count, duration_us = found.get(key, (0, 0.0))
        found[key] = (count + 1, duration_us + event["dur"])
    return [
        {
            "op": op,
            "provider": provider,
            "precision": precision,
            "count": count / float(runs),
            "duration_s": duration_us / 1e6 / runs,
        }
        for (op, provider, precision), (count, duration_us) in sorted(found.items(), key=lambda item: -item[1][1])
    ]


def _precision(types):
    """Element type of the first input as the profile names it: "float", "uint8"; empty where it has none."""
    return next((name for first in types[:1] for name in first), "")


def session_options(threads, optimized=True):
    """The settings of a measured session: sequential, no spinning, and graph optimizations unless told otherwise."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    levels = onnxruntime.GraphOptimizationLevel
    settings.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    # Spinning workers burn the neighbour core that the sensors live on.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # 3: errors only. Warnings would go to stderr at every load and say nothing a finding does not.
    settings.log_severity_level = 3
    return settings


class OnnxSession:
    """One loaded model. `step` is `session.run` with inputs bound once: what an application calls, and nothing more.

    Its outputs lie in the host's memory, so the device is idle when it returns, whatever the provider.
    """

    clock = staticmethod(time.perf_counter)

    def __init__(self, artifact, options, providers=(CPU,)):
        import onnxruntime

        self._session = onnxruntime.InferenceSession(
            artifact,
            session_options(options["threads"], options.get("optimized", True)),
            providers=list(providers),
        )
        self._names = [output.name for output in self._session.get_outputs()]
        self._inputs = {}
        self._outputs = []
        self.engines = None

    def input_names(self):
        """Names that `bind` takes."""
        return [one.name for one in self._session.get_inputs()]

    def bind(self, arrays):
        """Take the inputs, by name."""
        self._inputs = dict(arrays)

    def step(self):
        """One inference."""
        self._outputs = self._session.run(self._names, self._inputs)

    def outputs(self):
        """Arrays of the last step."""
        return self._outputs

    def facts(self):
        """The providers that the session really has with the options in force, and the threads it was made with."""
        found = {
            "providers": self._session.get_providers(),
            "threads": self._session.get_session_options().intra_op_num_threads,
        }
        if found["providers"] != [CPU]:
            found["provider_options"] = self._session.get_provider_options()
        if self.engines is not None:
            found["engine"] = self.engines
        return found

    def close(self):
        """Let go of the session."""
        self._session = None
