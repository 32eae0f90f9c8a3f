"""What may be said of one case against another: changes as ratios or differences, and whether intervals bear them out.

Nothing is claimed where intervals overlap, nor where there are none: a number is then marked, and a sentence says why.
So it is where one of the two is doubtful, in what its doubt touches (see `touched`). Invalid cases are compared with
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.model.metrics import REGISTRY, significant
from harness.model.verdict import CaseResult, Summary
from harness.report.cases import Named, Shown
from harness.report.names import in_sentence
from harness.report.paired import TOP1

# Each fits before a noun: "too few launches to compare p50 latency".
OVERLAP = "intervals overlap"
CONTAINS_ZERO = "the paired interval contains 0"
TOO_FEW_LAUNCHES = "too few launches to compare"
TOO_FEW_INFERENCES = "too few inferences to compare"
NO_INTERVAL = "no interval by which to compare"
READ_ELSEWHERE = "no common place of measurement to compare"
UNCLEAR = "~ "
# The fewest values whose order statistics give a 95 % interval of their median (harness.analysis.stats.order_interval).
FEWEST_LAUNCHES = 6
OF_POWER = ("energy_per_inference_j", "net_energy_per_inference_j", "power_mean_w")
# Read from the file, not measured: no doubt touches them.
COUNTS = ("model_size_bytes", "parameters", "macs")
OF_ANSWERS = ("accuracy_top1", "agreement_top1")
# Findings of harness.analysis that doubt when, how fast or with how much power a case ran, and not what it answered.
# Any other one, a code unknown here among them, doubts its answers as well.
OF_TIMING = frozenset({
    "no_steady_state", "too_short", "few_launches", "launches_disagree", "drift", "two_modes", "outlier_bursts",
    "stood_still", "clock_changed", "machine_busy", "time_stolen", "too_hot", "paging", "threads_share_cores",
    "sensors_share_core", "state_not_set", "not_settled", "latched_before", "frequency_capped",
    "coverage_low", "window_short", "sensors_disagree", "sensor_lost", "sensor_stale", "package_left_out",
})  # fmt: skip

# With whom a case is compared: the variant it was made from, the one that all are held against, or both in one.
Against = Literal["parent", "teacher", "both"]
MARKS: dict[Against, str] = {"parent": "P", "teacher": "T", "both": "PT"}


@dataclass(frozen=True)
class Reference:
    """A case that another one is compared with."""

    against: Against
    to: Named

    @property
    def mark(self) -> str:
        """The letters before a change."""
        return MARKS[self.against]


@dataclass(frozen=True)
class Change:
    """`text`: the change as shown, marked with UNCLEAR where it proves nothing.

    doubt: why its numbers do not. doubtful: which of the two cases is, in this metric. paired: the interval
    of a difference that was found image by image.
    """

    reference: Reference
    text: str
    doubt: str = ""
    doubtful: str = ""
    paired: str = ""

    @property
    def unclear(self) -> bool:
        """Whether it is marked."""
        return bool(self.doubt or self.doubtful)

    @property
    def hint(self) -> str:
        """What the page shows on pointing at it: more than the mark and the lines beside the case's name say."""
        return self.paired or ("" if self.doubt == OVERLAP else self.doubt)


def references(one: Named, shown: Shown) -> tuple[Reference, ...]:
    """Its parent and its teacher, as far as it has them; one where they are the same."""
    parent, teacher = shown.parent(one), shown.teacher(one)
    if parent is not None and parent is teacher:
        return (Reference("both", parent),)
    found: tuple[tuple[Against, Named | None], ...] = (("parent", parent), ("teacher", teacher))
    return tuple(Reference(against, to) for against, to in found if to is not None)


def comparable(one: CaseResult, base: CaseResult) -> bool:
    """Whether neither is invalid."""
    return "invalid" not in (one.verdict, base.verdict)


def doubtful(*cases: Named) -> str:
    """Which of these are doubtful, and why, in words; those of the same reason together. Empty where none is."""
    found: dict[str, list[str]] = {}
    for one in cases:
        if one.result.verdict == "doubtful":
            found.setdefault(codes(one.result), []).append(in_sentence(one.result.case.variant))
    said = []
    for why, names in found.items():
        listed = " and ".join([*([", ".join(names[:-1])] if names[:-1] else []), names[-1]])
        said.append(f"{listed} {'are' if names[:-1] else 'is'} doubtful{f': {why}' if why else ''}")
    return "; ".join(said)


def touched(metric: str, *cases: Named) -> tuple[Named, ...]:
    """Those of the cases whose doubt is one of this metric: never of a count; of accuracy and agreement unless every
    finding is known to be of timing or power alone; else of all that was measured."""
    return tuple(one for one in cases if _touches(metric, one.result))


def _touches(metric: str, result: CaseResult) -> bool:
    if result.verdict != "doubtful" or metric in COUNTS:
        return False
    doubts = {found.code for found in result.findings if found.severity != "note"}
    return metric not in OF_ANSWERS or not doubts or not doubts <= OF_TIMING


def codes(result: CaseResult) -> str:
    """What was found that makes it doubtful or invalid."""
    return ", ".join(dict.fromkeys(found.code for found in result.findings if found.severity != "note"))


def doubt_between(metric: str, one: Named, base: Named, shown: Shown) -> str:
    """Why two cases that have the metric cannot be told apart in it: accuracies by their answers to the same images,
    where those are known, else as `doubt` of the two summaries."""
    pair = shown.paired(one, base) if metric == TOP1 else None
    if pair is not None:
        return "" if pair.told_apart else CONTAINS_ZERO
    return doubt(one.result.metrics[metric], base.result.metrics[metric])


def doubt(one: Summary, base: Summary) -> str:
    """Why two summaries cannot be told apart; empty where they can, as exact counts always can."""
    if exact(one) and exact(base):
        return ""
    if one.metric in OF_POWER and _place(one) != _place(base):
        return READ_ELSEWHERE
    if one.low is None or one.high is None or base.low is None or base.high is None:
        return _without_interval(one, base)
    return OVERLAP if one.low <= base.high and base.low <= one.high else ""


def exact(summary: Summary) -> bool:
    """Whether it is a count, which has no spread."""
    return summary.n <= 1 and summary.low == summary.point == summary.high


def change(metric: str, one: Named, reference: Reference, shown: Shown) -> Change | None:
    """×ratio, or a difference in percentage points for shares; None where the two are not to be compared."""
    if not comparable(one.result, reference.to.result):
        return None
    base = reference.to.result.metrics.get(metric)
    if base is None or base.point == 0:
        return None
    summary = one.result.metrics[metric]
    why = doubt_between(metric, one, reference.to, shown)
    unfit = doubtful(*touched(metric, one, reference.to))
    mark = UNCLEAR if why or unfit else ""
    if REGISTRY[metric].shown_unit == "%":
        text = mark + f"{(summary.point - base.point) * 100:+.2f} pp".replace("-", "−")
        pair = shown.paired(one, reference.to) if metric == TOP1 else None
        return Change(reference, text, why, unfit, pair.text if pair is not None else "")
    return Change(reference, f"{mark}×{decimal(summary.point / base.point)}", why, unfit)


def decimal(ratio: float) -> str:
    """A ratio with three significant digits, as all that is shown."""
    return significant(ratio, 3)


def rivals(metric: str, cases: Sequence[Named]) -> tuple[Named, ...]:
    """The valid ones that have the metric: who else may be the best in it?"""
    return tuple(one for one in cases if one.result.verdict == "valid" and metric in one.result.metrics)


def best(metric: str, cases: Sequence[Named], shown: Shown) -> Named | None:
    """The one that is better than every rival, and can be told apart from all of them; None where none is, or where it
    has no rival."""
    among = rivals(metric, cases)
    if len(among) < 2:
        return None
    sign = 1 if REGISTRY[metric].better == "lower" else -1
    first = min(among, key=lambda one: sign * one.result.metrics[metric].point)
    mine = first.result.metrics[metric].point
    others = (one for one in among if one is not first)
    apart = (
        other.result.metrics[metric].point != mine and not doubt_between(metric, first, other, shown)
        for other in others
    )
    return first if all(apart) else None


def _without_interval(one: Summary, base: Summary) -> str:
    if REGISTRY[one.metric].shown_unit == "%":
        return NO_INTERVAL
    if min(one.n, base.n) < FEWEST_LAUNCHES:
        return TOO_FEW_LAUNCHES
    return TOO_FEW_INFERENCES if one.metric.startswith("latency_") else NO_INTERVAL


def _place(summary: Summary) -> tuple[str, ...]:
    """Where a power was read: the last part of its method begins with scope and sensor (harness.analysis.places)."""
    return tuple(summary.method.rpartition("; ")[2].split(", ")[:2])
