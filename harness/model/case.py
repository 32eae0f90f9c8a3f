"""What is to be measured: suites, variants, artifacts, scenarios, cases. Frozen values; nothing here looks at a disk.

Terms follow the field: a *case* is one cell of suite x variant x device x scenario; a *trial* is one fresh process
that runs it once; a *launch* is the number of that process among its like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from harness.errors import UsageError
from harness.model.codec import Json, content_id
from harness.model.recipe import Recipe

# performance: the timed run. accuracy: the same artifact over a data set. observer: what the sensors cost. paired: one
# side of a duet, whose short blocks alternate with those of another case's process.
Mode = Literal["performance", "accuracy", "observer", "paired"]


@dataclass(frozen=True)
class WarmUp:
    """Inferences before the measured part. They end when the medians of three successive blocks lie within
    `tolerance` of each other (relative) and `min_duration_s` has passed, or, not steady, at `max_duration_s`; a slow
    model gets as long as a few blocks of it take."""

    min_duration_s: float = 0.1
    max_duration_s: float = 2.0
    tolerance: float = 0.02


@dataclass(frozen=True)
class StopRule:
    """The measured part ends when BOTH minima are reached, or at the budget, whichever comes first."""

    min_count: int = 64
    min_duration_s: float = 1.0
    budget_s: float = 60.0


@dataclass(frozen=True)
class Scenario:
    """MLPerf's meaning: single-stream issues the next query when the last one has ended; its headline is p90.

    A query is one call with the bound inputs, whose shapes decide how many samples it holds (1 unless asked otherwise).
    """

    kind: Literal["single-stream"] = "single-stream"
    label: str = ""  # tells two scenarios of one kind apart
    warm_up: WarmUp = WarmUp()
    stop: StopRule = StopRule()

    @property
    def name(self) -> str:
        """As shown and as given to --scenario."""
        return self.label or self.kind


@dataclass(frozen=True)
class Settings:
    """State asked of the process under test. affinity: "last" core, "none", or core numbers "2,3"; nice: 0 is as is."""

    threads: int = 1
    affinity: str = "last"
    nice: int = 0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"last|none|\d+(,\d+)*", self.affinity):
            raise UsageError(f"affinity {self.affinity!r} is none of: last, none, or core numbers such as 2,3")
        if self.threads < 1:
            raise UsageError(f"threads must be 1 or more, not {self.threads}")


@dataclass(frozen=True)
class TensorSpec:
    """One model input as it is fed: every dimension known."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Signature:
    """The first output for the seeded input, by which a timed run proves what it computed.

    `values`: at most 256 evenly spaced values of it, flattened; `source`: who computed them (the lock, or the
    unoptimized graph).
    """

    values: tuple[float, ...]
    source: str


@dataclass(frozen=True)
class Accuracy:
    """Right answers among all images of a split, single view."""

    correct: int
    images: int
    dataset: str

    @property
    def top1(self) -> float:
        """Share in [0, 1]."""
        return self.correct / self.images


@dataclass(frozen=True)
class Part:
    """Bytes of an artifact's file that hold one kind of thing.

    values: numbers stored for the operator type `operator` in the element type `dtype`; graph: nodes, names, shapes,
    and whatever is none of the others; metadata: notes on how the file was made; padding: what lies between values
    that are kept beside the model.
    """

    kind: Literal["values", "graph", "metadata", "padding"]
    size_bytes: int
    operator: str = ""
    dtype: str = ""


@dataclass(frozen=True)
class ArtifactFacts:
    """What is known of one artifact: the lock entry of a released one, the cache entry of a built one.

    `file` is relative to the entry's folder. Counts are exact; `macs` is per image. Absent figures are None, and
    `accuracy_missing` says why when `accuracy` is; `uncounted` names the operators because of which `macs` is.
    `accuracy_interval`: 95 %, low and high, of top-1. Agreements are shares of the test images with the same class.
    `composition`: what the file's bytes hold, which add up to `size_bytes`; found when a run is planned, so no lock
    and no cache entry has it, and empty for what is no ONNX file.
    """

    variant: str
    file: str
    sha256: str
    size_bytes: int
    precision: str
    recipe_id: str | None = None
    parent: str | None = None
    network: str | None = None
    parameters: int | None = None
    macs: int | None = None
    uncounted: tuple[str, ...] = ()
    seed: int | None = None
    dataset_sha256: str | None = None
    accuracy: Accuracy | None = None
    accuracy_interval: tuple[float, ...] = ()
    accuracy_missing: str | None = None
    agreement_with_parent: float | None = None
    agreement_with_teacher: float | None = None
    signature: Signature | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    build_s: float | None = None
    title: str = ""
    role: str = ""
    composition: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Variant:
    """A model in one form. `role` places it in the lineage (teacher, student, int8, ...); `parent` is a variant name.

    `file` is set for models brought along by the user; other variants are found by their recipe.
    """

    name: str
    title: str
    role: str
    precision: str = "fp32"
    parent: str | None = None
    recipe: Recipe | None = None
    file: str | None = None
    inputs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Precision:
    """How far launches go on: until half the 95 % interval of p50 over launches is at most `relative` of it, at most to
    `launches`. budget_s: wall time for the launches of all cases together; None: as long as it takes."""

    relative: float
    launches: int
    budget_s: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.relative < 1:
            raise UsageError(f"a precision of {self.relative} is none: give a share, such as 0.01 or 1%")


@dataclass(frozen=True)
class Suite:
    """Axes to be crossed with a device. `launches`: fresh processes per case; 6 is the fewest that give a 95 %
    distribution-free interval of their median.

    backends: none named means those that the device lists, but for the scripted one. options: by backend, what its
    sessions are made with, e.g. {"tensorrt-int8": {"calibration": "/data/samples.npz"}}.

    until: instead of that many launches, as many as half the interval of p50 takes to be at most this share of it.
    """

    name: str
    title: str
    variants: tuple[Variant, ...]
    backends: tuple[str, ...] = ()
    scenarios: tuple[Scenario, ...] = (Scenario(),)
    dataset: str | None = None
    launches: int = 6
    settings: Settings | None = None
    options: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    until: float | None = None


@dataclass(frozen=True)
class Case:
    """One cell. The id covers every field: all of them can change the outcome, and nothing else is here."""

    suite: str
    variant: str
    artifact_sha256: str
    precision: str
    backend: str
    device: str
    scenario: Scenario
    settings: Settings
    inputs: tuple[TensorSpec, ...]
    input_seed: int
    options: Mapping[str, Json] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """Content hash of all fields."""
        return content_id(self)


@dataclass(frozen=True)
class Skip:
    """A cell that will not be measured, why, and what would change that."""

    variant: str
    backend: str
    scenario: str
    reason: str


@dataclass(frozen=True)
class PlannedTrial:
    """One fresh process to start: which case, in which mode, the how-manieth of its like."""

    case_id: str
    mode: Mode
    launch: int


@dataclass(frozen=True)
class Plan:
    """What a run will do, in order. The id is the same for the same command, which is how a run is resumed.

    until: not all launches are started, only as many as it takes.
    """

    suite: str
    device: str
    seed: int
    cases: tuple[Case, ...]
    skips: tuple[Skip, ...]
    trials: tuple[PlannedTrial, ...]
    artifacts: Mapping[str, ArtifactFacts]  # by case id
    harness_version: str
    agent_sha256: str
    device_id: str  # content hash of everything that the device's file says
    board_id: str = ""  # content hash of what the board said of its hardware and runtimes; empty until it was asked
    until: Precision | None = None

    @cached_property
    def id(self) -> str:
        """Content hash of what will be run, on what, by which code."""
        cases = [case.id for case in self.cases]
        on = {"device": self.device_id, "board": self.board_id}
        by = {"agent": self.agent_sha256, "harness": self.harness_version}
        until = {} if self.until is None else {"until": self.until}  # plans without it keep their ids
        return content_id({"cases": cases, "trials": self.trials, "on": on, "by": by, **until})

    def case(self, case_id: str) -> Case:
        """The case with that id."""
        return self._by_id[case_id]

    @cached_property
    def _by_id(self) -> dict[str, Case]:
        return {case.id: case for case in self.cases}
