"""What --baseline and --candidate can name: a model file, a suite, a git revision of one, a stored run, a blessed
baseline. Each becomes a Side: what of it can be measured now, and what of it was measured before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import registry
from harness.errors import HarnessError, StoreError, UsageError
from harness.gating import blessed, kept, revision, runs
from harness.model.backend import SCRIPTED
from harness.model.baseline import Baseline
from harness.model.case import ArtifactFacts, Case, Plan, Suite
from harness.options import Options
from harness.plan import Resolved
from harness.planning import Planned, plan_run, plan_suite
from harness.registry import Target
from harness.resolve import Resolution, Source, adhoc_suite, parse_shapes
from harness.stages import board_folder
from harness.store import store
from harness.store.store import StoredRun

GIT = "git:"


@dataclass(frozen=True)
class Side:
    """label: what it is, for people. planned: its cases that can be measured now, None where none can; gone: why others
    cannot. stored, baseline: what was measured before."""

    label: str
    planned: Planned | None = None
    gone: tuple[str, ...] = ()
    stored: StoredRun | None = None
    baseline: Baseline | None = None

    @property
    def run(self) -> str:
        """The one that was measured, or blessed; empty where none was."""
        return self.baseline.run if self.baseline else self.stored.run.id if self.stored else ""


@dataclass(frozen=True)
class Ground:
    """Where sides are opened. suite_named: a suite was given; its scenarios, backends and data are a model file's too.
    scratch: a folder for what is unpacked."""

    options: Options
    target: Target
    suite_named: bool
    scratch: Path


def open_side(given: str, ground: Ground) -> Side:
    """UsageError and its kin for a name that is none of them, or that cannot be read."""
    if given.startswith(GIT):
        return _of_revision(given.removeprefix(GIT), ground)
    if given.endswith(".onnx"):
        return _of_file(given, ground)
    if given.endswith(".py"):
        return _of_suite(given, given, ground)
    path = blessed.path_of(given, ground.options.results)
    if path is not None:
        return _of_baseline(blessed.read(path), ground)
    try:
        folder = runs.find_run(ground.options.results, given)
    except (UsageError, StoreError) as error:
        forms = "a run, a blessed baseline, a .onnx file, a suite's .py file, or git:REVISION"
        raise UsageError(f"{given!r} is none of: {forms}; {error}") from None
    return of_run(folder, ground)


def suite_now(ground: Ground) -> Side:
    """The suite as it is, the default candidate."""
    return _of_suite(ground.options.suite, f"{ground.options.suite} as it is", ground)


def of_run(folder: Path, ground: Ground) -> Side:
    """A stored run, with those of its artifacts that are still to be found."""
    stored = store.read(folder)
    run = stored.run
    cases = [(case, run.plan.artifacts[case.id]) for case in run.plan.cases]
    planned, gone = _refound(cases, run.plan, run.command, ground)
    return Side(f"run {run.id}", planned, gone, stored)


def _of_revision(name: str, ground: Ground) -> Side:
    suite = registry.suite_path(ground.options.suite)
    unpacked = revision.unpack(name, suite, ground.scratch)
    side = _of_suite(str(unpacked.suite), f"{suite.stem} at {name} ({unpacked.commit[:12]})", ground)
    return dataclasses.replace(side, label=f"git:{name} ({unpacked.commit[:12]})")


def _of_suite(name: str, label: str, ground: Ground) -> Side:
    suite, _ = registry.load_suite(name)
    # A variant that this side lacks is a note of the match, not an error; one that no side has is.
    wanted = {variant.name for variant in suite.variants} & set(ground.options.variants)
    if ground.options.variants and not wanted:
        raise UsageError(
            f"{label} has no variant {' or '.join(map(repr, ground.options.variants))}; it has: "
            f"{', '.join(variant.name for variant in suite.variants)}"
        )
    options = dataclasses.replace(ground.options, suite=name, variants=tuple(sorted(wanted)))
    return _planned(label, lambda: plan_run(options, ground.target))


def _of_file(file: str, ground: Ground) -> Side:
    own = adhoc_suite((file,), parse_shapes(ground.options.shapes))
    if ground.suite_named:
        suite, _ = registry.load_suite(ground.options.suite)
        if SCRIPTED in suite.backends:
            raise UsageError(f"{file} is a model's file, and {suite.name} is of scripted models: name another suite")
        own = _on_axes(own, suite)
    options = dataclasses.replace(ground.options, variants=())
    return _planned(file, lambda: plan_suite(own, Path.cwd() / "(no suite)", options, ground.target))


def _on_axes(own: Suite, suite: Suite) -> Suite:
    return dataclasses.replace(
        own,
        name=suite.name, backends=suite.backends, scenarios=suite.scenarios, dataset=suite.dataset,
        settings=suite.settings, options=suite.options,
    )  # fmt: skip


def _planned(label: str, make: Callable[[], Planned]) -> Side:
    planned = make()
    gone = tuple(f"{label}: {skip.variant} ({skip.backend}): {skip.reason}" for skip in planned.plan.skips)
    return Side(label, planned if planned.plan.cases else None, gone)


def _of_baseline(baseline: Baseline, ground: Ground) -> Side:
    cases = [(cell.case, cell.artifact) for cell in baseline.cells]
    plan = Plan(baseline.suite, ground.target.name, ground.options.seed, (), (), (), {}, "", "", "")
    planned, gone = _refound(cases, plan, baseline.command, ground)
    return Side(f"baseline {baseline.name} (run {baseline.run})", planned, gone, baseline=baseline)


def _refound(
    cases: Sequence[tuple[Case, ArtifactFacts]], plan: Plan, command: Sequence[str], ground: Ground
) -> tuple[Planned | None, tuple[str, ...]]:
    """The cases whose artifacts are still there, as they can be measured on the target."""
    options, device = ground.options, ground.target.device
    places = kept.Places(
        beside=(*_suite_folders(plan.suite, options), *kept.suites_in(command)),
        named=kept.named_in(command),
        cache=options.cache,
        board=board_folder(options.cache),
    )
    sources: dict[str, Source] = {}
    forms: dict[str, Source] = {}
    artifacts: dict[str, ArtifactFacts] = {}
    found: list[Case] = []
    gone = []
    for case, facts in cases:
        source = kept.find(case, facts, places)
        if source is None:
            gone.append(f"{case.variant} ({case.backend}): its artifact {facts.file} ({facts.sha256[:16]}) is gone")
        elif case.backend not in device.backends:
            gone.append(f"{case.variant} ({case.backend}): {device.name} has no backend {case.backend}")
        else:
            placed = dataclasses.replace(case, device=device.name)
            found.append(placed)
            artifacts[placed.id] = facts
            sources.setdefault(case.variant, source)
            forms[case.artifact_sha256] = source
    nothing: Mapping[str, Resolved | str] = {}
    plan = dataclasses.replace(plan, cases=tuple(found), artifacts=artifacts, skips=(), trials=())
    planned = Planned(plan, ground.target, Resolution(nothing, sources, forms), None)
    return planned if found else None, tuple(gone)


def _suite_folders(name: str, options: Options) -> tuple[Path, ...]:
    """Where the suite of a run may lie: a built-in one, and the one named now."""
    folders = []
    for one in (name, options.suite):
        try:
            folders.append(registry.suite_path(one).parent)
        except HarnessError:
            continue
    return tuple(folders)
