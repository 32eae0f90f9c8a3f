"""Runs the suite cifar10 on the emulated arm64 board over SSH, as a user would, and holds what came back to the lock.

For every variant: its accuracy on the board must be the lock's, image for image where this machine's own runtime can
tell, and its verdict must be invalid because of the emulated processor and of nothing else. The exit code is then 3,
by the harness's own rule: nothing valid was measured.

usage: python -m tests.emulated.run [--data DIR] [--whole V].. [--quick V].. [--cache DIR] [--processor P] [--keep DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from harness import places
from harness.artifacts.locks import read_lock
from harness.datasets import cifar10
from harness.datasets.split import Split
from harness.errors import EXIT_NOTHING_VALID, HarnessError
from harness.model.case import ArtifactFacts
from harness.store import store
from tests.emulated import board, root
from tests.support import sshd

ROOT = Path(__file__).resolve().parents[2]
SUITE = "cifar10"
# The small int8 one takes about 20 ms an image under qemu 7.2, the small fp32 one 0.2 s.
WHOLE, QUICK = ("fast-pruned-int8",), ("fast-pruned",)
# Findings that a correct run on this board has no part in.
WRONG = (
    "output_not_finite",
    "output_mismatch",
    "accuracy_differs",
    "trial_failed",
    "provider_fallback",
    "precision_differs",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: as it must be; 1: something is not, and says so; 2: this machine cannot emulate the board."""
    given = _parser().parse_args(arguments)
    lock = read_lock(places.builtin()["suites"] / f"{SUITE}.lock.json")
    versions = next(iter(lock.values())).versions
    recipe = root.Recipe({name: versions[name] for name in ("numpy", "onnxruntime")}, mirror=given.mirror)
    try:
        split = cifar10.load_test(given.data)
        disk = root.made(given.cache, recipe, _say)
        busy = f"{disk} is in use by another session"
        with places.held(disk.parent, busy), tempfile.TemporaryDirectory(prefix="emulated-") as temporary:
            folder = given.keep or Path(temporary)
            with board.running(disk, folder / "board", given.processor) as site:
                sites = sshd.write_sites(folder / "sites.toml", site)
                wrong = []
                for variants, quick in ((given.whole, False), (given.quick, True)):
                    if variants:
                        wrong += _measured(folder, sites, given, (variants, quick), (lock, split))
    except (root.CannotEmulate, HarnessError) as error:
        _say(f"{error}")
        return 2
    for sentence in wrong:
        _say(f"WRONG: {sentence}")
    _say("not as it must be" if wrong else "as it must be")
    return 1 if wrong else 0


def _measured(
    folder: Path,
    sites: Path,
    given: argparse.Namespace,
    choice: tuple[Sequence[str], bool],
    known: tuple[dict[str, ArtifactFacts], Split],
) -> list[str]:
    """One `harness run` of these variants, quick or not; what is wrong with it, in sentences."""
    variants, quick = choice
    lock, split = known
    summary, results = folder / f"summary-{'quick' if quick else 'whole'}.json", folder / "store"
    places_of = ["--results", str(results), "--cache", str(folder / "cache"), "--data", str(given.data)]
    words = ["run", SUITE, "--device", "emulated-aarch64", "--sites", str(sites), "--json", str(summary), *places_of]
    words += [] if "all" in variants else [word for variant in variants for word in ("--variant", variant)]
    words += ["--quick"] if quick else []
    summary.unlink(missing_ok=True)  # of an earlier session that was kept
    _say("harness " + " ".join(words))
    began = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "harness", *words], cwd=ROOT, check=False).returncode
    _say(f"exit code {code} after {time.monotonic() - began:.0f} s")
    if not summary.exists():
        return [f"harness ended with {code} and left no summary"]
    told = json.loads(summary.read_text("utf-8"))
    wrong = [] if code == EXIT_NOTHING_VALID else [f"the exit code is {code}, not {EXIT_NOTHING_VALID}"]
    cases = {case["variant"]: case for case in told["cases"]}
    wrong += [f"{absent}: it was not measured" for absent in sorted(set(variants) - {"all"} - set(cases))]
    trials = store.read(results / told["run"]).trials
    answers = {trial.case.variant: trial.outputs.top1 for trial in trials if trial.mode == "accuracy"}
    for variant, case in cases.items():
        answer = np.asarray(answers.get(variant, ()), dtype=int)
        wrong += [f"{variant}: {one}" for one in (*_verdict(case), *_accuracy(lock[variant], answer, split))]
    return wrong


def _verdict(case: dict[str, Any]) -> list[str]:
    found = {finding["code"]: finding for finding in case["findings"]}
    _say(f"{case['variant']}: {case['verdict']}; {', '.join(sorted(found))}")
    wrong = [f"{code}: {found[code]['evidence']}" for code in WRONG if code in found]
    if case["verdict"] != "invalid":
        wrong.append(f"its verdict is {case['verdict']}, not invalid")
    if "aarch64 on x86" not in found.get("emulated_cpu", {}).get("evidence", ""):
        wrong.append("no finding says that the processor is emulated (aarch64 on x86)")
    return wrong


def _accuracy(facts: ArtifactFacts, answer: np.ndarray[Any, Any], split: Split) -> list[str]:
    """The classes that the board answered against the labels' count in the lock and this machine's own answers."""
    if not len(answer) or facts.accuracy is None:
        return ["no accuracy came back from the board"]
    right = int((answer == split.labels[: len(answer)]).sum())
    own = _answers_here(facts, split, len(answer))
    differing = int((answer != own).sum())
    own_right = int((own == split.labels[: len(own)]).sum())
    _say(
        f"{facts.variant}: {right} of {len(answer)} right on the board, {own_right} here"
        f" ({differing} answers differ); lock: {facts.accuracy.correct} of {facts.accuracy.images}"
    )
    if len(answer) == facts.accuracy.images:
        known = facts.accuracy.correct
        return [] if right == known else [f"{right} of {len(answer)} are right on the board, {known} by the lock"]
    return [] if right == own_right else [f"{right} of {len(answer)} are right on the board, {own_right} here"]


def _answers_here(facts: ArtifactFacts, split: Split, count: int) -> np.ndarray[Any, Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = places.builtin()["suites"] / facts.file
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    images = (split.images[index : index + 1].astype(np.float32) / 255 for index in range(count))
    return np.array([int(session.run(None, {name: image})[0].argmax()) for image in images])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.emulated.run", description=__doc__)
    kept = Path.home() / ".cache" / "edge-harness"
    data = os.environ.get("HARNESS_DATA") or kept / "data"
    parser.add_argument("--data", type=Path, default=data, help="image sets (else HARNESS_DATA, else the cache)")
    parser.add_argument("--whole", nargs="*", default=WHOLE, metavar="V", help="all launches, all images; or: all")
    parser.add_argument("--quick", nargs="*", default=QUICK, metavar="V", help="3 launches, 1,000 images; or: all")
    parser.add_argument(
        "--processor", default="cortex-a76", choices=sorted(board.PROCESSORS), help="which one qemu plays"
    )
    cache = kept / "emulated-aarch64"
    parser.add_argument("--cache", type=Path, default=cache, help="where the root is kept (default: %(default)s)")
    parser.add_argument("--mirror", default="", help="a Debian mirror (default: debootstrap's own)")
    parser.add_argument("--keep", type=Path, help="keep the run's store, summaries and logs in this folder")
    return parser


def _say(text: str) -> None:
    print(f"emulated board: {text}", file=sys.stderr, flush=True)  # noqa: T201  # what the session tells


if __name__ == "__main__":
    sys.exit(main())
