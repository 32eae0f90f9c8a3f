"""PyTorch: a torch.export program (.pt2), or TorchScript for versions that cannot read one, run as it is, compiled, or
as a CUDA graph. Owns sessions; the program is made on the host from the same weights as the ONNX file.

Nothing is changed in silence: memory format and precision stay the file's, TF32 is off, and a compilation that would
fall back to the interpreter is an error.
"""

import importlib
import json
import shutil
import time
import warnings

# Inferences on a side stream before a capture: allocators and libraries must have settled (torch's own advice).
WARM_UPS = 3
INPUTS = "inputs.json"  # in the program's file: names of its inputs, in order
CPU_FIX = "on the board run: python3 -m pip install torch"
CUDA_FIX = (
    "pip's torch for aarch64 is no Jetson build: take the wheel of its JetPack from NVIDIA's list or "
    "pypi.jetson-ai-lab; elsewhere: python3 -m pip install torch"
)


class Torch:
    """Factory of sessions on the CPU, as the program stands. `find` stands in for what a board has, in tests."""

    name = "torch"
    device = "cpu"
    mode = "eager"

    def __init__(self, find=importlib.import_module, which=shutil.which):
        self._find, self._which = find, which

    def why_unavailable(self):
        """None where torch, numpy and what the mode needs are there, else the reason with the remedy."""
        try:
            self._find("numpy")
            torch = self._find("torch")
        except (ImportError, OSError) as error:
            return "{}; {}".format(error, CPU_FIX if self.device == "cpu" else CUDA_FIX)
        if self.device == "cuda" and not torch.cuda.is_available():
            return "torch {} sees no CUDA device; {}".format(torch.__version__, CUDA_FIX)
        return self._why_not_compiled(torch) if self.mode == "compiled" else None

    def _why_not_compiled(self, torch):
        if not hasattr(torch, "compile"):
            return "torch {} has no torch.compile (2.0 is the first): measure torch instead".format(torch.__version__)
        # What torch's compiler calls where nothing else is configured.
        if self._which("g++") is None:
            return "torch.compile needs a C++ compiler; on the board run: sudo apt install g++"
        if self.device == "cuda":
            try:
                self._find("triton")
            except ImportError as error:
                return "{}, which torch.compile needs on a GPU; measure torch-cuda-graph instead".format(error)
        return None

    def versions(self):
        """Versions of what a session runs on."""
        torch = self._find("torch")
        found = {"torch": str(torch.__version__), "numpy": self._find("numpy").__version__}
        if self.device == "cuda":
            found.update(cuda=str(torch.version.cuda), cudnn=str(torch.backends.cudnn.version()))
            found["gpu"] = torch.cuda.get_device_name()
        return found

    def load(self, artifact, options):
        """A session over the file `artifact`. options: threads (intra-op)."""
        torch = self._find("torch")
        threads = _set_threads(torch, options["threads"])
        program = Program(torch, artifact, self.device)
        if self.mode == "compiled":
            if program.form != "torch.export":
                raise ValueError("{} is TorchScript, which torch.compile does not take; measure torch".format(artifact))
            # Whole or not at all: a part left to the interpreter would run under the name of the compiled one.
            program.run = torch.compile(program.run, fullgraph=True)
        made = {"cpu": CpuSession, "cuda": CudaSession}[self.device] if self.mode != "graph" else GraphSession
        return made(torch, program, {"threads": threads, "mode": self.mode})


class TorchCompiled(Torch):
    """The program through torch.compile, whose first inference compiles it."""

    name = "torch-compiled"
    mode = "compiled"


class TorchCuda(Torch):
    """On the GPU, one kernel launch at a time."""

    name = "torch-cuda"
    device = "cuda"


class TorchCudaCompiled(TorchCuda):
    """On the GPU through torch.compile."""

    name = "torch-cuda-compiled"
    mode = "compiled"


class TorchCudaGraph(TorchCuda):
    """On the GPU as one captured graph, whose first inference captures it."""

    name = "torch-cuda-graph"
    mode = "graph"


def _set_threads(torch, threads):
    """Threads in force: within an operator, and between operators, which can be set once a process."""
    torch.set_num_threads(threads)
    if torch.get_num_interop_threads() != 1:
        try:
            torch.set_num_interop_threads(1)
        except RuntimeError:
            pass  # operators ran in this process before; the fact says how many there are
    return {"threads": torch.get_num_threads(), "interop_threads": torch.get_num_interop_threads()}


class Program:
    """A loaded file: `run` takes the inputs in the order of `names`."""

    def __init__(self, torch, artifact, device):
        told = {INPUTS: ""}
        if artifact.endswith(".pt2"):
            if not hasattr(torch, "export"):
                raise ValueError(
                    "torch {} reads no .pt2; list this board's torch as [runtimes.torch] in its device file, and it "
                    "gets TorchScript".format(torch.__version__)
                )
            self.form = "torch.export"
            exported = torch.export.load(artifact, extra_files=told)
            if device != "cpu":
                # Of a program, the device is also in its nodes.
                exported = importlib.import_module("torch.export.passes").move_to_device_pass(exported, device)
            self.run = exported.module()
        else:
            self.form = "TorchScript"
            with warnings.catch_warnings():
                # Announced to go in versions that read .pt2; it is for those that do not.
                warnings.simplefilter("ignore")
                self.run = torch.jit.load(artifact, map_location=device, _extra_files=told).eval()
        if not told[INPUTS]:
            raise ValueError("{} does not name its inputs; make it with: harness build --form".format(artifact))
        self.names = json.loads(told[INPUTS])
        kinds = {str(one.dtype) for one in list(self.run.parameters()) + list(self.run.buffers())}
        self.dtypes = sorted(kinds)


class CpuSession:
    """One loaded program on the CPU. `step` is the call that an application makes."""

    clock = staticmethod(time.perf_counter)

    def __init__(self, torch, program, settings):
        self._torch, self._program, self._settings = torch, program, settings
        self._run, self._no_gradients = program.run, torch.inference_mode
        self._inputs, self._outputs = (), ()

    def input_names(self):
        """Names that `bind` takes."""
        return list(self._program.names)

    def bind(self, arrays):
        """Take the inputs, by name. Copied: torch warns of arrays that it must not write to."""
        self._inputs = tuple(self._torch.from_numpy(arrays[name].copy()) for name in self._program.names)

    def step(self):
        """One inference."""
        with self._no_gradients():
            self._outputs = self._run(*self._inputs)

    def outputs(self):
        """Arrays of the last step."""
        return [one.detach().cpu().numpy() for one in _several(self._outputs)]

    def facts(self):
        """What runs, on what, in which precision."""
        settings, program = self._settings, self._program
        return dict(
            settings["threads"],
            providers=["torch"],
            mode=settings["mode"],
            form=program.form,
            dtypes=program.dtypes,
        )

    def close(self):
        """Let go of the program."""
        self._program = self._run = None
        self._inputs = self._outputs = ()


class CudaSession(CpuSession):
    """On the GPU. `step` copies the inputs there and the outputs back, and returns when the device is idle."""

    def __init__(self, torch, program, settings):
        super().__init__(torch, program, settings)
        # What is called fp32 is to be fp32; convolutions use TF32 where nobody says no.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        self._start = torch.cuda.Event(enable_timing=True)
        self._end = torch.cuda.Event(enable_timing=True)
        self._on_host, self._synchronise = (), torch.cuda.synchronize

    def bind(self, arrays):
        """Take the inputs, by name, into pinned memory; those on the device are made once."""
        super().bind(arrays)
        self._on_host = tuple(one.pin_memory() for one in self._inputs)
        self._inputs = tuple(one.to("cuda") for one in self._on_host)

    def step(self):
        """One inference."""
        with self._no_gradients():
            for target, source in zip(self._inputs, self._on_host):
                target.copy_(source, non_blocking=True)
            self._start.record()
            found = self._run(*self._inputs)
            self._end.record()
            self._outputs = tuple(one.to("cpu") for one in _several(found))
        self._synchronise()

    def device_s(self):
        """Seconds that the device took for the last step's inference, by events around it; without the copies."""
        return self._start.elapsed_time(self._end) / 1e3

    def facts(self):
        """As on the CPU, with the device."""
        torch = self._torch
        major, minor = torch.cuda.get_device_capability()
        gpu = {"name": torch.cuda.get_device_name(), "capability": "{}.{}".format(major, minor)}
        return dict(super().facts(), gpu=gpu, tf32=bool(torch.backends.cudnn.allow_tf32))


class GraphSession(CudaSession):
    """On the GPU as one graph, captured at the first step after `bind`: its inputs and outputs stay where they are."""

    def __init__(self, torch, program, settings):
        super().__init__(torch, program, settings)
        self._graph, self._captured = None, ()

    def bind(self, arrays):
        """As of CudaSession; inputs of the same shapes keep the graph."""
        shapes = [one.shape for one in self._inputs]
        kept = self._inputs
        super().bind(arrays)
        if self._graph is not None and shapes == [one.shape for one in self._inputs]:
            self._inputs = kept
        else:
            self._graph = None

    def step(self):
        """One inference; the first one captures."""
        if self._graph is None:
            self._capture()
        with self._no_gradients():
            for target, source in zip(self._inputs, self._on_host):
                target.copy_(source, non_blocking=True)
            self._start.record()
            self._graph.replay()
            self._end.record()
            self._outputs = tuple(one.to("cpu") for one in _several(self._captured))
        self._synchronise()

    def _capture(self):
        torch = self._torch
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with self._no_gradients():
            with torch.cuda.stream(side):
                for _ in range(WARM_UPS):
                    self._run(*self._inputs)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._captured = self._run(*self._inputs)
        self._graph = graph

    def close(self):
        """Let go of the graph, then of the program."""
        self._graph, self._captured = None, ()
        super().close()


def _several(found):
    """Outputs as a tuple: a program of one output gives it alone."""
    return tuple(found) if isinstance(found, (tuple, list)) else (found,)
