"""`compare`: runs, or results of other tools, each against the first, to ratios with intervals. Owns what a side's name
may mean, and how a refusal is told; knows no formula."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, HarnessError, UnknownName, UsageError
from harness.options import RESULT_KINDS, Options
from harness.verbs.output import write_json, write_page

if TYPE_CHECKING:
    from harness.analysis.cells import Cell, Match
    from harness.analysis.comparability import Difference
    from harness.foreign.result import ForeignResult
    from harness.model.gate import GateResult
    from harness.outcome.compared import Compared
    from harness.store.store import StoredRun

# As the output tells that whatever differed was allowed.
_ALL = ("*",)


def compare(options: Options, parsed: argparse.Namespace) -> int:
    """2 where conditions make it meaningless; 3 where no metric could be compared.

    With --html also what is refused is a page: it says why. A name that is no run's is none.
    """
    from harness import console
    from harness.outcome.files import check, write_each
    from harness.outcome.pages.comparison import comparison_page, refused_page

    check({"--markdown": parsed.markdown, "--html": parsed.html, "--json": options.json})
    names = (parsed.base, parsed.candidate, *parsed.more)
    _check_names(options, names)
    decision = _gate_of(parsed.gate, names) if parsed.gate else None
    try:
        found = _compared(options, names, parsed)
    except HarnessError as error:
        if parsed.html is not None:
            page = refused_page(names, str(error), options.command)
            for text in write_each([partial(write_page, page, parsed.html)]):
                console.message(f"harness: {text}")
        raise
    _tell(found, parsed, options.json, partial(comparison_page, found, options.command, decision))
    if all(one.ratio is None for pair in found for one in pair.comparisons):
        console.message("harness: no metric could be compared; the reasons stand above")
        return EXIT_NOTHING_VALID
    return EXIT_DONE


def _tell(found: Sequence[Compared], parsed: argparse.Namespace, json: str | None, page: Callable[[], str]) -> None:
    """The tables where stdout is not taken, and every file that was asked for. StoreError of those that failed."""
    from harness.outcome.compared import comparisons_json, comparisons_markdown, print_comparison
    from harness.outcome.files import is_stdout, write, write_all

    told: list[Callable[[], None]] = []
    if not is_stdout(parsed.markdown) and not is_stdout(json):
        told += [partial(print_comparison, one) for one in found]
    if parsed.markdown is not None:
        text = comparisons_markdown(found)
        told.append(partial(write, text, parsed.markdown, "another file with --markdown"))
    if json is not None:
        told.append(partial(write_json, comparisons_json(found), json))
    if parsed.html is not None:
        told.append(lambda: write_page(page(), parsed.html))
    write_all(told)


def _compared(options: Options, names: Sequence[str], parsed: argparse.Namespace) -> list[Compared]:
    """Each side but the first against the first."""
    from harness.store.store import StoredRun

    base, *candidates = (_side(options, name) for name in names)
    found = []
    for candidate in candidates:
        if isinstance(base, StoredRun) and isinstance(candidate, StoredRun):
            found.append(_of_runs(base, candidate, parsed))
        else:
            found.append(_with_others(base, candidate, parsed))
    return found


def _gate_of(path: Path, names: Sequence[str]) -> GateResult:
    """What a gate wrote with --json. UsageError."""
    from harness.outcome.gate_json import read_gate

    if len(names) > 2:
        raise UsageError("--gate is of two sides: name one candidate")
    return read_gate(path)


def _check_names(options: Options, names: Sequence[str]) -> None:
    """A run or a file each; whether it can be read is seen later. UsageError, StoreError."""
    from harness.store import store

    for name in names:
        kind, _, file = name.partition(":")
        if not (kind in RESULT_KINDS and file) and not Path(name).is_file():
            store.find_run(options.results, name)


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
            "commit": one.run.commit, "commit_dirty": one.run.commit_dirty, "finished_utc": one.finished_utc,
            "harness_version": one.run.plan.harness_version, "agent_sha256": one.run.plan.agent_sha256,
            "plan_id": one.run.plan_id, "seed": one.run.plan.seed, "command": list(one.run.command),
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
