"""What came back: samples, traces, the environment in force, one trial. Raw facts only, never a mean.

All times are seconds on the board's monotonic clock, one clock per trial. Columns are `array('d')`, so that this
layer needs nothing but the standard library.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.model.case import Case, Mode
from harness.model.codec import Json

# 1: first version.
SCHEMA = 1
TRIAL_SCHEMA = f"harness.trial/{SCHEMA}"

Columns = array  # of doubles


def no_values() -> array[float]:
    """An empty column."""
    return array("d")


@dataclass(frozen=True)
class Samples:
    """One row per inference: when it started, how long it took, in which block (numbered from 0) it ran.

    device_s: what the device itself took by its own events, without the copies to and from it; empty where the backend
    has none.
    """

    start_s: array[float] = field(default_factory=no_values)
    duration_s: array[float] = field(default_factory=no_values)
    block: array[float] = field(default_factory=no_values)
    device_s: array[float] = field(default_factory=no_values)

    def __len__(self) -> int:
        return len(self.start_s)


@dataclass(frozen=True)
class Channel:
    """One sensor channel. scope: what it covers (process, core, machine, ...); provenance: how the number arises.

    For power (W) and energy (J) both are words of harness.model.power.
    """

    collector: str
    name: str
    unit: str
    kind: Literal["gauge", "counter"]
    scope: str
    provenance: str


@dataclass(frozen=True)
class Trace:
    """A channel's readings over a trial; a reading that failed is NaN."""

    channel: Channel
    time_s: array[float]
    value: array[float]


@dataclass(frozen=True)
class Environment:
    """Settings as asked, settings as found in force afterwards, and facts (versions, CPU, kernel, sensors missing)."""

    requested: Mapping[str, Json] = field(default_factory=dict)
    in_force: Mapping[str, Json] = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Phases:
    """Durations of the parts that are not steady state, and when steady state began and ended (board clock).

    idle_*: the model is loaded and nothing is asked of it, just before warm-up and just after the steady part.
    """

    import_s: float | None = None
    load_s: float | None = None
    first_inference_s: float | None = None
    warm_up_s: float | None = None
    warm_up_count: int | None = None
    warm_up_steady: bool | None = None
    steady_start_s: float | None = None
    steady_end_s: float | None = None
    idle_before_start_s: float | None = None
    idle_before_end_s: float | None = None
    idle_after_start_s: float | None = None
    idle_after_end_s: float | None = None


@dataclass(frozen=True)
class Outputs:
    """signature: values of the first output of the last timed inference. Accuracy mode, per image: top1, the true label
    (kept with the trial, so that a report needs no data set), logits row after row."""

    signature: tuple[float, ...] = ()
    finite: bool = True
    top1: array[float] = field(default_factory=no_values)
    label: array[float] = field(default_factory=no_values)
    logits: array[float] = field(default_factory=no_values)


@dataclass(frozen=True)
class Trial:
    """One fresh process. status "ok" or "failed", with the message; stop_reason as the agent gave it.

    arms: where blocks alternate between two conditions, the condition of each block ("on", "off"); else empty.
    """

    id: str
    run: str
    case: Case
    mode: Mode
    launch: int
    order: int
    started_utc: str
    status: Literal["ok", "failed"]
    message: str = ""
    stop_reason: str = ""
    environment: Environment = Environment()
    phases: Phases = Phases()
    memory: Mapping[str, float] = field(default_factory=dict)
    outputs: Outputs = field(default_factory=Outputs)
    warm_up: Samples = field(default_factory=Samples)
    samples: Samples = field(default_factory=Samples)
    arms: tuple[str, ...] = ()
    traces: tuple[Trace, ...] = ()
    dataset_sha256: str | None = None
    wall_s: float | None = None


@dataclass(frozen=True)
class Record:
    """A case with its trials: the unit of analysis. `damaged` lists trial folders that could not be read, and why."""

    case: Case
    trials: tuple[Trial, ...]
    damaged: tuple[str, ...] = ()
