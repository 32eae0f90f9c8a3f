"""Where the numbers come from: the run, the files behind its cases, and which trial ran when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model.trial import Trial
from harness.report.blocks import Block, Cell, Paragraph, Section, Table
from harness.report.cases import ABSENT, Shown
from harness.report.conditions import Fact, text
from harness.report.order import MODES, Places, places
from harness.report.provenance import artifacts, datasets, run_facts, versions

# More launches than this are not read; more cases are in the JSON.
MOST_LAUNCHES, MOST_CASES = 12, 200


def section(shown: Shown) -> Section:
    """Every part of it."""
    return Section(
        "provenance",
        "Provenance",
        (
            _facts("Run", run_facts(shown.result)),
            _facts("Versions on the host", versions(shown.result)),
            *_artifacts(shown),
            *_order(shown),
        ),
    )


def _facts(caption: str, found: Sequence[Fact]) -> Block:
    if not found:
        return Paragraph(f"{caption}: not recorded.", "none")
    return Table(("fact", "value"), tuple((one.key, one.value) for one in found), caption=caption, numeric=False)


def _artifacts(shown: Shown) -> Iterator[Block]:
    found = artifacts(shown.cases[:MOST_CASES])
    if found:
        files = tuple((one.case.name, one.file, one.sha256, one.case_id) for one in found)
        yield Table(("case", "file", "SHA-256", "case id"), files, caption="Artifacts", numeric=False)
        made = tuple(
            (one.case.name, one.recipe, one.parent, one.training_seed, one.input_seed, one.dataset_sha256)
            for one in found
        )
        headings = ("case", "recipe", "parent", "training seed", "input seed", "SHA-256 of the images it was made with")
        yield Table(headings, made, caption="How they were made", numeric=False)
        yield from _left_out(len(shown.cases), "artifacts")
    hashes = datasets(shown.cases)
    said = ", ".join(hashes) if hashes else "none, as no accuracy was measured in this run"
    yield Paragraph(f"SHA-256 of the images by which accuracy was measured here: {said}.", "note")


def _order(shown: Shown) -> Iterator[Block]:
    listed = places(shown.cases[:MOST_CASES])
    launches = len(listed[0].launches) if listed else 0
    others = [mode for mode in MODES if any(trial.mode == mode for one in listed for trial in one.others)]
    if not launches and not others:
        yield Paragraph("Order of the trials: no trial is at hand.", "none")
        return
    numbered = (f"launch {launch}" for launch in range(min(launches, MOST_LAUNCHES)))
    headings = ("case", *numbered, *(MODES[one] for one in others))
    rows = tuple(_places(one, others) for one in listed)
    yield Table(headings, rows, caption="Order of the trials: the place of each in the run, from 0")
    seed = shown.result.run.get("seed")
    how = (
        "Each trial is a fresh process. Every launch of all cases is a block, in which they ran in an order drawn from "
        f"seed {text(seed)}."
        if seed is not None
        else "Each trial is a fresh process. The seed of the order was not recorded."
    )
    more = launches - MOST_LAUNCHES
    yield Paragraph(f"{how}{f' {more} later launches of each are not listed.' if more > 0 else ''}", "note")
    yield from _left_out(len(shown.cases), "orders")


def _places(one: Places, others: Sequence[str]) -> tuple[Cell, ...]:
    timed = [_place(trial) for trial in one.launches[:MOST_LAUNCHES]]
    rest = [", ".join(_place(trial) for trial in one.others if trial.mode == mode) or ABSENT for mode in others]
    return (one.case.name, *timed, *rest)


def _place(trial: Trial | None) -> str:
    if trial is None:
        return ABSENT
    return f"{trial.order} (failed)" if trial.status == "failed" else str(trial.order)


def _left_out(cases: int, what: str) -> Iterator[Block]:
    if cases > MOST_CASES:
        yield Paragraph(f"The {what} of {cases - MOST_CASES} more cases are in the stored run.", "note")
