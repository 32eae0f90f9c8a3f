"""A history as JSON and as tables with a line of blocks. Owns words and layout; finds no change."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness import console
from harness.analysis.change_points import FEWEST
from harness.analysis.compare import EXACT
from harness.analysis.history import History, Point, Series
from harness.model.codec import Json, to_json
from harness.model.metrics import REGISTRY
from harness.outcome.gate_json import finite
from harness.outcome.ranking import label, value
from harness.outcome.text import percent, plain

SCHEMA = "harness.history/1"
# In a terminal; the JSON has all.
MOST_ROWS = 30
_BLOCKS = "▁▂▃▄▅▆▇█"
_HEADINGS = ("run", "commit", "value", "95 % interval", "n", "")


def history_json(found: History) -> Json:
    """harness.history/1: results/schema/history-1.schema.json."""
    told = []
    for one in found.series:
        unit = "1" if one.reference else REGISTRY[one.metric].unit
        told.append({"metric": one.metric, "unit": unit, **to_json(one)})
    return finite({"schema": SCHEMA, "series": told, "notes": list(found.notes)})


def sparkline(one: Series) -> str:
    """A block for each run, by the logarithm between the least and the greatest; a bar where the level moved."""
    logs = [math.log(point.value) for point in one.points]
    low, span = min(logs), max(logs) - min(logs)
    starts = {move.index for move in one.moves}
    found = ""
    for index, log in enumerate(logs):
        height = round((log - low) / span * (len(_BLOCKS) - 1)) if span > 0 else 0
        found += ("|" if index in starts else "") + _BLOCKS[height]
    return found


def sentences(one: Series) -> tuple[str, ...]:
    """One for each move: by how much, since which run and commit, and the last before it."""
    found = []
    for move in one.moves:
        before, since = one.points[move.index - 1], one.points[move.index]
        between = f"{commit_of(before)} and {commit_of(since)}"
        place = f"between {between}" if commit_of(before) != commit_of(since) else f"at one commit ({commit_of(since)})"
        chance = "" if move.p == 0 else ", p < 1e-6" if move.p < 1e-6 else f", p = {move.p:.1g}"
        found.append(
            f"{name(one)} is {percent(move.change)} ({move.side}) since {since.run}, {place}; the last before it is "
            f"{before.run}{chance}"
        )
    return tuple(found)


def print_history(found: History) -> None:
    """A table for each series to stdout, what was left out to stderr."""
    for note in found.notes:
        console.message(plain(note))
    for one in found.series:
        console.print_rows(title(one), _HEADINGS, _rows(one))
        console.plain(f"{sparkline(one)}  {_end(one)}")
        for sentence in sentences(one):
            console.styled("red" if "(worse)" in sentence else "green", "moved", plain(sentence))


def name(one: Series) -> str:
    """As its sentences call it."""
    relative = f" relative to {plain(one.reference)}" if one.reference else ""
    return f"{plain(one.variant)}: {label(one.metric)}{relative}"


def title(one: Series) -> str:
    """Its name, and where it was measured."""
    return f"{name(one)}; {where(one)}"


def where(one: Series) -> str:
    """Runtime, scenario, device and machine."""
    board = one.machine.get("board", "an unknown machine")
    return f"{plain(one.backend)}, {plain(one.scenario)} on {plain(one.device)} ({plain(board)})"


def _rows(one: Series) -> Sequence[tuple[str, ...]]:
    starts = {move.index: move for move in one.moves}
    rows = []
    for index, point in enumerate(one.points):
        moved = percent(starts[index].change) + " " + starts[index].side if index in starts else ""
        interval = _interval(one, point)
        rows.append((point.run, commit_of(point), value_of(one, point.value), interval, str(point.n), moved))
    left = len(rows) - MOST_ROWS
    return rows if left <= 0 else [(f"... {left} earlier", "", "", "", "", ""), *rows[left:]]


def _interval(one: Series, point: Point) -> str:
    """A dash where there is none, or where it is of a count."""
    if point.low is None or point.high is None or point.low == point.high:
        return "–"
    return f"{value_of(one, point.low)} to {value_of(one, point.high)}"


def value_of(one: Series, number: float) -> str:
    """With its unit; of a ratio to the reference as it is."""
    return f"{number:.4f}" if one.reference else value(one.metric, number)


def too_few(one: Series) -> bool:
    """Whether no move could be found yet. Of a count every difference is one, so two runs are enough."""
    return len(one.points) < needed(one)


def needed(one: Series) -> int:
    """Runs without which no move can be told."""
    return 2 if one.metric in EXACT else 2 * FEWEST


def moved(found: Sequence[Series]) -> str:
    """How many moves, and of how many series nothing can be said yet."""
    short = [one for one in found if too_few(one)]
    if short and len(short) == len(found):
        most = max(short, key=lambda one: len(one.points))
        return f"too few runs to tell ({len(most.points)} of {needed(most)})"
    count = sum(len(one.moves) for one in found)
    told = f"{count or 'no'} move{'' if count == 1 else 's'}"
    return f"{told}; {len(short)} with too few runs to tell" if short else told


def _end(one: Series) -> str:
    return moved([one]) if too_few(one) else f"{len(one.points)} runs, {moved([one])}"


def commit_of(point: Point) -> str:
    """Its first digits, with a + where there were changes beside it."""
    if not point.commit:
        return "no commit"
    return plain(point.commit[:10]) + ("+" if point.dirty else "")
