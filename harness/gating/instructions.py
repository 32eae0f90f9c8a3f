"""Instructions per inference of an ONNX model on this machine's CPU, by `perf stat` or else by valgrind's callgrind.

Counted are two lengths of one program, N and 10 N inferences, and their difference over 9 N (statistics.md, 4.7). Not
the timed path: no agent, and under valgrind no AVX-512 either. It says that work changed, never that time did.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.model.case import Case
from harness.resolve import Source

# Sessions as harness.agent.backends.ort makes them. It waits for a file before it counts, so that callgrind need not
# count (and slow down) how Python starts and a model is loaded: 250 million instructions moved there between two runs
# of one model, whose inference takes 16 million.
_PROGRAM = """
import os, sys, time
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
options.log_severity_level = 3
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
with numpy.load(sys.argv[2], allow_pickle=False) as archive:
    inputs = {name: archive[name] for name in archive.files}
for _ in range(3):
    session.run(None, inputs)
print(os.getpid(), flush=True)
while not os.path.exists(sys.argv[4]):
    time.sleep(0.05)
for _ in range(int(sys.argv[3])):
    session.run(None, inputs)
sys.stdout.flush()
os._exit(0)
"""
_EMPTY = "import os, sys; print(os.getpid(), flush=True)\nwhile not os.path.exists(sys.argv[4]): pass\n"
TIMEOUT_S = 900.0
MOST = 20_000
_RUNS = "onnxruntime"  # the one backend whose path this is


@dataclass(frozen=True)
class Tool:
    """command: what stands before the program; needs: programs that must be there. switch: what starts the counting in
    a process that runs; empty where it counts from the start. enough: instructions of 9 N inferences beside which what
    else moves between two runs is under 0.3 %. read: the count in what the tool printed, None where none is."""

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...]
    switch: tuple[str, ...]
    enough: float
    read: Callable[[str], float | None]


def _of_perf(text: str) -> float | None:
    found = re.search(r"^(\d+),[^,]*,instructions", text, re.MULTILINE)
    return float(found.group(1)) if found else None


def _of_callgrind(text: str) -> float | None:
    found = re.search(r"Collected\s*:\s*(\d+)", text)
    return float(found.group(1)) if found else None


PERF = Tool("perf stat", ("perf", "stat", "-x", ",", "-e", "instructions:u"), ("perf",), (), 2e10, _of_perf)
CALLGRIND = Tool(
    "valgrind --tool=callgrind",
    ("valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"),
    ("valgrind", "callgrind_control"),
    ("callgrind_control", "-i", "on"),
    5e7,
    _of_callgrind,
)
TOOLS = (PERF, CALLGRIND)


def tool(tools: Sequence[Tool] = TOOLS) -> Tool | str:
    """The first that works here; why none does."""
    reasons = []
    for one in tools:
        reason = _why_not(one)
        if reason is None:
            return one
        reasons.append(f"{one.name} {reason}")
    return "; ".join(reasons)


def why_not(case: Case, *, local: bool) -> str | None:
    """Why the instructions of a case cannot be counted, whatever the tools."""
    if case.precision == "scripted":
        return "a scripted model computes nothing"
    if not local:
        return "instructions are counted on this machine alone, and the device is another"
    return None if case.backend == _RUNS else f"instructions are counted of {_RUNS} alone, not of {case.backend}"


def per_inference(source: Source, inputs: Path, how: Tool) -> float | str:
    """Of one model with one thread; why not. inputs: an .npz with what it is fed."""
    model = str(source.folder / source.files[0])

    def counted(number: int) -> float | str:
        return _counted(how, (_PROGRAM, model, str(inputs), str(number)))

    first = counted(1)
    longer = counted(11) if not how.switch else 0.0
    if isinstance(first, str) or isinstance(longer, str):
        return first if isinstance(first, str) else str(longer)
    guess = (longer - first) / 10 if longer else first
    number = max(1, min(MOST, math.ceil(how.enough / 9 / max(guess, 1.0))))
    few, many = first if number == 1 else counted(number), counted(10 * number)
    if isinstance(few, str) or isinstance(many, str):
        return few if isinstance(few, str) else str(many)
    if many <= few:
        return f"{how.name} counted {few:.0f} and {many:.0f}: ten times the inferences took no more"
    return (many - few) / (9 * number)


@cache
def _why_not(one: Tool) -> str | None:
    missing = [name for name in one.needs if shutil.which(name) is None]
    if missing:
        return f"is not installed here ({', '.join(missing)})"
    found = _counted(one, (_EMPTY, "", "", ""))
    return found if isinstance(found, str) else None


def _counted(one: Tool, words: Sequence[str]) -> float | str:
    with tempfile.TemporaryDirectory() as folder:
        go = Path(folder) / "go"
        # The hash seed moves Python's own start-up by some instructions.
        command = ["env", "PYTHONHASHSEED=0", "LC_ALL=C", *one.command, sys.executable, "-s", "-c", *words, str(go)]
        pipe = subprocess.PIPE
        try:
            with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
                try:
                    return _played(one, process, go)
                finally:
                    process.kill()
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"came to no end: {error}"


def _played(one: Tool, process: subprocess.Popen[str], go: Path) -> float | str:
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    number = process.stdout.readline().strip()
    if number and one.switch:
        said = subprocess.run([*one.switch, number], capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        if said.returncode:
            return f"cannot be switched on: {_last(said.stderr or said.stdout)}"
    go.touch()
    _, errors = process.communicate(timeout=TIMEOUT_S)
    if process.returncode:
        return f"ended with status {process.returncode}: {_last(errors)}"
    found = one.read(errors)
    return f"counts nothing here: {_last(errors)}" if found is None else found


def _last(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1][:160] if lines else "it said nothing"
