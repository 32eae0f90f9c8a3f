"""Logs of other tools laid on the clock of stored trials, and what becomes of the energy."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import attachments, stages
from harness.analysis.power import TrialPower, trial_power
from harness.errors import StoreError, UnknownName, UsageError
from harness.logs.attach import power_traces
from harness.model.device import Device
from harness.model.power import Power, PowerTotal
from harness.model.trial import Channel, Environment, Phases, Trace, Trial
from harness.options import PowerLog
from harness.store import store
from harness.store.store import StoredRun
from tests.support.host_side import column, invoke, run, samples, store_of, trial

EPOCH_S = 1_760_000_000.0  # 2025-10-09 08:53:20 UTC
BOARD_S = 5000.0  # what the board's clock said then


def timed(launch: int = 0, **changes: Any) -> Trial:
    """Steady for 10 s, from 10.5 s after the log's first row, and a minute later for each further launch."""
    environment = Environment(facts={"epoch_minus_clock_s": EPOCH_S - BOARD_S})
    begin_s = BOARD_S + 10.5 + 60 * launch
    phases = Phases(steady_start_s=begin_s, steady_end_s=begin_s + 10)
    given = {"environment": environment, "phases": phases, "samples": samples([0.5] * 20, begin_s), **changes}
    return trial(run=run().id, launch=launch, **given)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = store.begin(store_of(tmp_path), run())
    store.append(made, timed())
    return made


@pytest.fixture
def two(folder: Path) -> Path:
    """A run of two launches, a minute apart."""
    store.append(folder, timed(1))
    return folder


def meter(path: Path, seconds: range = range(60), start_s: float = EPOCH_S) -> Path:
    path.write_text("time_s,power_w\n" + "".join(f"{start_s + second:.1f},{second / 10}\n" for second in seconds))
    return path


def laid(folder: Path) -> StoredRun:
    return attachments.with_attached(store.read(folder))[0]


def notes(folder: Path) -> tuple[str, ...]:
    return attachments.with_attached(store.read(folder))[1]


def test_a_log_finds_its_place_in_every_trial(folder: Path, tmp_path: Path) -> None:
    attachments.attach(folder, PowerLog(meter(tmp_path / "meter.csv")))
    found = laid(folder)
    (trace,) = found.trials[0].traces
    assert trace.channel == Channel("meter", "meter_power", "W", "gauge", "wall", "external meter")
    # The readings inside, and one on each side from which the edges are interpolated.
    assert trace.time_s.tolist() == pytest.approx([BOARD_S + second for second in range(10, 22)], abs=1e-6)
    assert trace.value.tolist() == [second / 10 for second in range(10, 22)]
    total = found.run.device.power.totals[0]
    assert (total.channels, total.scope) == (("meter:meter_power",), "wall")
    assert total.caveats == (f"from the log {store.attached(folder)[0][0].name}, whose clock was set by +0 s",)


def test_an_offset_moves_the_log(folder: Path, tmp_path: Path) -> None:
    log = meter(tmp_path / "meter.csv", start_s=EPOCH_S - 3600)
    attachments.attach(folder, PowerLog(log, clock_offset_s=3600.0))
    (trace,) = laid(folder).trials[0].traces
    assert trace.time_s[0] == pytest.approx(BOARD_S + 10, abs=1e-6)


def test_a_log_of_another_hour_is_refused_and_nothing_is_kept(folder: Path, tmp_path: Path) -> None:
    log = meter(tmp_path / "meter.csv", start_s=EPOCH_S + 7200)
    with pytest.raises(UsageError) as refused:
        attachments.attach(folder, PowerLog(log, clock_offset_s=-1.5))
    assert str(refused.value) == (
        f"{log} covers 0 of 1 timed launches: its readings run from 2025-10-09 10:53:18 to 2025-10-09 10:54:17 UTC "
        "(its clock set by -1.5 s), the launches from 2025-10-09 08:53:30 to 2025-10-09 08:53:40 UTC. Stamps without a "
        "zone are read as UTC: give what the log's clock lacks to the board's as --clock-offset SECONDS, or name the "
        "run that it belongs to"
    )
    assert store.attached(folder) == []


def test_what_was_read_live_is_not_read_again_from_a_log(tmp_path: Path) -> None:
    folder = store.begin(tmp_path / "store", run())
    live = Trace(Channel("meter", "x", "W", "gauge", "wall", "external meter"), column([1]), column([1]))
    store.append(folder, timed(traces=(live,)))
    with pytest.raises(UsageError, match="meter was read in this run already"):
        attachments.attach(folder, PowerLog(meter(tmp_path / "meter.csv")))


def test_trials_that_do_not_know_the_wall_clock_stay_as_they_are(folder: Path, tmp_path: Path) -> None:
    stored = store.read(folder)
    attachments.attach(folder, PowerLog(meter(tmp_path / "meter.csv")))
    blind = replace(stored, trials=tuple(replace(one, environment=Environment()) for one in stored.trials))
    found, said = attachments.with_attached(blind)
    assert found.trials[0].traces == ()
    ((kept, _),) = store.attached(folder)
    assert said == (f"{kept.name} has no place in this run: none of its 1 timed launches knows the wall clock",)


def test_an_altered_log_is_refused(folder: Path, tmp_path: Path) -> None:
    attachments.attach(folder, PowerLog(meter(tmp_path / "meter.csv")))
    ((kept, facts),) = store.attached(folder)
    assert facts["kind"] == "meter-csv"
    kept.write_text(kept.read_text() + "1760000061.0,99\n")
    with pytest.raises(StoreError, match="is not what was attached"):
        store.attached(folder)


# --- more than one log


def test_a_second_log_of_the_same_launch_is_refused_and_the_first_stays(folder: Path, tmp_path: Path) -> None:
    attachments.attach(folder, PowerLog(meter(tmp_path / "one.csv")))
    ((first, _),) = store.attached(folder)
    with pytest.raises(UsageError) as refused:
        attachments.attach(folder, PowerLog(meter(tmp_path / "two.csv", range(1, 50))))
    assert str(refused.value) == (
        f"{tmp_path}/two.csv: {first} holds meter of the same launch already, and a figure must be of one of them: "
        f"remove {first} and {first}.json, or cut the logs so that no launch is in both"
    )
    assert [path for path, _ in store.attached(folder)] == [first]
    assert len(laid(folder).trials[0].traces) == 1
    stages.conclude(folder)


def test_a_run_with_two_logs_from_before_names_what_to_remove(folder: Path, tmp_path: Path) -> None:
    for seconds in (range(50), range(60)):
        log = meter(tmp_path / "meter.csv", seconds)
        store.attach(folder, log, {"kind": "meter-csv", "clock_offset_s": 0.0})
    said = invoke(tmp_path, "report", folder.name, "--out", tmp_path / "site")
    assert said.code == 2
    assert f"remove {folder}/attached/" in said.err


def test_logs_of_different_launches_go_together(two: Path, tmp_path: Path) -> None:
    attachments.attach(two, PowerLog(meter(tmp_path / "one.csv")))
    attachments.attach(two, PowerLog(meter(tmp_path / "two.csv", start_s=EPOCH_S + 60)))
    found = laid(two)
    assert [len(one.traces) for one in found.trials] == [1, 1]
    (total,) = found.run.device.power.totals
    assert (total.channels, len(total.caveats)) == (("meter:meter_power",), 2)
    with pytest.raises(UsageError, match=r"says that meter:meter_power is read at the board input, .*csv at the wall"):
        attachments.attach(two, PowerLog(meter(tmp_path / "3.csv", start_s=EPOCH_S + 120), scope="board input"))


def test_the_same_log_again_sets_its_clock_anew(folder: Path, tmp_path: Path) -> None:
    log = meter(tmp_path / "meter.csv")
    attachments.attach(folder, PowerLog(log))
    attachments.attach(folder, PowerLog(log, clock_offset_s=2.0))
    ((_, facts),) = store.attached(folder)
    assert facts["clock_offset_s"] == 2.0
    assert laid(folder).trials[0].traces[0].value.tolist()[0] == 0.8


def test_flags_that_were_read_live_do_not_stand_against_a_log_of_power(tmp_path: Path) -> None:
    folder = store.begin(tmp_path / "store", run())
    live = Trace(Channel("raspberry", "throttled", "flag", "gauge", "board", "firmware"), column([1]), column([0]))
    store.append(folder, timed(traces=(live,)))
    attachments.attach(folder, PowerLog(rails(tmp_path / "pi.log"), "vcgencmd"))
    assert [one.channel.name for one in laid(folder).trials[0].traces] == ["throttled", "X_power", "pmic_power"]


def test_a_pipe_cannot_be_kept(folder: Path, tmp_path: Path) -> None:
    """It was read to its end by then."""
    text = meter(tmp_path / "meter.csv").read_bytes()
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as into:
        into.write(text)
    with (
        os.fdopen(reader),
        pytest.raises(UsageError, match="is a pipe, which cannot be kept with the run: name a file"),
    ):
        attachments.attach(folder, PowerLog(Path(f"/dev/fd/{reader}")))
    assert store.attached(folder) == []


def test_facts_that_are_no_json_are_named(folder: Path, tmp_path: Path) -> None:
    attachments.attach(folder, PowerLog(meter(tmp_path / "meter.csv")))
    (path,) = (folder / "attached").glob("*.json")
    path.write_text("{")
    with pytest.raises(StoreError, match=f"{path} cannot be read as JSON .*; remove it, and attach the log again"):
        store.attached(folder)


# --- where it was read


def several(path: Path) -> Path:
    rows = "".join(f"{EPOCH_S + second:.1f},{9.0},{5.0},{second * 5.0}\n" for second in range(60))
    path.write_text("time_s,supply_power_w,board_power_w,board_energy_j\n" + rows)
    return path


def test_where_a_meter_stood_can_be_said(folder: Path, tmp_path: Path) -> None:
    attachments.attach(folder, PowerLog(meter(tmp_path / "meter.csv"), scope="board input"))
    found = laid(folder)
    assert found.run.device.power.totals[0].scope == "board input"
    assert found.trials[0].traces[0].channel.scope == "board input"


def test_of_several_powers_one_is_named(folder: Path, tmp_path: Path) -> None:
    log = several(tmp_path / "bench.csv")
    with pytest.raises(UsageError) as refused:
        attachments.attach(folder, PowerLog(log))
    assert str(refused.value) == (
        f"{log} holds supply_power, board_power, board_energy, and one of them is the device's total: name it with "
        "--power-channel NAME"
    )
    assert store.attached(folder) == []
    attachments.attach(folder, PowerLog(log, channel="board_power"))
    found = laid(folder)
    assert [total.channels for total in found.run.device.power.totals] == [("meter:board_power",)]
    assert [trace.channel.name for trace in found.trials[0].traces] == ["board_power"]


def test_power_and_its_own_counter_are_two_ways_to_one_total(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "bench.csv"
    rows = "".join(f"{EPOCH_S + second:.1f},{5.0},{second * 5.0}\n" for second in range(60))
    log.write_text("time_s,power_w,energy_j\n" + rows)
    attachments.attach(folder, PowerLog(log))
    totals = laid(folder).run.device.power.totals
    assert [total.channels for total in totals] == [("meter:meter_power",), ("meter:meter_energy",)]


def test_a_channel_that_is_not_there_is_said_with_those_that_are(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"no channel of power or energy .* 'bord_power'; did you mean board_power"):
        attachments.attach(folder, PowerLog(several(tmp_path / "bench.csv"), channel="bord_power"))


def stamped(path: Path, line: str) -> Path:
    path.write_text("".join(f"{EPOCH_S + second:.1f} {line}\n" for second in range(60)))
    return path


def test_a_rail_becomes_a_total_where_it_is_said_what_it_covers(folder: Path, tmp_path: Path) -> None:
    log = stamped(tmp_path / "t.log", "VDD_IN 5000mW/1mW VDD_CPU 2000mW/1mW")
    attachments.attach(folder, PowerLog(log, "tegrastats", scope="module input", channel="VDD_IN_power"))
    found = laid(folder)
    (total,) = found.run.device.power.totals
    assert (total.channels, total.scope) == (("tegrastats:VDD_IN_power",), "module input")
    scopes = {trace.channel.name: trace.channel.scope for trace in found.trials[0].traces}
    assert scopes == {"VDD_IN_power": "module input", "VDD_CPU_power": "rail"}


@pytest.mark.parametrize(
    ("scope", "channel", "said"),
    [
        ("wall", None, "of VDD_IN_power, VDD_CPU_power, --power-scope is of one: name it with --power-channel NAME"),
        (None, "VDD_IN_power", "VDD_IN_power is a rail: say what it covers as a total with --power-scope"),
    ],
)
def test_half_a_total_is_refused(folder: Path, tmp_path: Path, scope: Any, channel: str | None, said: str) -> None:
    log = stamped(tmp_path / "t.log", "VDD_IN 5000mW/1mW VDD_CPU 2000mW/1mW")
    with pytest.raises(UsageError, match=said):
        attachments.attach(folder, PowerLog(log, "tegrastats", scope=scope, channel=channel))
    assert store.attached(folder) == []


def with_power(tmp_path: Path, power: Power, kind: str = "raspberry") -> Path:
    device = Device(1, "bench", "A bench", "local", ("null",), (kind,), power=power)
    folder = store.begin(store_of(tmp_path), run(device=device))
    store.append(folder, timed())
    return folder


def test_a_part_of_a_total_is_no_total(tmp_path: Path) -> None:
    folder = with_power(tmp_path, Power(parts=("tegrastats:VDD_CPU_power",)))
    log = stamped(tmp_path / "t.log", "VDD_IN 5000mW/1mW VDD_CPU 2000mW/1mW")
    with pytest.raises(UsageError, match=r"t\.log: tegrastats:VDD_CPU_power is a part and counted in a total"):
        attachments.attach(folder, PowerLog(log, "tegrastats", scope="wall", channel="VDD_CPU_power"))
    assert store.attached(folder) == []


def rails(path: Path) -> Path:
    """A Pi 5's power chip, once a second: 2 A at 3 V."""
    lines = ("X_A current(0)=2.0A", "X_V volt(1)=3.0V")
    path.write_text("".join(f"{EPOCH_S + second:.1f} {line}\n" for second in range(60) for line in lines))
    return path


def test_the_rails_of_a_pi_give_its_energy(tmp_path: Path) -> None:
    """6 W over 10 s, in 20 inferences."""
    folder = with_power(tmp_path, Power((PowerTotal(("raspberry:pmic_power",), "PMIC rails"),)))
    attachments.attach(folder, PowerLog(rails(tmp_path / "pi.log"), "vcgencmd"))
    found = laid(folder)
    power = trial_power(found.trials[0], found.run.device)
    assert isinstance(power, TrialPower), power
    assert (power.scope, power.provenance) == ("PMIC rails", "board rail")
    assert power.energy_per_inference_j == pytest.approx(6.0 * 10 / 20)


# --- what it covers


def test_it_is_said_what_a_log_covers(two: Path, tmp_path: Path) -> None:
    assert attachments.attach(two, PowerLog(meter(tmp_path / "meter.csv", range(120)))) == (
        f"{tmp_path}/meter.csv covers 2 of 2 timed launches: its readings run from 2025-10-09 08:53:20 to 2025-10-09 "
        "08:55:19 UTC (its clock set by +0 s), the launches from 2025-10-09 08:53:30 to 2025-10-09 08:54:40 UTC"
    )
    assert notes(two) == ()


def test_a_log_that_covers_some_launches_is_noted_in_the_report(two: Path, tmp_path: Path) -> None:
    """As one of the wrong hour may: it overlaps."""
    attachments.attach(two, PowerLog(meter(tmp_path / "meter.csv")))
    (note,) = notes(two)
    assert "meter.csv covers 1 of 2 timed launches: its readings run from 2025-10-09 08:53:20 to" in note
    assert "Stamps without a zone are read as UTC" in note
    result, _ = stages.conclude(two)
    assert note in result.notes


@pytest.mark.parametrize(
    ("seconds", "offset_s", "covers"),
    [
        (range(60), 0.0, True),
        (range(10, 22), 0.0, True),
        (range(11, 21), 0.0, False),  # 0.5 s are missing at each end: a tenth
        (range(11, 60), -0.2, True),  # 0.3 s are missing
        (range(11, 60), 0.2, False),
        (range(12), 0.0, False),
    ],
)
def test_a_launch_is_covered_where_nearly_all_of_it_is(
    folder: Path, tmp_path: Path, seconds: range, offset_s: float, covers: bool
) -> None:
    log = PowerLog(meter(tmp_path / "meter.csv", seconds), clock_offset_s=offset_s)
    if covers:
        assert "covers 1 of 1" in attachments.attach(folder, log)
    else:
        with pytest.raises(UsageError, match="covers 0 of 1 timed launches"):
            attachments.attach(folder, log)


def test_milliseconds_that_were_called_seconds_are_shown(folder: Path, tmp_path: Path) -> None:
    log = PowerLog(meter(tmp_path / "meter.csv", start_s=EPOCH_S * 1000))
    with pytest.raises(UsageError, match="its readings run from 1760000000000 s after 1970 to"):
        attachments.attach(folder, log)


def test_a_log_with_a_hole_around_a_launch_does_not_cover_it(two: Path, tmp_path: Path) -> None:
    log = tmp_path / "meter.csv"
    moments = [*range(5), *range(60, 120)]
    log.write_text("time_s,power_w\n" + "".join(f"{EPOCH_S + second:.1f},5\n" for second in moments))
    assert "covers 1 of 2" in attachments.attach(two, PowerLog(log))


def test_a_log_is_converted_once_however_many_trials_there_are(two: Path, tmp_path: Path) -> None:
    store.append(two, timed(2))
    attachments.attach(two, PowerLog(meter(tmp_path / "meter.csv", range(200))))
    calls = []

    def watch(frame: Any, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code is power_traces.__code__:
            calls.append(event)

    stored, before = store.read(two), sys.getprofile()
    sys.setprofile(watch)
    try:
        found, _ = attachments.with_attached(stored)
    finally:
        sys.setprofile(before)
    assert [len(one.traces) for one in found.trials] == [1, 1, 1]
    assert len(calls) == 1


# --- through the command line


def test_what_cannot_be_attached_leaves_the_way_to_do_it(tmp_path: Path) -> None:
    log = meter(tmp_path / "meter.csv")
    said = invoke(tmp_path, "run", "smoke", "--quick", "--power-log", log)
    assert said.code == 2
    assert "meter.csv" in said.err
    assert "; the run itself is stored, and `harness report 20" in said.err
    assert "--power-log FILE` attaches a log to it" in said.err


def test_the_report_says_what_was_attached(two: Path, tmp_path: Path) -> None:
    log = meter(tmp_path / "meter.csv")
    arguments = ("report", two.name, "--out", tmp_path / "site", "--format", "md", "--power-log", log)
    said = invoke(tmp_path, *arguments, "--power-scope", "board input")
    assert said.code == 0
    assert "meter.csv covers 1 of 2 timed launches" in said.err
    text = (tmp_path / "site" / f"{two.name}.md").read_text()
    assert "covers 1 of 2 timed launches" in text
    result, _ = stages.conclude(two)
    assert "board input, external meter meter:meter_power" in result.cases[0].metrics["power_mean_w"].method
