"""Energy per inference against latency, or why no energy was measured. Modelled and replayed energies never come here:
analysis gives them no metric."""

from __future__ import annotations

from harness.report.absent import reasons, without
from harness.report.blocks import Figure, Paragraph, Section
from harness.report.cases import NOT_RECORDED, Shown
from harness.report.sections.plane import Axes, Plane, Remark, legend, plane, table
from harness.report.sections.plane_plot import drawn, notes

ENERGY = "energy_per_inference_j"
AXES = Axes(
    "latency_p50_s",
    ENERGY,
    "p50 latency, ms (further left is better)",
    "energy per inference, mJ (lower is better)",
    ("model_size_bytes",),
)
TITLE = "Energy against latency"


def section(shown: Shown) -> Section:
    """The plane, or the reasons why there is none."""
    found = energies(shown)
    plot = drawn(found)
    if plot is None:
        return Section("energy-front", TITLE, (Paragraph(_why_none(shown), "none"),))
    how = (
        "Gross energy of an inference; where and how it was read stands in the table, and energies of different places "
        "do not compare."
    )
    figure = Figure(
        "energy-latency",
        "Scatter of energy per inference against p50 latency with 95 % intervals",
        plot,
        table(found, "how the energy was read"),
        notes(found, how),
        legend(found),
    )
    return Section("energy-front", TITLE, (figure, *without(found.left_out)))


def energies(shown: Shown) -> Plane:
    """All cases that have both figures."""
    return plane(shown.cases, AXES, lambda one: Remark(cell=one.result.metrics[ENERGY].method))


def _why_none(shown: Shown) -> str:
    if not shown.cases:
        return "No case was measured, so there is no energy."
    if any(ENERGY in one.result.metrics for one in shown.cases):
        return "No case has both an energy and a latency: read the table."
    missing = [(one.label, one.result.missing.get(ENERGY, NOT_RECORDED)) for one in shown.cases]
    return f"No energy was measured: {reasons(missing)}."
