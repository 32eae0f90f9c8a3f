"""Suite x device to cases, skips and an order. Pure: the same arguments give the same plan, and nothing is run.

What a backend makes of a file is harness.model.backend's.

Trials of all cases alternate: each round starts every case once, in a seeded random order, so that drift, heat and
neighbours fall on all of them alike.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from harness.errors import UnknownName, UsageError
from harness.model import backend as backends
from harness.model.case import (
    ArtifactFacts,
    Case,
    Mode,
    Plan,
    PlannedTrial,
    Precision,
    Scenario,
    Skip,
    StopRule,
    Suite,
    TensorSpec,
    Variant,
)
from harness.model.codec import Json, content_id
from harness.model.device import Device

T = TypeVar("T")
INPUT_SEED = 0
QUICK_LAUNCHES = 3
SUSTAINED = "sustained"
QUICK_STOP = StopRule(min_count=64, min_duration_s=0.3, budget_s=10.0)


@dataclass(frozen=True)
class Resolved:
    """A variant whose artifact is at hand, with the inputs it takes.

    forms: the same weights in another file (see harness.model.backend.Form), or the reason why there is none.
    """

    facts: ArtifactFacts
    inputs: tuple[TensorSpec, ...]
    forms: Mapping[str, ArtifactFacts | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """What the user narrowed: names empty means all. `accuracy`: the suite's data is at hand.

    backends: of those that the suite names, or where it names none, that the device lists. until: as of Plan; it says
    how many launches there are at the most. sustain_s: the least duration of the measured part of each launch.
    """

    variants: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    quick: bool = False
    seed: int = 0
    accuracy: bool = False
    budget_s: float | None = None
    backends: tuple[str, ...] = ()
    until: Precision | None = None
    sustain_s: float | None = None


@dataclass(frozen=True)
class Instrument:
    """What measures: the versions that decide whether two runs are the same."""

    harness_version: str
    agent_sha256: str


def make_plan(
    suite: Suite, device: Device, artifacts: Mapping[str, Resolved | str], choice: Choice, instrument: Instrument
) -> Plan:
    """Cross the axes. `artifacts` holds per variant what it resolves to, or the reason why it does not.

    Raises UnknownName for a chosen variant, backend or scenario that is not there, UsageError for a suite that gives
    one name to two of them.
    """
    _check_names(suite)
    variants = chosen("variant", suite.variants, [variant.name for variant in suite.variants], choice.variants)
    scenarios = chosen("scenario", suite.scenarios, [scenario.name for scenario in suite.scenarios], choice.scenarios)
    cases: list[Case] = []
    skips: list[Skip] = []
    facts: dict[str, ArtifactFacts] = {}
    for variant in variants:
        for backend in chosen_backends(suite, device, choice):
            for scenario in scenarios:
                made = _case(suite, device, (variant, backend, scenario), artifacts[variant.name], choice)
                if isinstance(made, Skip):
                    skips.append(made)
                else:
                    cases.append(made[0])
                    facts[made[0].id] = made[1]
    return Plan(
        suite=suite.name,
        device=device.name,
        seed=choice.seed,
        cases=tuple(cases),
        skips=tuple(skips),
        trials=ordered_trials(cases, _launches(suite, choice), choice),
        artifacts=facts,
        harness_version=instrument.harness_version,
        agent_sha256=instrument.agent_sha256,
        device_id=content_id(device),
        until=choice.until,
    )


def _launches(suite: Suite, choice: Choice) -> int:
    if choice.until is not None:
        return choice.until.launches
    return QUICK_LAUNCHES if choice.quick else suite.launches


def ordered_trials(cases: Sequence[Case], launches: int, choice: Choice) -> tuple[PlannedTrial, ...]:
    """Rounds of all cases in seeded random order; then what the sensors cost; accuracy last, as it heats the board."""
    chance = random.Random(choice.seed)
    trials: list[PlannedTrial] = []
    for launch in range(launches):
        trials += [PlannedTrial(case.id, "performance", launch) for case in chance.sample(cases, len(cases))]
    if cases and not choice.quick:
        trials.append(PlannedTrial(cases[-1].id, "observer", 0))
    mode: Mode = "accuracy"
    if choice.accuracy:
        trials += [PlannedTrial(case.id, mode, 0) for case in _one_per_artifact(cases)]
    return tuple(trials)


def without_backends(plan: Plan, reasons: Mapping[str, str]) -> Plan:
    """The plan less the cases of backends that the board turned out not to have, each as a skip with its reason."""
    gone = {case.id: case for case in plan.cases if case.backend in reasons}
    kept = [trial for trial in plan.trials if trial.case_id not in gone]
    left = tuple(case for case in plan.cases if case.id not in gone)
    observed = [trial for trial in plan.trials if trial.mode == "observer"]
    if left and observed and observed[0].case_id in gone:
        # The sensors' cost is priced on another case then, at the same place in the order.
        place = sum(trial.mode == "performance" for trial in kept)
        kept.insert(place, dataclasses.replace(observed[0], case_id=left[-1].id))
    skips = tuple(Skip(case.variant, case.backend, case.scenario.name, reasons[case.backend]) for case in gone.values())
    return dataclasses.replace(
        plan,
        cases=left,
        skips=plan.skips + skips,
        trials=tuple(kept),
    )


def told(skips: Sequence[Skip]) -> list[str]:
    """Skips in words, those with one backend and one reason together: nine variants must not say it nine times."""
    together: dict[tuple[str, str], list[Skip]] = {}
    for skip in skips:
        together.setdefault((skip.backend, skip.reason.replace(skip.variant, "VARIANT")), []).append(skip)
    found = []
    for (backend, reason), group in together.items():
        names = ", ".join(dict.fromkeys(skip.variant for skip in group))
        found.append(f"skipped {names} ({backend}): {reason if len(group) > 1 else group[0].reason}")
    return found


def chosen(kind: str, items: Sequence[T], names: Sequence[str], wanted: Sequence[str]) -> list[T]:
    """The items whose names are wanted, in their order; all if none is. UnknownName for one that is not there."""
    for name in wanted:
        if name not in names:
            raise UnknownName(kind, name, names)
    return [item for item, name in zip(items, names, strict=True) if not wanted or name in wanted]


def chosen_backends(suite: Suite, device: Device, choice: Choice) -> list[str]:
    """Backends to be crossed, in their order. UnknownName for a chosen one that is not among them."""
    offered = suite.backends or tuple(name for name in device.backends if name != backends.SCRIPTED)
    return chosen("backend", offered, offered, choice.backends)


def wanted_forms(suite: Suite, device: Device, choice: Choice) -> frozenset[backends.Form]:
    """Files besides the ONNX ones that a plan of these would ask for."""
    forms = {_form(name, device) for name in chosen_backends(suite, device, choice) if name in device.backends}
    return frozenset(form for form in forms if form is not None and form != "onnx")


def _check_names(suite: Suite) -> None:
    """Names are how artifacts, options and readers find a variant or a scenario."""
    for kind, items in (("variant", suite.variants), ("scenario", suite.scenarios)):
        for name, count in Counter(item.name for item in items).items():
            if count > 1:
                raise UsageError(f"suite {suite.name} has the {kind} {name!r} twice; give each a name of its own")


def _case(
    suite: Suite, device: Device, cell: tuple[Variant, str, Scenario], resolved: Resolved | str, choice: Choice
) -> tuple[Case, ArtifactFacts] | Skip:
    """The case with the facts of the file that it runs."""
    variant, backend, scenario = cell

    def skip(reason: str) -> Skip:
        return Skip(variant.name, backend, scenario.name, reason)

    if isinstance(resolved, str):
        return skip(resolved)
    if backend not in device.backends:
        return skip(f"{device.name} has no backend {backend} (it has: {', '.join(device.backends)})")
    facts = _file(backend, device, resolved)
    if isinstance(facts, str):
        return skip(facts)
    options = _options(suite, backend, resolved)
    made = precision_of(backend, facts.precision, options)
    if made.reason is not None:
        return skip(made.reason)
    case = Case(
        suite=suite.name,
        variant=variant.name,
        artifact_sha256=facts.sha256,
        precision=made.precision,
        backend=backend,
        device=device.name,
        scenario=_scenario(scenario, choice),
        settings=suite.settings or device.settings,
        inputs=resolved.inputs,
        input_seed=INPUT_SEED,
        options=options,
    )
    return case, facts


@dataclass(frozen=True)
class Made:
    """The precision that a backend makes of a file, or the `reason` why it cannot."""

    precision: str
    reason: str | None = None


def precision_of(backend: str, file: str, options: Mapping[str, Json]) -> Made:
    """What a case of this backend over a file of that precision is to be called."""
    asked = backends.needs(backend).precision
    if asked is None:
        return Made("fp16" if options.get("fp16") and file == "fp32" else file)
    plain = backend.rpartition("-")[0]
    if file == asked:
        return Made(file, f"its file is {file} already; {plain} runs it as it is")
    if file != "fp32":
        return Made(file, f"{backend} makes {asked} of an fp32 file, and this one is {file}; {plain} runs it as it is")
    if asked == "int8" and not options.get("calibration"):
        return Made(
            file,
            "int8 of an fp32 file needs samples: name a .npz on the board in the suite's options (calibration), or "
            f"measure an int8 variant with {plain}",
        )
    return Made(asked)


def _form(backend: str, device: Device) -> backends.Form | None:
    """The file that the backend gets on this device; None where its torch is too old for any that it could take."""
    forms = backends.needs(backend).forms
    old = _older(device, ("torch",), backends.EXPORTED_SINCE)
    if old or ("torch" not in device.runtimes and _older(device, ("python",), backends.EXPORTED_PYTHON)):
        forms = tuple(form for form in forms if form != "pt2")
    if forms == ("onnx",) and backend.startswith("onnxruntime"):
        wheels = ("onnxruntime",) if backend == "onnxruntime" else ("onnxruntime-gpu", "onnxruntime")
        return "onnx-plain" if _older(device, wheels, backends.OPSET_17_SINCE) else "onnx"
    return forms[0] if forms else None


def _older(device: Device, packages: Sequence[str], version: tuple[int, int]) -> bool:
    """Whether the first of these packages that the device lists may be older there than `version`."""
    listed = [device.runtimes[name].oldest for name in packages if name in device.runtimes]
    return bool(listed) and tuple(int(part) for part in re.findall(r"\d+", listed[0])[:2]) < version


def _file(backend: str, device: Device, resolved: Resolved) -> ArtifactFacts | str:
    """Facts of the file that the backend gets, or why there is none."""
    form = _form(backend, device)
    if form is None:
        since = ".".join(map(str, backends.EXPORTED_SINCE))
        known = f"{device.name} may have an older one"
        return f"{backend} takes an exported program, which torch reads from {since} on; {known}"
    return resolved.facts if form == "onnx" else resolved.forms.get(form, f"no file in the form {form} was asked for")


def _options(suite: Suite, backend: str, resolved: Resolved) -> dict[str, Json]:
    """What its sessions are made with: the backend's own, the suite's, and what the file decides."""
    needed = backends.needs(backend)
    options = {**needed.options, **suite.options.get(backend, {})}
    if needed.shaped:
        options["shapes"] = {spec.name: list(spec.shape) for spec in resolved.inputs}
    if needed.asks_for_int8 and resolved.facts.precision == "int8":
        options["int8"] = True
    return options


def _scenario(scenario: Scenario, choice: Choice) -> Scenario:
    """As it is to be run. A sustained one has a name of its own, so that nobody compares it with the short one; its
    budget comes on top, for a model of which the least count takes longer."""
    if choice.sustain_s is None:
        return dataclasses.replace(scenario, stop=_stop_rule(scenario, choice))
    label = f"{scenario.label}-{SUSTAINED}" if scenario.label else SUSTAINED
    lasting = StopRule(scenario.stop.min_count, choice.sustain_s, choice.sustain_s + scenario.stop.budget_s)
    return dataclasses.replace(scenario, label=label, stop=lasting)


def _stop_rule(scenario: Scenario, choice: Choice) -> StopRule:
    rule = QUICK_STOP if choice.quick else scenario.stop
    return rule if choice.budget_s is None else dataclasses.replace(rule, budget_s=choice.budget_s)


def _one_per_artifact(cases: Sequence[Case]) -> list[Case]:
    """Accuracy does not depend on the scenario: one case per artifact and backend is enough."""
    first: dict[tuple[str, str], Case] = {}
    for case in cases:
        first.setdefault((case.artifact_sha256, case.backend), case)
    return list(first.values())
