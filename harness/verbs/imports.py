"""`import`: what another tool wrote, read and shown. A log of power is attached to a run by --power-log, a result is a
side of a comparison."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, UnknownName, UsageError
from harness.options import LOG_KINDS, RESULT_KINDS, Options
from harness.verbs.output import write_json


def import_file(options: Options, parsed: argparse.Namespace) -> int:
    """Read what was made without the harness, and say what it holds. 3 where that is nothing."""
    if parsed.kind in RESULT_KINDS:
        return _import_result(options, parsed.kind, parsed.files)
    if parsed.kind not in LOG_KINDS:
        raise UnknownName("kind", parsed.kind, (*LOG_KINDS, *RESULT_KINDS))
    if len(parsed.files) > 1:
        raise UsageError(f"a log of {parsed.kind} is one file, and {len(parsed.files)} are named")
    return _import_log(options, parsed.kind, parsed.files[0])


def _import_log(options: Options, kind: str, file: Path) -> int:
    from harness import console
    from harness.logs.log import summary
    from harness.logs.reading import read
    from harness.outcome.files import check, is_stdout

    check({"--json": options.json})
    found = summary(read(kind, file))
    if not is_stdout(options.json):
        rows = [(name, *(_shown(fact) for fact in facts.values())) for name, facts in found["channels"].items()]
        headings = ("channel", "unit", "kind", "readings", "missing", "first", "last")
        console.print_rows(f"{file}: {found['lines']} lines of {kind}", headings, rows)
    unknown = found["unknown_tokens"]
    if unknown:
        some = ", ".join(token[:40] for token in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        console.message(f"{len(unknown)} unknown tokens were left out: {some}")
    if not found["channels"]:
        console.message(f"harness: {file} holds nothing of {kind}: is it a log of another kind?")
    if options.json is not None:
        write_json(found, options.json)
    return EXIT_DONE if found["channels"] else EXIT_NOTHING_VALID


def _import_result(options: Options, kind: str, files: list[Path]) -> int:
    from harness import console
    from harness.foreign.reading import read
    from harness.foreign.result import names, processes, result_json
    from harness.model.metrics import REGISTRY
    from harness.outcome.files import check, is_stdout
    from harness.outcome.ranking import value

    check({"--json": options.json})
    found = read(kind, files)
    if not is_stdout(options.json):
        rows = []
        for name in names(found):
            own = processes(found, name)
            for metric in (metric for metric in REGISTRY if any(metric in one.metrics for one in own)):
                values = [one.metrics[metric] for one in own if metric in one.metrics]
                counts = {one.count for one in own}
                inferences = "–" if None in counts else " to ".join(map(str, sorted({min(counts), max(counts)})))  # type: ignore[type-var]
                span = (value(metric, min(values)), value(metric, max(values)))
                rows.append((name, REGISTRY[metric].label, " to ".join(dict.fromkeys(span)), len(values), inferences))
        console.print_rows(f"{found.tool}: {', '.join(found.sources)}", _HEADINGS, rows)
    for label, text in found.conditions.items():
        console.message(f"{label}: {text}")
    for text in (*found.notes, *(f"it lacks: {lack}" for lack in found.lacks)):
        console.message(text)
    if options.json is not None:
        write_json(result_json(found), options.json)
    return EXIT_DONE


_HEADINGS = ("benchmark", "metric", "value", "processes", "inferences")


def _shown(fact: object) -> object:
    return f"{fact:.6g}" if isinstance(fact, float) else "–" if fact is None else fact
