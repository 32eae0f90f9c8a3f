"""The trade-off table as text: one row per case, one cell per metric, and the one-sentence verdicts.

Numbers are formatted by harness.model.metrics alone. What is missing stays missing, with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.metrics import REGISTRY, show
from harness.model.verdict import CaseResult, Summary
from harness.report.accuracy import images_in_all, source_text
from harness.report.blocks import Table
from harness.report.cases import ABSENT, NOT_RECORDED, Named, reference_of
from harness.report.comparison import change, speed_against
from harness.report.names import Style, printable

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


@dataclass(frozen=True)
class Column:
    """A heading: label, unit as shown, the definition."""

    metric: str
    label: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Cell:
    """A metric of a case: text and interval as shown, or the dash and the reason. `change`: against the reference,
    marked where it proves nothing, for the reason in `doubt`."""

    column: Column
    text: str
    interval: str = ""
    change: str = ""
    doubt: str = ""
    method: str = ""
    reason: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Row:
    """A case as shown. `title`: what the variant is, or empty. `reference`: the label `change` refers to, or empty.
    `reasons`: why it is not simply valid."""

    anchor: str
    label: str
    title: str
    detail: str
    style: Style
    verdict: str
    reasons: tuple[str, ...]
    reference: str
    cells: tuple[Cell, ...]
    sentence: str


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
    in_all = images_in_all(named)
    shown = []
    for index, one in enumerate(named):
        reference = reference_of(one, named)
        shown.append(_row(f"case-{index + 1}", one, reference, notes, sentence(one, reference, in_all)))
    return tuple(shown), tuple(notes)


def definitions(named: Sequence[Named]) -> tuple[Definition, ...]:
    """Of every metric that some case has, in the registry's order."""
    summaries = [summary for one in named for summary in one.result.metrics.values()]
    found = []
    for column in columns(tuple(REGISTRY)):
        methods = dict.fromkeys(summary.method for summary in summaries if summary.metric == column.metric)
        if methods:
            found.append(Definition(column, tuple(methods)))
    return tuple(found)


def further(named: Sequence[Named]) -> Table | None:
    """Metrics outside the main table that some case has, one row per case; None where there is none."""
    names = [one.column.metric for one in definitions(named) if one.column.metric not in COLUMNS]
    if not names:
        return None
    headings = [f"{column.label}, {column.unit}" if column.unit else column.label for column in columns(names)]
    lines = tuple((one.name, *(_with_interval(one.result, name) for name in names)) for one in named)
    return Table(("case", *headings), lines, folded="Further metrics")


def _with_interval(result: CaseResult, name: str) -> str:
    summary = result.metrics.get(name)
    if summary is None:
        return f"{ABSENT} ({result.missing.get(name, NOT_RECORDED)})"
    return f"{show(name, summary.point)} {interval(summary)}".rstrip()


def _row(anchor: str, one: Named, reference: Named | None, notes: dict[str, str], said: str) -> Row:
    case, result = one.result.case, one.result
    launches = result.metrics["latency_p50_s"].n if "latency_p50_s" in result.metrics else 0
    parts = [result.artifact.role, case.precision, case.backend, case.scenario.name]
    if launches:
        parts.append(f"{launches} launch{'es' if launches > 1 else ''}")
    cells = tuple(_cell(column, result, reference, notes) for column in columns())
    return Row(
        anchor=anchor,
        label=one.label,
        title=_title(one),
        detail=" · ".join(printable(part) for part in parts if part),
        style=one.style,
        verdict=result.verdict,
        reasons=tuple(f"{f.code}: {f.evidence}" for f in result.findings if f.severity != "note"),
        reference=reference.label if reference and any(cell.change for cell in cells) else "",
        cells=cells,
        sentence=said,
    )


def _title(one: Named) -> str:
    """Empty where it would only say the name again."""
    title = printable(one.result.artifact.title)
    return "" if title in (one.label, printable(one.result.case.variant)) else title


def _cell(column: Column, result: CaseResult, reference: Named | None, notes: dict[str, str]) -> Cell:
    summary = result.metrics.get(column.metric)
    if summary is None:
        reason = result.missing.get(column.metric, NOT_RECORDED)
        mark = notes.setdefault(reason, mark_number(len(notes)))
        return Cell(column, ABSENT, reason=reason, mark=mark)
    against = change(column.metric, result, reference.result if reference else None)
    return Cell(
        column,
        show(column.metric, summary.point),
        interval(summary),
        against.text,
        against.doubt,
        f"{summary.method}; n = {summary.n}",
    )


def mark_number(index: int) -> str:
    """Letters for footnotes: 0 is a, 25 is z, 26 is aa."""
    letter = chr(ord("a") + index % 26)
    return letter if index < 26 else mark_number(index // 26 - 1) + letter


def interval(summary: Summary) -> str:
    """[low, high] in the shown unit; empty where none is supported, and where it says nothing beyond the point: for
    exact counts, and where both ends are shown as the point is."""
    if summary.low is None or summary.high is None:
        return ""
    point, low, high = (show(summary.metric, value) for value in (summary.point, summary.low, summary.high))
    return "" if low == point == high else f"[{low}, {high}]"


def sentence(one: Named, reference: Named | None, in_all: int | None) -> str:
    """What a hurried reader takes away from a case: speed, speed against the reference, accuracy, verdict."""
    result = one.result
    p50 = result.metrics.get("latency_p50_s")
    if p50 is None:
        speed = f"no latency ({result.missing.get('latency_p50_s', NOT_RECORDED)})"
    else:
        against = speed_against(result, reference.result, reference.label) if reference else ""
        speed = f"p50 {show('latency_p50_s', p50.point)} ms{against}"
    codes = ", ".join(dict.fromkeys(f.code for f in result.findings if f.severity != "note"))
    verdict = result.verdict if not codes else f"{result.verdict} ({codes})"
    return f"{speed}; {_accuracy(result, in_all)}; {verdict}"


def _accuracy(result: CaseResult, in_all: int | None) -> str:
    top1 = result.metrics.get("accuracy_top1")
    if top1 is None:
        return f"no accuracy ({result.missing.get('accuracy_top1', NOT_RECORDED)})"
    return f"accuracy {show('accuracy_top1', top1.point)} % ({source_text(top1, in_all)})"
