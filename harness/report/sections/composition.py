"""Composition: what the bytes of each artifact's file hold, which add up to its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.case import ArtifactFacts, Part
from harness.model.metrics import show
from harness.report.absent import without
from harness.report.blocks import Cell, Figure, Name, Paragraph, Section, Table
from harness.report.cases import Named, Shown
from harness.report.names import printable
from harness.report.stacks import OTHER, Bar, folded, largest, part_names, stacked

MOST_DRAWN = 12
MOST_PARTS = 8
MOST_ROWS = 600
# From here on megabytes read better than kilobytes.
MEGABYTE = 1e6
TITLE = "Size by content"
HOW = (
    "What the bytes of a file hold: values (weights, biases, scales) by the operator that takes them and the element "
    "type in which they are stored, the graph (nodes, names, shapes) and notes on how the file was made. A file may "
    "store halves and compute in floats. What a runtime makes of it when loading, such as an engine, is not in it."
)
HEADINGS = ("file", "holds", "operator", "stored as", "bytes", "share, %")


@dataclass(frozen=True)
class File:
    """One artifact with the cases that ran it; the parts add up to its size."""

    cases: tuple[Named, ...]
    artifact: ArtifactFacts

    @property
    def label(self) -> str:
        """The variant's name, and how many more variants have the very same file."""
        first, *others = dict.fromkeys(printable(one.result.case.variant) for one in self.cases)
        return f"{first} and {len(others)} more" if others else first

    @property
    def name(self) -> Name:
        """As a table shows it."""
        return Name(self.label, self.cases[0].style)


def section(shown: Shown) -> Section:
    """The bars, or why there are none."""
    files, absent = files_of(shown.cases)
    if not files:
        nothing = Paragraph("Of no file is it known what its bytes hold.", "none")
        return Section("composition", TITLE, (nothing, *without(absent)))
    notes = [Paragraph(said, "note") for said in (HOW, *_rule(files))]
    return Section("composition", TITLE, (*notes, _figure(files), *without(absent)))


def files_of(cases: Sequence[Named]) -> tuple[tuple[File, ...], tuple[tuple[str, str], ...]]:
    """Files whose parts are known, in the run's order, each once; and (label, reason) of cases of all others."""
    running: dict[str, list[Named]] = {}
    for one in cases:
        running.setdefault(one.result.artifact.sha256, []).append(one)
    found, absent = [], []
    for those in running.values():
        artifact = those[0].result.artifact
        reason = _why_not(artifact)
        if reason is None:
            found.append(File(tuple(those), artifact))
        else:
            absent += [(one.label, reason) for one in those]
    return tuple(found), tuple(absent)


def _why_not(artifact: ArtifactFacts) -> str | None:
    parts = sum(part.size_bytes for part in artifact.composition)
    if artifact.composition and parts == artifact.size_bytes:
        return None
    if artifact.composition:
        return f"its parts add up to {parts} B, and the file has {artifact.size_bytes} B"
    if artifact.file.endswith(".onnx"):
        return "the run was stored without it; measure again to have it"
    return "its file is no ONNX file, and no other kind is read"


def part_name(part: Part) -> str:
    """As a legend calls it."""
    return f"{part.operator} {part.dtype}".strip() if part.kind == "values" else part.kind


def _figure(files: Sequence[File]) -> Figure:
    drawn = files[:MOST_DRAWN]
    unit, scale = ("MB", 1e-6) if max(one.artifact.size_bytes for one in drawn) >= MEGABYTE else ("kB", 1e-3)
    named = [{part_name(part): float(part.size_bytes) for part in one.artifact.composition} for one in drawn]
    kept = largest(named, MOST_PARTS)
    bars = [_bar(one, parts, kept, scale) for one, parts in zip(drawn, named, strict=True)]
    names = [name for name in (*kept, OTHER) if any(name in bar.parts for bar in bars)]
    whole = files[: _fitting(files)]
    rows = tuple(row for one in whole for row in _rows(one))
    cut = "" if len(whole) == len(files) else f", the first {len(whole)} of {len(files)} files"
    return Figure(
        "composition",
        "Bytes of each artifact by what they hold, one bar per file",
        stacked(bars, names, f"size of the file, {unit}"),
        Table(HEADINGS, rows, folded=f"Data of this figure (all parts{cut})"),
        (),
        part_names(names),
    )


def _bar(one: File, parts: dict[str, float], kept: Sequence[str], scale: float) -> Bar:
    shares = folded(parts, kept)
    size = one.artifact.size_bytes
    hover = {name: f"{held:,.0f} of {size:,} B, {100 * held / size:.1f} %" for name, held in shares.items()}
    scaled = {name: held * scale for name, held in shares.items()}
    # A verdict is on how the file ran, not on what it holds.
    return Bar(one.label, one.cases[0].style.glyph, scaled, hover)


def _fitting(files: Sequence[File]) -> int:
    """How many files from the first fit into the table with all their rows; at least one."""
    rows = 0
    for place, one in enumerate(files):
        rows += len(one.artifact.composition) + 1
        if rows > MOST_ROWS and place:
            return place
    return len(files)


def _rows(one: File) -> list[tuple[Cell, ...]]:
    """A row for each part, and their sum."""
    size, name = one.artifact.size_bytes, one.name
    rows: list[tuple[Cell, ...]] = [
        (name, part.kind, part.operator, part.dtype, f"{part.size_bytes:,}", f"{100 * part.size_bytes / size:.1f}")
        for part in one.artifact.composition
    ]
    megabytes = f"{show('model_size_bytes', size)} MB"
    return [*rows, (name, "the whole file", "", megabytes, f"{size:,}", "100.0")]


def _rule(files: Sequence[File]) -> list[str]:
    said = []
    parts = {part_name(part) for one in files[:MOST_DRAWN] for part in one.artifact.composition}
    if len(parts) > MOST_PARTS:
        said.append(
            f"Drawn by name: the {MOST_PARTS} parts with the largest shares over all bars; the remaining "
            f"{len(parts) - MOST_PARTS} are “{OTHER}”."
        )
    if len(files) > MOST_DRAWN:
        said.append(
            f"Drawn: the first {MOST_DRAWN} of {len(files)} files; the table holds the first of them, at most "
            f"{MOST_ROWS} rows."
        )
    return said
