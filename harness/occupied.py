"""Whether a board may be asked what it has: not while another run measures there, as importing runtimes and reading
sensors would disturb it. Owns that one question, whose answer costs the board next to nothing."""

from __future__ import annotations

from pathlib import Path

from harness.board.hold import Board
from harness.board.runner import Holder, holder
from harness.errors import BoardBusy
from harness.model.case import Plan
from harness.store import store

# What the board's answer does not change.
_SAME = ("suite", "device", "seed", "harness_version", "agent_sha256", "device_id")


def check_free(plan: Plan, board: Board, results: Path) -> None:
    """BoardBusy where another run has the board. Not where an interrupted run of this plan has it, of the store
    `results`: what it left there is to be collected. StoreError where that run's host still lives."""
    found = holder(board)
    if found is None:
        return
    folder = results / Path(found.run).name
    if (folder / "run.json").is_file() and _may_be(store.read_run(folder).plan, plan):
        with store.held(folder):
            return
    raise BoardBusy(f"{board.device.name}: {in_use(found)}; wait until it has ended")


def in_use(found: Holder) -> str:
    """Who has the board, in words."""
    return f"{found.who} has been measuring on it since {found.since_utc} (run {found.run})"


def _may_be(begun: Plan, plan: Plan) -> bool:
    """Whether a run is one of this plan, before the board has said which of its cases it can run."""
    cases = {case.id for case in plan.cases}
    alike = all(getattr(begun, name) == getattr(plan, name) for name in _SAME)
    return alike and all(case.id in cases for case in begun.cases)
