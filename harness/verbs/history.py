"""`history`: a metric over many stored runs. Owns which runs are read; finds no change."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, StoreError, UsageError
from harness.options import Options
from harness.verbs.output import write_json, write_page

if TYPE_CHECKING:
    from harness.store.store import StoredRun

DEFAULT_METRIC = "latency_p50_s"


def history(options: Options, parsed: argparse.Namespace) -> int:
    """3 where no run holds the metric."""
    from harness import console
    from harness.analysis.history import history as make_history
    from harness.outcome.files import check, is_stdout, write_all
    from harness.outcome.pages.history import history_page
    from harness.outcome.past import history_json, print_history

    check({"--html": parsed.html, "--json": options.json})
    metrics = tuple(dict.fromkeys(parsed.metric)) or (DEFAULT_METRIC,)
    runs = _runs(options, parsed)
    found = make_history(runs, metrics, options.variants, parsed.reference, parsed.margin)
    told = " ".join((*metrics, *(("of", *options.variants) if options.variants else ())))
    nothing = f"none of {len(runs)} runs holds {told} in a valid case, so there is no history"
    outputs: list[Callable[[], None]] = []
    if not is_stdout(options.json):
        outputs.append(lambda: print_history(found))
    if parsed.html is not None:
        outputs.append(
            lambda: write_page(history_page(found, options.command, "" if found.series else nothing), parsed.html)
        )
    if options.json is not None:
        outputs.append(partial(write_json, history_json(found), options.json))
    write_all(outputs)
    if not found.series:
        console.message(f"harness: {nothing}")
        return EXIT_NOTHING_VALID
    return EXIT_DONE


def _runs(options: Options, parsed: argparse.Namespace) -> list[StoredRun]:
    """Those that are named, else all of the store, of which one that cannot be read is told and left out."""
    from harness import console
    from harness.attachments import with_attached
    from harness.store import store

    named = [store.find_run(options.results, name) for name in parsed.runs]
    folders: list[Path] = named or store.find_runs(options.results)
    found, suites = [], set()
    for folder in dict.fromkeys(folders):
        try:
            suite = store.read_run(folder).plan.suite
            suites.add(suite)
            if parsed.suite in (None, suite):
                found.append(with_attached(store.read(folder))[0])
        except StoreError as error:
            if named:
                raise
            console.message(f"left out: {error}")
    if not found:
        known = ", ".join(sorted(suites)) or "none"
        raise UsageError(f"no run here is of the suite {parsed.suite!r}; there are runs of: {known}")
    return found
