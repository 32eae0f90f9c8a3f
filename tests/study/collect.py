"""Real launches for the gate's study: duets of a model with itself, and with models that do more work.

    python -m tests.study.collect FOLDER [--minutes 25] [--seed 20261121] [--burst 6] [--only quiet]

FOLDER (outside the tree) gets launches.jsonl and models/. The same command goes on with what is there; `--minutes 0`
only prints what is there. Rounds alternate between the two conditions; within one, all pairs come in bursts of launches
back to back, in seeded random order. A burst is what a gate does at one look; pairs change often enough that the
machine's hour falls on all of them.

quiet: nothing is added to what the machine does. loaded: two neighbours in bursts, one on the core that is measured,
one on another. The processes that are killed in the end are those that this program started.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

import numpy as np

import harness
from harness import registry, stages
from harness.analysis.gate import effects
from harness.analysis.gate.effects import Effect
from harness.board.hold import Board, Hold, Patience
from harness.board.job import Job, Material
from harness.board.material import send_artifact, send_inputs
from harness.board.runner import run_pair, utc_now
from harness.board.script import block_order
from harness.gating.launches import launch_of
from harness.model.case import Case, PlannedTrial, Scenario, TensorSpec
from harness.model.gate import Rule
from tests.study import recorded, variants
from tests.study.recorded import Recorded

QUIET, LOADED = "quiet", "loaded"
CONDITIONS = (QUIET, LOADED)
SLOWER = {"+2 %": 1.02, "+5 %": 1.05, "+10 %": 1.10}
SAME, TAIL = "A/A", "tail"
# Of the tail's slow inferences.
RATIOS = {**SLOWER, TAIL: 2.0}
# Of sizing a model: duets of each size, sizes tried, and how near (relative) to what is asked is near enough.
SIZING, ATTEMPTS, CLOSE = 5, 4, 0.08
SIZES = "sizes.json"
# Bursts of each pair in a round: as many launches of A/A as of two slowdowns, as their share is near 0.
ROUND = {
    ("fast", SAME): 2, ("fast", "+2 %"): 1, ("fast", "+5 %"): 1, ("fast", "+10 %"): 1, ("fast", TAIL): 1,
    ("fast-int8", SAME): 2, ("fast-int8", "+5 %"): 1,
}  # fmt: skip
SUITE = Path("cifar10")
Pair = tuple[str, str]


@dataclass(frozen=True)
class Burst:
    """Some launches of a pair, back to back."""

    condition: str
    pair: Pair
    round: int
    place: int


def bursts(seed: int, conditions: tuple[str, ...] = CONDITIONS) -> Iterator[Burst]:
    """Without end, the same for the same seed; rounds of the conditions in turn."""
    number = 0
    while True:
        condition = CONDITIONS[number % 2]
        chance = random.Random(f"{seed} {number}")
        pairs = [pair for pair, count in ROUND.items() for _ in range(count)]
        if condition in conditions:
            shuffled = enumerate(chance.sample(pairs, len(pairs)))
            yield from (Burst(condition, pair, number, place) for place, pair in shuffled)
        number += 1


def named(pair: Pair) -> str:
    """As it stands in the data."""
    return f"{pair[0]} {pair[1]}"


def base_of(name: str) -> Path:
    """A released model."""
    return registry.suite_path("cifar10").parent / SUITE / f"{name}.onnx"


def models_of(folder: Path, bench: Bench) -> Mapping[Pair, tuple[Path, Path]]:
    """Both sides' files of every pair. Those that are there are taken, others made; sizes are found by measuring here,
    and kept in sizes.json."""
    sizes: dict[str, int] = json.loads((folder / SIZES).read_text()) if (folder / SIZES).is_file() else {}
    for name in dict.fromkeys(base for base, _ in ROUND):
        kinds = [kind for one, kind in ROUND if one == name and kind in RATIOS]
        for some in ([kind for kind in kinds if kind != TAIL], [kind for kind in kinds if kind == TAIL]):
            if some and any(named((name, kind)) not in sizes for kind in some):
                sizes.update(_sizes(name, some, folder, bench))
                (folder / SIZES).write_text(json.dumps(sizes, indent=1))
    return {pair: _files(pair, folder, sizes) for pair in ROUND}


def _sizes(name: str, kinds: list[str], folder: Path, bench: Bench) -> dict[str, int]:
    """Channels of the bottleneck by pair: in one process first, then put right by duets, as those are what is asked of
    them: there a model finds less of what it needs in the caches."""
    base, trial = base_of(name), folder / "trial.onnx"
    first = variants.fitted_hidden(lambda size: variants.more_work(base, trial, size), base, [RATIOS[k] for k in kinds])
    found = {}
    for kind, size in zip(kinds, first, strict=True):
        tried: dict[int, float] = {}
        while size not in tried and len(tried) < ATTEMPTS:
            path = variants.more_work(base, folder / f"{name} {size}.onnx", size)
            more = bench.ratio(base, path) - 1
            say(f"{named((name, kind))}: a bottleneck of {size} channels takes {more:+.2%}")
            path.unlink()
            share = (RATIOS[kind] - 1) / more if more > 0 else 2.0
            tried[size] = abs(share - 1)
            if tried[size] > CLOSE:
                size = max(variants.LEAST_HIDDEN, round(size * min(2.0, max(0.5, share))))
        found[named((name, kind))] = min(tried, key=lambda one: tried[one])
    trial.unlink()
    return found


def _files(pair: Pair, folder: Path, sizes: Mapping[str, int]) -> tuple[Path, Path]:
    name, kind = pair
    base = base_of(name)
    if kind == SAME:
        return base, base
    size, path = sizes[named(pair)], folder / f"{name}-{kind.replace(' %', '').replace('+', 'plus')}.onnx"
    if kind == TAIL:
        never = variants.sometimes_more_work(base, path.with_stem(f"{name}-never"), size, 0.0)
        return never, variants.sometimes_more_work(base, path, size, variants.TAIL_SHARE)
    return base, variants.more_work(base, path, size)


@contextmanager
def neighbours(condition: str, seed: int) -> Iterator[None]:
    """Those of the condition, while inside."""
    cores = sorted(os.sched_getaffinity(0))
    on = [cores[-1], cores[0]] if condition == LOADED else []  # the measured core is the last
    started = [
        subprocess.Popen([sys.executable, "-m", "tests.study.neighbour", str(core), str(seed + i)])
        for i, core in enumerate(on)
    ]
    try:
        yield
    finally:
        for one in started:
            one.kill()
            one.wait()


@dataclass(frozen=True)
class Bench:
    """The board while it is held, with what was sent there; materials by file."""

    hold: Hold
    run: str
    seed: int
    materials: dict[Path, Material] = field(default_factory=dict)

    def ratio(self, base: Path, other: Path) -> float:
        """How many times as long the other takes, by the median of duets' effects."""
        burst = Burst(QUIET, (other.stem, ""), -1, 0)
        launches = [self.measure(burst, (base, other), number).launch for number in range(SIZING)]
        drop, rule = effects.settling(launches), Rule(effects.MEDIAN, 0.0, 1.0)
        found = [effects.launch_effects(launch, [rule], drop)[rule.metric] for launch in launches]
        return math.exp(float(np.median([one.log for one in found if isinstance(one, Effect)])))

    def measure(self, burst: Burst, files: tuple[Path, Path], number: int) -> Recorded:
        """One launch. RuntimeError where it failed: a study of failures is another one."""
        began = time.monotonic()
        at = (burst.round, burst.place, number)
        order = block_order(f"{self.seed} {at}")
        jobs = [self._job(path, side, at) for side, path in zip(("baseline", "candidate"), files, strict=True)]
        first, second = run_pair(self.hold, jobs[0], jobs[1], order)
        self.hold.drop(jobs[0].trial_id)
        for one in (first, second):
            if one.status == "failed":
                raise RuntimeError(f"{named(burst.pair)}: {one.message}")
        launch = launch_of((first, second), order, None)
        return Recorded(burst.condition, named(burst.pair), at, time.monotonic() - began, launch)

    def _job(self, path: Path, side: str, at: tuple[int, int, int]) -> Job:
        if path not in self.materials:
            self.materials[path] = self.hold.sending(lambda board: _sent(board, path))
        material = self.materials[path]
        case = replace(CASE, variant=f"{path.stem} {side} {at}", artifact_sha256=material.sha256)
        return Job(self.run, case, PlannedTrial(case.id, "paired", at[2]), 0, material)


CASE = Case(
    "study", "", "", "fp32", "onnxruntime", registry.DEFAULT_DEVICE, Scenario(),
    registry.this_machine().device.settings, (TensorSpec("image", "float32", (1, 3, 32, 32)),), 0,
)  # fmt: skip


def _sent(board: Board, path: Path) -> Material:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Material(send_artifact(board, path.parent, (path.name,), sha256), sha256, send_inputs(board, CASE))


def collect(folder: Path, how: argparse.Namespace) -> None:
    """Until the time is over; the models are made before it begins to count."""
    (folder / "models").mkdir(parents=True, exist_ok=True)
    known = {one.at for one in recorded.read(folder).launches}
    board = stages.board_of(registry.this_machine(), folder / "cache")
    begun, run = time.monotonic(), f"study-{time.time_ns()}"
    with Hold(board, run, Patience(tell=say)) as hold:
        opened_s = time.monotonic() - begun
        bench = Bench(hold, run, how.seed)
        pairs = models_of(folder / "models", bench)
        recorded.append(folder, _session(how, pairs, opened_s))
        ends = time.monotonic() + 60 * how.minutes
        for burst in bursts(how.seed, tuple(how.only or CONDITIONS)):
            missing = [i for i in range(how.burst) if (burst.round, burst.place, i) not in known]
            if not missing:
                continue
            with neighbours(burst.condition, how.seed + 1000 * burst.round + 10 * burst.place):
                for number in missing:
                    if time.monotonic() > ends:
                        hold.drop(None)
                        return
                    one = bench.measure(burst, pairs[burst.pair], number)
                    recorded.append(folder, recorded.line_of(one, utc=utc_now(), load=os.getloadavg()[0]))
            left_s = max(0.0, ends - time.monotonic())
            say(f"{left_s / 60:5.1f} min left: round {burst.round}, {burst.condition}, {named(burst.pair)}")


def _session(how: argparse.Namespace, pairs: Mapping[Pair, tuple[Path, Path]], opened_s: float) -> recorded.Json:
    """What is known of the machine, without its name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    files = {path for both in pairs.values() for path in both}
    return {
        "kind": "session", "started_utc": utc_now(), "seed": how.seed, "burst": how.burst,
        "machine": f"{cpu[0] if cpu else platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "kernel": platform.release(), "python": platform.python_version(),
        "onnxruntime": metadata.version("onnxruntime"), "harness": harness.__version__,
        "models": {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)},
        "opened_s": round(opened_s, 3),
    }  # fmt: skip


def say(text: str) -> None:
    """To whoever waits."""
    print(text, flush=True)  # noqa: T201


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--burst", type=int, default=6)
    parser.add_argument("--only", action="append", choices=CONDITIONS)
    how = parser.parse_args()
    how.folder.mkdir(parents=True, exist_ok=True)
    if how.minutes > 0:
        collect(how.folder, how)
    data = recorded.read(how.folder)
    counts = Counter((one.condition, one.pair) for one in data.launches)
    for (condition, pair), count in sorted(counts.items()):
        say(f"{condition:7} {pair:16} {count:4} launches")


if __name__ == "__main__":
    main()
