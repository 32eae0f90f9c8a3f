"""What a report shows, as plain frozen values: every number already text, every figure's points already thinned.

Owns the order and the wording of the page; knows nothing of HTML or of plotly. Pure: same result, same view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from harness.model.codec import Json
from harness.model.trial import Record
from harness.model.verdict import Finding, RunResult
from harness.report import sections
from harness.report.accuracy import images_in_all
from harness.report.blocks import Section, Table
from harness.report.cases import NOT_RECORDED, Named, shown
from harness.report.conditions import environment_facts, text
from harness.report.names import Style, printable
from harness.report.rows import (
    Column,
    Definition,
    Filter,
    Group,
    Row,
    columns,
    definitions,
    filters,
    further,
    groups,
    rows,
)
from harness.report.sentences import headline
from harness.report.summary import suite_name, summary_json

# The title in devices/localhost.toml.
THIS_MACHINE = "This machine"


@dataclass(frozen=True)
class Head:
    """What was measured on what, and when. `state`: finished, or how far an interrupted run came."""

    suite: str
    device: str
    when: str
    state: str
    interrupted: bool
    counts: str


@dataclass(frozen=True)
class FindingRow:
    """A finding with the label and style of every case it was made in."""

    finding: Finding
    cases: tuple[tuple[str, Style], ...]


@dataclass(frozen=True)
class SkipRow:
    """A cell that was not measured, and why."""

    variant: str
    backend: str
    scenario: str
    reason: str


@dataclass(frozen=True)
class View:
    """A page's contents in the page's order. headline: the whole run in a line. first: the figure beside the verdicts;
    rows: all of them; groups: the same as they stand in the table, below which `sections` are; `last`: the page's
    end."""

    head: Head
    headline: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    groups: tuple[Group, ...]
    filters: tuple[Filter, ...]
    footnotes: tuple[tuple[str, str], ...]
    definitions: tuple[Definition, ...]
    further: Table | None
    first: Section
    sections: tuple[Section, ...]
    findings: tuple[FindingRow, ...]
    damaged: tuple[str, ...]
    skips: tuple[SkipRow, ...]
    notes: tuple[str, ...]
    last: tuple[Section, ...]
    summary: dict[str, Json]

    @property
    def finding_kinds(self) -> tuple[tuple[FindingRow, ...], ...]:
        """Findings of one code, gravity and advice together, in the order of their first ones."""
        found: dict[tuple[str, str, str], list[FindingRow]] = {}
        for row in self.findings:
            one = row.finding
            found.setdefault((one.severity, one.code, one.advice), []).append(row)
        return tuple(tuple(rows) for rows in found.values())


def build_view(result: RunResult, records: Mapping[str, Record], names: Sequence[str] = sections.TABLE) -> View:
    """A view of a run result and its records by case id; a case without a record has no curves, and says so.

    names: of the sections below the table that are wanted, as a format may draw no figures.
    """
    run = shown(result, records)
    named = run.cases
    top = head(result)
    table, notes = rows(run)
    marks = {cell.reason: cell.mark for row in table for cell in row.cells if cell.mark}
    return View(
        head=top,
        headline=headline(run, top.counts, images_in_all(named)),
        columns=columns(),
        rows=table,
        groups=groups(run, table),
        filters=filters(table),
        footnotes=tuple((marks[note], note) for note in notes),
        definitions=definitions(named),
        further=further(named),
        first=sections.section(sections.FIRST, run),
        sections=sections.sections(run, names),
        findings=_findings(named),
        damaged=_damaged(named, result.notes),
        skips=tuple(_skip(skip) for skip in result.skips),
        notes=result.notes,
        last=sections.last(run),
        summary=summary_json(result),
    )


def head(result: RunResult) -> Head:
    """Title, time and state."""
    run = result.run
    started, finished = run.get("started_utc"), run.get("finished_utc")
    verdicts = [case.verdict for case in result.cases]
    counted = ", ".join(
        f"{verdicts.count(verdict)} {verdict}" for verdict in ("valid", "doubtful", "invalid") if verdict in verdicts
    )
    skipped = f"; {len(result.skips)} skipped" if result.skips else ""
    return Head(
        printable(suite_name(result)) or "unnamed suite",
        _device(result),
        f"{_moment(started)} – {_moment(finished, started)} UTC" if finished else f"{_moment(started)} UTC",
        _state(run),
        not finished,
        f"{len(verdicts)} case{'' if len(verdicts) == 1 else 's'}: {counted or 'none measured'}{skipped}",
    )


def _device(result: RunResult) -> str:
    """Its title; of the machine at hand, whose title says nothing to others, its processor too."""
    title = printable(text(result.device.get("title") or result.device.get("name")))
    told = environment_facts(result.environment)
    if title != THIS_MACHINE or not told.get("cpu"):
        return title
    cores = told.get("cores")
    number = f", {cores} core{'' if cores == 1 else 's'}" if isinstance(cores, int) else ""
    return f"{title}: {printable(text(told['cpu']))}{number}"


def _findings(named: Sequence[Named]) -> tuple[FindingRow, ...]:
    """The gravest first; what was found in the same words in several cases is said once."""
    cases: dict[Finding, list[tuple[str, Style]]] = {}
    for one in named:
        for found in one.result.findings:
            cases.setdefault(found, []).append((one.label, one.style))
    gravest_first = sorted(cases, key=lambda found: ("invalid", "doubt", "note").index(found.severity))
    return tuple(FindingRow(found, tuple(cases[found])) for found in gravest_first)


def _damaged(named: Sequence[Named], notes: tuple[str, ...]) -> tuple[str, ...]:
    """Each unreadable trial once: its owner is unknown, so every record names it, and a note may have said it."""
    lines = dict.fromkeys(line for one in named if one.record for line in one.record.damaged)
    return tuple(line for line in lines if not any(line in note for note in notes))


def _state(run: Mapping[str, Json]) -> str:
    done, planned = text(run.get("trials_done")), text(run.get("trials_planned"))
    failed = f", {run['trials_failed']} failed" if run.get("trials_failed") else ""
    if run.get("finished_utc"):
        return f"{done} of {planned} trials{failed}"
    return f"interrupted, {done} of {planned} trials{failed}"


def _moment(when: Json, same_day_as: Json = None) -> str:
    """An ISO time to the second, without the date where it is that of `same_day_as`."""
    if not when:
        return NOT_RECORDED
    try:
        moment = datetime.fromisoformat(str(when))
        day = datetime.fromisoformat(str(same_day_as)).date() if same_day_as else None
    except ValueError:
        return str(when)
    return moment.strftime("%H:%M:%S" if moment.date() == day else "%Y-%m-%d %H:%M:%S")


def _skip(skip: Mapping[str, Json]) -> SkipRow:
    variant, backend, scenario = (printable(text(skip.get(key))) for key in ("variant", "backend", "scenario"))
    return SkipRow(variant, backend, scenario, text(skip.get("reason")))
