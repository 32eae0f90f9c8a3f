"""Operators: where the time of one inference goes and in which precision, by the runtime's own account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.execution_checks import computes, kind_of
from harness.model.codec import Json
from harness.model.metrics import show
from harness.model.trial import Record
from harness.report.absent import without
from harness.report.blocks import Cell, Figure, Paragraph, Section, Table
from harness.report.cases import Named, Shown
from harness.report.stacks import OTHER, Bar, folded, largest, part_names, stacked

MOST_DRAWN = 12
MOST_PARTS = 8
MOST_ROWS = 600
NOT_TOLD = "not told"
TITLE = "Operators"
HOW = (
    "Asked of the runtime in a pass of its own: after the first launch of a case was timed, the file was loaded a "
    "second time with the runtime’s profiler on, and run a few times. The profiler slows what it watches, so these "
    "times are not the latency; their shares say where it goes. An operator computes in the element type of its first "
    "input."
)
HEADINGS = ("case", "operator", "provider", "computes in", "multiplies", "kernels", "time, ms", "share, %")


@dataclass(frozen=True)
class Kernel:
    """Kernels of one type in one inference. multiplies: its precision is the model's; duration_s: theirs together."""

    operator: str
    provider: str
    precision: str
    multiplies: bool
    count: float
    duration_s: float


@dataclass(frozen=True)
class Account:
    """What a case's runtime executed in one inference, the longest first."""

    named: Named
    kernels: tuple[Kernel, ...]

    @property
    def duration_s(self) -> float:
        """Of all kernels, as profiled."""
        return sum(kernel.duration_s for kernel in self.kernels)

    def by(self, field: str) -> dict[str, float]:
        """Shares of the time in per cent, by the value of a kernel's field."""
        found: dict[str, float] = {}
        for kernel in self.kernels:
            name = str(getattr(kernel, field))
            found[name] = found.get(name, 0.0) + 100.0 * kernel.duration_s / self.duration_s
        return found


def section(shown: Shown) -> Section:
    """Both figures, or why there are none."""
    accounts = tuple(one for named in shown.cases if (one := account(named)) is not None)
    told = {id(one.named) for one in accounts}
    absent = [(named.label, _why_not(named)) for named in shown.cases if id(named) not in told]
    if not accounts:
        nothing = Paragraph("No case has the runtime’s own account of what it executed.", "none")
        return Section("operators", TITLE, (nothing, *without(absent)))
    drawn = accounts[:MOST_DRAWN]
    notes = [Paragraph(said, "note") for said in (HOW, *_rule(accounts, drawn))]
    return Section("operators", TITLE, (*notes, _time(accounts, drawn), _precision(accounts, drawn), *without(absent)))


def account(named: Named) -> Account | None:
    """Of the first launch that has one, as launches differ in time and not in what they execute."""
    for facts in _facts(named.record):
        kernels = tuple(_kernels(facts.get("operators") or ()))
        if kernels and sum(kernel.duration_s for kernel in kernels) > 0:
            return Account(named, kernels)
    return None


def _facts(record: Record | None) -> list[Mapping[str, Json]]:
    trials = record.trials if record is not None else ()
    return [one.environment.facts for one in trials if one.mode == "performance" and one.status == "ok"]


def _kernels(operators: Iterable[Mapping[str, Json]]) -> list[Kernel]:
    found = [
        Kernel(
            str(one["op"]),
            str(one["provider"]) or NOT_TOLD,
            kind_of(one) or str(one["precision"]) or NOT_TOLD,
            computes(one),
            float(one["count"]),
            float(one["duration_s"]),
        )
        for one in operators
    ]
    return sorted(found, key=lambda kernel: (-kernel.duration_s, kernel.operator, kernel.precision))


def _why_not(named: Named) -> str:
    if named.record is None:
        return "its launches are not at hand"
    missing = [str(facts["operators_missing"]) for facts in _facts(named.record) if facts.get("operators_missing")]
    if missing:
        return f"the profiler failed: {missing[0]}"
    if not _facts(named.record):
        return "no launch of it ended well"
    return f"{named.result.case.backend} gave no account of its operators"


def _time(accounts: Sequence[Account], drawn: Sequence[Account]) -> Figure:
    kept = largest([one.by("operator") for one in drawn], MOST_PARTS)
    bars = [_bar(one, "operator", kept) for one in drawn]
    names = [name for name in (*kept, OTHER) if any(name in bar.parts for bar in bars)]
    whole = _whole_cases(accounts)
    rows = tuple(_row(one, kernel) for one in whole for kernel in one.kernels)
    cut = "" if len(whole) == len(accounts) else f", the first {len(whole)} of {len(accounts)} cases"
    return Figure(
        "operators",
        "Share of the profiled time of one inference by operator, one bar per case",
        stacked(bars, names, "share of the time by operator, %", 100.0),
        Table(HEADINGS, rows, folded=f"Data of this figure (all operators{cut})"),
        (),
        part_names(names),
    )


def _precision(accounts: Sequence[Account], drawn: Sequence[Account]) -> Figure:
    kept = largest([one.by("precision") for one in drawn], MOST_PARTS)
    bars = [_bar(one, "precision", kept) for one in drawn]
    names = [name for name in (*kept, OTHER) if any(name in bar.parts for bar in bars)]
    rows = tuple(row for one in accounts[:MOST_ROWS] for row in _precision_rows(one))[:MOST_ROWS]
    headings = ("case", "declared", "computes in", "share of the time, %", "kernels", "of them multiplying")
    return Figure(
        "precisions",
        "Share of the profiled time of one inference by the precision computed in, one bar per case",
        stacked(bars, names, "share of the time by precision, %", 100.0),
        Table(headings, rows, folded="Data of this figure"),
        ("Quantizers and activations compute in floats beside integers as a rule; the multiplying kernels decide.",),
        part_names(names),
    )


def _bar(one: Account, field: str, kept: Sequence[str]) -> Bar:
    shares = folded(one.by(field), kept)
    hover = {name: f"{share:.1f} % of the profiled time" for name, share in shares.items()}
    verdict = one.named.result.verdict
    remark = "" if verdict == "valid" else verdict
    return Bar(one.named.label, one.named.style.glyph, shares, hover, remark)


def _whole_cases(accounts: Sequence[Account]) -> Sequence[Account]:
    """As many from the first as fit into the table with all their rows; always one."""
    rows = 0
    for place, one in enumerate(accounts):
        rows += len(one.kernels)
        if rows > MOST_ROWS and place:
            return accounts[:place]
    return accounts


def _row(one: Account, kernel: Kernel) -> tuple[Cell, ...]:
    return (
        one.named.name,
        kernel.operator,
        kernel.provider,
        kernel.precision,
        "yes" if kernel.multiplies else "no",
        f"{kernel.count:g}",
        show("latency_p50_s", kernel.duration_s),
        f"{100 * kernel.duration_s / one.duration_s:.1f}",
    )


def _precision_rows(one: Account) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for name, share in sorted(one.by("precision").items(), key=lambda item: (-item[1], item[0])):
        kernels = [kernel for kernel in one.kernels if kernel.precision == name]
        count, multiplying = (sum(k.count for k in some) for some in (kernels, [k for k in kernels if k.multiplies]))
        rows.append(
            (one.named.name, one.named.result.case.precision, name, f"{share:.1f}", f"{count:g}", f"{multiplying:g}")
        )
    return rows


def _rule(accounts: Sequence[Account], drawn: Sequence[Account]) -> list[str]:
    said = []
    operators = {kernel.operator for one in drawn for kernel in one.kernels}
    if len(operators) > MOST_PARTS:
        said.append(
            f"Drawn by name: the {MOST_PARTS} operators with the largest shares over all bars; the remaining "
            f"{len(operators) - MOST_PARTS} are “{OTHER}”."
        )
    if len(drawn) < len(accounts):
        said.append(
            f"Drawn: the first {len(drawn)} of {len(accounts)} cases; the tables hold the first of them, at most "
            f"{MOST_ROWS} rows each."
        )
    return said
