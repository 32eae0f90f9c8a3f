"""Several boards measured side by side, each by a process of its own here: what one board does stops no other.

Owns processes and what they tell; what is measured and how is `stages`' alone. The processes lead sessions of their
own, so that a Ctrl-C reaches this one first, which passes it on once: each then puts its board's state back.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from harness import stages
from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, EXIT_USAGE, HarnessError
from harness.model.trial import Outputs, Samples, Trial
from harness.options import Options
from harness.plan import told
from harness.registry import Target
from harness.stages import Progress, Watcher

INTERRUPTED = "interrupted; finished trials are kept, the same command goes on"


@dataclass(frozen=True)
class Outcome:
    """How it went on one board: the run's folder, or why there is none, with the exit code that this means."""

    target: Target
    folder: Path | None = None
    error: str = ""
    exit_code: int = EXIT_DONE


def measure(target: Target, options: Options, watcher: Watcher) -> Path:
    """One board, from its plan to the run's folder. Raises what its stages raise."""
    planned, board = stages.reach(stages.plan_run(options, target), options)
    try:
        for text in told(planned.plan.skips):
            watcher.tell(text)
        return stages.measure(planned, board, options, watcher)
    finally:
        board.transport.close()


def measure_all(
    targets: Sequence[Target], options: Options, watcher_of: Callable[[Target], Watcher]
) -> tuple[Outcome, ...]:
    """All boards at once; returns when every one has ended, in the order of `targets`."""
    started = [_start(target, options) for target in targets]
    watchers = {id(process): watcher_of(target) for process, target in zip(started, targets, strict=True)}
    interrupted = False
    while any(process.outcome is None for process in started):
        try:
            for process in started:
                process.listen_until_quiet(watchers[id(process)])
            wait([process.ear for process in started if process.outcome is None], timeout=1.0)
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted = True
            for process in started:
                process.interrupt()
    if interrupted:
        raise KeyboardInterrupt
    return tuple(process.outcome for process in started if process.outcome is not None)


class _Process:
    """One board's process and what it has told."""

    def __init__(self, target: Target, process: multiprocessing.process.BaseProcess, ear: Connection) -> None:
        self.ear = ear
        self.outcome: Outcome | None = None
        self._target, self._process = target, process

    def listen_until_quiet(self, watcher: Watcher) -> None:
        """Pass on what was told so far."""
        while self.outcome is None and self.ear.poll():
            try:
                told = self.ear.recv()
            except EOFError:
                self._process.join()
                message = f"the process that measured it ended with status {self._process.exitcode}"
                self._end(Outcome(self._target, None, message, EXIT_NOTHING_VALID))
                return
            if isinstance(told, Progress):
                watcher(told)
            elif isinstance(told, str):
                watcher.tell(told)
            else:
                self._end(Outcome(self._target, *told))

    def interrupt(self) -> None:
        """As Ctrl-C, where it still runs."""
        if self.outcome is None and self._process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGINT)

    def _end(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.ear.close()
        self._process.join()


def _start(target: Target, options: Options) -> _Process:
    context = multiprocessing.get_context("spawn")
    ear, mouth = context.Pipe(duplex=False)
    process = context.Process(target=_measure_and_tell, args=(target, options, mouth), name=target.device.name)
    process.start()
    mouth.close()
    return _Process(target, process, ear)


def _measure_and_tell(target: Target, options: Options, mouth: Connection) -> None:
    """The process of one board."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        outcome = _outcome(target, options, mouth)
    except BrokenPipeError:  # nobody is left to tell; the board was put back on the way here
        return
    with suppress(BrokenPipeError):
        mouth.send(outcome)


def _outcome(target: Target, options: Options, mouth: Connection) -> tuple[Path | None, str, int]:
    try:
        return measure(target, options, _Messenger(mouth)), "", EXIT_DONE
    except HarnessError as error:
        return None, str(error), error.exit_code
    except KeyboardInterrupt:
        return None, INTERRUPTED, EXIT_NOTHING_VALID
    except BrokenPipeError:
        raise
    except OSError as error:
        return None, f"{error.filename or ''}: {error.strerror or error}", EXIT_USAGE
    except Exception:  # noqa: BLE001  # one board's defect must leave the others running
        return None, f"{traceback.format_exc()}this is a defect; please report it", EXIT_NOTHING_VALID


class _Messenger:
    """A watcher in the other process: trials travel without their samples, which are in the store."""

    def __init__(self, mouth: Connection) -> None:
        self._mouth = mouth

    def __call__(self, progress: Progress) -> None:
        """Pass it on."""
        self._mouth.send(dataclasses.replace(progress, finished=_slim(progress.finished)))

    def tell(self, text: str) -> None:
        """Pass it on."""
        self._mouth.send(text)


def _slim(trial: Trial | None) -> Trial | None:
    if trial is None:
        return None
    return dataclasses.replace(trial, warm_up=Samples(), samples=Samples(), outputs=Outputs(), traces=())
