"""Class by class: recall, precision and F1 of each case, as dots on one line per class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.classes import Answers
from harness.model.quality import ClassFigures
from harness.report import plots
from harness.report.absent import without
from harness.report.answers import Answered, answered
from harness.report.blocks import Block, Cell, Figure, Paragraph, Plot, Section, Table
from harness.report.cases import ABSENT, Shown, legend
from harness.report.names import in_figure, in_sentence
from harness.report.quality import quality_table

MOST_DRAWN = 6
MOST_CLASSES = 12
MOST_ROWS = 200
# Open symbols this small vanish where they are fainter.
FAINT = 0.7
# Pixels: of a case's own line within a class, and between two classes.
LINE, GAP = 9, 16
TITLE = "Classes"


@dataclass(frozen=True)
class _Measure:
    """One of the three figures of a class. interval: whether it has one."""

    id: str
    title: str
    meaning: str
    of: Callable[[ClassFigures], float | None]
    interval: bool = False


MEASURES = (
    _Measure("recall", "Recall", "of a class’s images, the share that was recognised", lambda one: one.recall, True),
    _Measure("precision", "Precision", "the share of a class’s answers that is right", lambda one: one.precision),
    _Measure("f1", "F1", "the harmonic mean of recall and precision", lambda one: one.f1),
)  # fmt: skip


def section(shown: Shown) -> Section:
    """Three figures of the classes, or why there are none; and what else was recorded of the artifacts."""
    standing, absent = answered(shown)
    recorded = quality_table([(one.named.name, one.named.result.quality) for one in standing[:MOST_ROWS]])
    beyond: tuple[Block, ...] = () if recorded is None else (recorded,)
    if not standing:
        nothing = Paragraph("No case has answers class by class, measured here or recorded before.", "none")
        return Section("classes", TITLE, (nothing, *without(absent)))
    first = standing[0].answers.names
    alike = [one for one in standing if one.answers.names == first]
    others = [
        (one.named.label, f"it has {len(one.answers.names)} classes of its own") for one in standing if one not in alike
    ]
    drawn, picked = alike[:MOST_DRAWN], hardest(alike[:MOST_DRAWN])
    figures = [_figure(measure, alike, drawn, picked) for measure in MEASURES]
    notes = [Paragraph(said, "note") for said in _notes(alike, drawn, picked)]
    return Section("classes", TITLE, (*notes, *figures, *beyond, *without([*others, *absent])))


def hardest(drawn: Sequence[Answered]) -> tuple[int, ...]:
    """The classes that are drawn, in their order: all, or of many those with the lowest recall in any drawn case."""
    classes = len(drawn[0].answers.names)
    lowest = [
        min((recall for one in drawn if (recall := one.answers.figures[label].recall) is not None), default=1.0)
        for label in range(classes)
    ]
    return tuple(sorted(sorted(range(classes), key=lambda label: (lowest[label], label))[:MOST_CLASSES]))


def _notes(alike: Sequence[Answered], drawn: Sequence[Answered], picked: Sequence[int]) -> list[str]:
    images = sorted({images for one in drawn for images in one.answers.of_class})
    per_class = f"{images[0]}" if len(images) == 1 else f"{images[0]} to {images[-1]}"
    said = [
        f"Over {per_class} images of each class. Whiskers: 95 % intervals of recall (Wilson). Precision and F1 have "
        "none, as the number of answers they are shares of is itself left to chance. " + _origins(drawn)
    ]
    classes = len(alike[0].answers.names)
    if len(picked) < classes:
        said.append(f"Drawn: of {classes} classes the {len(picked)} that a drawn case recalls least; so do the tables.")
    if len(drawn) < len(alike):
        said.append(
            f"Drawn: the first {len(drawn)} of {len(alike)} cases; the tables have the first "
            f"{min(len(alike), MOST_ROWS)}."
        )
    return said


def _origins(drawn: Sequence[Answered]) -> str:
    """Where the answers come from, in one sentence."""
    by_origin: dict[str, list[str]] = {}
    for one in drawn:
        by_origin.setdefault(one.origin, []).append(in_sentence(one.named.label))
    if len(by_origin) == 1:
        return f"All answers: {next(iter(by_origin))}."
    return "; ".join(f"{', '.join(labels)}: {origin}" for origin, labels in by_origin.items()) + "."


def _figure(measure: _Measure, alike: Sequence[Answered], drawn: Sequence[Answered], picked: Sequence[int]) -> Figure:
    label = f"{measure.title} of each class by case: {measure.meaning}"
    headings = ("case", *(alike[0].answers.names[one] for one in picked))
    rows = tuple((one.named.name, *(_text(measure, one.answers, at) for at in picked)) for one in alike[:MOST_ROWS])
    table = Table(headings, rows, folded=f"{measure.title} of each class, %")
    how = f"{measure.title}: {measure.meaning}."
    plot = drawn_measure(measure, drawn, picked)
    return Figure(f"classes-{measure.id}", label, plot, table, (how,), legend([one.named for one in drawn]))


def _text(measure: _Measure, answers: Answers, label: int) -> Cell:
    value = measure.of(answers.figures[label])
    if value is None:
        return ABSENT
    bounds = answers.recall_interval(label) if measure.interval else None
    shown = f"{100 * value:.1f}"
    return shown if bounds is None else f"{shown} [{100 * bounds[0]:.1f}, {100 * bounds[1]:.1f}]"


def drawn_measure(measure: _Measure, drawn: Sequence[Answered], picked: Sequence[int]) -> Plot:
    """Dots in per cent: one line per class, within it one line per case in the legend's order."""
    pitch = LINE * len(drawn) + GAP
    data = [
        _dots(measure, one, picked, LINE * (place - (len(drawn) - 1) / 2) / pitch) for place, one in enumerate(drawn)
    ]
    layout = plots.base_layout(pitch * len(picked) + 90)
    layout["margin"] = {"l": 30, "r": 12, "t": 34, "b": 44}
    layout["xaxis"] = plots.linear_axis(f"{measure.title.lower() if measure.id != 'f1' else 'F1'}, %")
    names = drawn[0].answers.names
    layout["yaxis"] = plots.linear_axis("") | {
        "tickvals": list(range(len(picked))),
        "ticktext": [in_figure(names[label]) for label in picked],
        "range": [len(picked) - 0.5, -0.5],
        "showgrid": False,
        "ticks": "",
    }
    layout["shapes"] = [_band(place) for place in range(0, len(picked), 2)]
    layout["hovermode"] = "closest"
    return {"data": data, "layout": layout}


def _dots(measure: _Measure, one: Answered, picked: Sequence[int], offset: float) -> Plot:
    named, found = one.named, one.answers
    known = [
        (place, label, value)
        for place, label in enumerate(picked)
        if (value := measure.of(found.figures[label])) is not None
    ]
    valid = named.result.verdict == "valid"
    dots: Plot = {
        "type": "scatter",
        "mode": "markers",
        "name": in_figure(named.label),
        "x": [round(100 * value, 3) for _, _, value in known],
        "y": [round(place + offset, 4) for place, _, _ in known],
        "text": [_hover(measure, found, label) for _, label, _ in known],
        "opacity": 1.0 if valid else FAINT,
        "marker": {"color": named.style.colour, "symbol": named.style.symbol + ("" if valid else "-open"), "size": 8},
        "hovertemplate": "<b>%{fullData.name}</b><br>%{text}<extra></extra>",
    }
    if measure.interval:
        bounds = [found.recall_interval(label) or (value, value) for _, label, value in known]
        plus = [round(100 * (high - value), 3) for (_, _, value), (_, high) in zip(known, bounds, strict=True)]
        minus = [round(100 * (value - low), 3) for (_, _, value), (low, _) in zip(known, bounds, strict=True)]
        dots["error_x"] = plots.whiskers(0, 0) | {"array": plus, "arrayminus": minus, "thickness": 1, "width": 0}
    return dots


def _hover(measure: _Measure, found: Answers, label: int) -> str:
    right, images, told = found.counts[label, label], found.of_class[label], int(np.sum(found.counts[:, label]))
    told_of = f"{right} right of {images} images; named {told} times"
    return f"{found.names[label]}: {measure.title} {_text(measure, found, label)} %<br>{told_of}"


def _band(place: int) -> Plot:
    """Behind every other class, so that the eye keeps to its line."""
    across = {"xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": place - 0.5, "y1": place + 0.5}
    return {"type": "rect", "layer": "below", "line": {"width": 0}, "fillcolor": "rgba(128,136,144,0.10)", **across}
