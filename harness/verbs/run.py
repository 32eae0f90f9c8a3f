"""`plan` and `run`: one board or several side by side, one result each."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, UsageError
from harness.options import Options
from harness.verbs.each import each, said
from harness.verbs.output import write_json, write_report

if TYPE_CHECKING:
    from harness.console import RunView
    from harness.fleet import Outcome
    from harness.registry import Target

BESIDE_OTHERS = (
    "this machine is one of the boards and serves the others meanwhile (their links, their results): "
    "what it measures of itself is disturbed by that; measure it alone for figures that count"
)


def plan(options: Options, _parsed: argparse.Namespace) -> int:
    """Print what `run` would do, on every device; it needs no address for that."""
    from harness import registry

    _check_several(options)
    return each((target, partial(_plan, target, options)) for target in registry.targets(options, reached=False))


def _plan(target: Target, options: Options) -> int:
    from harness import console, planning
    from harness.outcome.files import check, is_stdout

    check({"--json": _json_of(options, target.device.name)})
    planned = planning.plan_run(options, target)
    if not is_stdout(options.json):
        console.print_plan(planned.plan)
    json = _json_of(options, target.device.name)
    if json is not None:
        write_json(planning.plan_json(planned.plan), json)
    return EXIT_DONE


def run(options: Options, _parsed: argparse.Namespace) -> int:
    """Measure; print the table or the JSON summary of each device.

    3 where no case of a device came out better than invalid; of several devices the highest code counts, as every one
    of them was asked for.
    """
    from harness import console, fleet, planning, registry
    from harness.outcome.files import check, check_folder

    _check_several(options)
    for name in options.devices:
        check({"--json": _json_of(options, name)})
    if options.report:
        check_folder(options.report, "--report")
    targets = registry.targets(options)
    with console.RunView() as view:
        if len(targets) == 1:
            folder = fleet.measure(targets[0], options, view.board(""))
            outcomes: tuple[Outcome, ...] = (fleet.Outcome(targets[0], folder),)
        else:
            if any(target.site is None for target in targets):
                view.say(BESIDE_OTHERS)
            given = planning.downloaded(options)
            outcomes = fleet.measure_all(
                targets, given, lambda target: view.board(target.name), lambda outcome: _tell_failure(view, outcome)
            )
    code = each((outcome.target, partial(_conclude, outcome, options)) for outcome in outcomes)
    done = [name for name, outcome in zip(options.devices, outcomes, strict=True) if outcome.folder]
    if 0 < len(done) < len(outcomes):
        rest = shlex.join(without_devices(options.command, done))
        console.message(
            f"harness: the same command would begin anew on {', '.join(done)}; for the others alone: {rest}"
        )
    return code


def _tell_failure(view: RunView, outcome: Outcome) -> None:
    """At once, while the others go on."""
    if outcome.folder is None:
        view.say(said(outcome.target.name, outcome.error))


def without_devices(command: Sequence[str], done: Collection[str]) -> list[str]:
    """The command line without the --device of these, however it was written."""
    kept: list[str] = []
    words = iter(command)
    for word in words:
        option, given, value = word.partition("=")
        # As argparse takes it: --da is the start of --data, too.
        if not (len(option) > len("--d") and "--device".startswith(option)):
            kept.append(word)
            continue
        name = value if given else next(words, "")
        if name not in done:
            kept += [word] if given else [word, name]
    return kept


def _check_several(options: Options) -> None:
    from harness.outcome.files import is_file

    if len(options.devices) > 1 and options.json is not None and not is_file(options.json):
        raise UsageError(
            f"--json {options.json} holds one summary, and there are several devices: name a file, it gets one each"
        )
    if len(options.devices) > 1 and options.power_log:
        raise UsageError("--power-log is of one board: attach it afterwards, `harness report RUN --power-log FILE`")


def _conclude(outcome: Outcome, options: Options) -> int:
    """Print what was measured on a board; why nothing was is said already."""
    from harness import attachments, console, stages
    from harness.outcome.files import is_stdout, write_all
    from harness.report.summary import summary_json

    name, folder = outcome.target.device.name, outcome.folder
    if folder is None:
        return outcome.exit_code
    if options.power_log:
        try:
            console.message(attachments.attach(folder, options.power_log))
        except UsageError as error:
            later = f"`harness report {folder.name} --power-log FILE` attaches a log to it"
            raise UsageError(f"{error}; the run itself is stored, and {later}") from None
    result, records = stages.conclude(folder)
    json = _json_of(options, name)
    told: list[Callable[[], None]] = [] if is_stdout(json) else [partial(console.print_result, result)]
    if json is not None:
        told.append(partial(write_json, summary_json(result), json))
    out = options.report
    if out:
        told.append(lambda: console.plain(str(write_report(result, records, "html", out))))
    told.append(partial(console.message, f"stored in {folder}; its report: harness report {folder.name}"))
    write_all(told)
    if all(case.verdict == "invalid" for case in result.cases):
        console.message("harness: nothing valid was measured; the reasons stand above")
        return EXIT_NOTHING_VALID
    return EXIT_DONE


def _json_of(options: Options, device: str) -> str | None:
    """The file of --json, if any; of several devices each has its own, NAME-DEVICE.json."""
    if options.json is None or len(options.devices) == 1:
        return options.json
    path = Path(options.json)
    return str(path.with_name(f"{path.stem}-{device}{path.suffix}"))
