"""What a figure leaves out, in one sentence: cases with the same reason together, and of many the first by name."""

from __future__ import annotations

from collections.abc import Iterable

from harness.report.blocks import Paragraph
from harness.report.names import in_sentence

MOST_NAMED = 12
MOST_REASONS = 12


def reasons(missing: Iterable[tuple[str, str]]) -> str:
    """Of (label, reason) pairs: the reason where it is the same for all, else each with its cases."""
    told = _together(missing)
    if len(told) == 1:
        return next(iter(told))
    return "; ".join(f"{_named(labels)}: {reason}" for reason, labels in list(told.items())[:MOST_REASONS])


def without(left_out: Iterable[tuple[str, str]]) -> tuple[Paragraph, ...]:
    """Of (label, reason) pairs; nothing where there is none."""
    told = [f"{_named(labels)} ({reason})" for reason, labels in _together(left_out).items()]
    if len(told) > MOST_REASONS:
        told = [*told[:MOST_REASONS], f"others for {len(told) - MOST_REASONS} more reasons"]
    return (Paragraph(f"Not drawn: {'; '.join(told)}.", "note"),) if told else ()


def _together(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for label, reason in pairs:
        found.setdefault(reason, []).append(label)
    return found


def _named(labels: list[str]) -> str:
    shown = ", ".join(in_sentence(label) for label in labels[:MOST_NAMED])
    more = len(labels) - MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
