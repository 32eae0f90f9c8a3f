"""Whether the run is whole: finished or interrupted, and every trial that failed, is not there or cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model.trial import Trial
from harness.report.blocks import Block, Cell, Paragraph, Section, Table
from harness.report.cases import Named, Shown
from harness.report.conditions import text
from harness.report.order import MODES, in_runs, not_there, trials_of

# More of a kind than this are counted, not listed.
MOST_ROWS = 50
# Of a message; a traceback follows it, which the stored trial keeps.
LONGEST_MESSAGE = 300
_TIMED = "timed"


def section(shown: Shown) -> Section:
    """A sentence where all is well; else what is missing, with its reason."""
    return Section(
        "state",
        "State of the run",
        (*_how_far(shown), *_failed(shown.cases), *_damaged(shown.cases)),
    )


def _how_far(shown: Shown) -> Iterator[Block]:
    run = shown.result.run
    done, planned = text(run.get("trials_done")), text(run.get("trials_planned"))
    missing = not_there(shown.result, shown.cases) if any(one.record for one in shown.cases) else ()
    early = any(one.result.stopped is not None for one in shown.cases)
    if not run.get("finished_utc"):
        yield Paragraph(
            f"Interrupted: {done} of {planned} trials are in the store. Cases have fewer launches than planned, and "
            "some may have none. The same command goes on with it.",
            "alert",
        )
    elif early:
        yield Paragraph(f"Finished after {done} of at most {planned} trials: launches ended when they were precise.")
    elif missing:
        yield Paragraph(f"Finished, but only {done} of {planned} trials are in the store.", "alert")
    else:
        yield Paragraph(f"Finished: {done} of {planned} trials are in the store.")
    if missing and not early:
        yield Paragraph(f"Not there, by their places in the order: {in_runs(missing[:MOST_ROWS])}{_more(missing)}.")


def _failed(named: Sequence[Named]) -> Iterator[Block]:
    labels = {one.record.case.id: one for one in named if one.record}
    failed = [trial for trial in trials_of(named) if trial.status == "failed"]
    if not failed:
        return
    rows = tuple(_failure(labels[trial.case.id], trial) for trial in failed[:MOST_ROWS] if trial.case.id in labels)
    headings = ("place", "case", "kind", "launch", "what happened")
    yield Table(headings, rows, caption=f"Failed trials: {len(failed)}", numeric=False)
    if len(failed) > MOST_ROWS:
        yield Paragraph(f"{len(failed) - MOST_ROWS} more failed trials are in the stored run.", "note")


def _failure(one: Named, trial: Trial) -> tuple[Cell, ...]:
    first = next(iter(trial.message.splitlines()), "no message")
    said = first if len(first) <= LONGEST_MESSAGE else first[: LONGEST_MESSAGE - 1] + "…"
    return str(trial.order), one.name, MODES.get(trial.mode, _TIMED), str(trial.launch), said


def _damaged(named: Sequence[Named]) -> Iterator[Block]:
    lines = tuple(dict.fromkeys(line for one in named if one.record for line in one.record.damaged))
    if lines:
        rows = tuple((str(number), line) for number, line in enumerate(lines[:MOST_ROWS], 1))
        yield Table(
            ("number", "trial that could not be read, and why"), rows, caption="Damaged and left out", numeric=False
        )
        if len(lines) > MOST_ROWS:
            yield Paragraph(f"{len(lines) - MOST_ROWS} more are not listed.", "note")


def _more(missing: Sequence[int]) -> str:
    return f" and {len(missing) - MOST_ROWS} more" if len(missing) > MOST_ROWS else ""
