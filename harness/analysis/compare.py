"""Two runs, metric by metric: ratio with its 95 % interval, and what it amounts to against a practical margin.

Launches are compared with launches, never inferences with inferences; predictions image by image; counts exactly.
Whether the two may be compared at all is for harness.analysis.comparability; formulas are in harness.analysis.stats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from harness.analysis import places, stats
from harness.analysis.cells import Cell, Match
from harness.analysis.comparability import Difference
from harness.analysis.launch_checks import LAUNCHES_FOR_INTERVAL
from harness.analysis.summaries import QUANTILES, launch_values
from harness.model.gate import Comparison, Side
from harness.model.metrics import REGISTRY
from harness.model.policy import RULES
from harness.model.trial import Record, Trial
from harness.model.verdict import CaseResult, Summary
from harness.variants.quality import figures

T = TypeVar("T")
# Counted, not measured: any difference is one.
EXACT = ("model_size_bytes", "parameters", "macs")
SHARES = ("accuracy_top1", "agreement_top1")
POWER = (places.ENERGY, places.NET, places.POWER)
# It says how far a launch can be believed, and enters nothing.
DIAGNOSTIC = ("effective_sample_size",)
# Relative, of accuracy too: there it is a share of the baseline's top-1, not percentage points. The gate's tolerances
# where it has some.
MARGINS: Mapping[str, float] = {
    **dict.fromkeys(REGISTRY, 0.02),
    **dict.fromkeys(EXACT, 0.0),
    **dict.fromkeys(SHARES, 0.005),
    **dict.fromkeys(("latency_p999_s", "latency_mad_s", "latency_jitter_s", "first_inference_s"), 0.25),
    **dict.fromkeys(POWER, 0.03),
    **{rule.metric: rule.tolerance for rule in RULES},
}
LEAST_CHANGE: Mapping[str, float] = {
    "memory_added_bytes": 2.0**20,
    **{rule.metric: rule.least_change for rule in RULES if rule.least_change},
}
# Medians of launches that agree better than this were given by a clock too coarse, or by a script.
CONSTANT = 1e-6


@dataclass(frozen=True)
class _Launches:
    """A metric's values by launch, and why there are none to compare."""

    values: Mapping[str, float]
    missing: str = ""


def compare(
    matches: Sequence[Match], differences: Sequence[Difference] = (), margins: Mapping[str, float] = MARGINS
) -> tuple[Comparison, ...]:
    """Every metric of every matched cell, in the registry's order. A metric that a meaningless difference concerns, or
    that cannot be compared for another reason, has that reason and no ratio."""
    found = []
    for one in matches:
        barred = _barred(one, differences)
        launches = [_by_launch(cell) for cell in (one.baseline, one.candidate)]
        for metric in REGISTRY:
            if metric not in DIAGNOSTIC:
                reason = barred.get(metric, barred.get("", ""))
                found.append(_compared(one, metric, margins.get(metric, MARGINS[metric]), reason, launches))
    return tuple(found)


def side_of(metric: str, low: float, high: float, margin: float) -> Side:
    """What an interval of the ratio candidate over baseline amounts to. Turned so that positive is worse: beyond the
    margin as a whole is worse or better, within it as a whole is the same, anything else is unclear."""
    logs = sorted(math.log(value) * (1 if REGISTRY[metric].better == "lower" else -1) for value in (low, high))
    limit = math.log1p(margin)
    if -limit <= logs[0] and logs[1] <= limit:
        return "same"
    if logs[0] > limit:
        return "worse"
    return "better" if logs[1] < -limit else "unclear"


def paired_top1(baseline: Record, candidate: Record) -> tuple[figures.Difference, int] | None:
    """Top-1 of the candidate minus that of the baseline, image by image, and of how many images; None where the answers
    of either were not kept, or are not of the same images."""
    before, after = _predictions(baseline), _predictions(candidate)
    if before is None or after is None or not _same_images(before, after):
        return None
    columns = (before.outputs.label, before.outputs.top1, after.outputs.top1)
    labels, old, new = (np.asarray(column, np.int64) for column in columns)
    return figures.mcnemar(old, new, labels), len(labels)


def _compared(
    one: Match, metric: str, margin: float, reason: str, launches: Sequence[Mapping[str, _Launches]]
) -> Comparison:
    base, candidate = (cell.result.metrics.get(metric) for cell in (one.baseline, one.candidate))
    points = [None if summary is None else summary.point for summary in (base, candidate)]
    blank = Comparison(one.name, metric, "unclear", margin, points[0], points[1], missing=reason)
    if reason:
        return blank
    if base is None or candidate is None:
        return replace(blank, missing=_why_missing(one, metric))
    if base.unit != candidate.unit:
        return replace(blank, missing=f"the baseline is in {base.unit}, the candidate in {candidate.unit}")
    if not (_usable(base.point) and _usable(candidate.point)):
        return replace(blank, missing=f"no ratio of {candidate.point:g} to {base.point:g}: both must be above 0")
    least = LEAST_CHANGE.get(metric, 0.0) / base.point
    blank = replace(blank, margin=max(margin, least), ratio=candidate.point / base.point)
    if metric in EXACT:
        ratio = candidate.point / base.point
        return _judged(replace(blank, low=ratio, high=ratio, n=1, method="exact"))
    if metric in SHARES:
        return _of_shares(blank, one, base, candidate)
    return _of_launches(blank, one, [known[metric] for known in launches])


def _of_launches(blank: Comparison, one: Match, found: Sequence[_Launches]) -> Comparison:
    cells = (one.baseline, one.candidate)
    counts = [len(launches.values) for launches in found]
    blank = replace(blank, n=min(counts))
    reason = next((f"{word}: {launches.missing}" for word, launches in _both(found) if launches.missing), "")
    if min(counts) < LAUNCHES_FOR_INTERVAL and not reason:
        reason = f"{counts[0]} and {counts[1]} launches; an interval needs {LAUNCHES_FOR_INTERVAL} of each"
    if not reason and REGISTRY[blank.metric].unit != "B":
        reason = next((f"{word}: {told}" for word, launches in _both(found) if (told := _constant(launches))), "")
    if reason:
        return replace(blank, missing=reason)
    pairs = sorted(set(found[0].values) & set(found[1].values)) if _are_paired(cells) else []
    if len(pairs) >= LAUNCHES_FOR_INTERVAL:
        logs = [math.log(found[1].values[pair] / found[0].values[pair]) for pair in pairs]
        ratio, low, high = (1 + change for change in stats.paired_change(logs))
        method = f"{len(pairs)} pairs of launches; Student's t of their log ratios"
        return _judged(replace(blank, ratio=ratio, low=low, high=high, n=len(pairs), method=method))
    base, candidate = ([math.log(value) for value in launches.values.values()] for launches in found)
    ratio, low, high = stats.ratio_interval(base, candidate)
    method = f"{counts[0]} and {counts[1]} launches, not paired; trimmed means of logs, Yuen's t"
    return _judged(replace(blank, ratio=ratio, low=low, high=high, method=method))


def _of_shares(blank: Comparison, one: Match, base: Summary, candidate: Summary) -> Comparison:
    """Top-1 as a difference, given as a ratio: on the same images image by image, else from two intervals."""
    paired = paired_top1(one.baseline.record, one.candidate.record) if blank.metric == "accuracy_top1" else None
    same_file = one.baseline.result.artifact.sha256 == one.candidate.result.artifact.sha256
    if paired is not None:
        found, images = paired
        if same_file and _same_answers(one):
            method = f"the same file, the same answer to each of {images} images"
            return _judged(replace(blank, low=1.0, high=1.0, n=images, method=method))
        low, high = (1 + bound / base.point for bound in (found.low, found.high))
        method = (
            f"paired on the same {images} images: {found.only_a_right} right in the baseline alone, "
            f"{found.only_b_right} in the candidate alone; McNemar's exact p = {found.p_value:.2g}; Bonett and Price"
        )
        return _judged(replace(blank, low=max(low, 1e-9), high=high, n=images, method=method))
    if same_file and base == candidate:
        return _judged(replace(blank, low=1.0, high=1.0, n=base.n, method="the same file, the same record"))
    if None in (base.low, base.high, candidate.low, candidate.high):
        return replace(blank, missing="no interval is known of it")
    down = math.hypot(candidate.point - candidate.low, base.high - base.point)  # type: ignore[operator]  # checked
    up = math.hypot(candidate.high - candidate.point, base.point - base.low)  # type: ignore[operator]
    low, high = blank.ratio - down / base.point, blank.ratio + up / base.point  # type: ignore[operator]  # both given
    method = "not the same images, or not measured in both: two Wilson intervals by Newcombe's rule"
    return _judged(replace(blank, low=max(low, 1e-9), high=high, n=min(base.n, candidate.n), method=method))


def _judged(one: Comparison) -> Comparison:
    if one.low is None or one.high is None:
        return one
    return replace(one, side=side_of(one.metric, one.low, one.high, one.margin))


def _by_launch(cell: Cell) -> dict[str, _Launches]:
    """Every metric of a cell. A launch that did not record it is left out, as in the summary."""
    timed = cell.timed
    pairs = _pairs_of(timed)
    found = _energies(cell, pairs)
    for metric, values in launch_values(timed).items():
        known = {pair: float(value) for pair, value in zip(pairs, values, strict=True) if value is not None}
        if not known or (metric in QUANTILES and len(known) < len(timed)):
            found[metric] = _Launches({}, "too few inferences in a launch for its own value")
        else:
            found[metric] = _checked(known)
    return found


def _energies(cell: Cell, pairs: Sequence[str]) -> dict[str, _Launches]:
    """By launch where all have one; else numbered, as it is not known which are left out."""
    timed = cell.timed
    found = {}
    for metric, told in places.figures(timed, cell.device).items():
        if isinstance(told, str):
            found[metric] = _Launches({}, told)
            continue
        whole = len(told.values) == len(timed)
        names = pairs if whole else [f"{id(cell)} {number}" for number in range(len(told.values))]
        found[metric] = _checked(dict(zip(names, told.values, strict=True)))
    return found


def _checked(known: Mapping[str, float]) -> _Launches:
    bad = next((value for value in known.values() if not _usable(value)), None)
    return _Launches(known) if bad is None else _Launches(known, f"a launch gave {bad:g}, which must be above 0")


def _usable(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _constant(launches: _Launches) -> str:
    low, high = min(launches.values.values()), max(launches.values.values())
    if high > low * (1 + CONSTANT):
        return ""
    return f"all {len(launches.values)} launches gave {low:.6g}: a clock this coarse, or a script, supports no verdict"


def _are_paired(cells: tuple[Cell, Cell]) -> bool:
    """Launches of one round of one run were measured next to each other, and so were those that carry a pair's name."""
    if cells[0].run == cells[1].run:
        return True
    return all("pair" in trial.environment.facts for cell in cells for trial in cell.timed)


def _pairs_of(timed: Sequence[Trial]) -> list[str]:
    """What each launch shares with its partner; where two of one cell share it, their ids, which nothing shares."""
    names = [str(trial.environment.facts.get("pair", trial.launch)) for trial in timed]
    return names if len(set(names)) == len(names) else [trial.id for trial in timed]


def _predictions(record: Record) -> Trial | None:
    evaluated = [trial for trial in record.trials if trial.mode == "accuracy" and trial.status == "ok"]
    return evaluated[-1] if evaluated and len(evaluated[-1].outputs.top1) else None


def _same_answers(one: Match) -> bool:
    """To every image; of files that answer by chance they need not be."""
    before, after = _predictions(one.baseline.record), _predictions(one.candidate.record)
    return before is not None and after is not None and before.outputs.top1 == after.outputs.top1


def _same_images(one: Trial, other: Trial) -> bool:
    return one.dataset_sha256 == other.dataset_sha256 and one.outputs.label == other.outputs.label


def _barred(one: Match, differences: Sequence[Difference]) -> dict[str, str]:
    """Reason by metric, under "" that of all of them."""
    barred: dict[str, str] = {}
    for word, cell in _both((one.baseline, one.candidate)):
        if cell.result.verdict == "invalid":
            barred[""] = f"{word}: {_invalid(cell.result)}"
    for difference in differences:
        if difference.meaningless and difference.cell in ("", one.name):
            barred.update(dict.fromkeys(difference.metrics, difference.sentence))
    return barred


def _invalid(result: CaseResult) -> str:
    codes = [f"{one.code} ({one.evidence})" for one in result.findings if one.severity == "invalid"]
    return f"invalid, by {codes[0]}" if codes else "invalid"


def _why_missing(one: Match, metric: str) -> str:
    reasons = {word: cell.result.missing.get(metric) for word, cell in _both((one.baseline, one.candidate))}
    known = {word: reason for word, reason in reasons.items() if reason}
    if len(set(known.values())) == 1 and len(known) == 2:
        return next(iter(known.values()))
    return "; ".join(f"{word}: {reason}" for word, reason in known.items()) or "not recorded"


def _both(pair: Sequence[T]) -> list[tuple[str, T]]:
    return list(zip(("baseline", "candidate"), pair, strict=True))
