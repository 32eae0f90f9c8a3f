"""A comparison as blocks: ratios of metrics that belong together as a forest, and every metric as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

from harness.model.gate import Comparison
from harness.model.metrics import REGISTRY
from harness.outcome.compared import Compared, ordered, word
from harness.outcome.pages.marks import MARKS, OPEN, arrow, count, figure, legend, share
from harness.outcome.ranking import label
from harness.outcome.text import percent
from harness.report.blocks import Block, Cell, Figure, Name, Number, Paragraph, Section, Table
from harness.report.conditions import text
from harness.report.forest import MOST_ROWS, Row, forest

# Of all tables of the same kind together: a browser takes long over more rows.
MOST_IN_TABLE = 2000
# Of candidates in one table, so that it fits on paper.
MOST_BESIDE = 3
NO_VERDICT = "no verdict"
BOARD = "board"
_FAMILIES = (
    ("latency", "Latency and throughput", ("latency_", "throughput_")),
    ("start", "Start and memory", ("load_", "first_", "memory_")),
    ("energy", "Energy and power", ("energy_", "net_energy_", "power_")),
    ("answers", "Accuracy, size and work", ("",)),
)
# Of all cells these are drawn before the worst of the others: what a reader asks for first.
_FIRST = ("latency_p50_s", "latency_p90_s", "latency_p99_s", "throughput_per_s")
# More than of others, so that all of nine cells are drawn; with the headings it still fits on one sheet of A4.
_MOST_FIRST = 36
_WORDS = {"worse": "worse, slower", "better": "better, faster"}
_HEADINGS = ("cell", "metric", "verdict", "baseline", "candidate", "change", "from", "to", "margin", "n")
HOW = (
    "Ratio of the candidate to the baseline, with its 95 % interval; grey band: the margin within which a change does "
    "not matter. An arrow says which way is better: ↓ less, ↑ more."
)


READING = (
    "Baseline and candidate: each run’s own value, a median over its launches where it is a time. Changes and margins "
    "are relative, of accuracy too: 0.5 % of a top-1 of 90 % are 0.45 points. From and to: the 95 % interval; n: "
    "launches, or pairs of them, or images."
)
# How a comparison's method is told apart, and what its change is. Formulas: harness.analysis.stats.
_ESTIMATORS = (
    ("pairs of launches", "of launches in pairs the mean log ratio of the pairs, not the ratio of the two columns"),
    (
        "not paired;",
        "of launches the ratio of their trimmed means, taken in logarithms, not the ratio of the two columns",
    ),
)


@dataclass(frozen=True)
class Pair:
    """A comparison, the letter of its candidate (empty of the only one), and whether its sides are a verdict."""

    found: Compared
    letter: str

    @property
    def judged(self) -> bool:
        """Not where boards differ and that was allowed: a ratio of two boards is no change."""
        allowed = self.found.allowed
        other = any(one.name == BOARD for one in self.found.differences)
        return not (other and ("*" in allowed or BOARD in allowed))

    def side(self, one: Comparison) -> Cell:
        """The verdict as a table shows it."""
        return Name(word(one), MARKS[one.side]) if self.judged else Name(NO_VERDICT, OPEN)


def change(one: Comparison) -> str:
    """Relative, with its interval."""
    interval = f"{percent(less(one.low))} to {percent(less(one.high))}" if one.low is not None else "no interval"
    return f"{percent(less(one.ratio))} ({interval})"


def families(pairs: Sequence[Pair]) -> Iterator[Section]:
    """A section of each family of metrics, of all comparisons together."""
    for anchor, title, starts in _FAMILIES:
        yield from _family(pairs, anchor, title, starts)


def _family(pairs: Sequence[Pair], anchor: str, title: str, starts: Sequence[str]) -> Iterator[Section]:
    """The forest of metrics that belong together; nothing where none of them has a ratio."""
    known = [(pair, one) for pair in pairs for one in pair.found.comparisons if one.ratio is not None]
    held = [(pair, one) for pair, one in known if _family_of(one.metric) == tuple(starts)]
    # A count that is the same in both is a point without an interval on the line: nothing to see.
    drawn = [(pair, one) for pair, one in held if not (one.method == "exact" and one.ratio == 1)]
    if not held:
        return
    even = [one for _, one in held if one.method == "exact" and one.ratio == 1]
    if not drawn:
        some = ", ".join(dict.fromkeys(label(one.metric) for one in even))
        yield Section(anchor, title, (Paragraph(f"The same in both, to the last digit: {some}."),))
        return
    yield Section(anchor, title, (_forest(anchor, title, drawn, even),))


def _family_of(metric: str) -> tuple[str, ...]:
    return next(starts for _, _, starts in _FAMILIES if metric.startswith(starts))


def _forest(anchor: str, title: str, held: Sequence[tuple[Pair, Comparison]], even: Sequence[Comparison]) -> Figure:
    rank = {id(one): place for place, one in enumerate(ordered([one for _, one in held]))}
    order = {metric: place for place, metric in enumerate((*_FIRST, *(one for one in REGISTRY if one not in _FIRST)))}
    cells = {cell: place for place, cell in enumerate(dict.fromkeys(one.cell for _, one in held))}
    most = max(MOST_ROWS, min(_MOST_FIRST, sum(one.metric in _FIRST for _, one in held)))
    kept = sorted(held, key=lambda each: (each[1].metric not in _FIRST, rank[id(each[1])]))[:most]
    kept.sort(key=lambda each: (order.get(each[1].metric, len(order)), cells[each[1].cell]))
    alone = len({(pair.letter, one.cell) for pair, one in held}) == 1
    made = forest([_row(pair, one, alone=alone) for pair, one in kept], "candidate ÷ baseline, log scale")
    notes = [HOW if any(pair.judged for pair, _ in kept) else HOW.partition(";")[0] + "."]
    if len(held) > len(kept):
        notes.append(f"Drawn are {len(kept)} of {len(held)}: {_which(held, kept)}; the table has all.")
    if made.cut:
        notes.append(f"Cut at the axis’ ends, which the table has: {made.cut}.")
    if even:
        some = ", ".join(dict.fromkeys(label(one.metric) for one in even))
        notes.append(f"Not drawn, as they are the same to the last digit: {some} ({len(even)} in all).")
    rows = tuple(
        (f"{label(one.metric)} · {called(pair, one)}", _ratio(one.ratio), _ratio(one.low), _ratio(one.high))
        for pair, one in kept
    )
    return Figure(
        f"ratios-{anchor}",
        f"Forest plot of ratios with 95 % intervals: {title.lower()}",
        made.plot,
        Table(("", "ratio", "from", "to"), rows, folded="Data of this figure"),
        tuple(notes),
        legend((one.side for pair, one in kept if pair.judged), _WORDS),
    )


def _which(held: Sequence[tuple[Pair, Comparison]], kept: Sequence[tuple[Pair, Comparison]]) -> str:
    """The rule by which some are drawn and others are not."""
    first = ", ".join(dict.fromkeys(label(one.metric) for _, one in kept if one.metric in _FIRST))
    if not first:
        return "the worst"
    asked = sum(one.metric in _FIRST for _, one in held)
    if asked > len(kept):
        return f"the worst of {first}"
    return f"{first} of all cells" + (", then the worst of the others" if asked < len(kept) else "")


def _row(pair: Pair, one: Comparison, *, alone: bool) -> Row:
    assert one.ratio is not None  # noqa: S101  # its caller left out the others
    verdict = word(one) if pair.judged else NO_VERDICT
    return Row(
        arrow(one.metric),
        "" if alone else called(pair, one),
        MARKS[one.side] if pair.judged else OPEN,
        one.ratio, one.low, one.high,
        (1 / (1 + one.margin), 1 + one.margin) if one.margin and pair.judged else None,
        text=(f"{label(one.metric)}, {called(pair, one)}", change(one), verdict),
    )  # fmt: skip


def called(pair: Pair, one: Comparison) -> str:
    """Its cell, behind the candidate's letter where there are several."""
    return f"{pair.letter} · {one.cell}" if pair.letter else one.cell


def tables(pairs: Sequence[Pair]) -> Iterator[Section]:
    """Several candidates side by side; then every metric of each, the worst first."""
    if len(pairs) > 1:
        groups = [pairs[first : first + MOST_BESIDE] for first in range(0, len(pairs), MOST_BESIDE)]
        most = MOST_IN_TABLE // len(groups)
        beside = tuple(block for group in groups for block in _side_by_side(group, most))
        yield Section("side-by-side", "Side by side", beside)
    for pair in pairs:
        held = [one for one in pair.found.comparisons if one.ratio is not None]
        kept = (ordered(held) if pair.judged else held)[: MOST_IN_TABLE // len(pairs)]
        rows = tuple(_table_row(pair, one) for one in kept)
        title = f"{pair.letter} against the baseline" if pair.letter else "Every metric"
        anchor = f"metrics-{pair.letter.lower()}" if pair.letter else "metrics"
        blocks: tuple[Block, ...] = (Paragraph("No metric could be compared.", "none"),)
        if rows:
            note = f"{_estimators(kept)} {READING}"
            if len(kept) < len(held):
                which = "the worst" if pair.judged else "the first"
                note += f" These are {len(kept)} of {len(held)}, {which}; the raw comparison below has all."
            blocks = (Table(_HEADINGS, rows, numeric=False), Paragraph(note, "note"))
        yield Section(anchor, title, blocks)


def _estimators(kept: Sequence[Comparison]) -> str:
    """What `change` is, by how the comparisons at hand were made."""
    told = list(dict.fromkeys(words for one in kept for start, words in _ESTIMATORS if start in one.method))
    both = "the ratio of the two values beside it"
    if not told:
        return f"Change: {both}."
    return f"Change: {'; '.join(told)}; of all others {both}."


def _table_row(pair: Pair, one: Comparison) -> tuple[Cell, ...]:
    return (
        one.cell, label(one.metric), pair.side(one),
        figure(one.metric, one.baseline), figure(one.metric, one.candidate),
        share(less(one.ratio)), share(less(one.low)), share(less(one.high)),
        Number(f"{one.margin * 100:.3g} %", one.margin), count(one.n),
    )  # fmt: skip


def _side_by_side(pairs: Sequence[Pair], most: int) -> Iterator[Block]:
    """A row for each metric of each cell that some candidate has a value of; of too many, those with the worst."""
    found: dict[tuple[str, str], dict[str, Comparison]] = {}
    for pair in pairs:
        for one in pair.found.comparisons:
            if one.candidate is not None or one.baseline is not None:
                found.setdefault((one.cell, one.metric), {})[pair.letter] = one
    headings = ["cell", "metric", "baseline"]
    for pair in pairs:
        headings += [pair.letter, f"{pair.letter}: change", f"{pair.letter}: verdict"]
    rows = []
    kept = _worst_of(pairs, most) if len(found) > most else set(found)
    for (cell, metric), by_letter in found.items():
        if (cell, metric) not in kept:
            continue
        base = next((one.baseline for one in by_letter.values() if one.baseline is not None), None)
        row: list[Cell] = [cell, label(metric), figure(metric, base)]
        for pair in pairs:
            row += _beside(pair, metric, by_letter.get(pair.letter))
        rows.append(tuple(row))
    yield Table(tuple(headings), tuple(rows), numeric=False)
    if len(rows) < len(found):
        yield Paragraph(
            f"These are {len(rows)} of {len(found)}, those with the worst; the raw comparison below has all.", "note"
        )


def _worst_of(pairs: Sequence[Pair], most: int) -> set[tuple[str, str]]:
    """Cell and metric of so many rows: the worst of every candidate in turn."""
    ranked = [ordered(pair.found.comparisons) for pair in pairs]
    turns = (one for turn in zip_longest(*ranked) for one in turn if one is not None)
    return set(islice(dict.fromkeys((one.cell, one.metric) for one in turns), most))


def _beside(pair: Pair, metric: str, one: Comparison | None) -> tuple[Cell, ...]:
    if one is None or one.ratio is None:
        return figure(metric, None if one is None else one.candidate), share(None), "not compared"
    return figure(metric, one.candidate), share(less(one.ratio)), pair.side(one)


def less(ratio: float | None) -> float | None:
    """A ratio as a relative change."""
    return None if ratio is None else ratio - 1


def _ratio(ratio: float | None) -> Number:
    return Number(text(None if ratio is None else ratio), ratio)
