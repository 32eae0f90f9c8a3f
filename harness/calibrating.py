"""`doctor --calibrate`: one model against itself on a board, launch by launch, and what its noise lets a gate decide.

Owns which model is taken, the launches, and where the outcome is kept; harness.gating plays the launches,
harness.analysis.gate.calibration reckons.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from harness import places, stages
from harness.analysis.gate import calibration
from harness.analysis.gate.calibration import Calibration
from harness.analysis.gate.effects import Launch
from harness.board.hold import Board, Hold, Patience
from harness.board.runner import utc_now
from harness.errors import NothingMeasured, StoreError, UsageError
from harness.gating import launches
from harness.gating.cells import Pair, joined
from harness.gating.desk import Desk
from harness.gating.launches import Paused
from harness.gating.paired import MOST_DROPPED, TOO_MANY
from harness.model.codec import Json, to_json
from harness.model.gate import FEWEST_LAUNCHES
from harness.model.policy import DEFAULT
from harness.options import Options
from harness.planning import Planned, plan_run
from harness.registry import DEFAULT_SUITE, Target
from harness.stages import Watcher
from harness.store import store

LAUNCHES = 20  # statistics.md, 4.10
SCHEMA = "harness.calibration/1"
# Of the default suite the smallest model: of short inferences the noise is the largest.
VARIANT = "fast-int8"
FOLDER = "calibrations"


@dataclass(frozen=True)
class Calibrated:
    """What was measured of what, where and when. board_id: of the hardware and the runtimes, as a run's plan has it;
    restless: that most launches reached no steady state, where it is so."""

    device: str
    board_id: str
    model: str
    started_utc: str
    seed: int
    found: Calibration
    restless: str = ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why a gate is not to be trusted on this board; empty where it is."""
        return (*self.found.reasons, *([self.restless] if self.restless else []))


def with_model(options: Options) -> Options:
    """The options with a model where none was named: the default suite's smallest."""
    if options.models or options.variants or options.suite != DEFAULT_SUITE:
        return options
    return replace(options, variants=(VARIANT,))


def calibrate(
    options: Options,
    target: Target,
    watcher: Watcher,
    count: int = LAUNCHES,
    clock: Callable[[], float] = time.monotonic,
) -> Calibrated:
    """Measure, reckon, keep. NothingMeasured where a launch fails; UsageError where the options name several cases."""
    if count < FEWEST_LAUNCHES:
        raise UsageError(f"--launches {count}: noise cannot be known from fewer than {FEWEST_LAUNCHES} launches")
    planned, board = stages.reach(plan_run(with_model(options), target), options)
    try:
        planned = stages.with_references(_one_cell(planned), board, options)
        board_id = planned.plan.board_id
        planned, (pair,), _, _ = joined(planned, planned)
        started = utc_now()
        measured, seconds, restless = _launches(planned, pair, board, (options, watcher), (count, clock))
    finally:
        board.transport.close()
    found = calibration.calibrated(measured, seconds, DEFAULT, options.seed)
    name = f"{pair.candidate.variant} ({pair.candidate.backend})"
    return Calibrated(target.name, board_id, name, started, options.seed, found, restless)


def keep(calibrated: Calibrated, cache: Path) -> Path:
    """The newest outcome of each board, in the cache. StoreError."""
    folder = places.writable(cache / FOLDER, "--cache")
    path = folder / f"{calibrated.device}-{calibrated.board_id[:12]}.json"
    try:
        path.write_text(json.dumps(as_json(calibrated), indent=1, allow_nan=False) + "\n", "utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from None
    return path


def as_json(calibrated: Calibrated) -> Json:
    """As `--json` prints it; what cannot be known is null."""
    found = to_json(calibrated)
    told: dict[str, Json] = {"schema": SCHEMA, **found, "reasons": list(calibrated.reasons)}
    return {name: _finite(value) for name, value in told.items()}


def _finite(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _one_cell(planned: Planned) -> Planned:
    """The plan with its only case; of several backends and scenarios the first, as one floor is asked for."""
    cases = planned.plan.cases
    if not cases:
        reasons = "; ".join(f"{skip.variant} ({skip.backend}): {skip.reason}" for skip in planned.plan.skips)
        raise NothingMeasured(f"{planned.target.name} has nothing to calibrate with: {reasons or 'no case'}")
    variants = {case.variant for case in cases}
    if len(variants) > 1:
        raise UsageError(f"a calibration is of one model; name one with --variant: {', '.join(sorted(variants))}")
    return replace(planned, plan=replace(planned.plan, cases=cases[:1]), split=None)  # no image is needed


def _launches(
    planned: Planned, pair: Pair, board: Board, by: tuple[Options, Watcher], how: tuple[int, Callable[[], float]]
) -> tuple[list[Launch], list[float], str]:
    """In the order of measuring, the wall time of each, and whether they were restless. Kept as a run in the cache: it
    is no result of anything."""
    (options, watcher), (count, clock) = by, how
    run = stages.new_run(planned, options)
    root = places.writable(options.cache / FOLDER / "runs", "--cache")
    found: list[Launch] = []
    seconds: list[float] = []
    with Hold(board, run.id, Patience(tell=watcher.tell)) as hold:
        folder = store.begin(root, run)
        with store.held(folder):
            sent = hold.sending(lambda reached: stages.materials(reached, planned, options))
            no_energy = "sensors do not run beside a duet"
            desk = Desk(hold, run, folder, sent, watcher, clock, no_energy, Random(options.seed), 2 * count)
            hold.calm(whole=True)
            while len(found) < count:
                began = clock()
                launch = desk.launch(pair)
                if isinstance(launch, str):
                    raise NothingMeasured(f"launch {len(found)} of {pair.name} against itself: {launch}")
                if isinstance(launch, Paused):
                    if len(desk.dropped[pair.name]) > MOST_DROPPED * count:
                        raise NothingMeasured(f"{pair.name}: the machine was paused again and again, {TOO_MANY}")
                    continue
                found.append(launch)
                seconds.append(clock() - began)
            store.finish(folder, utc_now(), 2 * count, 0)
        hold.drop(None)
    return found, seconds, launches.restless(desk.played[pair.name])
