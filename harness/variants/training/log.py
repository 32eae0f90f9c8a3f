"""A training with its log: one JSON line per epoch beside the checkpoint, which also holds the time it took.

Owns the log's form. The log survives interruptions, so the seconds of a training are those of all its parts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from torch import nn

from harness.datasets.split import Split
from harness.errors import BuildError, StoreError
from harness.model.codec import to_json
from harness.model.recipe import Train
from harness.places import held
from harness.variants.training.train import Progress, train


def train_and_log(
    network: nn.Module,
    step: Train,
    data: Split,
    kept: tuple[Path, str],
    report: Callable[[str], None],
    teachers: Sequence[nn.Module] = (),
) -> tuple[nn.Module, float | None]:
    """Train, or go on training; `kept` is the folder of checkpoint and log, and the identity they go by.

    Returns the network and the seconds spent before this call, None where the checkpoint's earlier epochs left no log.
    BuildError where another process is at the same training.
    """
    folder, identity = kept
    with _alone(folder, identity):
        return _train_and_log(network, step, data, kept, report, teachers)


@contextmanager
def _alone(folder: Path, identity: str) -> Iterator[None]:
    """Keep other processes from writing the same checkpoint and log; the kernel lets go when this one ends."""
    lock = folder / "locks" / identity
    busy = (
        f"another process is training {identity} in {folder}; wait until it has ended and run the same command again, "
        "or name another place with --cache"
    )
    with ExitStack() as stack:
        try:
            lock.mkdir(parents=True, exist_ok=True)
            stack.enter_context(held(lock, busy))
        except StoreError as error:
            raise BuildError(str(error)) from None
        yield


def _train_and_log(
    network: nn.Module,
    step: Train,
    data: Split,
    kept: tuple[Path, str],
    report: Callable[[str], None],
    teachers: Sequence[nn.Module],
) -> tuple[nn.Module, float | None]:
    folder, identity = kept
    log = folder / f"{identity}.log.jsonl"
    logged_before = read_seconds(log)
    ended_s = [0.0]  # of this call's epochs, after the start of the first

    def note(progress: Progress) -> None:
        line = {"epoch_s": progress.elapsed_s - ended_s[-1], **to_json(progress)}
        ended_s.append(progress.elapsed_s)
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        held_out = (
            "" if progress.accuracy_validation is None else f", {progress.accuracy_validation:.2%} of held-out images"
        )
        report(
            f"epoch {progress.epoch} of {progress.epochs}, loss {progress.loss:.3f}{held_out}, "
            f"about {progress.remaining_s / 60:.0f} min left"
        )

    network = train(network, step, data, folder / f"{identity}.pt", identity, note, teachers)
    first_epoch_now = step.epochs - (len(ended_s) - 1) + 1
    earlier = [logged_before.get(epoch) for epoch in range(1, first_epoch_now)]
    known = [seconds for seconds in earlier if seconds is not None]
    return network, sum(known) if len(known) == len(earlier) else None


def read_seconds(log: Path) -> dict[int, float]:
    """Seconds by epoch number (from 1); the last line of an epoch counts. Empty where there is no log.

    A line cut short by a power cut is skipped: its epoch's time is then unknown.
    """
    try:
        lines = log.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    seconds = {}
    for line in lines:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        seconds[int(row["epoch"])] = float(row["epoch_s"])
    return seconds
