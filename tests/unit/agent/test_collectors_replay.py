"""The replay feed on a scripted clock: nothing here waits."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.agent.collectors import Channel, Place
from harness.agent.collectors.replay import ReplayFeed

CSV = "time_s,VDD_IN_power,rapl_energy,CPU_temperature,throttled_cpu\n0,2.5,10,40,0\n0.5,3.5,12,,1\n2,4.5,16,42,0\n"


class Player:
    """A clock that a pause moves on; `stop_at` calls the feed's stop once it is reached."""

    def __init__(self, now_s: float = 100.0) -> None:
        self.now_s = now_s
        self.pauses: list[float] = []
        self.during: Any = None

    def clock(self) -> float:
        return self.now_s

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds
        if self.during is not None:
            self.during()


def feed(folder: Path, text: str = CSV, player: Player | None = None, **options: Any) -> ReplayFeed:
    (folder / "trace.csv").write_text(text)
    place = Place(str(folder), 1, 1, 0.05, {"path": "trace.csv", **options})
    player = player or Player()
    return ReplayFeed(place, player.clock, player.pause)


def test_rows_come_at_their_times_from_the_begin(tmp_path: Path) -> None:
    player = Player()
    replay = feed(tmp_path, player=player)
    assert replay.why_unavailable() is None
    replay.start()
    rows = [replay.wait() for _ in range(3)]
    assert [moment for moment, _ in rows] == [100.0, 100.5, 102.0]
    assert [values[0] for _, values in rows] == [2.5, 3.5, 4.5]
    assert player.pauses == [0.5, 1.5]
    assert math.isnan(rows[1][1][2])
    with pytest.raises(EOFError, match=r"trace\.csv is at its end"):
        replay.wait()
    replay.stop()


def test_everything_says_that_it_is_replayed(tmp_path: Path) -> None:
    assert feed(tmp_path, scope="board input").channels() == [
        Channel("VDD_IN_power", "W", "gauge", "board input", "replayed"),
        Channel("rapl_energy", "J", "counter", "board input", "replayed"),
        Channel("CPU_temperature", "degC", "gauge", "board", "replayed"),
        Channel("throttled_cpu", "flag", "gauge", "board", "replayed"),
    ]
    assert feed(tmp_path).channels()[0].scope == "rail"


def test_names_may_carry_their_unit(tmp_path: Path) -> None:
    text = "time_s,a_power_w,b_energy_j,c_voltage_v,d_current_a,e_temperature_c,f_clock_hz,g_load\n1,1,2,3,4,5,6,0.5\n"
    replay = feed(tmp_path, text)
    named = [(channel.name, channel.unit) for channel in replay.channels()]
    assert named == [
        ("a_power", "W"), ("b_energy", "J"), ("c_voltage", "V"), ("d_current", "A"),
        ("e_temperature", "degC"), ("f_clock", "Hz"), ("g_load", "1"),
    ]  # fmt: skip
    replay.start()
    assert replay.wait() == (101.0, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.5])


def test_a_late_listener_gets_the_missed_rows_at_once(tmp_path: Path) -> None:
    player = Player()
    replay = feed(tmp_path, player=player)
    replay.start()
    player.now_s = 150.0
    assert [replay.wait()[0] for _ in range(3)] == [100.0, 100.5, 102.0]
    assert player.pauses == []


def test_scale_stretches_the_times(tmp_path: Path) -> None:
    replay = feed(tmp_path, scale=0.5)
    replay.start()
    assert [replay.wait()[0] for _ in range(3)] == [100.0, 100.25, 101.0]


def test_a_loop_goes_on_with_time_and_counters(tmp_path: Path) -> None:
    replay = feed(tmp_path, "time_s,a_power,a_energy\n0,5,100\n1,7,110\n2,5,120\n", loop=True)
    replay.start()
    rows = [replay.wait() for _ in range(7)]
    assert [moment for moment, _ in rows] == [100.0, 101.0, 102.0, 103.0, 104.0, 105.0, 106.0]
    assert [values for _, values in rows] == [[5, 100], [7, 110], [5, 120], [5, 130], [7, 140], [5, 150], [5, 160]]


def test_stop_ends_a_pause_and_the_feed_begins_anew(tmp_path: Path) -> None:
    player = Player()
    replay = feed(tmp_path, player=player)
    for _ in range(2):
        player.during = None
        replay.start()
        begin = player.now_s
        assert replay.wait()[0] == begin
        player.during = replay.stop
        with pytest.raises(EOFError, match="was stopped"):
            replay.wait()
        with pytest.raises(EOFError, match="not running"):
            replay.wait()


def test_stop_wakes_a_real_wait_in_another_thread(tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text("time_s,a_power\n0,1\n3600,2\n")
    replay = ReplayFeed(Place(str(tmp_path), 1, 1, 0.05, {"path": "trace.csv"}))
    replay.start()
    heard: queue.Queue[object] = queue.Queue()

    def listen() -> None:
        try:
            while True:
                heard.put(replay.wait()[1])
        except EOFError as error:
            heard.put(str(error))

    waiting = threading.Thread(target=listen)
    waiting.start()
    assert heard.get(timeout=10.0) == [1.0]
    replay.stop()
    waiting.join(10.0)
    assert not waiting.is_alive()
    assert str(heard.get(timeout=10.0)).startswith("replay ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "trace.csv:1: the header is not time_s"),
        ("time_s\n0\n", "trace.csv:1: the header is not time_s"),
        ("time,a_power\n0,1\n", "trace.csv:1: the header is not time_s"),
        ("time_s,watts\n0,1\n", "trace.csv:1: 'watts' names no quantity"),
        ("time_s,_power\n0,1\n", "trace.csv:1: '_power' names no quantity"),
        ("time_s,a_power,a_power_w\n0,1,2\n", "trace.csv:1: two columns have the same name"),
        ("time_s,a_power\n", "trace.csv: there is no row"),
        ("time_s,a_power\n0,1\n1\n", "trace.csv:3: 1 cells under 2 names"),
        ("time_s,a_power\n0,1\n1,x\n", "trace.csv:3: 'x' is no number"),
        ("time_s,a_power\n2,1\n1,1\n", "trace.csv:3: the time '1' goes back"),
        ("time_s,a_power\n,1\n", "trace.csv:2: the time '' goes back, or is none"),
        ("time_s,a_power\ninf,1\n", "trace.csv:2: the time 'inf' goes back, or is none"),
        ("time_s,a_power\n-1,1\n", "trace.csv:2: the time '-1' goes back"),
    ],
)
def test_a_wrong_recording_is_a_reason_that_names_the_line(tmp_path: Path, text: str, said: str) -> None:
    reason = feed(tmp_path, text).why_unavailable()
    assert reason is not None
    assert said in reason
    assert reason.endswith(": write a CSV with the header time_s,NAME_power,...")
    assert feed(tmp_path, text).channels() == []


def test_an_absent_recording_is_a_reason(tmp_path: Path) -> None:
    place = Place(str(tmp_path), 1, 1, 0.05, {"path": "gone.csv"})
    reason = ReplayFeed(place).why_unavailable()
    assert reason is not None
    assert f"{tmp_path}/gone.csv: the recording cannot be read" in reason
    assert "option path" in str(ReplayFeed(place._replace(options=None)).why_unavailable())


def test_a_loop_needs_two_moments(tmp_path: Path) -> None:
    reason = feed(tmp_path, "time_s,a_power\n1,1\n1,2\n", loop=True).why_unavailable()
    assert "too short for the option loop" in str(reason)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"speed": 2}, "no option speed"), ({"scale": 0}, "above 0"), ({"scope": "town"}, "'town' is no scope")],
)
def test_wrong_options_are_refused(tmp_path: Path, options: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        feed(tmp_path, **options)
