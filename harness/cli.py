"""Arguments to Options, verbs to stages, errors to messages and exit codes. The only module that reads the environment.

Nothing heavy is imported before a verb needs it: `harness --help` starts in a tenth of a second.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import arguments, registry
from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, EXIT_USAGE, HarnessError, UsageError
from harness.model.site import LEASE_FOLDER
from harness.options import LOG_KINDS, Options, PowerLog


def main(words: Sequence[str] | None = None) -> int:
    """The program. Results go to stdout, messages to stderr."""
    given = list(sys.argv[1:] if words is None else words)
    parsed = arguments.parser().parse_args(given)
    # A killed terminal or a cancelled CI job ends like Ctrl-C: agents are stopped, what was measured is kept.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)
    _open_stdout()
    code = EXIT_DONE
    try:
        from harness import verbs

        code = verbs.TABLE[parsed.verb](_options(parsed, given, os.environ), parsed)
        sys.stdout.flush()  # here, where a reader who left is dealt with; at the interpreter's end it would be 120
    except HarnessError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _say(f"interrupted; finished trials are kept, {_again(parsed.verb)}")
        return EXIT_NOTHING_VALID
    except BrokenPipeError:
        return max(code, _reader_left())  # who reads no further must not turn a regression into a pass
    except OSError as error:  # a disk that is full or may not be written, wherever it was met
        where = f"{error.filename}: " if error.filename else ""
        advice = f"finished trials are kept; make room or grant the right, then {_again(parsed.verb)}"
        _say(f"{where}{error.strerror or error}; {advice}")
        return EXIT_USAGE
    except Exception:  # noqa: BLE001  # Python's own exit code would be 1, which here means a regression
        traceback.print_exc()
        _say("this is a defect; please report it. Finished trials are kept")
        return EXIT_NOTHING_VALID
    return code


def _again(verb: str) -> str:
    """What becomes of a command that is given again."""
    return "the same command starts anew" if verb == "gate" else "the same command goes on"


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


def _user_folder(environment: Mapping[str, str], variable: str, otherwise: str) -> Path | None:
    """The harness's own folder among the user's; None for a user without a home."""
    if environment.get(variable):
        return Path(environment[variable]) / "edge-harness"
    try:
        return Path.home() / otherwise / "edge-harness"
    except RuntimeError:
        return None


def _user_cache(environment: Mapping[str, str]) -> Path:
    folder = _user_folder(environment, "XDG_CACHE_HOME", ".cache")
    if folder is None:
        raise UsageError("this user has no home folder for the cache; name one with --cache")
    return folder


def _github_summary(environment: Mapping[str, str]) -> Path | None:
    """Where GitHub Actions wants a step's summary; None anywhere else."""
    named = environment.get("GITHUB_STEP_SUMMARY")
    return Path(named) if named and environment.get("GITHUB_ACTIONS") == "true" else None


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
    if models and getattr(parsed, "data", None):
        raise UsageError("--data belongs to a suite's image set; with --model there is none to read")
    if getattr(parsed, "shape", []) and not models:
        raise UsageError("--shape names an input of --model FILE.onnx; a suite knows its inputs")
    if getattr(parsed, "until", None) and parsed.quick:
        raise UsageError("--quick is 3 launches without an interval, and --until asks for one: leave one of them out")
    if getattr(parsed, "sustain", None) and (parsed.quick or parsed.budget):
        short = "--quick" if parsed.quick else "--budget"
        raise UsageError(f"{short} makes launches short, and --sustain makes them last: leave one of them out")
    devices = getattr(parsed, "device", [])
    if getattr(parsed, "host", None) and len(devices) > 1:
        raise UsageError(
            f"--host is one board's address, and {len(devices)} devices are given; put theirs in --sites FILE"
        )


def _options(parsed: argparse.Namespace, given: Sequence[str], environment: Mapping[str, str]) -> Options:
    _check_text(given)
    named = getattr(parsed, "data", None)
    from_environment = environment.get("HARNESS_DATA")
    cache = parsed.cache or _user_cache(environment)
    _check_together(parsed)
    sites = getattr(parsed, "sites", None)
    return Options(
        command=("harness", *given),
        suite=getattr(parsed, "suite", None) or registry.DEFAULT_SUITE,
        devices=tuple(getattr(parsed, "device", ())) or (registry.DEFAULT_DEVICE,),
        results=parsed.results,
        cache=cache,
        data=named or (Path(from_environment) if from_environment else cache / "data"),
        data_named=named is not None or bool(from_environment),
        host=getattr(parsed, "host", None),
        sites=sites or registry.sites_path(_user_folder(environment, "XDG_CONFIG_HOME", ".config")),
        sites_named=sites is not None,
        power_mode=getattr(parsed, "power_mode", None),
        variants=tuple(getattr(parsed, "variant", ())),
        backends=tuple(getattr(parsed, "backend", ())),
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
        github_summary=_github_summary(environment),
        until=getattr(parsed, "until", None),
        budget_total_s=getattr(parsed, "budget_total", None),
        sustain_s=getattr(parsed, "sustain", None),
        leases=Path(environment.get("HARNESS_LEASES") or LEASE_FOLDER).absolute(),
    )
