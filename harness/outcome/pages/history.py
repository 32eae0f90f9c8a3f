"""The page of a history: each series as a small figure with its intervals and moves, and its table. Finds no move."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence

from harness.analysis.history import History, Move, Point, Series
from harness.model.metrics import REGISTRY
from harness.outcome.pages.marks import MARKS, count
from harness.outcome.pages.raw import raw
from harness.outcome.past import (
    commit_of,
    history_json,
    moved,
    name,
    needed,
    sentences,
    too_few,
    value_of,
    where,
)
from harness.outcome.ranking import label
from harness.outcome.text import percent, plain
from harness.report import plots
from harness.report.blocks import Block, Cell, Commands, Figure, Name, Number, Paragraph, Plot, Section, Table
from harness.report.cards import Card
from harness.report.forest import hover
from harness.report.html import page
from harness.report.names import COLOURS, in_figure

# Beyond these a page is slow to open; its tables have all.
MOST_FIGURES = 24
MOST_POINTS = 400
MOST_SENTENCES = 40
_MOST_TICKS = 4
HOW = (
    "Left to right: run after run, not to scale in time; whiskers: 95 % intervals. A dashed line stands where the "
    "level moved, with the change of the medians."
)


def history_page(found: History, command: Sequence[str], nothing: str = "") -> str:
    """The whole page. nothing: why there is no series."""
    drawn = {id(one) for one in _most_telling(found.series)}
    series = tuple(_series(one, number, figured=id(one) in drawn) for number, one in enumerate(found.series, 1))
    rest = (_notes(found), Section("again", "Look again", (Commands((shlex.join(command),)),)))
    head = f"{len(found.series)} series, {moved(found.series)}" if found.series else "no series"
    told = [sentence for one in found.series for sentence in _told(one)]
    left = len(found.series) - len(drawn)
    rule = f"Drawn are {len(drawn)} of {len(found.series)} series, those that moved first; the tables have all."
    return page(
        _card(found, head), (*series, *rest), raw(history_json(found)), head=head, series=series, rest=rest,
        told=told[:MOST_SENTENCES], more=_more(len(told)), nothing=nothing, rule=rule if left else "",
        how=HOW if series else "", still=_still(found.series),
    )  # fmt: skip


def _still(series: Sequence[Series]) -> str:
    """What is said where no move was found."""
    if any(not too_few(one) for one in series):
        return "No level moved."
    return f"{moved(series).capitalize()}: no series has enough of them for a move to show." if series else ""


def _more(moves: int) -> str:
    return f"{moves - MOST_SENTENCES} more moves stand in the tables." if moves > MOST_SENTENCES else ""


def _card(found: History, head: str) -> Card:
    newest = max((one.points[-1] for one in found.series), key=lambda point: point.started_utc, default=None)
    devices = dict.fromkeys(one.device for one in found.series)
    metrics = ", ".join(dict.fromkeys(label(one.metric) for one in found.series))
    return Card(
        "history", f"History of {metrics}" if metrics else "History of nothing", "", ", ".join(devices),
        newest.started_utc if newest else "", head, commit_of(newest) if newest and newest.commit else "",
    )  # fmt: skip


def _told(one: Series) -> list[tuple[Name, str]]:
    """The sentence of each move behind its mark."""
    return [(Name("", MARKS[move.side]), text) for move, text in zip(one.moves, sentences(one), strict=True)]


def _most_telling(series: Sequence[Series]) -> Sequence[Series]:
    """Those that moved, then the others, each in their order."""
    return sorted(series, key=lambda one: not one.moves)[:MOST_FIGURES]


def _series(one: Series, number: int, *, figured: bool) -> Section:
    runs = f"{len(one.points)} run{'' if len(one.points) == 1 else 's'}"
    said = f"{runs}: a move takes {needed(one)}, {needed(one) // 2} on either side of it."
    short = (Paragraph(said, "none"),) if too_few(one) else ()
    place = Paragraph(where(one), "note")
    blocks: tuple[Block, ...] = (place, *short, _table(one, folded=False))
    if figured:
        blocks = (place, _figure(one, number), *short)
    return Section(f"series-{number}", name(one), blocks)


def _figure(one: Series, number: int) -> Figure:
    left = max(0, len(one.points) - MOST_POINTS)
    notes = (f"Drawn are the last {MOST_POINTS} of {len(one.points)} runs; the table has all.",) if left else ()
    said = f"{label(one.metric)} of {plain(one.variant)} over {len(one.points)} runs, with 95 % intervals"
    return Figure(f"series-{number}", said, _plot(one, left), _table(one, folded=True), notes)


def _plot(one: Series, left: int) -> Plot:
    """The points from `left` on, by their number."""
    scale, axis = REGISTRY[one.metric].scale, f"{label(one.metric)}, {REGISTRY[one.metric].shown_unit}".rstrip(", ")
    if one.reference:
        scale, axis = 1.0, f"{label(one.metric)} ÷ {in_figure(one.reference)}"
    kept = list(enumerate(one.points))[left:]
    highs = [max(0.0, (point.value if point.high is None else point.high) - point.value) * scale for _, point in kept]
    lows = [max(0.0, point.value - (point.value if point.low is None else point.low)) * scale for _, point in kept]
    layout = plots.base_layout(250)
    moves = [move for move in one.moves if move.index >= left]
    layout |= {
        "xaxis": plots.linear_axis("") | _run_axis(kept),
        "yaxis": plots.linear_axis(axis) | {"nticks": 5},
        "margin": {"l": 56, "r": 34, "t": 48, "b": 46},
        "shapes": [_line(move) for move in moves],
        "annotations": [_change(move) for move in moves],
        "hovermode": "closest",
    }
    data = {
        "type": "scatter", "mode": "lines+markers", "name": in_figure(one.variant),
        "x": [index for index, _ in kept], "y": [point.value * scale for _, point in kept],
        "error_y": {
            "type": "data", "symmetric": False, "array": highs, "arrayminus": lows, "thickness": 1.2, "width": 3,
        },
        "line": {"color": COLOURS[0], "width": 1}, "marker": {"size": 6, "color": COLOURS[0]},
        "hovertext": [_hover(one, point) for _, point in kept],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }  # fmt: skip
    return {"data": [data], "layout": layout}


def _run_axis(kept: Sequence[tuple[int, Point]]) -> Plot:
    """Commits, or days where there is none, at a few of the runs, the first and the last among them."""
    count = min(_MOST_TICKS, len(kept))
    chosen = sorted({round(step * (len(kept) - 1) / max(1, count - 1)) for step in range(count)})
    texts = _ticks([point for _, point in kept])
    room = 0.5 if len(kept) < 20 else 0.02 * len(kept)
    return {
        "tickvals": [kept[place][0] for place in chosen], "ticktext": [texts[place] for place in chosen],
        "range": [kept[0][0] - room, kept[-1][0] + room], "showgrid": False,
    }  # fmt: skip


def _ticks(points: Sequence[Point]) -> list[str]:
    """A name for each run; the time of day below it where another run has the same name."""
    names = [in_figure(point.commit[:7] if point.commit else point.started_utc[:10]) for point in points]
    times = [in_figure(point.started_utc[11:19]) for point in points]
    again = {name for name, count in Counter(names).items() if count > 1}
    return [f"{name}<br>{time}" if name in again else name for name, time in zip(names, times, strict=True)]


def _line(move: Move) -> Plot:
    place = move.index - 0.5
    line = {"color": MARKS[move.side].colour, "width": 1.5, "dash": "dash"}
    return {"type": "line", "x0": place, "x1": place, "yref": "paper", "y0": 0, "y1": 1, "line": line}


def _change(move: Move) -> Plot:
    return {
        "x": move.index - 0.5, "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False,
        "text": f"{MARKS[move.side].glyph} {percent(move.change)}", "font": {"size": 12},
    }  # fmt: skip


def _hover(one: Series, point: Point) -> str:
    known = point.low is not None and point.high is not None
    interval = f" [{_text(one, point.low)}, {_text(one, point.high)}]" if known else ""
    return hover((point.run, commit_of(point), f"{value_of(one, point.value)}{interval}", f"n = {point.n}"))


def _table(one: Series, *, folded: bool) -> Table:
    starts = {move.index: move for move in one.moves}
    rows = []
    for index, point in enumerate(one.points):
        move = starts.get(index)
        moved: Cell = "" if move is None else Name(f"{percent(move.change)} {move.side}", MARKS[move.side])
        numbers = (_number(one, point.value), _number(one, point.low), _number(one, point.high))
        rows.append((point.run, point.started_utc, commit_of(point), *numbers, count(point.n), moved))
    headings = ("run", "started (UTC)", "commit", "value", "from", "to", "n", "moved")
    return Table(headings, tuple(rows), numeric=False, folded="Data of this figure" if folded else "")


def _number(one: Series, value: float | None) -> Number:
    return Number(_text(one, value), value)


def _text(one: Series, value: float | None) -> str:
    return "–" if value is None else value_of(one, value)


def _notes(found: History) -> Section:
    blocks: tuple[Block, ...] = (Paragraph("Nothing: every run that was read is in it.", "none"),)
    if found.notes:
        blocks = (Table(("left out",), tuple((note,) for note in found.notes), numeric=False),)
    return Section("left-out", "What was left out, and why", blocks)
