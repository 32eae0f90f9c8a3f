"""`compare`: two runs, or results of other tools, to ratios with intervals. Owns what a side's name may mean, and how a
refusal is told; knows no formula."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, UnknownName, UsageError
from harness.options import RESULT_KINDS, Options
from harness.verbs.output import write_json

if TYPE_CHECKING:
    from harness.analysis.cells import Cell, Match
    from harness.analysis.comparability import Difference
    from harness.foreign.result import ForeignResult
    from harness.outcome.compared import Compared
    from harness.store.store import StoredRun

# As the output tells that whatever differed was allowed.
_ALL = ("*",)


def compare(options: Options, parsed: argparse.Namespace) -> int:
    """2 where conditions make it meaningless; 3 where no metric could be compared."""
    from harness import console, places
    from harness.outcome.compared import comparison_json, comparison_markdown, print_comparison
    from harness.outcome.files import write_text
    from harness.store.store import StoredRun

    if parsed.markdown:
        places.writable(parsed.markdown.absolute().parent, "--markdown")
    base, candidate = (_side(options, name) for name in (parsed.base, parsed.candidate))
    if isinstance(base, StoredRun) and isinstance(candidate, StoredRun):
        found = _of_runs(base, candidate, parsed)
    else:
        found = _with_others(base, candidate, parsed)
    if parsed.markdown:
        write_text(comparison_markdown(found), parsed.markdown, "--markdown")
    if options.json:
        write_json(comparison_json(found), options.json)
    if options.json != "-":
        print_comparison(found)
    if all(one.ratio is None for one in found.comparisons):
        console.message("harness: no metric could be compared; the reasons stand above")
        return EXIT_NOTHING_VALID
    return EXIT_DONE


def _side(options: Options, name: str) -> StoredRun | ForeignResult:
    """A run; KIND:FILE; a file of `import --json`. UsageError."""
    from harness.attachments import with_attached
    from harness.foreign import reading
    from harness.store import store

    kind, _, file = name.partition(":")
    if kind in RESULT_KINDS and file:
        return reading.read(kind, [Path(file)])
    if Path(name).is_file():
        return reading.read_kept(Path(name))
    return with_attached(store.read(store.find_run(options.results, name)))[0]


def _margins(given: float | None) -> Mapping[str, float]:
    """The metrics' own; one that is given is of all that is measured, neither of counts nor of accuracy."""
    from harness.analysis.compare import EXACT, MARGINS, SHARES

    if given is None:
        return MARGINS
    return {metric: own if metric in (*EXACT, *SHARES) else given for metric, own in MARGINS.items()}


def _of_runs(base: StoredRun, candidate: StoredRun, parsed: argparse.Namespace) -> Compared:
    from harness.analysis import comparability
    from harness.analysis.cells import cells_of
    from harness.analysis.compare import compare as compare_cells
    from harness.outcome.compared import Compared, Side

    if base.run.id == candidate.run.id and not parsed.match:
        raise UsageError(f"both are the run {base.run.id}: name two, or two variants of it with --match NEW=OLD")
    matches = _matched(cells_of(base), cells_of(candidate), parsed.match)
    allowed = comparability.NAMES if parsed.allow_different else tuple(parsed.allow)
    differences = comparability.differences(base, candidate, matches, allowed)
    _check(comparability.refusal(differences), differences)
    found = compare_cells(matches, differences, _margins(parsed.margin))
    sides = [
        Side(one.run.id, "harness", {
            "suite": one.run.plan.suite, "device": one.run.device.name, "started_utc": one.run.started_utc,
            "commit": one.run.commit, "commit_dirty": one.run.commit_dirty,
        }, notes=one.damaged)
        for one in (base, candidate)
    ]  # fmt: skip
    return Compared(sides[0], sides[1], differences, found, _ALL if parsed.allow_different else allowed)


def _matched(base: Sequence[Cell], candidate: Sequence[Cell], given: Sequence[str]) -> tuple[Match, ...]:
    """Cells of both; of one run, a cell is not compared with itself. UsageError."""
    from harness.analysis.cells import match

    renamed = {}
    for pair in given:
        new, separator, old = pair.partition("=")
        if not separator:
            raise UsageError(f"--match {pair!r} is not NEW=OLD, a variant of the candidate and one of the baseline")
        for variant, cells in ((new, candidate), (old, base)):
            known = {cell.key[0] for cell in cells}
            if variant not in known:
                raise UnknownName("variant here", variant, known)
        renamed[new] = old
    found = match(base, candidate, renamed)
    kept = tuple(one for one in found if (one.baseline.run, one.baseline.key) != (one.candidate.run, one.candidate.key))
    if not kept:
        raise UsageError("a cell would be compared with itself; name two variants with --match NEW=OLD")
    return kept


def _with_others(
    base: StoredRun | ForeignResult, candidate: StoredRun | ForeignResult, parsed: argparse.Namespace
) -> Compared:
    from harness.analysis import comparability, outside
    from harness.foreign.result import ForeignResult
    from harness.outcome.compared import Compared, Side

    if parsed.match:
        raise UsageError("--match is of variants of two runs; results of other tools go by their benchmarks' names")
    before, after = (
        outside.of_result(one) if isinstance(one, ForeignResult) else outside.of_run(one) for one in (base, candidate)
    )
    allowed = outside.ALLOWED if parsed.allow_different else tuple(parsed.allow)
    differences = outside.differences(before, after, allowed)
    _check(comparability.refusal(differences), differences)
    found = outside.compare(before, after, _margins(parsed.margin))
    sides = [Side(one.name, one.tool, one.conditions, one.lacks, one.notes) for one in (before, after)]
    return Compared(sides[0], sides[1], differences, found, _ALL if parsed.allow_different else allowed)


def _check(refused: str, differences: Sequence[Difference]) -> None:
    """Every condition that differs, and then the refusal."""
    from harness import console

    if not refused:
        return
    for one in differences:
        console.message(f"{'refused' if one.meaningless else 'differs'}: {one.name}: {one.sentence}")
    raise UsageError(f"{refused} (--allow NAME, or --allow-different for all)")
