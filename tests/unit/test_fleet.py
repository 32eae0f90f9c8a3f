"""Processes of several boards: what is told at once, what an interrupt ends, and what it leaves."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from harness import fleet, registry
from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, EXIT_USAGE
from harness.options import Options
from harness.registry import Target
from harness.stages import Progress
from tests.support.host_side import leases_of, runs_of, store_of, trial_folders
from tests.support.scripted_suite import script, write_device, write_suite


def options(tmp_path: Path, launches: int = 2) -> Options:
    suite = write_suite(tmp_path, {"a": script()}, launches=launches)
    cache, leases = tmp_path / "cache", leases_of(tmp_path)
    return Options(("harness",), str(suite), (), store_of(tmp_path), cache, cache, leases=leases)


def good(tmp_path: Path) -> Target:
    return Target(registry.load_device(str(write_device(tmp_path))), None, "bench.toml")


def wrong(tmp_path: Path) -> Target:
    """One that is refused before anybody is asked."""
    device = replace(good(tmp_path).device, name="wrong", backends=("nul",))
    return Target(device, None, "wrong.toml")


class Told:
    """A watcher that does as it is told at the first trial that is finished."""

    def __init__(self, at_first: object = None) -> None:
        self.texts: list[str] = []
        self.finished = 0
        self._at_first = at_first

    def __call__(self, progress: Progress) -> None:
        if progress.finished is not None:
            self.finished += 1
            if self.finished == 1 and callable(self._at_first):
                self._at_first()

    def tell(self, text: str) -> None:
        self.texts.append(text)


def test_a_board_that_fails_is_told_before_the_others_have_ended(tmp_path: Path) -> None:
    ended: list[str] = []
    seen: list[list[str]] = []
    watcher = Told(lambda: seen.append(list(ended)))
    outcomes = fleet.measure_all(
        (good(tmp_path), wrong(tmp_path)),
        options(tmp_path, 8),
        lambda _: watcher,
        lambda one: ended.append(one.target.name),
    )
    # In the order of the targets, whoever ended first.
    assert [one.target.name for one in outcomes] == ["bench", "wrong"]
    assert ended == ["wrong", "bench"]
    assert outcomes[0].folder == runs_of(tmp_path)[0]
    assert (outcomes[0].exit_code, outcomes[1].exit_code) == (EXIT_DONE, EXIT_USAGE)
    assert outcomes[1].error.startswith("wrong.toml: the agent has no backend 'nul'; did you mean null?")
    assert watcher.finished == 9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_the_boards_and_keeps_what_is_done(tmp_path: Path, number: signal.Signals) -> None:
    before = [signal.getsignal(one) for one in fleet.INTERRUPTS]
    watcher = Told(lambda: signal.raise_signal(number))
    both = (wrong(tmp_path), good(tmp_path))
    refused, broken = fleet.measure_all(both, options(tmp_path, 100), lambda _: watcher)
    assert refused.exit_code == EXIT_USAGE
    assert (broken.folder, broken.error, broken.exit_code) == (None, fleet.INTERRUPTED, EXIT_NOTHING_VALID)
    assert [signal.getsignal(one) for one in fleet.INTERRUPTS] == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
    assert list(leases_of(tmp_path).glob("*.lease.json")) == []
    (run,) = runs_of(tmp_path)
    assert 1 <= len(trial_folders(run)) < 101


def test_an_interrupt_while_they_start_reaches_all_of_them_and_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It waits for the last one to be known, and in each for what can bear it."""
    watched: list[str] = []

    def watcher_of(target: Target) -> Told:
        if not watched:  # the processes are there, and not one of them has come far
            signal.raise_signal(signal.SIGINT)
        watched.append(target.name)
        return Told()

    outcomes = fleet.measure_all((good(tmp_path), good(tmp_path)), options(tmp_path), watcher_of)
    assert [one.error for one in outcomes] == [fleet.INTERRUPTED] * 2
    assert capfd.readouterr().err == ""
    assert runs_of(tmp_path) == []


def test_who_will_not_wait_ends_them_by_force(tmp_path: Path) -> None:
    def again_and_again() -> None:
        for _ in range(fleet.INTERRUPTS_BEFORE_FORCE):
            signal.raise_signal(signal.SIGINT)

    (killed,) = fleet.measure_all((good(tmp_path),), options(tmp_path, 100), lambda _: Told(again_and_again))
    assert killed.exit_code == EXIT_NOTHING_VALID
    assert killed.error in ("the process that measured it ended with status -9", fleet.INTERRUPTED)


def test_a_watcher_that_fails_leaves_nobody_measuring(tmp_path: Path) -> None:
    def fail() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        fleet.measure_all((good(tmp_path),), options(tmp_path, 100), lambda _: Told(fail))
    processes = fleet.multiprocessing.active_children()
    for process in processes:
        process.join(60)
        assert process.exitcode is not None
    assert list(leases_of(tmp_path).glob("*.lease.json")) == []
