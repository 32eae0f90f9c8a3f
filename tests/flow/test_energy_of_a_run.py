"""Energy through the whole path: a real model, the packed agent, a meter over HTTP or a recording that is played."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support import models
from tests.support.host_side import invoke

DEVICE = """\
schema = 1
name = "bench"
title = "A bench"
transport = "local"
backends = ["onnxruntime"]
collectors = ["{collector}", "thermal"]
sensor_period_s = 0.05

[sensor.{collector}]
{options}

[power]
idle_s = 0.3

[[power.totals]]
channels = ["{channel}"]
scope = "wall"
caveats = ["the supply is counted too"]
"""


class Answers(BaseHTTPRequestHandler):
    """A Shelly of the second generation whose load moves between 5.0 and 5.6 W."""

    asked = count()

    def do_GET(self) -> None:
        body = json.dumps({"apower": 5 + next(self.asked) % 7 / 10, "aenergy": {"total": 1.0}}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""


@pytest.fixture
def meter() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def measured(folder: Path, collector: str, options: str, channel: str) -> dict[str, Any]:
    """The one case of a quick run with this meter."""
    device = folder / "bench.toml"
    device.write_text(DEVICE.format(collector=collector, options=options, channel=channel))
    model = models.tiny(folder / "tiny.onnx")
    answer = invoke(folder, "run", "--model", str(model), "--device", str(device), "--quick", "--json", "-")
    assert answer.code == 0, answer.err
    (case,) = json.loads(answer.out)["cases"]
    return case


def read_whole(folder: Path, options: str) -> dict[str, Any]:
    """A run whose meter was read in every launch. Where neighbours kept the machine from asking it, the power of that
    launch is withheld, as it should be; another run is made then, three in all."""
    for attempt in range(3):
        (folder / str(attempt)).mkdir()
        case = measured(folder / str(attempt), "plug", options, "plug:plug_power")
        metrics = case["metrics"]
        if "power_mean_w" in metrics and metrics["power_mean_w"]["n"] == metrics["throughput_per_s"]["n"]:
            return case
    pytest.skip(f"this machine was too busy to ask a meter 50 times a second: {case['missing'] or case['findings']}")


def test_a_meter_at_the_wall_gives_energy_and_says_where_it_stood(tmp_path: Path, meter: str) -> None:
    options = f'url = "{meter}"\nkind = "shelly-gen2"\nperiod_s = 0.02'
    case = read_whole(tmp_path, options)
    metrics = case["metrics"]
    power, energy = metrics["power_mean_w"], metrics["energy_per_inference_j"]
    assert power["unit"] == "W"
    assert 5.0 < power["point"] < 5.6
    assert energy["unit"] == "J"
    assert energy["point"] * metrics["throughput_per_s"]["point"] == pytest.approx(power["point"], rel=0.05)
    for words in ("wall", "external meter", "plug:plug_power"):
        assert words in energy["method"]
    found = {finding["code"]: finding for finding in case["findings"]}
    assert found["energy_caveat"]["evidence"].endswith("the supply is counted too")
    # As much idle as busy: this meter does not feel the model, and the net energy says so.
    assert abs(metrics["net_energy_per_inference_j"]["point"]) < 0.2 * energy["point"]


def test_a_recording_plays_and_never_counts_as_measured(tmp_path: Path) -> None:
    rows = "".join(f"{number * 0.01:.2f},{6 + number % 5}\n" for number in range(2000))
    (tmp_path / "trace.csv").write_text("time_s,board_power\n" + rows)
    case = measured(tmp_path, "replay", f'path = "{tmp_path / "trace.csv"}"\nperiod_s = 0.01', "replay:board_power")
    assert "energy_per_inference_j" not in case["metrics"]
    assert "power_mean_w" not in case["metrics"]
    assert "replayed, not measured" in case["missing"]["energy_per_inference_j"]
    assert "power_replayed" in [finding["code"] for finding in case["findings"]]


def test_a_meter_that_is_not_there_leaves_the_energy_missing_with_its_reason(tmp_path: Path) -> None:
    case = measured(tmp_path, "plug", 'url = "http://127.0.0.1:9"', "plug:plug_power")
    assert "energy_per_inference_j" not in case["metrics"]
    assert "127.0.0.1:9" in case["missing"]["energy_per_inference_j"]
    assert case["metrics"]["latency_p50_s"]["point"] > 0


def test_the_numbers_of_this_machine_never_stand_under_a_boards_name(tmp_path: Path) -> None:
    model = models.tiny(tmp_path / "tiny.onnx")
    answer = invoke(tmp_path, "run", "--model", str(model), "--device", "jetson-nano", "--host", "local", "--quick")
    assert answer.code == 2
    assert "which is no NVIDIA Jetson Nano: give the board's address (--host user@address)" in answer.err
    assert not list(tmp_path.glob("**/trial.json"))


def test_a_gate_pairs_whole_launches_for_energy(tmp_path: Path, meter: str) -> None:
    """A duet has no sensors, so each launch brings a whole one of either side. What they take is up to the machine."""
    options = f'url = "{meter}"\nkind = "shelly-gen2"\nperiod_s = 0.01'
    device = tmp_path / "bench.toml"
    device.write_text(DEVICE.format(collector="plug", options=options, channel="plug:plug_power"))
    policy = tmp_path / "policy.toml"
    policy.write_text(
        'looks = [3]\nconfirm = 0\n[[rules]]\nmetric = "energy_per_inference_j"\ntolerance = 8\nlimit = 9\n'
    )
    model = models.tiny(tmp_path / "tiny.onnx")
    answer = invoke(
        tmp_path, "gate", "--baseline", model, "--candidate", model, "--device", device, "--policy", policy,
        "--json", "-",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    (energy,) = [one for one in told["decisions"] if one["metric"] == "energy_per_inference_j"]
    assert (energy["outcome"], energy["n"]) == ("pass", 3)
    assert energy["baseline"] > 0
    modes = [json.loads(path.read_text())["mode"] for path in (tmp_path / "store").glob("*/trials/*/trial.json")]
    assert sorted(modes) == ["paired"] * 6 + ["performance"] * 6
