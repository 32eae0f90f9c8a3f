"""The trade-off table as text: one row per case, one cell per metric, in groups of cases that were measured alike.

Numbers are formatted by harness.model.metrics alone. What is missing stays missing, with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.model.metrics import REGISTRY, show
from harness.model.verdict import CaseResult, Summary
from harness.report.accuracy import images_in_all
from harness.report.blocks import Cell as Words
from harness.report.blocks import Number, Table
from harness.report.cases import ABSENT, NOT_RECORDED, Named, Shown
from harness.report.comparison import UNCLEAR, Change, Reference, best, change, doubtful, references
from harness.report.names import Style, in_sentence, printable, threads
from harness.report.sentences import called, sentence

COLUMNS = (
    "accuracy_top1",
    "latency_p50_s",
    "latency_p90_s",
    "latency_p99_s",
    "throughput_per_s",
    "power_mean_w",
    "energy_per_inference_j",
    "memory_peak_bytes",
    "model_size_bytes",
    "parameters",
    "macs",
)


# By what a reader picks rows, beside the variant's name: the words of the page, and the key in Row.traits.
TRAITS = (
    ("device", "device"),
    ("runtime", "backend"),
    ("scenario", "scenario"),
    ("precision", "precision"),
    ("verdict", "verdict"),
)


@dataclass(frozen=True)
class Column:
    """A heading: label, unit as shown, the definition, and which values are the better ones."""

    metric: str
    label: str
    unit: str
    meaning: str
    better: Literal["lower", "higher"]


@dataclass(frozen=True)
class Cell:
    """A metric of a case: text and interval as shown, or the dash and the reason.

    value, low, high: in SI units at full precision, empty where there is none. best: better than all other valid cases
    measured alike, and told apart from each. estimate: by how many launches or images, and in which of the ways that
    the column's Definition lists, where it has several.
    """

    column: Column
    text: str
    interval: str = ""
    changes: tuple[Change, ...] = ()
    value: str = ""
    low: str = ""
    high: str = ""
    best: bool = False
    estimate: str = ""
    reason: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Row:
    """A case as shown. `title`: what the variant is, or empty. `references`: what its changes refer to, or why it has
    none, in lines. `reasons`: why it is not simply valid. `traits`: by which it is picked, see TRAITS."""

    anchor: str
    case: str
    label: str
    title: str
    detail: str
    style: Style
    verdict: str
    reasons: tuple[str, ...]
    references: tuple[str, ...]
    traits: Mapping[str, str]
    cells: tuple[Cell, ...]
    sentence: str


@dataclass(frozen=True)
class Group:
    """The rows of cases measured alike: on one device, by one runtime, in one way, as its title says."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Filter:
    """A trait in which rows differ, and its values in their order of appearance."""

    key: str
    label: str
    values: tuple[str, ...]


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
        found.append(Column(name, metric.label, unit, metric.meaning, metric.better))
    return tuple(found)


def rows(shown: Shown) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """All rows in the order of the cases, and the footnotes their cells' marks point to (mark a is the first)."""
    notes: dict[str, str] = {}
    in_all = images_in_all(shown.cases)
    firsts = {(metric, one.result.case.id) for group in shown.groups for metric, one in _firsts(group, shown)}
    headings = columns()
    ways = {one.column.metric: one.methods for one in definitions(shown.cases)}
    found = []
    for index, one in enumerate(shown.cases):
        against = references(one, shown)
        cells = tuple(
            _measured(column, one, _changes(column.metric, one, against, shown), ways[column.metric])
            if column.metric in one.result.metrics
            else _missing(column, one, notes)
            for column in headings
        )
        cells = tuple(replace(cell, best=(cell.column.metric, one.result.case.id) in firsts) for cell in cells)
        found.append(_row(f"case-{index + 1}", one, against, cells, sentence(one, shown, in_all)))
    return tuple(found), tuple(notes)


def groups(shown: Shown, rows: Sequence[Row]) -> tuple[Group, ...]:
    """The same rows, those of cases measured alike together; no two titles are the same."""
    of_case = {row.case: row for row in rows}
    titles = [_conditions(group[0]) for group in shown.groups]
    often, seen = Counter(titles), Counter[str]()
    found = []
    for title, group in zip(titles, shown.groups, strict=True):
        seen[title] += 1
        numbered = f"{title} ({seen[title]} of {often[title]}: other settings)" if often[title] > 1 else title
        found.append(Group(numbered, tuple(of_case[one.result.case.id] for one in group)))
    return tuple(found)


def filters(rows: Sequence[Row]) -> tuple[Filter, ...]:
    """One for each trait that has more than one value."""
    found = (Filter(key, label, tuple(dict.fromkeys(row.traits[key] for row in rows))) for label, key in TRAITS)
    return tuple(one for one in found if len(one.values) > 1)


def _firsts(group: Sequence[Named], shown: Shown) -> Iterator[tuple[str, Named]]:
    for metric in COLUMNS:
        first = best(metric, group, shown)
        if first is not None:
            yield metric, first


def _conditions(one: Named) -> str:
    case = one.result.case
    return " · ".join(printable(part) for part in (case.device, case.backend, case.scenario.name, threads(case)))


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
    lines = [_further_row(one, names) for one in named]
    return Table(("case", *headings), tuple(lines), folded="Further metrics")


def _further_row(one: Named, names: Sequence[str]) -> tuple[Words, ...]:
    return (one.name, *(_with_interval(one.result, name) for name in names))


def _with_interval(result: CaseResult, name: str) -> Number:
    summary = result.metrics.get(name)
    if summary is None:
        return Number(f"{ABSENT} ({result.missing.get(name, NOT_RECORDED)})", None)
    return Number(f"{show(name, summary.point)} {interval(summary)}".rstrip(), summary.point)


def _row(anchor: str, one: Named, against: Sequence[Reference], cells: tuple[Cell, ...], said: str) -> Row:
    case, result = one.result.case, one.result
    launches = result.metrics["latency_p50_s"].n if "latency_p50_s" in result.metrics else 0
    parts = [result.artifact.role, case.precision]
    if launches:
        parts.append(f"{launches} launch{'es' if launches > 1 else ''}")
    return Row(
        anchor=anchor,
        case=case.id,
        label=one.label,
        title=_title(one),
        detail=" · ".join(printable(part) for part in parts if part),
        style=one.style,
        verdict=result.verdict,
        reasons=tuple(f"{f.code}: {f.evidence}" for f in result.findings if f.severity != "note"),
        references=_references(one, against),
        traits=_traits(one),
        cells=cells,
        sentence=said,
    )


def _references(one: Named, against: Sequence[Reference]) -> tuple[str, ...]:
    if not against:
        return ()
    if one.result.verdict == "invalid":
        return ("not compared: invalid",)
    lines, compared = [], []
    for reference in against:
        whom = {
            "parent": f"its parent {in_sentence(reference.to.result.case.variant)}",
            "teacher": called(reference.to),
            "both": f"its parent, {called(reference.to)}",
        }[reference.against]
        if reference.to.result.verdict == "invalid":
            lines.append(f"not compared: {whom} is invalid")
            continue
        lines.append(f"{reference.mark}: against {whom}")
        compared.append(reference.to)
    why = doubtful(one, *compared) if compared else ""
    return (*lines, f"{UNCLEAR}{why}") if why else tuple(lines)


def _traits(one: Named) -> dict[str, str]:
    case = one.result.case
    named = {"device": case.device, "backend": case.backend, "scenario": case.scenario.name}
    named |= {"precision": case.precision, "verdict": one.result.verdict}
    return {key: printable(value) for key, value in named.items()}


def _title(one: Named) -> str:
    """Empty where it would only say the name again."""
    title = printable(one.result.artifact.title)
    return "" if title in (one.label, printable(one.result.case.variant)) else title


def _changes(metric: str, one: Named, against: Sequence[Reference], shown: Shown) -> tuple[Change, ...]:
    if metric not in one.result.metrics:
        return ()
    found = (change(metric, one, reference, shown) for reference in against)
    return tuple(one for one in found if one is not None)


def _missing(column: Column, one: Named, notes: dict[str, str]) -> Cell:
    reason = one.result.missing.get(column.metric, NOT_RECORDED)
    return Cell(column, ABSENT, reason=reason, mark=notes.setdefault(reason, mark_number(len(notes))))


def _measured(column: Column, one: Named, changes: tuple[Change, ...], ways: Sequence[str]) -> Cell:
    summary = one.result.metrics[column.metric]
    way = f", way {ways.index(summary.method) + 1}" if len(ways) > 1 else ""
    return Cell(
        column,
        show(column.metric, summary.point),
        interval(summary),
        changes,
        repr(summary.point),
        "" if summary.low is None else repr(summary.low),
        "" if summary.high is None else repr(summary.high),
        estimate=f"n = {summary.n}{way}",
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
