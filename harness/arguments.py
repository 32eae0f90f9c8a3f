"""The command line's words: verbs and their arguments, as argparse takes them. Owns help texts and what a word may be.

Knows neither what a verb does with them nor the environment: harness.cli makes Options of what was parsed here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from harness import __version__
from harness.options import LOG_KINDS, RESULT_KINDS, TOTAL_SCOPES
from harness.registry import DEFAULT_DEVICE, DEFAULT_SUITE, HERE, SITES_FILE
from harness.words import long_time, number, seconds, share

_EPILOG = """\
exit codes: 0 done; 1 the gate found a regression; 2 usage or configuration;
            3 nothing valid was measured, or it was interrupted (the same run goes on, a gate starts anew)
"""


def parser() -> argparse.ArgumentParser:
    """The whole program's."""
    whole = argparse.ArgumentParser(
        prog="harness",
        description="Benchmark vision-model variants on edge boards, and keep an honest record.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"edge-harness {__version__}")
    verbs = whole.add_subparsers(dest="verb", required=True, metavar="VERB")
    table: tuple[tuple[str, str, Callable[[argparse.ArgumentParser], None]], ...] = (
        ("plan", "print cases and skips, run nothing", _measuring_arguments),
        ("run", "measure, and print a summary", _measuring_arguments),
        ("report", "write the report of stored runs", _report_arguments),
        ("devices", "what is registered, what is reachable; check a device file; clean a board", _devices_arguments),
        ("doctor", "is this board fit to measure, and if not, the fix", _doctor_arguments),
        ("build", "train, quantize and export the variants of a suite", _build_arguments),
        ("judge", "confusion, calibration, robustness and paired tests of what is built", _judge_arguments),
        ("compare", "two stored runs, or results of other tools, metric by metric", _compare_arguments),
        ("gate", "is the candidate slower than the baseline? an exit code for CI", _gate_arguments),
        ("baseline", "bless a run as a small tracked file; list what is blessed", _baseline_arguments),
        ("history", "a metric over many stored runs, and where it moved", _history_arguments),
        ("import", "read another tool's log of power, or its result", _import_arguments),
    )
    for name, text, extend in table:
        extend(verbs.add_parser(name, help=text, description=text))
    return whole


def _power_log_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--power-log",
        metavar="[KIND:]FILE",
        help="a log of power made meanwhile (kinds as of `import`; default meter-csv): attach it to the run",
    )
    verb.add_argument("--clock-offset", type=number, metavar="S", help="the board's clock minus the log's (default: 0)")
    verb.add_argument(
        "--power-scope",
        choices=TOTAL_SCOPES,
        metavar="WHERE",
        help=f"what the log's total covers: {', '.join(TOTAL_SCOPES)} (default of a meter: wall)",
    )
    verb.add_argument(
        "--power-channel", metavar="NAME", help="the log's channel that is the total (`import` lists them)"
    )


def _common_arguments(verb: argparse.ArgumentParser) -> None:
    # Of an action within a verb nothing, lest it forget what was given before it.
    store = verb.argument_default or Path("results/store")
    verb.add_argument("--results", type=Path, default=store, metavar="DIR", help="the store of runs")
    verb.add_argument("--cache", type=Path, metavar="DIR", help="built artifacts and what was sent to boards")


def _sites_argument(verb: argparse.ArgumentParser) -> None:
    help_text = f"addresses of boards (default: devices/{SITES_FILE}, else edge-harness/{SITES_FILE} of the user)"
    verb.add_argument("--sites", type=Path, metavar="FILE", help=help_text)


def _board_arguments(verb: argparse.ArgumentParser) -> None:
    device_help = f"name, site or .toml file (repeatable; default: {DEFAULT_DEVICE})"
    verb.add_argument("--device", action="append", default=[], metavar="D", help=device_help)
    host_help = f"the one board's address, instead of the sites file's; {HERE}: the harness runs on the board itself"
    verb.add_argument("--host", metavar="USER@ADDRESS", help=host_help)
    _sites_argument(verb)


def _power_mode_argument(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--power-mode", metavar="NAME", help="set this mode (as nvpmodel -q names it), and put it back")


def _data_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--data", type=Path, metavar="DIR", help="image sets (else HARNESS_DATA, else the cache)")
    verb.add_argument("--download", action="store_true", help="fetch a missing image set into the data folder")


def _measuring_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("suite", nargs="?", help=f"name or .py file (default: {DEFAULT_SUITE})")
    _board_arguments(verb)
    _power_mode_argument(verb)
    verb.add_argument("--variant", action="append", default=[], metavar="V", help="only this variant (repeatable)")
    verb.add_argument("--backend", action="append", default=[], metavar="B", help="only this runtime (repeatable)")
    verb.add_argument("--scenario", action="append", default=[], metavar="S", help="only this scenario (repeatable)")
    verb.add_argument("--model", action="append", default=[], metavar="FILE.onnx", help="your own model, not a suite")
    verb.add_argument("--shape", action="append", default=[], metavar="NAME=1,3,224,224", help="a model input's shape")
    verb.add_argument("--budget", type=seconds, metavar="SECONDS", help="most time for the measured part of a launch")
    sustain_help = "let each launch last so long, e.g. 10m, as a scenario of its own: burst against sustained speed"
    verb.add_argument("--sustain", type=long_time, metavar="DURATION", help=sustain_help)
    until_help = "launch each case 6 to 30 times, until half the 95 %% interval of p50 is this share of it, e.g. 1%%"
    verb.add_argument("--until", type=share, metavar="SHARE", help=until_help)
    verb.add_argument("--budget-total", type=seconds, metavar="SECONDS", help="most time for all launches of --until")
    verb.add_argument("--quick", action="store_true", help="3 short launches: a look, without intervals")
    verb.add_argument("--seed", type=int, default=0, help="of the order of trials (default: %(default)s)")
    verb.add_argument("--report", type=Path, metavar="DIR", help="write the HTML report there when the run has ended")
    verb.add_argument("--json", metavar="FILE|-", help="write the summary as JSON (- for stdout, instead of the table)")
    _power_log_arguments(verb)
    _data_arguments(verb)
    _common_arguments(verb)


def _report_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("runs", nargs="*", default=["last"], metavar="RUN", help="run id, its start, a folder, or last")
    verb.add_argument("--out", type=Path, default=Path("reports/site"), metavar="DIR", help="default: %(default)s")
    forms = ("html", "md", "csv", "tex", "json", "perfetto")
    verb.add_argument("--format", default="html", choices=forms, help="default: %(default)s")
    _power_log_arguments(verb)
    _common_arguments(verb)


def _doctor_arguments(verb: argparse.ArgumentParser) -> None:
    _board_arguments(verb)
    _power_mode_argument(verb)
    _calibrate_arguments(verb)
    _common_arguments(verb)


def _calibrate_arguments(verb: argparse.ArgumentParser) -> None:
    """Of `doctor`: a model against itself."""
    calibrate_help = "measure the noise of one model against itself: what a gate can find here, and in how many seconds"
    verb.add_argument("--calibrate", action="store_true", help=calibrate_help)
    verb.add_argument("--launches", type=int, default=20, metavar="N", help="of --calibrate (default: %(default)s)")
    model_help = "calibrate with this model (default: the smallest of cifar10)"
    verb.add_argument("--model", action="append", default=[], metavar="FILE.onnx", help=model_help)
    verb.add_argument("--shape", action="append", default=[], metavar="NAME=1,3,224,224", help="a model input's shape")
    verb.add_argument("--suite", metavar="S", help="calibrate with --variant V of this suite")
    verb.add_argument("--variant", action="append", default=[], metavar="V", help="of --suite")
    verb.add_argument("--backend", action="append", default=[], metavar="B", help="calibrate with this runtime")
    verb.add_argument("--seed", type=int, default=0, help="of the order of blocks (default: %(default)s)")
    verb.add_argument("--json", metavar="FILE|-", help="write the calibration as JSON (- for stdout)")


def _devices_arguments(verb: argparse.ArgumentParser) -> None:
    _sites_argument(verb)
    _common_arguments(verb)
    actions = verb.add_subparsers(dest="action", metavar="ACTION", help="default: list them")
    for name, text, extend in (
        ("check", "is this device file right; what does it say", _check_arguments),
        ("clean", "what is kept on a board; --yes removes it", _clean_arguments),
    ):
        action = actions.add_parser(name, help=text, description=text, argument_default=argparse.SUPPRESS)
        extend(action)
        _common_arguments(action)


def _check_arguments(action: argparse.ArgumentParser) -> None:
    action.add_argument("file", metavar="FILE", help="a device's .toml, or a registered name")


def _clean_arguments(action: argparse.ArgumentParser) -> None:
    _board_arguments(action)
    action.add_argument("--yes", action="store_true", default=False, help="remove what is listed, but trials")
    trials_help = "remove also trials that no host has collected"
    action.add_argument("--trials", action="store_true", default=False, help=trials_help)


def _build_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("suite", nargs="?", default=DEFAULT_SUITE, help="default: %(default)s")
    verb.add_argument("--variant", action="append", default=[], metavar="V", help="only this variant (repeatable)")
    verb.add_argument("--anew", action="store_true", help="build the named ones from the start, whatever is there")
    what = verb.add_mutually_exclusive_group()
    what.add_argument("--release", action="store_true", help="copy the artifacts beside the suite and lock them")
    what.add_argument(
        "--check", action="store_true", help="release nothing; verify files, figures and bytes of what is locked"
    )
    what.add_argument(
        "--form",
        choices=("pt2", "torchscript"),
        help="make each variant's program for the torch backends",
    )
    verb.add_argument("--model", action="append", default=[], metavar="FILE.onnx", help="with --form: your own model")
    _data_arguments(verb)
    _common_arguments(verb)


def _judge_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("suite", nargs="?", default=DEFAULT_SUITE, help="default: %(default)s")
    verb.add_argument("--variant", action="append", default=[], metavar="V", help="only this variant (repeatable)")
    verb.add_argument("--corruption", action="append", metavar="C", help="only this corruption (repeatable)")
    verb.add_argument("--images", type=int, default=2000, help="corrupt this many test images (default: %(default)s)")
    verb.add_argument("--seed", type=int, default=0, help="of the noise and of the halves (default: %(default)s)")
    verb.add_argument("--release", action="store_true", help="enter it in SUITE.quality.json beside the suite")
    verb.add_argument("--json", metavar="FILE|-", help="write all figures as JSON (- for stdout)")
    _data_arguments(verb)
    _common_arguments(verb)


def _compare_arguments(verb: argparse.ArgumentParser) -> None:
    side = "a run (id, its start, a folder, last), KIND:FILE of another tool, or what `import --json` wrote of one"
    verb.add_argument("base", metavar="BASE", help=side)
    verb.add_argument("candidate", metavar="CANDIDATE", help="likewise")
    verb.add_argument("more", nargs="*", metavar="MORE", help="further candidates, each against BASE")
    verb.add_argument(
        "--match", action="append", default=[], metavar="NEW=OLD", help="a variant and the baseline's (repeatable)"
    )
    margin_help = "what matters in practice, of all that is measured (default: 2%% of p50, each metric its own)"
    verb.add_argument("--margin", type=share, metavar="SHARE", help=margin_help)
    allow_help = "compare although this differs: a name from the refusal (repeatable)"
    verb.add_argument("--allow", action="append", default=[], metavar="NAME", help=allow_help)
    verb.add_argument("--allow-different", action="store_true", help="compare whatever differs, and say what does")
    verb.add_argument("--markdown", type=Path, metavar="FILE|-", help="write the tables as Markdown")
    verb.add_argument("--html", type=Path, metavar="FILE", help="write it as a page; what is refused, too")
    gate_help = "show the decision of a gate between the two on the page: what `gate --json` wrote"
    verb.add_argument("--gate", type=Path, metavar="FILE", help=gate_help)
    verb.add_argument("--json", metavar="FILE|-", help="write harness.comparison/1 (- for stdout, instead of tables)")
    _common_arguments(verb)


def _gate_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("suite", nargs="?", help=f"name or .py file (default: {DEFAULT_SUITE})")
    forms = "a .onnx file, git:REVISION of the suite, a run (id, its start, a folder, last), a blessed baseline, a .py"
    verb.add_argument("--baseline", required=True, metavar="X", help=forms)
    verb.add_argument("--candidate", metavar="Y", help="likewise (default: the suite as it is, or the newest run)")
    _board_arguments(verb)
    _power_mode_argument(verb)
    verb.add_argument("--variant", action="append", default=[], metavar="V", help="only this variant (repeatable)")
    verb.add_argument("--backend", action="append", default=[], metavar="B", help="only this runtime (repeatable)")
    verb.add_argument("--scenario", action="append", default=[], metavar="S", help="only this scenario (repeatable)")
    shape_help = "a .onnx file's input (repeatable)"
    verb.add_argument(
        "--shape", dest="input_shape", action="append", default=[], metavar="NAME=1,3,224,224", help=shape_help
    )
    verb.add_argument("--policy", type=Path, metavar="FILE", help="margins, metrics and error rates, as TOML")
    design_help = "both measured now; against stored runs; exact counts and no time (default: by what is at hand)"
    verb.add_argument("--design", choices=("paired", "stored", "counted"), help=design_help)
    verb.add_argument("--seed", type=int, default=0, help="of the order of cells and blocks (default: %(default)s)")
    verb.add_argument("--budget", type=seconds, metavar="SECONDS", help="for the whole gate (default: the policy's)")
    verb.add_argument("--junit", type=Path, metavar="FILE|-", help="write the outcome as JUnit XML")
    verb.add_argument("--markdown", type=Path, metavar="FILE|-", help="write it as Markdown, as for a pull request")
    verb.add_argument("--html", type=Path, metavar="FILE", help="write it as a page")
    verb.add_argument("--json", metavar="FILE|-", help="write harness.gate/1 (- for stdout, instead of the table)")
    different_help = "show figures of another machine too, without a verdict"
    verb.add_argument("--allow-different", action="store_true", help=different_help)
    _data_arguments(verb)
    _common_arguments(verb)


def _baseline_arguments(verb: argparse.ArgumentParser) -> None:
    _common_arguments(verb)
    actions = verb.add_subparsers(dest="action", metavar="ACTION", help="default: list them")
    for name, text, extend in (
        ("bless", "write results/baselines/NAME.json of a run", _bless_arguments),
        ("list", "what is blessed", lambda _action: None),
    ):
        action = actions.add_parser(name, help=text, description=text, argument_default=argparse.SUPPRESS)
        extend(action)
        _common_arguments(action)


def _bless_arguments(action: argparse.ArgumentParser) -> None:
    action.add_argument("run", metavar="RUN", help="run id, its start, a folder, or last")
    action.add_argument("--name", default=None, metavar="NAME", help="default: SUITE-DEVICE")
    counts_help = "keep what is counted, and no time or memory: for --design counted, on any machine"
    action.add_argument("--counts", action="store_true", default=False, help=counts_help)


def _history_arguments(verb: argparse.ArgumentParser) -> None:
    runs_help = "run id, its start, a folder, or last (default: all of the store)"
    verb.add_argument("runs", nargs="*", metavar="RUN", help=runs_help)
    verb.add_argument("--suite", metavar="S", help="only runs of this suite, by its name")
    verb.add_argument("--variant", action="append", default=[], metavar="V", help="only this variant (repeatable)")
    metric_help = "this metric (repeatable; default: latency_p50_s)"
    verb.add_argument("--metric", action="append", default=[], metavar="M", help=metric_help)
    reference_help = "divide by this variant's value of the same run: what slows down the whole machine cancels"
    verb.add_argument("--reference", default="", metavar="V", help=reference_help)
    verb.add_argument("--margin", type=share, metavar="SHARE", help="smaller moves are none (default: the metric's)")
    verb.add_argument("--html", type=Path, metavar="FILE", help="write it as a page")
    verb.add_argument("--json", metavar="FILE|-", help="write harness.history/1 (- for stdout, instead of tables)")
    _common_arguments(verb)


def _import_arguments(verb: argparse.ArgumentParser) -> None:
    kinds = f"a log ({', '.join(LOG_KINDS)}), or a result ({', '.join(RESULT_KINDS)})"
    verb.add_argument("kind", metavar="KIND", help=kinds)
    files_help = "what the tool wrote; of a result also several, one for each process that ran the same"
    verb.add_argument("files", nargs="+", type=Path, metavar="FILE", help=files_help)
    json_help = "write what was read as JSON (- for stdout); `compare` takes that of a result"
    verb.add_argument("--json", metavar="FILE|-", help=json_help)
    _common_arguments(verb)
