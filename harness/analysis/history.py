"""A metric over many runs: series of one cell on one machine, and where they moved. Owns what belongs together and
which moves are told; the test is in harness.analysis.change_points."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.analysis import stats
from harness.analysis.cells import Cell, cells_of
from harness.analysis.change_points import ALPHA, change_points
from harness.analysis.compare import EXACT, MARGINS
from harness.analysis.fingerprint import fingerprint
from harness.analysis.summaries import launch_values
from harness.errors import UnknownName
from harness.model.codec import content_id
from harness.model.metrics import REGISTRY
from harness.store.store import StoredRun


@dataclass(frozen=True)
class Point:
    """A metric in one run. commit: empty where it is not known; dirty: there were changes beside it."""

    run: str
    started_utc: str
    commit: str
    dirty: bool
    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Move:
    """A change of level: the runs from `index` on differ from those since the last move. change: relative, of medians;
    side: what it is to a reader; p: of a difference this great between any two halves, over all series."""

    index: int
    change: float
    side: str
    p: float


@dataclass(frozen=True)
class Series:
    """One metric of one cell on one machine, by time. machine: what tells it from others. moves: by index. reference:
    the variant that every value is divided by, empty without. n too few: no move could be found yet."""

    device: str
    machine_id: str
    machine: Mapping[str, str]
    variant: str
    backend: str
    scenario: str
    metric: str
    points: tuple[Point, ...]
    moves: tuple[Move, ...] = ()
    reference: str = ""


@dataclass(frozen=True)
class History:
    """All series, and a sentence for each thing that was left out."""

    series: tuple[Series, ...]
    notes: tuple[str, ...] = ()


_Key = tuple[str, str, str, str, str, str]


def history(
    runs: Sequence[StoredRun],
    metrics: Sequence[str],
    variants: Collection[str] = (),
    reference: str = "",
    margin: float | None = None,
) -> History:
    """Series of these metrics (and variants, if any are named) over the runs, whatever their order. A move smaller than
    the margin (relative; None: that of the metric) is none. reference: a variant, measured in the same run, by whose
    value each is divided: what slows down the whole machine cancels. A run that cannot be analysed is left out with a
    note. UnknownName for what is no metric."""
    for metric in metrics:
        if metric not in REGISTRY:
            raise UnknownName("metric", metric, REGISTRY)
    notes: list[str] = []
    points: dict[_Key, list[Point]] = {}
    machines: dict[str, Mapping[str, str]] = {}
    for stored in sorted(runs, key=lambda one: (one.run.started_utc, one.run.id)):
        told: list[str] = []
        try:
            cells = [cell for cell in cells_of(stored) if _usable(cell, stored, told)]
            found = [
                one for cell in cells for one in _of_cell(stored, cell, cells, (metrics, reference))
                if not variants or cell.key[0] in variants
            ]  # fmt: skip
        except Exception as error:  # noqa: BLE001  # whatever one stored run holds must not cost all others' history
            notes.append(f"{stored.run.id} cannot be analysed and is left out ({type(error).__name__}: {error})")
            continue
        notes += told
        for machine, key, point in found:
            machines[key[1]] = machine
            points.setdefault(key, []).append(point)
    if reference and not points:
        notes.append(f"no run holds {reference} beside another variant, so there is nothing to divide by it")
    alpha = ALPHA / max(1, sum(key[-1] not in EXACT for key in points))
    made = [
        Series(
            key[0], key[1], machines[key[1]], *key[2:], tuple(found), _moves(key[-1], found, alpha, margin), reference
        )
        for key, found in points.items()
    ]
    order = {metric: place for place, metric in enumerate(REGISTRY)}
    made.sort(key=lambda one: (one.variant, one.backend, one.scenario, order[one.metric], one.points[0].started_utc))
    return History(tuple(made), tuple(dict.fromkeys(notes)))


def _of_cell(
    stored: StoredRun, cell: Cell, cells: Sequence[Cell], wanted: tuple[Sequence[str], str]
) -> Iterator[tuple[Mapping[str, str], _Key, Point]]:
    """Its point of each metric, with the machine and the key of the series. wanted: metrics, and the reference."""
    metrics, reference = wanted
    machine = fingerprint(cell.timed).machine
    for metric in metrics:
        point = _point(stored, cell, metric, _reference(cells, cell, reference) if reference else cell)
        if point is not None:
            yield machine, (stored.run.device.name, content_id(machine), *cell.key, metric), point


def _moves(metric: str, points: Sequence[Point], alpha: float, margin: float | None) -> tuple[Move, ...]:
    values = [one.value for one in points]
    if metric in EXACT:  # counted: every difference is one
        places = [(i, 0.0) for i in range(1, len(values)) if values[i] != values[i - 1]]
        least = 0.0
    else:
        places = list(change_points([math.log(value) for value in values], alpha))
        least = MARGINS[metric] if margin is None else margin
    return _above(metric, values, places, least)


def _above(metric: str, values: Sequence[float], places: list[tuple[int, float]], least: float) -> tuple[Move, ...]:
    """The smallest move goes first while it is below the margin: without it, its neighbours' levels are others."""
    while True:
        edges = [0, *(place for place, _ in places), len(values)]
        levels = [float(np.median(values[start:end])) for start, end in pairwise(edges)]
        moves = [
            Move(place, levels[i + 1] / levels[i] - 1, _side(metric, levels[i], levels[i + 1]), p)
            for i, (place, p) in enumerate(places)
        ]
        small = [one for one in moves if abs(math.log1p(one.change)) <= math.log1p(least)]
        if not small or least == 0:
            return tuple(one for one in moves if one.change)
        weakest = min(small, key=lambda one: abs(math.log1p(one.change)))
        places = [one for one in places if one[0] != weakest.index]


def _side(metric: str, before: float, after: float) -> str:
    return "worse" if (after > before) == (REGISTRY[metric].better == "lower") else "better"


def _usable(cell: Cell, stored: StoredRun, notes: list[str]) -> bool:
    if cell.result.verdict == "invalid":
        codes = [one.code for one in cell.result.findings if one.severity == "invalid"]
        notes.append(f"{stored.run.id}: {cell.key[0]} is invalid ({', '.join(codes[:2]) or 'no reason'}) and left out")
        return False
    return True


def _reference(cells: Sequence[Cell], cell: Cell, name: str) -> Cell | None:
    """The cell of that variant beside this one; None of itself and where there is none."""
    if cell.key[0] == name:
        return None
    return next((other for other in cells if other.key == (name, *cell.key[1:])), None)


def _point(stored: StoredRun, cell: Cell, metric: str, against: Cell | None) -> Point | None:
    summary = cell.result.metrics.get(metric)
    if summary is None or against is None or not (math.isfinite(summary.point) and summary.point > 0):
        return None
    run = stored.run
    known = (run.id, run.started_utc, run.commit or "", bool(run.commit_dirty))
    if against is cell:
        return Point(*known, summary.point, summary.low, summary.high, summary.n)
    ratios = _ratios(cell, against, metric)
    if not ratios:
        return None
    low, high = stats.order_interval(ratios) or (None, None)
    return Point(*known, float(np.median(ratios)), low, high, len(ratios))


def _ratios(cell: Cell, against: Cell, metric: str) -> list[float]:
    """By launch, as launches of one round stood next to each other."""
    sides = []
    for one in (cell, against):
        values = launch_values(one.timed).get(metric, [])
        sides.append({trial.launch: value for trial, value in zip(one.timed, values, strict=False) if value})
    shared = sorted(set(sides[0]) & set(sides[1]))
    return [float(sides[0][launch] or 0) / float(sides[1][launch] or 1) for launch in shared]
