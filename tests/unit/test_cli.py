"""Arguments to Options, errors to exit codes, and what a start may import."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from harness import __version__, arguments, cli, errors, verbs
from harness.model.site import LEASE_FOLDER
from harness.options import TOTAL_SCOPES, Options, PowerLog
from tests.support.host_side import ROOT, invoke, runs_of


def options_of(*words: str, **environment: str) -> Options:
    parsed = arguments.parser().parse_args(words)
    return cli._options(parsed, words, environment)


def test_what_is_not_said_has_a_default() -> None:
    options = options_of("run", XDG_CACHE_HOME="/caches")
    assert options == Options(
        command=("harness", "run"),
        suite="cifar10",
        devices=("localhost",),
        results=Path("results/store"),
        cache=Path("/caches/edge-harness"),
        data=Path("/caches/edge-harness/data"),
        sites=ROOT / "devices" / "sites.toml",
    )


def test_everything_that_is_said_arrives() -> None:
    given = ["run", "mine.py", "--device", "board", "--device", "other", "--sites", "mine.toml", "--power-mode", "MAXN"]
    given += ["--backend", "null", "--backend", "torch", "--variant", "a", "--variant", "b", "--scenario", "s"]
    given += ["--quick", "--seed", "7", "--json", "-", "--budget", "2.5", "--report", "site"]
    given += ["--data", "here", "--download", "--results", "store", "--cache", "cache"]
    assert options_of(*given) == Options(
        command=("harness", *given),
        suite="mine.py",
        devices=("board", "other"),
        results=Path("store"),
        cache=Path("cache"),
        data=Path("here"),
        data_named=True,
        sites=Path("mine.toml"),
        sites_named=True,
        power_mode="MAXN",
        variants=("a", "b"),
        backends=("null", "torch"),
        scenarios=("s",),
        quick=True,
        budget_s=2.5,
        report=Path("site"),
        seed=7,
        json="-",
        download=True,
    )


def test_an_address_arrives_with_its_one_device() -> None:
    options = options_of("doctor", "--device", "jetson-nano", "--host", "me@192.0.2.1", "--cache", "cache")
    assert (options.devices, options.host) == (("jetson-nano",), "me@192.0.2.1")


@pytest.mark.parametrize(
    "words",
    [
        ("devices", "--sites", "mine.toml", "--cache", "cache", "clean", "--device", "nano", "--yes"),
        ("devices", "clean", "--sites", "mine.toml", "--cache", "cache", "--device", "nano", "--yes"),
    ],
)
def test_what_is_given_before_an_action_is_not_forgotten(words: tuple[str, ...]) -> None:
    options, parsed = options_of(*words), arguments.parser().parse_args(words)
    assert (options.sites, options.cache, options.devices) == (Path("mine.toml"), Path("cache"), ("nano",))
    assert (options.results, parsed.action, parsed.yes, parsed.trials) == (Path("results/store"), "clean", True, False)


def test_models_and_their_shapes_arrive() -> None:
    options = options_of("run", "--model", "m.onnx", "--model", "n.onnx", "--shape", "image=1,3", "--cache", "cache")
    assert (options.models, options.shapes) == (("m.onnx", "n.onnx"), ("image=1,3",))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("smoke", "--model", "m.onnx"), "takes no suite; leave out 'smoke' or --model"),
        (("--model", "m.onnx", "--data", "here"), "--data belongs to a suite's image set"),
        (("--shape", "image=1,3"), "--shape names an input of --model FILE.onnx"),
        (
            ("--device", "a", "--device", "b", "--host", "me@x"),
            "--host is one board's address, and 2 devices are given",
        ),
        (("smoke", "--shape", "image=1,3"), "a suite knows its inputs"),
        (("--model", "caf\udce9.onnx"), r"'caf\\udce9.onnx' is not UTF-8; rename the file or folder"),
    ],
)
@pytest.mark.parametrize("verb", ["plan", "run"])
def test_what_contradicts_itself_is_refused(verb: str, given: tuple[str, ...], said: str) -> None:
    with pytest.raises(errors.UsageError, match=said):
        options_of(verb, *given, "--cache", "cache")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("--power-log", "m.csv"), PowerLog(Path("m.csv"))),
        (("--power-log", "tegrastats:t.log"), PowerLog(Path("t.log"), "tegrastats")),
        (("--power-log", "a:b.csv", "--clock-offset", "-2.5"), PowerLog(Path("a:b.csv"), clock_offset_s=-2.5)),
        (
            ("--power-log", "m.csv", "--power-scope", "board input", "--power-channel", "usb_power"),
            PowerLog(Path("m.csv"), scope="board input", channel="usb_power"),
        ),
    ],
)
@pytest.mark.parametrize("verb", ["run", "report"])
def test_a_log_of_power_arrives_with_where_it_was_read(verb: str, given: tuple[str, ...], expected: PowerLog) -> None:
    assert options_of(verb, *given, "--cache", "cache").power_log == expected


@pytest.mark.parametrize("option", [("--clock-offset", "1"), ("--power-scope", "wall"), ("--power-channel", "x_power")])
def test_what_belongs_to_a_log_of_power_needs_one(option: tuple[str, str]) -> None:
    with pytest.raises(errors.UsageError, match=f"{option[0]} belongs to a --power-log FILE; name the file"):
        options_of("report", *option, "--cache", "cache")


def test_a_rail_is_no_place_of_a_total(capsys: pytest.CaptureFixture[str]) -> None:
    assert "wall" in TOTAL_SCOPES
    with pytest.raises(SystemExit) as left:
        options_of("run", "--power-log", "m.csv", "--power-scope", "rail")
    assert left.value.code == errors.EXIT_USAGE
    assert "invalid choice: 'rail'" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["nan", "inf", "soon"])
def test_a_clock_offset_is_a_number_of_seconds(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        options_of("run", "--power-log", "m.csv", f"--clock-offset={seconds}")
    assert left.value.code == errors.EXIT_USAGE
    assert f"argument --clock-offset: '{seconds}' is not a number of seconds" in capsys.readouterr().err


DEVICE = """\
schema = 1
name = "bench"
title = "A bench"
transport = "local"
backends = ["null"]
collectors = ["plug"]
[sensor.{table}]
{option} = "http://127.0.0.1:9"
"""


@pytest.mark.parametrize("verb", ["run", "doctor"])
@pytest.mark.parametrize(
    ("table", "option", "said"),
    [
        ("plgu", "url", "sensor: no collector of this device is called 'plgu'; did you mean plug? Known: plug"),
        (
            "plug",
            "urll",
            "device bench: collector plug: plug has no option urll: it takes url, kind, channel, timeout_s",
        ),
    ],
)
def test_a_slip_in_a_sensors_table_stops_before_anything_is_measured(
    tmp_path: Path, verb: str, table: str, option: str, said: str
) -> None:
    device = tmp_path / "bench.toml"
    device.write_text(DEVICE.format(table=table, option=option))
    suite = ("smoke",) if verb == "run" else ()
    answer = invoke(tmp_path, verb, *suite, "--device", device)
    assert (answer.code, answer.out) == (errors.EXIT_USAGE, "")
    assert said in answer.err
    assert runs_of(tmp_path) == []


@pytest.mark.parametrize(("said", "seconds"), [("600", 600.0), ("120s", 120.0), ("10m", 600.0), ("0.5h", 1800.0)])
def test_a_sustained_launch_is_given_in_seconds_minutes_or_hours(said: str, seconds: float) -> None:
    assert options_of("run", "--sustain", said, "--cache", "cache").sustain_s == seconds


@pytest.mark.parametrize("said", ["60", "119s", "1m", "m", "", "ten", "nan", "infm", "-10m"])
def test_less_than_two_minutes_sustain_nothing(said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options_of("run", f"--sustain={said}")
    assert f"argument --sustain: {said!r} is no duration of two minutes or more" in capsys.readouterr().err


@pytest.mark.parametrize(("more", "named"), [(("--quick",), "--quick"), (("--budget", "5"), "--budget")])
def test_a_launch_cannot_be_short_and_last(more: tuple[str, ...], named: str) -> None:
    with pytest.raises(errors.UsageError, match=f"{named} makes launches short, and --sustain makes them last"):
        options_of("run", "--sustain", "10m", *more, "--cache", "cache")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_a_budget_is_a_number_of_seconds(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        options_of("run", f"--budget={seconds}")
    assert left.value.code == errors.EXIT_USAGE
    assert f"argument --budget: '{seconds}' is not a number of seconds above 0" in capsys.readouterr().err


def test_the_data_folder_is_the_options_then_the_environments_then_the_caches() -> None:
    said = options_of("run", "--data", "said", HARNESS_DATA="environment")
    assert (said.data, said.data_named) == (Path("said"), True)
    environment = options_of("run", HARNESS_DATA="environment")
    assert (environment.data, environment.data_named) == (Path("environment"), True)
    cache = options_of("run", "--cache", "cache", HARNESS_DATA="")
    assert (cache.data, cache.data_named) == (Path("cache/data"), False)


def test_the_lease_of_this_machine_is_all_its_logins_unless_the_environment_says_otherwise() -> None:
    assert options_of("run", "--cache", "cache").leases == Path(LEASE_FOLDER)
    assert options_of("run", "--cache", "cache", HARNESS_LEASES="").leases == Path(LEASE_FOLDER)
    assert options_of("run", "--cache", "cache", HARNESS_LEASES="mine").leases == Path.cwd() / "mine"


def test_a_user_without_a_home_is_asked_for_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "~")  # what is left of it where the system knows no such user
    with pytest.raises(errors.UsageError, match="this user has no home folder for the cache; name one with --cache"):
        options_of("plan")
    options = options_of("plan", "--cache", "cache")
    assert (options.cache, options.sites) == (Path("cache"), ROOT / "devices" / "sites.toml")
    assert options_of("plan", XDG_CACHE_HOME="/caches").cache == Path("/caches/edge-harness")


def test_every_verb_of_the_parser_has_its_function() -> None:
    (subparsers,) = [one for one in arguments.parser()._actions if isinstance(one, argparse._SubParsersAction)]
    assert set(subparsers.choices) == set(verbs.TABLE)


def test_help_and_version_end_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = "(the same run goes on, a gate starts anew)"
    for words, text in (
        (["--help"], "exit codes: 0 done"),
        (["--help"], again),
        (["--version"], f"edge-harness {__version__}"),
    ):
        with pytest.raises(SystemExit) as left:
            cli.main(words)
        assert left.value.code == 0
        assert text in capsys.readouterr().out
    assert "known" not in invoke(tmp_path, "run", "--help").err


@pytest.mark.parametrize("verb", sorted(verbs.TABLE))
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([verb, "--help"])
    assert left.value.code == 0
    assert f"usage: harness {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [["--help"], ["devices", "--sites", "/dev/null/absent"], ["devices", "check", "jetson-nano"], ["run", "--help"]],
)
def test_a_start_imports_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    """The figure (150 ms) is `nox -s overhead`'s; what would break it is an import."""
    if words == ["devices"]:  # whoever runs this may have boards, which would be asked
        (tmp_path / "sites.toml").write_text("schema = 1")
        words = [*words, "--sites", str(tmp_path / "sites.toml")]
    heavy = ["numpy", "onnx", "onnxruntime", "pandas", "pyarrow", "plotly", "jinja2", "rich", "torch"]
    code = f"""
import contextlib, io, sys
from harness.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main({words!r})
print(sorted(set({heavy!r}) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_exit_codes_are_those_of_the_documents() -> None:
    assert (errors.EXIT_DONE, errors.EXIT_REGRESSION, errors.EXIT_USAGE, errors.EXIT_NOTHING_VALID) == (0, 1, 2, 3)
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.HarnessError)]
    codes = {kind.__name__: kind.exit_code for kind in kinds}
    assert {name for name, code in codes.items() if code == 3} == {"AgentError", "LinkLost", "NothingMeasured"}
    assert set(codes.values()) == {2, 3}


def test_the_nearest_names_come_first() -> None:
    assert errors.suggest("smok", ["steady", "smoke"]) == "did you mean smoke? Known: smoke, steady"
    assert errors.suggest("zzz", ["b", "a"]) == "known: a, b"
    assert errors.suggest("zzz", []) == "known: none"


def test_the_program_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", "no-such-suite"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("harness: no suite is called 'no-such-suite'; known: ")
    assert len(done.stderr.splitlines()) == 1


def test_what_becomes_of_the_same_command_is_told_of_a_run_and_of_a_gate(tmp_path: Path) -> None:
    """By an error of the file system that no verb expects."""
    for verb, words in (
        (("gate", "--baseline", "a" * 300), "then the same command starts anew"),
        (("history", "a" * 300), "then the same command goes on"),
    ):
        answer = invoke(tmp_path, *verb)
        assert (answer.code, words in answer.err) == (2, True), answer.err
