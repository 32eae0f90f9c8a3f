"""Latency distributions: the timed inferences of a case, pooled over its launches, thinned for drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.metrics import show
from harness.model.trial import Record
from harness.report.cases import ABSENT, NOT_RECORDED, Named
from harness.report.names import Style
from harness.report.rows import interval
from harness.report.thinning import DRAWN_BODY, KEPT_TAIL, kept, rounded

RULE = (
    f"Thinning: the fastest and the {KEPT_TAIL} slowest inferences of every case are all drawn; of the rest at most "
    f"{DRAWN_BODY}, evenly spaced on the vertical axis."
)
MARKED = (("latency_p50_s", 0.5), ("latency_p90_s", 0.1), ("latency_p99_s", 0.01))
_TABLE_QUANTILES = (0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0)
TABLE_HEADINGS = ("min", "q1 %", "q10 %", "q50 %", "q90 %", "q99 %", "q99.9 %", "max")


@dataclass(frozen=True)
class Mark:
    """A percentile of the table on its level: latency in ms, share of inferences that took longer."""

    label: str
    latency_ms: float
    share: float
    text: str


@dataclass(frozen=True)
class Curve:
    """latency_ms ascending; share: of inferences that took at least as long, from 1 to 1/n. `quantiles` as text."""

    label: str
    style: Style
    verdict: str
    count: int
    latency_ms: tuple[float, ...]
    share: tuple[float, ...]
    marks: tuple[Mark, ...]
    quantiles: tuple[str, ...]


@dataclass(frozen=True)
class Distribution:
    """curves: drawn. left_out: (label, reason)."""

    curves: tuple[Curve, ...]
    left_out: tuple[tuple[str, str], ...]


def distribution(named: Sequence[Named]) -> Distribution:
    """One curve per case with at least one timed inference."""
    pooled = [(one, pooled_latency_s(one.record)) for one in named]
    curves = tuple(_curve(one, durations) for one, durations in pooled if len(durations))
    left_out = tuple((one.label, _why_empty(one)) for one, durations in pooled if not len(durations))
    return Distribution(curves, left_out)


def pooled_latency_s(record: Record | None) -> NDArray[np.float64]:
    """Durations in s of every timed inference of the successful performance trials, ascending."""
    found = [np.empty(0)]
    for trial in record.trials if record else ():
        if trial.mode == "performance" and trial.status == "ok":
            durations = np.asarray(trial.samples.duration_s, dtype=np.float64)
            found.append(durations[np.isfinite(durations)])
    return np.sort(np.concatenate(found))


def _curve(one: Named, durations: NDArray[np.float64]) -> Curve:
    count = len(durations)
    indices = kept(count)
    metrics = one.result.metrics
    marks = tuple(
        Mark(
            name.split("_")[1],
            metrics[name].point * 1e3,
            share,
            f"{show(name, metrics[name].point)} {interval(metrics[name])}".rstrip(),
        )
        for name, share in MARKED
        if name in metrics
    )
    return Curve(
        one.label,
        one.style,
        one.result.verdict,
        count,
        tuple(rounded(value * 1e3) for value in durations[indices]),
        tuple(rounded((count - index) / count) for index in indices.tolist()),
        marks,
        tuple(_quantile(durations, q) for q in _TABLE_QUANTILES),
    )


def _quantile(durations: NDArray[np.float64], q: float) -> str:
    """As text; a dash where the sample holds fewer than ten values beyond it, as its estimate would be noise."""
    if 0.0 < q < 1.0 and len(durations) * min(q, 1 - q) < 10:
        return ABSENT
    return show("latency_p50_s", float(np.quantile(durations, q, method="inverted_cdf")))


def _why_empty(one: Named) -> str:
    if one.record is None:
        return "its timed inferences are not at hand"
    failed = [trial.message for trial in one.record.trials if trial.status == "failed" and trial.message]
    return failed[0] if failed else one.result.missing.get("latency_p50_s", NOT_RECORDED)
