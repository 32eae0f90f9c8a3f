"""Accuracy against latency: which cases are drawn, where their accuracies come from, and which of them dominate."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.absent import without
from harness.report.accuracy import Source, images_in_all, source, source_text
from harness.report.blocks import Figure, Paragraph, Section
from harness.report.cases import Named, Pairing, Shown, pair_of
from harness.report.sections.plane import Axes, Plane, Remark, absent, legend, plane, table
from harness.report.sections.plane_plot import drawn, notes

AXES = Axes(
    "latency_p50_s",
    "accuracy_top1",
    "p50 latency, ms (further left is better)",
    "top-1 accuracy, % (higher is better)",
    ("energy_per_inference_j", "model_size_bytes"),
)
# As they are drawn; in the order in which a note names them.
SOURCES: dict[Source, str] = {
    "all": "plain: measured here on all images",
    "part": "with a number beside it: measured here on so many images alone",
    "here": "with a number beside it: measured here on so many images",
    "recorded": "with a dot: recorded earlier for exactly this artifact, not measured here",
}


def section(shown: Shown) -> Section:
    """The plane, or why there is none."""
    found = trade_off(shown.cases, shown.paired)
    plot = drawn(found)
    title = "Accuracy against latency"
    left_out = without(found.left_out)
    if plot is None:
        nothing = "No case has both an accuracy and a latency, so there is nothing to trade off here: read the table."
        return Section("front", title, (Paragraph(nothing, "none"), *left_out))
    figure = Figure(
        "trade-off",
        "Scatter of top-1 accuracy against p50 latency with 95 % intervals",
        plot,
        table(found, "accuracy"),
        notes(found, f"Accuracies, {sources(shown.cases)}."),
        legend(found),
    )
    return Section("front", title, (figure, *left_out))


def trade_off(named: Sequence[Named], pairing: Pairing = pair_of) -> Plane:
    """All cases that have both figures; the front is taken over the valid ones alone."""
    in_all = images_in_all(named)
    return plane(named, AXES, lambda one: _remark(one, in_all), pairing)


def sources(named: Sequence[Named]) -> str:
    """How the accuracies of these cases were come by, each as it is drawn."""
    in_all = images_in_all(named)
    kinds = {
        source(one.result.metrics["accuracy_top1"], in_all) for one in named if absent(one, (AXES.x, AXES.y)) is None
    }
    return "; ".join(said for kind, said in SOURCES.items() if kind in kinds)


def _remark(one: Named, in_all: int | None) -> Remark:
    top1 = one.result.metrics["accuracy_top1"]
    kind = source(top1, in_all)
    beside = f"{top1.n} images" if kind in ("part", "here") else ""
    told = source_text(top1, in_all)
    return Remark(kind == "recorded", beside, told, told)
