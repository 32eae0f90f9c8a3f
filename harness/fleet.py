"""Several boards measured side by side, each by a process of its own here: what one board does stops no other.

Owns processes and what they tell; what is measured and how is `stages`' alone. The processes lead sessions of their
own, so that a Ctrl-C reaches this one first, which passes it on: each then puts its board's state back. They do the
same when they are told to end, and when this process is gone.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path

from harness import planning, stages
from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, EXIT_USAGE, HarnessError
from harness.model.trial import Outputs, Samples, Trial
from harness.options import Options
from harness.plan import told
from harness.registry import Target
from harness.stages import Progress, Watcher

INTERRUPTED = "interrupted; finished trials are kept, the same command goes on"
# What ends a program in good order: Ctrl-C, a supervisor, a terminal that was closed.
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Whoever asks so often will not wait; the boards then put their state back by themselves.
INTERRUPTS_BEFORE_FORCE = 3


@dataclass(frozen=True)
class Outcome:
    """How it went on one board: the run's folder, or why there is none, with the exit code that this means."""

    target: Target
    folder: Path | None = None
    error: str = ""
    exit_code: int = EXIT_DONE


def measure(target: Target, options: Options, watcher: Watcher) -> Path:
    """One board, from its plan to the run's folder. Raises what its stages raise."""
    planned, board = stages.reach(planning.plan_run(options, target), options)
    try:
        for text in told(planned.plan.skips):
            watcher.tell(text)
        return stages.measure(planned, board, options, watcher)
    finally:
        board.transport.close()


def measure_all(
    targets: Sequence[Target],
    options: Options,
    watcher_of: Callable[[Target], Watcher],
    ended: Callable[[Outcome], None] = lambda _outcome: None,
) -> tuple[Outcome, ...]:
    """All boards at once; returns when every one has ended, in the order of `targets`. `ended` is told of each at once.

    An interrupt ends the boards and not this function: those that are done are done. Call it in the main thread.
    """
    started: list[_Process] = []
    resource_tracker.ensure_running()  # which unblocks signals where it starts, and would do so below
    with _passed_on_to(started):
        try:
            with _kept_back():  # for this process until all are known, for them until they can bear it
                started += [_start(target, options) for target in targets]
            watchers = [watcher_of(target) for target in targets]
            while any(process.outcome is None for process in started):
                wait([process.ear for process in started if process.outcome is None], timeout=1.0)
                for process, watcher in zip(started, watchers, strict=True):
                    process.listen_until_quiet(watcher, ended)
        finally:  # where whoever looks on is gone, nobody waits for the boards
            for process in started:
                process.leave()
    return tuple(process.outcome for process in started if process.outcome is not None)


@contextmanager
def _passed_on_to(started: Sequence[_Process]) -> Iterator[None]:
    """Meanwhile what would interrupt this process interrupts those alone."""
    count = 0

    def pass_on(_number: int, _frame: object) -> None:
        nonlocal count
        count += 1
        for process in started:
            process.interrupt(signal.SIGINT if count < INTERRUPTS_BEFORE_FORCE else signal.SIGKILL)

    heard = [number for number in INTERRUPTS if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _kept_back() -> Iterator[None]:
    """Signals wait until the end; who is started meanwhile has them wait, too."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Process:
    """One board's process and what it has told."""

    def __init__(self, target: Target, process: multiprocessing.process.BaseProcess, ear: Connection) -> None:
        self.ear = ear
        self.outcome: Outcome | None = None
        self._target, self._process = target, process

    def listen_until_quiet(self, watcher: Watcher, ended: Callable[[Outcome], None]) -> None:
        """Pass on what was told so far."""
        while self.outcome is None and self.ear.poll():
            try:
                told = self.ear.recv()
            except EOFError:
                self._process.join()
                message = f"the process that measured it ended with status {self._process.exitcode}"
                ended(self._end(Outcome(self._target, None, message, EXIT_NOTHING_VALID)))
                return
            if isinstance(told, Progress):
                watcher(told)
            elif isinstance(told, str):
                watcher.tell(told)
            else:
                ended(self._end(Outcome(self._target, *told)))

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """As Ctrl-C, where it still runs."""
        if self.outcome is None and self._process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def leave(self) -> None:
        """Interrupt it where it still runs, and listen no more."""
        if self.outcome is None:
            self.interrupt()
            self.ear.close()

    def _end(self, outcome: Outcome) -> Outcome:
        self.outcome = outcome
        self.ear.close()
        self._process.join()
        return outcome


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
    for number in INTERRUPTS:
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    threading.Thread(target=_outlive_nobody, name="parent", daemon=True).start()
    # Broken: nobody is left to tell; the board was put back on the way here.
    with suppress(BrokenPipeError, KeyboardInterrupt):
        outcome = _outcome(target, options, mouth)
        for number in INTERRUPTS:
            signal.signal(number, signal.SIG_IGN)
        mouth.send(outcome)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _outlive_nobody() -> None:
    """Where the process that started this one is gone, however it went: as Ctrl-C, and not at the next word to it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGINT)


def _outcome(target: Target, options: Options, mouth: Connection) -> tuple[Path | None, str, int]:
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
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
