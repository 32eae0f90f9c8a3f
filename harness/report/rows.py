"""The trade-off table as text: one row per case, one cell per metric, and the one-sentence verdicts.

Numbers are formatted by harness.model.metrics alone. What is missing stays missing, with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.metrics import REGISTRY, show
from harness.model.trial import Record
from harness.model.verdict import CaseResult, Summary
from harness.report.names import Style, isolated

COLUMNS = (
    "accuracy_top1",
    "latency_p50_s",
    "latency_p90_s",
    "latency_p99_s",
    "throughput_per_s",
    "memory_peak_bytes",
    "energy_per_inference_j",
    "model_size_bytes",
    "parameters",
    "macs",
)
ABSENT = "—"
NOT_RECORDED = "not recorded"
# From here on "times" reads better than "per cent".
CLEARLY_FASTER = 1.5


@dataclass(frozen=True)
class Column:
    """A heading: label, unit as shown, the definition."""

    metric: str
    label: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Cell:
    """A metric of a case: text and interval as shown, or the dash and the reason. `change`: against the reference."""

    column: Column
    text: str
    interval: str = ""
    change: str = ""
    method: str = ""
    reason: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Row:
    """A case as shown. `reference`: the label `change` refers to, or empty. `reasons`: why it is not simply valid."""

    anchor: str
    label: str
    variant: str
    detail: str
    style: Style
    verdict: str
    reasons: tuple[str, ...]
    reference: str
    cells: tuple[Cell, ...]
    sentence: str


@dataclass(frozen=True)
class Named:
    """A case result with its label and style, and its record where there is one."""

    result: CaseResult
    label: str
    style: Style
    record: Record | None


@dataclass(frozen=True)
class Definition:
    """What a column means, and every way in which its numbers were estimated here."""

    column: Column
    methods: tuple[str, ...]


def columns(names: Sequence[str] = COLUMNS) -> tuple[Column, ...]:
    """Headings, from the registry."""
    found = []
    for name in names:
        metric = REGISTRY[name]
        unit = metric.shown_unit or ("" if metric.unit == "1" else metric.unit)
        found.append(Column(name, metric.label, unit, metric.meaning))
    return tuple(found)


def rows(named: Sequence[Named]) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """All rows, and the footnotes their cells' marks point to (mark a is the first)."""
    notes: dict[str, str] = {}
    shown = tuple(_row(index, one, reference_of(one, named), notes) for index, one in enumerate(named))
    return shown, tuple(notes)


def definitions(named: Sequence[Named]) -> tuple[Definition, ...]:
    """Of every metric that some case has, in the registry's order."""
    summaries = [summary for one in named for summary in one.result.metrics.values()]
    found = []
    for column in columns(tuple(REGISTRY)):
        methods = dict.fromkeys(summary.method for summary in summaries if summary.metric == column.metric)
        if methods:
            found.append(Definition(column, tuple(methods)))
    return tuple(found)


def further(named: Sequence[Named]) -> tuple[tuple[str, ...], ...]:
    """Metrics outside the main table that some case has: a line of headings, then one line of text per case."""
    names = [one.column.metric for one in definitions(named) if one.column.metric not in COLUMNS]
    if not names:
        return ()
    headings = [f"{column.label}, {column.unit}" if column.unit else column.label for column in columns(names)]
    lines = [(one.label, *(_with_interval(one.result, name) for name in names)) for one in named]
    return (("case", *headings), *lines)


def _with_interval(result: CaseResult, name: str) -> str:
    summary = result.metrics.get(name)
    if summary is None:
        return f"{ABSENT} ({result.missing.get(name, NOT_RECORDED)})"
    return f"{show(name, summary.point)} {interval(summary)}".rstrip()


def reference_of(one: Named, named: Sequence[Named]) -> Named | None:
    """What a case is compared with: its parent variant run alike, else the first case run alike; None for itself."""
    case = one.result.case
    alike = [other for other in named if _conditions(other) == _conditions(one)]
    parents = [other for other in alike if other.result.case.variant == one.result.artifact.parent]
    reference = (parents or alike)[0]
    return None if reference.result.case.id == case.id else reference


def _conditions(one: Named) -> tuple[object, ...]:
    case = one.result.case
    return case.backend, case.scenario, case.settings


def _row(index: int, one: Named, reference: Named | None, notes: dict[str, str]) -> Row:
    case, result = one.result.case, one.result
    launches = result.metrics["latency_p50_s"].n if "latency_p50_s" in result.metrics else 0
    detail = [case.precision, case.backend, case.scenario.name]
    if launches:
        detail.append(f"{launches} launch{'es' if launches > 1 else ''}")
    cells = tuple(_cell(column, result, reference, notes) for column in columns())
    return Row(
        anchor=f"case-{index + 1}",
        label=one.label,
        variant=case.variant,
        detail=" · ".join(detail),
        style=one.style,
        verdict=result.verdict,
        reasons=tuple(f"{f.code}: {f.evidence}" for f in result.findings if f.severity != "note"),
        reference=reference.label if reference and any(cell.change for cell in cells) else "",
        cells=cells,
        sentence=sentence(one, reference),
    )


def _cell(column: Column, result: CaseResult, reference: Named | None, notes: dict[str, str]) -> Cell:
    summary = result.metrics.get(column.metric)
    if summary is None:
        reason = result.missing.get(column.metric, NOT_RECORDED)
        mark = notes.setdefault(reason, mark_number(len(notes)))
        return Cell(column, ABSENT, reason=reason, mark=mark)
    return Cell(
        column,
        show(column.metric, summary.point),
        interval(summary),
        _change(column.metric, result, reference),
        f"{summary.method}; n = {summary.n}",
    )


def mark_number(index: int) -> str:
    """Letters for footnotes: 0 is a, 25 is z, 26 is aa."""
    letter = chr(ord("a") + index % 26)
    return letter if index < 26 else mark_number(index // 26 - 1) + letter


def interval(summary: Summary) -> str:
    """[low, high] in the shown unit; empty where no interval is supported, and for exact counts, which need none."""
    exact = summary.n <= 1 and summary.low == summary.point == summary.high
    if summary.low is None or summary.high is None or exact:
        return ""
    return f"[{show(summary.metric, summary.low)}, {show(summary.metric, summary.high)}]"


def _change(metric: str, result: CaseResult, reference: Named | None) -> str:
    """×ratio, or a difference in percentage points for shares; empty where either side is not to be compared."""
    if reference is None or "invalid" in (result.verdict, reference.result.verdict):
        return ""
    base = reference.result.metrics.get(metric)
    if base is None or base.point == 0:
        return ""
    point = result.metrics[metric].point
    if REGISTRY[metric].shown_unit == "%":
        return f"{(point - base.point) * 100:+.2f} pp".replace("-", "−")
    return f"×{decimal(point / base.point)}"


def decimal(ratio: float) -> str:
    """About three significant digits, never in exponent form."""
    if ratio >= 100:
        return f"{ratio:.0f}"
    return f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"


def sentence(one: Named, reference: Named | None) -> str:
    """What a hurried reader takes away from a case: speed, speed against the reference, accuracy, verdict."""
    result = one.result
    p50 = result.metrics.get("latency_p50_s")
    if p50 is None:
        speed = f"no latency ({result.missing.get('latency_p50_s', NOT_RECORDED)})"
    else:
        speed = f"p50 {show('latency_p50_s', p50.point)} ms{_against(p50, result, reference)}"
    codes = ", ".join(dict.fromkeys(f.code for f in result.findings if f.severity != "note"))
    verdict = result.verdict if not codes else f"{result.verdict} ({codes})"
    return f"{speed}; {_accuracy(one.result)}; {verdict}"


def _against(p50: Summary, result: CaseResult, reference: Named | None) -> str:
    if reference is None or "invalid" in (result.verdict, reference.result.verdict):
        return ""
    base = reference.result.metrics.get("latency_p50_s")
    if base is None or base.point <= 0 or p50.point <= 0:
        return ""
    name = isolated(reference.label)
    if _overlap(p50, base):
        return f", no clear difference from {name} (intervals overlap)"
    ratio = base.point / p50.point
    if ratio >= CLEARLY_FASTER:
        return f", {ratio:.1f}× faster than {name}"
    if ratio <= 1 / CLEARLY_FASTER:
        return f", {1 / ratio:.1f}× slower than {name}"
    side = "lower" if ratio > 1 else "higher"
    return f", {abs(1 - 1 / ratio) * 100:.1f} % {side} latency than {name}"


def _overlap(one: Summary, other: Summary) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low <= other.high and other.low <= one.high


def _accuracy(result: CaseResult) -> str:
    top1 = result.metrics.get("accuracy_top1")
    if top1 is None:
        return f"no accuracy ({result.missing.get('accuracy_top1', NOT_RECORDED)})"
    how = "measured here" if measured_here(top1) else "recorded, not measured here"
    return f"accuracy {show('accuracy_top1', top1.point)} % ({how})"


def measured_here(top1: Summary) -> bool:
    """Whether this run itself classified images, which the estimate's method says in its first word."""
    return top1.method.lower().startswith("measured")
