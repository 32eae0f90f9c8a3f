from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.agent import polling, sensors, wire
from harness.board import pack
from tests.support.agent_side import tree

NEVER_S = 3600.0  # polls at the start and at the stop alone


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    zone = "sys/class/thermal/thermal_zone0"
    root = tree(tmp_path / "root", {f"{zone}/type": "cpu\n", f"{zone}/temp": "45500\n"})
    return {
        "names": ["thermal", "cpu"],
        "root": root,
        "target": os.getpid(),
        "period_s": NEVER_S,
        "cores": sorted(os.sched_getaffinity(0)),
        "path": str(tmp_path / "traces"),
    }


@pytest.fixture
def process(tmp_path: Path, settings: dict[str, object]) -> Iterator[sensors.SensorProcess]:
    started = sensors.SensorProcess([sys.executable, str(pack.write(tmp_path))], settings)
    yield started
    started.kill()


def test_readings_come_with_their_times_and_the_missing_with_their_reasons(
    process: sensors.SensorProcess, settings: dict[str, object]
) -> None:
    ready = process.ready()
    assert ready["cores"] == settings["cores"]
    assert list(ready["unavailable"]) == ["cpu"]
    assert "lists no core" in ready["unavailable"]["cpu"]
    found = process.stop()
    assert found["channels"] == [
        {
            "collector": "thermal",
            "name": "cpu_0",
            "unit": "degC",
            "kind": "gauge",
            "scope": "zone",
            "provenance": "thermal zone",
        }
    ]
    assert found["reads"] == 2
    assert found["busy_s"] > 0
    assert found["peak_rss_bytes"] is None  # the tree shows no such process
    assert (found["lost"], found["details"]) == ([], {})
    columns = wire.read_columns(settings["path"])
    assert list(columns["thermal:cpu_0"]) == [45.5, 45.5]
    first, last = columns["time:thermal"]
    assert first < last


def test_switching_is_answered_and_off_reads_nothing(process: sensors.SensorProcess) -> None:
    process.ready()
    process.switch("off")
    process.switch("off")
    assert process.stop()["reads"] == 2


def test_stopping_ends_the_process(process: sensors.SensorProcess) -> None:
    process.ready()
    process.stop()
    assert process._process.returncode == 0


def test_a_killed_sensor_process_is_an_error_and_not_an_arm(process: sensors.SensorProcess) -> None:
    process.ready()
    process._process.kill()
    process._process.wait()
    with pytest.raises(RuntimeError, match="the sensor process ended early, with status -9"):
        process.switch("on")


def test_a_sensor_process_that_does_not_start_is_an_error(settings: dict[str, object]) -> None:
    process = sensors.SensorProcess([sys.executable, "-c", "raise SystemExit(3)"], settings)
    with pytest.raises(RuntimeError, match="the sensor process ended early, with status 3"):
        process.ready()
    process.kill()


def test_it_ends_quietly_when_the_measured_process_is_gone(tmp_path: Path, settings: dict[str, object]) -> None:
    command = [sys.executable, str(pack.write(tmp_path)), "sensors", json.dumps(settings)]
    ended = subprocess.run(command, input=b"", capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert not Path(settings["path"]).exists()


def test_an_unknown_collector_is_answered_with_the_known_ones(settings: dict[str, object]) -> None:
    with pytest.raises(KeyError, match=r"no collector is called 'rail'; known: .*thermal"):
        sensors.open_sources(dict(settings, names=["rail"]), polling.Control())
