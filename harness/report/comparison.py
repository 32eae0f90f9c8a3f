"""What may be said of one case against another: changes as ratios or differences, and whether intervals bear them out.

Nothing is claimed where intervals overlap, nor where there are none: a number is then marked, and a sentence says why.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.metrics import REGISTRY
from harness.model.verdict import CaseResult, Summary
from harness.report.names import isolated

OVERLAP = "intervals overlap"
TOO_FEW_LAUNCHES = "too few launches to compare"
TOO_FEW_INFERENCES = "too few inferences to compare"
UNCLEAR = "~ "
# From here on "times" reads better than "per cent".
CLEARLY_FASTER = 1.5
# The fewest values whose order statistics give a 95 % interval of their median (harness.analysis.stats.order_interval).
FEWEST_LAUNCHES = 6


@dataclass(frozen=True)
class Change:
    """`text`: the change as shown, marked with UNCLEAR where it proves nothing, which `doubt` then explains."""

    text: str = ""
    doubt: str = ""


def doubt(one: Summary, base: Summary) -> str:
    """Why two summaries cannot be told apart; empty where they can, as exact counts always can."""
    if exact(one) and exact(base):
        return ""
    if one.low is None or one.high is None or base.low is None or base.high is None:
        return TOO_FEW_LAUNCHES if min(one.n, base.n) < FEWEST_LAUNCHES else TOO_FEW_INFERENCES
    return OVERLAP if one.low <= base.high and base.low <= one.high else ""


def exact(summary: Summary) -> bool:
    """Whether it is a count, which has no spread."""
    return summary.n <= 1 and summary.low == summary.point == summary.high


def change(metric: str, result: CaseResult, reference: CaseResult | None) -> Change:
    """×ratio, or a difference in percentage points for shares; empty where either side is not to be compared."""
    if reference is None or "invalid" in (result.verdict, reference.verdict):
        return Change()
    base = reference.metrics.get(metric)
    if base is None or base.point == 0:
        return Change()
    summary = result.metrics[metric]
    why = doubt(summary, base)
    mark = UNCLEAR if why else ""
    if REGISTRY[metric].shown_unit == "%":
        return Change(mark + f"{(summary.point - base.point) * 100:+.2f} pp".replace("-", "−"), why)
    return Change(f"{mark}×{decimal(summary.point / base.point)}", why)


def decimal(ratio: float) -> str:
    """About three significant digits, never in exponent form."""
    if ratio >= 100:
        return f"{ratio:.0f}"
    return f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"


def speed_against(result: CaseResult, reference: CaseResult | None, name: str) -> str:
    """A clause on the median latency against the reference called `name`; empty where there is nothing to compare."""
    if reference is None or "invalid" in (result.verdict, reference.verdict):
        return ""
    p50, base = result.metrics.get("latency_p50_s"), reference.metrics.get("latency_p50_s")
    if p50 is None or base is None or base.point <= 0 or p50.point <= 0:
        return ""
    name = isolated(name)
    why = doubt(p50, base)
    if why == OVERLAP:
        return f", no clear difference from {name} ({why})"
    if why:
        return f", {why} with {name}"
    ratio = base.point / p50.point
    if ratio >= CLEARLY_FASTER:
        return f", {ratio:.1f}× faster than {name}"
    if ratio <= 1 / CLEARLY_FASTER:
        return f", {1 / ratio:.1f}× slower than {name}"
    side = "lower" if ratio > 1 else "higher"
    return f", {abs(1 - 1 / ratio) * 100:.1f} % {side} latency than {name}"
