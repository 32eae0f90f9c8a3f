"""A run: the plan, who started it and with what. Written once when it starts, so an interrupted run explains itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model.case import Plan, PlannedTrial
from harness.model.codec import content_id
from harness.model.device import Device

# 1: first version.
RUN_SCHEMA = "harness.run/1"


@dataclass(frozen=True)
class Run:
    """`commit` is None outside a git checkout. `command` is what to type to run exactly this again."""

    schema: str
    id: str
    plan_id: str
    plan: Plan
    device: Device
    started_utc: str
    command: tuple[str, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str | None = None
    commit_dirty: bool | None = None


@dataclass(frozen=True)
class Stopped:
    """Why no more launches of a case were started, in a run until it is precise.

    rounds: launches that were started, failed ones included. relative: half the interval of p50 over p50, None where
    there is none; reached: whether that is as narrow as asked. reason: one sentence.
    """

    rounds: int
    relative: float | None
    reached: bool
    reason: str


def trial_id(run: str, planned: PlannedTrial) -> str:
    """The same planned trial of the same run always has this id, which is how a resumed run knows what is done."""
    return content_id({"run": run, "case": planned.case_id, "mode": planned.mode, "launch": planned.launch})
