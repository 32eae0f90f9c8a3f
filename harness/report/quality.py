"""Tables of what is known beyond top-1, as plain headings and rows. Owns the words; computes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from harness.datasets.table import TABLE
from harness.model.quality import Paired, Quality
from harness.report.blocks import Cell, Name, Table

Rows = tuple[tuple[str, ...], list[tuple[str, ...]]]
SIGNIFICANT = 0.05


def quality_rows(qualities: Sequence[Quality]) -> Rows:
    """One row for each artifact: top-1, the class it knows least, calibration before and after, robustness."""
    headings = (
        "variant",
        "top-1",
        "lowest recall",
        "ECE",
        "ECE with T",
        "T",
        "NLL",
        "mean corrupted",
        "worst corruption",
    )
    return headings, [_quality_row(one) for one in qualities]


def quality_table(found: Sequence[tuple[Name, Quality | None]]) -> Table | None:
    """The same of a run's cases, as far as anything is recorded of their files; None where nothing is."""
    known = [(name, one) for name, one in found if one is not None]
    if not known:
        return None
    headings, rows = quality_rows([one for _, one in known])
    lines: tuple[tuple[Cell, ...], ...] = tuple((name, *row[1:]) for (name, _), row in zip(known, rows, strict=True))
    words = "Calibration and robustness, recorded earlier for exactly these files; not measured here"
    return Table(("case", *headings[1:]), lines, folded=words)


def class_name(dataset: str, label: int) -> str:
    """As the data set calls it; its number where nobody here knows the set."""
    known = TABLE[dataset].classes if dataset in TABLE else ()
    return known[label] if label < len(known) else f"class {label}"


def _quality_row(one: Quality) -> tuple[str, ...]:
    recalls = {label: figures.recall for label, figures in enumerate(one.per_class) if figures.recall is not None}
    lowest = min(recalls, key=recalls.__getitem__)
    calibration, worst = one.calibration, one.worst_corruption
    after = calibration.after
    return (
        one.variant,
        f"{one.top1:.2%}",
        f"{recalls[lowest]:.1%} ({class_name(one.dataset, lowest)})",
        f"{calibration.before.ece:.3f}",
        f"{after.ece:.3f}" if after else "–",
        f"{calibration.temperature:.2f}" if calibration.temperature else "–",
        f"{calibration.before.nll:.3f}",
        f"{one.mean_corruption_accuracy:.1%}" if one.mean_corruption_accuracy is not None else "–",
        f"{worst} {one.corruption_accuracy[worst]:.1%}" if worst else "–",
    )


def paired_rows(paired: Sequence[Paired]) -> Rows:
    """One row for each pair: who alone was right how often, and the difference with its interval."""
    headings = ("from", "to", "only the first right", "only the second", "difference, points", "McNemar's p", "meaning")
    return headings, [_paired_row(one) for one in paired]


def _paired_row(one: Paired) -> tuple[str, ...]:
    direction = "better" if one.difference > 0 else "worse"
    return (
        one.a,
        one.b,
        str(one.only_a_right),
        str(one.only_b_right),
        f"{100 * one.difference:+.2f} [{100 * one.low:+.2f}, {100 * one.high:+.2f}]",
        f"{one.p_value:.2g}",
        "no difference shown" if one.p_value >= SIGNIFICANT else direction,
    )
