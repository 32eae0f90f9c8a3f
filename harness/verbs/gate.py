"""`gate` and `baseline`: a verdict for CI, and the tracked files that it may be held against."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, EXIT_REGRESSION, EXIT_USAGE, UsageError
from harness.options import Options
from harness.verbs.output import write_json, write_page

if TYPE_CHECKING:
    from harness.model.gate import GateResult, Policy
    from harness.outcome.files import Target


def gate(options: Options, parsed: argparse.Namespace) -> int:
    """0 pass or improvement, 1 regression, 3 inconclusive or invalid; a policy may let an inconclusive gate pass.

    A file that cannot be written costs neither the verdict, which is printed first, nor the other files: a regression
    stays 1, anything else is then 2.
    """
    from harness import console
    from harness.gating import verdict
    from harness.gating.gate import Request
    from harness.gating.gate import gate as judge
    from harness.model.policy import DEFAULT, load_policy
    from harness.outcome.files import check

    policy = load_policy(parsed.policy) if parsed.policy else DEFAULT
    if options.budget_s is not None:
        policy = replace(policy, budget_s=options.budget_s)
    files: dict[str, Target | None] = {
        "--junit": parsed.junit,
        "--markdown": parsed.markdown,
        "--html": parsed.html,
        "--json": options.json,
    }
    check(files)
    if options.download and not parsed.suite:
        raise UsageError("--download fetches a suite's images: name the suite")
    request = Request(
        parsed.baseline, parsed.candidate, parsed.design, policy, parsed.suite is not None, parsed.allow_different
    )
    options = replace(options, shapes=tuple(parsed.input_shape))
    with console.RunView() as view:
        result = judge(request, options, view.board(""))
    try:
        failed = _tell(result, options, files, policy)
    except BrokenPipeError:  # `| head` has read enough, and all else is written: the verdict stands
        failed = ()
    for text in failed:
        console.message(f"harness: {text}")
    code = verdict.exit_code(result, policy)
    return EXIT_USAGE if failed and code != EXIT_REGRESSION else code


def _tell(result: GateResult, options: Options, files: Mapping[str, Target | None], policy: Policy) -> tuple[str, ...]:
    """The table first, where stdout is not taken, then every file by its option; returns what could not be written."""
    from harness import outcome
    from harness.outcome.files import is_stdout, write_each
    from harness.outcome.gate_json import gate_json
    from harness.outcome.pages.gate import gate_page

    passes = policy.inconclusive == "passes"
    told: list[Callable[[], None]] = []
    if not any(is_stdout(file) for file in files.values()):
        told.append(partial(outcome.print_gate, result, passes=passes))
    told += outcome.texts(result, files["--junit"], files["--markdown"], passes=passes)
    if (page := files["--html"]) is not None:
        told.append(lambda: write_page(gate_page(result, policy, options.command), Path(page)))
    if options.json is not None:
        told.append(partial(write_json, gate_json(result, passes=passes), options.json))
    told.append(partial(outcome.tell_github, result, options.github_summary, passes=passes))
    return write_each(told)


def baseline(options: Options, parsed: argparse.Namespace) -> int:
    """Bless a run, or list what is blessed. 3 where something listed cannot be read."""
    if parsed.action == "bless":
        return _bless(options, parsed)
    from harness import console
    from harness.gating import blessed

    found = list(blessed.listed(options.results))
    rows = [
        (path.stem, "", "", "", told, "")
        if isinstance(told, str)
        else (told.name, told.suite, told.device, str(len(told.cells)), told.run, str(_fewest_sessions(told)))
        for path, told in found
    ]
    folder = blessed.folder_of(options.results)
    console.print_rows(f"Blessed in {folder}", ("name", "suite", "device", "cells", "run", "sessions"), rows)
    return EXIT_NOTHING_VALID if any(isinstance(told, str) for _, told in found) else EXIT_DONE


def _bless(options: Options, parsed: argparse.Namespace) -> int:
    from harness import console
    from harness.analysis.gate.stored import FEWEST_SESSIONS
    from harness.gating import blessed, runs
    from harness.store import store

    stored = store.read(runs.find_run(options.results, parsed.run))
    made = blessed.bless(stored, options.results, parsed.name, counts=parsed.counts)
    path = blessed.write(made, options.results)
    console.plain(str(path))
    console.message(f"blessed: run {stored.run.id}")
    left_out = len(stored.run.plan.cases) - len(made.cells)
    if left_out:
        console.message(f"{left_out} of {len(stored.run.plan.cases)} cases are left out: they are not valid")
    sessions = _fewest_sessions(made)
    if sessions < FEWEST_SESSIONS and not parsed.counts:
        console.message(
            f"its noise floor is of {sessions} session{'s' if sessions != 1 else ''}: a gate against the file alone "
            f"needs {FEWEST_SESSIONS} runs of this suite on this machine; then bless again. One that measures both "
            "sides needs none"
        )
    return EXIT_DONE


def _fewest_sessions(made: object) -> int:
    from harness.model.baseline import Baseline

    return min((len(cell.sessions) for cell in made.cells), default=0) if isinstance(made, Baseline) else 0
