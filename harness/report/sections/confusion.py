"""Confusion: what each model took the images of each class for, and how that differs from the teacher's answers.

One small matrix for each case, so that the page can lay them side by side or one below the other: the teacher's own
answers, then what the others do otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.analysis.classes import Answers, mistakes
from harness.report import plots
from harness.report.absent import without
from harness.report.answers import Answered, answered
from harness.report.blocks import Block, Cell, Figure, Number, Paragraph, Plot, Section, Table
from harness.report.cases import ABSENT, Shown
from harness.report.names import COLOURS, in_sentence

MOST_DRAWN = 6
MOST_TABLED = 24
MOST_ROWS = 200
# More cells than this are too small to read.
MOST_CLASSES = 20
LISTED_MISTAKES = 10
HEIGHT = 450
# The strongest tint that the page's ink, light or dark, is still read on.
STRONGEST = 0.72
# Below this, in percentage points, a cell of a difference is left without its number.
SPOKEN_PP = 0.5
LEAST_RANGE_PP = 1.0
MORE, FEWER = COLOURS[1], COLOURS[0]
TITLE = "Confusion"

# A scale, the values at its ends, and what its bar is to say.
_Colours = tuple[Sequence[Sequence[object]], float, float, Plot]


def section(shown: Shown) -> Section:
    """The matrices, or why there is none."""
    standing, absent = answered(shown)
    if not standing:
        nothing = Paragraph("No case has answers class by class, measured here or recorded before.", "none")
        return Section("confusion", TITLE, (nothing, *without(absent)))
    drawable = [one for one in standing if len(one.answers.names) <= MOST_CLASSES]
    drawn = drawable[:MOST_DRAWN]
    tabled = drawable[MOST_DRAWN:MOST_TABLED]
    blocks: list[Block] = [*(Paragraph(said, "note") for said in _notes(drawn)), *_overview(standing)]
    reach = _reach(drawn)
    blocks += [_figure(number, one, reach) for number, one in enumerate(drawn, 1)]
    blocks += [_counts(one, f"Counts of {one.named.label}: {one.remark}") for one in tabled]
    blocks += [_listed(one) for one in standing[:MOST_DRAWN] if one not in drawable]
    blocks += [Paragraph(said, "note") for said in _rule(standing, drawable)]
    return Section("confusion", TITLE, (*blocks, *without(absent)))


def _notes(drawn: Sequence[Answered]) -> list[str]:
    if not drawn:
        return []
    own = (
        "Rows are true classes, columns what the model took their images for; each row is in per cent of its class’s "
        "images. The tint grows with the root of the share, so that rare confusions show."
    )
    if all(one.base is None for one in drawn):
        return [own]
    other = (
        "A difference is in percentage points of a class’s images: orange, the model gives this answer more often than "
        "the one it is held against; blue, less often. So orange on the diagonal is better, and beside it worse. All "
        f"differences share one scale; under {SPOKEN_PP} points a cell has no number. They carry no interval: the next "
        "section has those of each recall."
    )
    return [own, other]


def _overview(standing: Sequence[Answered]) -> Iterator[Block]:
    """The table; where all answers are of one origin, that is said once above it."""
    headings: tuple[str, ...] = (
        "case",
        "most often confused",
        "of the class, %",
        "held against",
        "risen most",
        "change, pp",
    )
    caption = "What each model confuses most" + ("" if len(standing) <= MOST_ROWS else f" (the first {MOST_ROWS})")
    rows = tuple(_overview_row(one) for one in standing[:MOST_ROWS])
    if len(standing) > 1 and len({one.remark for one in standing}) == 1:
        yield Paragraph(f"The answers of every case: {standing[0].remark}.", "note")
    else:
        headings = (*headings, "answers")
        rows = tuple((*row, one.remark) for row, one in zip(rows, standing, strict=False))
    yield Table(headings, rows, caption, numeric=False)


def _overview_row(one: Answered) -> tuple[Cell, ...]:
    worst = next(iter(mistakes(one.answers)), None)
    names = one.answers.names
    most: tuple[Cell, ...] = ("none", ABSENT)
    if worst is not None:
        most = (_taken(names, worst.true, worst.predicted), Number(f"{100 * worst.share:.1f}", worst.share))
    if one.base is None:
        return (one.named.name, *most, ABSENT, ABSENT, ABSENT)
    change = difference(one.answers, one.base.answers)
    np.fill_diagonal(change, -math.inf)
    true, predicted = divmod(int(np.nanargmax(change)), len(names))
    risen = float(change[true, predicted])
    shown: tuple[Cell, ...] = ("none", ABSENT)
    if risen > 0:
        shown = (_taken(names, true, predicted), Number(signed(risen), risen / 100))
    return (one.named.name, *most, one.base.named.name, *shown)


def _taken(names: Sequence[str], true: int, predicted: int) -> str:
    return f"{names[true]} taken for {names[predicted]}"


def difference(one: Answers, base: Answers) -> NDArray[np.float64]:
    """In percentage points of each true class's images; NaN in rows of which either has no images."""
    return 100.0 * (one.shares - base.shares)


def signed(points: float) -> str:
    """With one decimal, its sign and a true minus."""
    return f"{points:+.1f}".replace("-", "−")


def _reach(drawn: Sequence[Answered]) -> float:
    """The largest difference of all that are drawn, in percentage points: where their common scale ends."""
    largest = [float(np.nanmax(np.abs(difference(one.answers, one.base.answers)))) for one in drawn if one.base]
    return max([LEAST_RANGE_PP, *(one for one in largest if math.isfinite(one))])


def _figure(number: int, one: Answered, reach: float) -> Figure:
    if one.base is None:
        said, plot = "its own answers", own_matrix(one.answers)
    else:
        said = f"minus {in_sentence(one.base.named.label)}"
        plot = difference_matrix(one.answers, one.base.answers, reach)
    label = f"Confusion matrix of {one.named.label}, {said}"
    counts = _counts(one, "Data of this figure (images)")
    return Figure(f"confusion-{number}", label, plot, counts, (), ((one.named.name, f"{said}; {one.remark}"),))


def own_matrix(answers: Answers) -> Plot:
    """Shares of each true class, in per cent."""
    percent = 100.0 * answers.shares
    text = [[_rounded(value) for value in row] for row in percent.tolist()]
    steps = (0.0, 0.01, 0.04, 0.16, 0.36, 0.64, 1.0)
    scale = [[step, tint(COLOURS[2], math.sqrt(step))] for step in steps]
    hover = "%{customdata[0]} of %{customdata[1]} images, %{z:.1f} %"
    bar = {"tickvals": [1, 10, 50, 100], "ticktext": ["1", "10", "50", "100 %"]}
    return _matrix(answers, percent, text, (scale, 0.0, 100.0, bar), hover)


def _rounded(percent: float) -> str:
    """Whole per cent, half of one upwards; below that nothing."""
    return f"{math.floor(percent + 0.5)}" if percent >= 0.5 else ""


def difference_matrix(answers: Answers, base: Answers, reach: float) -> Plot:
    """Differences in percentage points on a scale from -reach to reach."""
    points = difference(answers, base)
    text = [[_spoken(value) for value in row] for row in points.tolist()]
    scale = [[0.0, tint(FEWER, 1.0)], [0.5, tint(FEWER, 0.0)], [0.5, tint(MORE, 0.0)], [1.0, tint(MORE, 1.0)]]
    hover = "%{customdata[0]} of %{customdata[1]} images, %{z:+.2f} percentage points"
    end = math.floor(10 * reach) / 10
    bar = {"tickvals": [-end, 0, end], "ticktext": [signed(-end), "0", f"{signed(end)} pp"]}
    return _matrix(answers, points, text, (scale, -reach, reach, bar), hover)


def _spoken(points: float) -> str:
    """Without a plus, which its colour says too: a cell is narrow on a narrow screen."""
    return signed(points).lstrip("+") if abs(points) >= SPOKEN_PP else ""


def tint(colour: str, strength: float) -> str:
    """A colour as a glaze over whatever the page's paper is, so that ink is read on it in light and dark alike."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{STRONGEST * strength:.3f})"


def _matrix(
    answers: Answers,
    values: NDArray[np.float64],
    text: list[list[str]],
    coloured: _Colours,
    hover: str,
) -> Plot:
    scale, low, high, bar = coloured
    names = list(answers.names)
    cells = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": [[None if math.isnan(value) else round(value, 3) for value in row] for row in values.tolist()],
        "text": text,
        "texttemplate": "%{text}",
        "textfont": {"size": 9.5},
        "customdata": [
            [[count, images] for count in row]
            for row, images in zip(answers.counts.tolist(), answers.of_class, strict=True)
        ],
        "colorscale": scale,
        "zmin": low,
        "zmax": high,
        "xgap": 1,
        "ygap": 1,
        "hovertemplate": f"<b>%{{y}}</b> taken for <b>%{{x}}</b><br>{hover}<extra></extra>",
        "colorbar": {
            "thickness": 8,
            "len": 1,
            "outlinewidth": 0,
            "ypad": 0,
            "xpad": 4,
            "tickfont": {"size": 10},
            **bar,
        },
    }
    axis = {"type": "category", "automargin": True, "showgrid": False, "ticks": "", "tickfont": {"size": 11}}
    layout = plots.base_layout(HEIGHT)
    layout["margin"] = {"l": 30, "r": 8, "t": 34, "b": 40}
    layout["xaxis"] = axis | {"title": {"text": "taken for", "standoff": 4}, "tickangle": -45, "dtick": 1}
    layout["yaxis"] = axis | {"title": {"text": "true class", "standoff": 4}, "autorange": "reversed", "dtick": 1}
    return {"data": [cells], "layout": layout}


def _counts(one: Answered, folded: str) -> Table:
    names = one.answers.names
    rows = tuple(
        (name, *(str(count) for count in row), str(images))
        for name, row, images in zip(names, one.answers.counts.tolist(), one.answers.of_class, strict=True)
    )
    return Table(("true class", *names, "images"), rows, folded=folded)


def _listed(one: Answered) -> Table:
    names = one.answers.names
    rows = tuple(
        (names[slip.true], names[slip.predicted], str(slip.count), f"{100 * slip.share:.1f}")
        for slip in mistakes(one.answers)[:LISTED_MISTAKES]
    )
    folded = f"The {LISTED_MISTAKES} most frequent confusions of {one.named.label}: {one.remark}"
    return Table(("true class", "taken for", "images", "of the class, %"), rows, folded=folded)


def _rule(standing: Sequence[Answered], drawable: Sequence[Answered]) -> list[str]:
    said = []
    if len(drawable) > MOST_DRAWN:
        rest = len(drawable) - MOST_TABLED
        more = f" Of {rest} further ones the list above has at most the first {MOST_ROWS} lines." if rest > 0 else ""
        said.append(
            f"Drawn: the first {MOST_DRAWN} of {len(drawable)} matrices, those that others are held against before the "
            f"others; the counts of the next {min(len(drawable), MOST_TABLED) - MOST_DRAWN} are tables.{more}"
        )
    if len(drawable) < len(standing):
        said.append(
            f"With more than {MOST_CLASSES} classes a matrix is too fine to read: of the first {MOST_DRAWN} such cases "
            f"the {LISTED_MISTAKES} most frequent confusions are listed instead."
        )
    return said
