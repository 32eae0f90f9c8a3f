"""`doctor --calibrate` as a user gives it, with scripted models whose processes differ by a known jitter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, EXIT_USAGE
from tests.support.host_side import Answer, invoke
from tests.support.scripted_suite import DURATIONS_S, script, write_device, write_suite

LAUNCHES = 8


def calibrate(folder: Path, keys: dict, *words: str | Path) -> Answer:
    suite = write_suite(folder, {"small": script(**keys)})
    given = ["--suite", suite, "--device", write_device(folder), "--launches", str(LAUNCHES), *words]
    return invoke(folder, "doctor", "--calibrate", *given)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer, dict]:
    folder = tmp_path_factory.mktemp("calibrated")
    answer = calibrate(folder, {"jitter": 0.004}, "--json", folder / "found.json")
    return folder, answer, json.loads((folder / "found.json").read_text())


def test_the_noise_floor_of_a_scripted_model(calibrated) -> None:
    _, answer, told = calibrated
    assert answer.code == EXIT_DONE, answer.err
    assert (told["schema"], told["device"], told["model"]) == ("harness.calibration/1", "bench", "small (null)")
    found = told["found"]
    assert (found["n"], found["gates"]) == (LAUNCHES, 2000)
    floors = {one["metric"]: one for one in found["floors"]}
    median = floors["latency_p50_s"]
    # Each side's process is spread evenly over +-0.4 %: the ratio's standard deviation is 0.4 % * sqrt(2 / 3).
    assert 0.0005 < median["sigma"] < 0.008
    assert median["low"] <= 0 <= median["high"]
    assert abs(median["bias"]) < 0.008
    assert found["alarms"] <= 0.01
    assert found["launch_s"] > 0
    assert set(median["found"]) == {"15", "60"}
    assert floors["latency_p50_s"]["launches"] == 6


def test_it_is_printed_and_kept(calibrated) -> None:
    folder, answer, told = calibrated
    assert "small (null) against itself, 8 launches" in " ".join(answer.out.split())
    assert "2000 gates resampled from these launches" in answer.out
    assert "energy has no floor" in answer.out
    (kept,) = (path for path in folder.rglob("calibrations/*.json"))
    assert json.loads(kept.read_text()) == told
    assert kept.name == f"bench-{told['board_id'][:12]}.json"
    assert not list(folder.glob("**/results/store/*"))  # nobody's result


def test_a_clock_that_repeats_itself_cannot_be_calibrated(tmp_path: Path) -> None:
    answer = calibrate(tmp_path, {"durations_s": DURATIONS_S}, "--json", "-")
    told = json.loads(answer.out)
    assert "a clock that does not measure" in told["found"]["absent"]["latency_p50_s"]
    assert not any(one["metric"].startswith("latency") for one in told["found"]["floors"])


def test_a_model_that_fails_is_no_calibration(tmp_path: Path) -> None:
    answer = calibrate(tmp_path, {"fail": {"at": 3, "how": "raise"}})
    assert answer.code == EXIT_NOTHING_VALID
    assert "launch 0 of small against itself: the baseline failed" in answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--launches", "2"], "fewer than 3 launches"),
        (["--suite", "smoke"], "a calibration is of one model; name one with --variant: fast, steady"),
        (["--variant", "fats"], "no variant is called 'fats'"),
        (["--model", "a.onnx", "--suite", "smoke"], "--model measures your own files and takes no suite"),
        (["--device", "localhost", "--device", "jetson-nano", "--sites", "none.toml"], "one board at a time"),
    ],
)
def test_what_cannot_be_calibrated_is_said(tmp_path: Path, words: list[str], said: str) -> None:
    answer = invoke(tmp_path, "doctor", "--calibrate", *words)
    assert answer.code == EXIT_USAGE
    assert said in " ".join(answer.err.split())
