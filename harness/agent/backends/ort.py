"""ONNX Runtime on the CPU. Owns the session settings; they are the same in `nox -s overhead`, which checks the loop."""

import json
import os
import tempfile
import time

# Inferences under the profiler after the first, which allocates.
PROFILED = 4


class OnnxRuntime:
    """Factory of sessions. The runtime is imported by `why_unavailable` or `load`, whichever comes first."""

    name = "onnxruntime"

    def why_unavailable(self):
        """None where onnxruntime and numpy import, else the reason with the remedy."""
        try:
            import numpy  # noqa: F401  # asked for its presence
            import onnxruntime  # noqa: F401  # asked for its presence
        except ImportError as error:
            return "{}; on the board run: python3 -m pip install onnxruntime".format(error)
        return None

    def versions(self):
        """Versions of what a session runs on."""
        import numpy
        import onnxruntime

        return {"onnxruntime": onnxruntime.__version__, "numpy": numpy.__version__}

    def load(self, artifact, options):
        """A session over the file `artifact`. options: threads (intra-op), optimized (the graph; default yes)."""
        return OnnxSession(artifact, options)

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

            session = onnxruntime.InferenceSession(artifact, settings, providers=["CPUExecutionProvider"])
            for _ in range(1 + PROFILED):
                session.run(None, dict(arrays))
            with open(session.end_profiling(), encoding="utf-8") as source:
                return operators(json.load(source), 1 + PROFILED)


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
    """One loaded model. `step` is `session.run` with inputs bound once: what an application calls, and nothing more."""

    clock = staticmethod(time.perf_counter)

    def __init__(self, artifact, options):
        import onnxruntime

        self._session = onnxruntime.InferenceSession(
            artifact,
            session_options(options["threads"], options.get("optimized", True)),
            providers=["CPUExecutionProvider"],
        )
        self._names = [output.name for output in self._session.get_outputs()]
        self._inputs = {}
        self._outputs = []

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
        """Execution providers, and the threads that the session was made with."""
        threads = self._session.get_session_options().intra_op_num_threads
        return {"providers": self._session.get_providers(), "threads": threads}

    def close(self):
        """Let go of the session."""
        self._session = None
