"""Cells of two sides, matched, and put together as the cases of one run. Owns which case is compared with which."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import harness
from harness.board import pack
from harness.errors import UsageError
from harness.gating.sides import Side
from harness.model.case import ArtifactFacts, Case
from harness.model.codec import canonical, content_id
from harness.plan import Resolved
from harness.planning import Planned
from harness.resolve import Resolution, Source

# Variant, backend, scenario: by these a cell of one side is found on the other.
Key = tuple[str, str, str]
BASELINE = "@baseline"


@dataclass(frozen=True)
class Match:
    """A cell of both sides. `name`: as shown and as a policy's patterns meet it: the candidate's variant, with backend
    and scenario in brackets where the gate has several of them."""

    name: str
    baseline: Key
    candidate: Key


@dataclass(frozen=True)
class Pair:
    """A cell as two cases of one run."""

    name: str
    baseline: Case
    candidate: Case


def key_of(case: Case) -> Key:
    """Of any case."""
    return case.variant, case.backend, case.scenario.name


def matched(
    baseline: Sequence[Key], candidate: Sequence[Key], variants: Sequence[str] = ()
) -> tuple[tuple[Match, ...], tuple[str, ...]]:
    """Cells of both sides in the candidate's order, and a sentence for each that one side lacks. UsageError where none
    is left.

    Where each side has one variant alone, the two belong together whatever they are called. variants: only these.
    """
    known: Mapping[Key, Key] = {key: key for key in baseline}
    if len({key[0] for key in baseline}) == len({key[0] for key in candidate}) == 1:
        known = {(candidate[0][0], *key[1:]): key for key in baseline}
    pairs = [(key, known[key]) for key in candidate if key in known]
    kept = [(one, other) for one, other in pairs if not variants or {one[0], other[0]} & set(variants)]
    if not kept:
        narrowed = f" with --variant {' '.join(variants)}" if variants and pairs else ""
        raise UsageError(
            f"the two sides have no case in common{narrowed}: the baseline has {_listed(baseline)}; the candidate has "
            f"{_listed(candidate)}; name the same suite, or one model on each side"
        )
    several = [len({one[place] for one, _ in kept}) > 1 for place in (1, 2)]
    matches = tuple(Match(_name(one, several), other, one) for one, other in kept)
    there = {other for _, other in pairs}
    notes = [f"{' '.join(key)} is in the baseline alone, and is not judged" for key in baseline if key not in there]
    notes += [f"{' '.join(key)} is in the candidate alone, and is not judged" for key in candidate if key not in known]
    return matches, tuple(notes)


def joined(
    baseline: Planned, candidate: Planned, variants: Sequence[str] = ()
) -> tuple[Planned, tuple[Pair, ...], tuple[str, ...], tuple[str, ...]]:
    """One plan of both sides' cases, the pairs in it, what differs between the sides, and notes.

    Both run under the candidate's scenario and settings: those are how it is measured, not what.
    """
    before, after = ({key_of(case): case for case in side.plan.cases} for side in (baseline, candidate))
    matches, notes = matched(tuple(before), tuple(after), variants)
    artifacts: dict[str, ArtifactFacts] = {}
    sources: dict[str, Source] = {}
    forms = {**baseline.resolution.forms, **candidate.resolution.forms}
    pairs: list[Pair] = []
    differing: list[str] = []
    for one in matches:
        new, old = after[one.candidate], before[one.baseline]
        for label, sentence in conditions(one.name, old, new).items():
            alike = label in ("scenario", "settings")
            differing.append(f"{sentence}; both are measured under the candidate's" if alike else sentence)
        placed = dataclasses.replace(
            old,
            suite=new.suite, variant=f"{new.variant}{BASELINE}", device=new.device, scenario=new.scenario,
            settings=new.settings,
        )  # fmt: skip
        pairs.append(Pair(one.name, placed, new))
        for side, original, case in ((baseline, old, placed), (candidate, new, new)):
            facts = side.plan.artifacts[original.id]
            artifacts[case.id] = dataclasses.replace(facts, variant=case.variant, parent=None)
            sources[case.variant] = side.resolution.sources[original.variant]
    cases = tuple(case for pair in pairs for case in (pair.baseline, pair.candidate))
    device = candidate.target.device
    plan = dataclasses.replace(
        candidate.plan,
        device=device.name, device_id=content_id(device), board_id="", harness_version=harness.__version__,
        agent_sha256=pack.archive()[1], cases=cases, artifacts=artifacts, trials=(), until=None,
        skips=candidate.plan.skips + baseline.plan.skips,
    )  # fmt: skip
    nothing: dict[str, Resolved | str] = {}
    resolution = Resolution(nothing, sources, forms)
    split = candidate.split or baseline.split
    planned = Planned(plan, candidate.target, resolution, split)
    return planned, tuple(pairs), tuple(dict.fromkeys(differing)), notes


def called(names: Sequence[str], sides: Sequence[Side]) -> tuple[str, ...]:
    """What a policy's patterns may be about: the cells that are judged, and variants that one side alone has. Where
    each side has a single one, the two are one cell and go by its name alone."""
    variants = [set(_variants(side)) for side in sides]
    others = set[str]() if all(len(some) == 1 for some in variants) else set[str]().union(*variants)
    return (*names, *sorted(others.difference(names)))


def conditions(name: str, before: Case, after: Case) -> dict[str, str]:
    """What differs between two cases besides the artifact: sentences by label."""
    found = {}
    for label, one, other in (
        ("inputs", before.inputs, after.inputs),
        ("precision", before.precision, after.precision),
        ("options of the runtime", before.options, after.options),
        ("scenario", before.scenario, after.scenario),
        ("settings", before.settings, after.settings),
    ):
        if one != other:
            told = [value if isinstance(value, str) else canonical(value) for value in (one, other)]
            start = f"{name}: {label}" if name else label
            found[label] = f"{start}: {told[0]} in the baseline, {told[1]} in the candidate"
    return found


def _variants(side: Side) -> Iterator[str]:
    if side.planned is not None:
        yield from (case.variant for case in side.planned.plan.cases)
        yield from (skip.variant for skip in side.planned.plan.skips)
    if side.stored is not None:
        yield from (case.variant for case in side.stored.run.plan.cases)
    if side.baseline is not None:
        yield from (cell.case.variant for cell in side.baseline.cells)


def _name(key: Key, several: Sequence[bool]) -> str:
    variant, backend, scenario = key
    more = [part for part, needed in zip((backend, scenario), several, strict=True) if needed]
    return f"{variant} ({', '.join(more)})" if more else variant


def _listed(keys: Sequence[Key]) -> str:
    return ", ".join(" ".join(key) for key in keys) or "none"
