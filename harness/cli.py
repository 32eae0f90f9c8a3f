"""Arguments to Options, verbs to stages, errors to messages and exit codes. The only module that reads the environment.

Nothing heavy is imported before a verb needs it: `harness --help` starts in a tenth of a second.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import __version__
from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, EXIT_USAGE, HarnessError, UsageError
from harness.options import LOG_KINDS, TOTAL_SCOPES, Options, PowerLog
from harness.registry import DEFAULT_DEVICE, DEFAULT_SUITE

_EPILOG = """\
exit codes: 0 done; 1 the gate found a regression; 2 usage or configuration;
            3 nothing valid was measured, or the run was interrupted (the same command goes on with it)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The program. Results go to stdout, messages to stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parsed = _parser().parse_args(given)
    # A killed terminal or a cancelled CI job ends like Ctrl-C: agents are stopped, what was measured is kept.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)
    _open_stdout()
    try:
        from harness import verbs

        code = verbs.TABLE[parsed.verb](_options(parsed, given, os.environ), parsed)
        sys.stdout.flush()  # here, where a reader who left is dealt with; at the interpreter's end it would be 120
    except HarnessError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _say("interrupted; finished trials are kept, the same command goes on")
        return EXIT_NOTHING_VALID
    except BrokenPipeError:
        return _reader_left()
    except OSError as error:  # a disk that is full or may not be written, wherever it was met
        where = f"{error.filename}: " if error.filename else ""
        advice = "finished trials are kept; make room or grant the right, then give the same command again"
        _say(f"{where}{error.strerror or error}; {advice}")
        return EXIT_USAGE
    except Exception:  # noqa: BLE001  # Python's own exit code would be 1, which here means a regression
        traceback.print_exc()
        _say("this is a defect; please report it. Finished trials are kept")
        return EXIT_NOTHING_VALID
    return code


def _open_stdout() -> None:
    """Whoever started us may have closed it, and a terminal without the table's signs must not cost the table."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # lives as long as we
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _reader_left() -> int:
    """The reader of our output went, as `| head` does: done. The reader of our messages went: what was under way was
    interrupted."""
    code = EXIT_DONE
    for stream, meaning in ((sys.stdout, EXIT_DONE), (sys.stderr, EXIT_NOTHING_VALID)):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            code = max(code, meaning)
    return code


def _say(text: str) -> None:
    """One line on stderr: the name of a file in it may hold line ends, and signs that steer a terminal."""
    line = "".join(sign if sign.isprintable() else " " if sign.isspace() else "\ufffd" for sign in text)
    print(f"harness: {line}", file=sys.stderr)  # noqa: T201  # the one place for errors


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="harness",
        description="Benchmark vision-model variants on edge boards, and keep an honest record.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"edge-harness {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, text, extend in (
        ("plan", "print cases and skips, run nothing", _measuring_arguments),
        ("run", "measure, and print a summary", _measuring_arguments),
        ("report", "write the report of stored runs", _report_arguments),
        ("devices", "what is registered, what is reachable", _common_arguments),
        ("doctor", "is this board fit to measure, and if not, the fix", _doctor_arguments),
        ("build", "train, quantize and export the variants of a suite", _build_arguments),
        ("judge", "confusion, calibration, robustness and paired tests of what is built", _judge_arguments),
        ("import", "read the log of another tool (tegrastats, vcgencmd, nvidia-smi, a meter)", _import_arguments),
    ):
        extend(verbs.add_parser(name, help=text, description=text))
    return parser


def _power_log_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--power-log",
        metavar="[KIND:]FILE",
        help="a log of power made meanwhile (kinds as of `import`; default meter-csv): attach it to the run",
    )
    verb.add_argument(
        "--clock-offset", type=_number, metavar="S", help="the board's clock minus the log's (default: 0)"
    )
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
    verb.add_argument("--results", type=Path, default=Path("results/store"), metavar="DIR", help="the store of runs")
    verb.add_argument("--cache", type=Path, metavar="DIR", help="built artifacts and what was sent to boards")


def _data_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--data", type=Path, metavar="DIR", help="image sets (else HARNESS_DATA, else the cache)")
    verb.add_argument("--download", action="store_true", help="fetch a missing image set into the data folder")


def _measuring_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("suite", nargs="?", help=f"name or .py file (default: {DEFAULT_SUITE})")
    verb.add_argument("--device", default=DEFAULT_DEVICE, metavar="D", help="name or .toml file (default: %(default)s)")
    verb.add_argument("--variant", action="append", default=[], metavar="V", help="only this variant (repeatable)")
    verb.add_argument("--scenario", action="append", default=[], metavar="S", help="only this scenario (repeatable)")
    verb.add_argument("--model", action="append", default=[], metavar="FILE.onnx", help="your own model, not a suite")
    verb.add_argument("--shape", action="append", default=[], metavar="NAME=1,3,224,224", help="a model input's shape")
    verb.add_argument("--budget", type=_seconds, metavar="SECONDS", help="most time for the measured part of a launch")
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
    verb.add_argument("--format", default="html", choices=("html", "md", "csv", "json"), help="default: %(default)s")
    _power_log_arguments(verb)
    _common_arguments(verb)


def _doctor_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--device", default=DEFAULT_DEVICE, metavar="D", help="default: %(default)s")
    _common_arguments(verb)


def _build_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("suite", nargs="?", default=DEFAULT_SUITE, help="default: %(default)s")
    verb.add_argument("--variant", action="append", default=[], metavar="V", help="only this variant (repeatable)")
    verb.add_argument("--anew", action="store_true", help="build the named ones from the start, whatever is there")
    what = verb.add_mutually_exclusive_group()
    what.add_argument("--release", action="store_true", help="copy the artifacts beside the suite and lock them")
    what.add_argument(
        "--check", action="store_true", help="release nothing; verify files, figures and bytes of what is locked"
    )
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


def _import_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("kind", metavar="KIND", help="tegrastats, vcgencmd, nvml-csv or meter-csv")
    verb.add_argument("file", type=Path, metavar="FILE", help="what the tool printed")
    verb.add_argument(
        "--json", metavar="FILE|-", help="write lines, unknown tokens and channels as JSON (- for stdout)"
    )
    _common_arguments(verb)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return number


def _power_log(parsed: argparse.Namespace) -> PowerLog | None:
    """[KIND:]FILE; a colon that follows no kind belongs to the file's name."""
    given = getattr(parsed, "power_log", None)
    offset_s, scope, channel = (
        getattr(parsed, name, None) for name in ("clock_offset", "power_scope", "power_channel")
    )
    if given is None:
        for option, value in (("--clock-offset", offset_s), ("--power-scope", scope), ("--power-channel", channel)):
            if value is not None:
                raise UsageError(f"{option} belongs to a --power-log FILE; name the file")
        return None
    kind, _, file = given.partition(":")
    if kind not in LOG_KINDS:
        kind, file = "meter-csv", given
    return PowerLog(Path(file), kind, offset_s or 0.0, scope, channel)


def _user_cache(environment: Mapping[str, str]) -> Path:
    if environment.get("XDG_CACHE_HOME"):
        return Path(environment["XDG_CACHE_HOME"]) / "edge-harness"
    try:
        return Path.home() / ".cache" / "edge-harness"
    except RuntimeError:
        raise UsageError("this user has no home folder for the cache; name one with --cache") from None


def _check_text(given: Sequence[str]) -> None:
    """A name that is no text could be neither stored as JSON nor printed."""
    for argument in given:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{argument!r} is not UTF-8; rename the file or folder") from None


def _check_together(parsed: argparse.Namespace) -> None:
    """Arguments that contradict each other must not be dropped in silence."""
    models = getattr(parsed, "model", [])
    if models and parsed.suite:
        raise UsageError(f"--model measures your own files and takes no suite; leave out {parsed.suite!r} or --model")
    if models and parsed.data:
        raise UsageError("--data belongs to a suite's image set; with --model there is none to read")
    if getattr(parsed, "shape", []) and not models:
        raise UsageError("--shape names an input of --model FILE.onnx; a suite knows its inputs")


def _options(parsed: argparse.Namespace, given: Sequence[str], environment: Mapping[str, str]) -> Options:
    _check_text(given)
    named = getattr(parsed, "data", None)
    from_environment = environment.get("HARNESS_DATA")
    cache = parsed.cache or _user_cache(environment)
    _check_together(parsed)
    return Options(
        command=("harness", *given),
        suite=getattr(parsed, "suite", None) or DEFAULT_SUITE,
        device=getattr(parsed, "device", DEFAULT_DEVICE),
        results=parsed.results,
        cache=cache,
        data=named or (Path(from_environment) if from_environment else cache / "data"),
        data_named=named is not None or bool(from_environment),
        variants=tuple(getattr(parsed, "variant", ())),
        scenarios=tuple(getattr(parsed, "scenario", ())),
        models=tuple(getattr(parsed, "model", ())),
        shapes=tuple(getattr(parsed, "shape", ())),
        quick=getattr(parsed, "quick", False),
        budget_s=getattr(parsed, "budget", None),
        report=getattr(parsed, "report", None),
        seed=getattr(parsed, "seed", 0),
        json=getattr(parsed, "json", None),
        download=getattr(parsed, "download", False),
        power_log=_power_log(parsed),
    )
