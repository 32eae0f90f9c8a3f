"""A meter's log laid on the clock of stored trials, and what becomes of the energy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness import attachments
from harness.errors import StoreError, UsageError
from harness.model.trial import Channel, Environment, Phases, Trace, Trial
from harness.options import PowerLog
from harness.store import store
from tests.support.host_side import column, run, trial

EPOCH_S = 1_760_000_000.0
BOARD_S = 5000.0  # what the board's clock said then


def timed(**changes: object) -> Trial:
    """Steady from 10.5 to 20.5 s after the log's first row."""
    environment = Environment(facts={"epoch_minus_clock_s": EPOCH_S - BOARD_S})
    phases = Phases(steady_start_s=BOARD_S + 10.5, steady_end_s=BOARD_S + 20.5)
    return trial(run=run().id, environment=environment, phases=phases, **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = store.begin(tmp_path / "store", run())
    store.append(made, timed())
    return made


def meter(path: Path, seconds: range = range(60), start_s: float = EPOCH_S) -> Path:
    path.write_text("time_s,power_w\n" + "".join(f"{start_s + second:.1f},{second / 10}\n" for second in seconds))
    return path


def test_a_log_finds_its_place_in_every_trial(folder: Path, tmp_path: Path) -> None:
    attachments.attach(folder, PowerLog(meter(tmp_path / "meter.csv")))
    found = attachments.with_attached(store.read(folder))
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
    (trace,) = attachments.with_attached(store.read(folder)).trials[0].traces
    assert trace.time_s[0] == pytest.approx(BOARD_S + 10, abs=1e-6)


def test_a_log_of_another_hour_is_refused_and_nothing_is_kept(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no reading within a trial .* --clock-offset SECONDS"):
        attachments.attach(folder, PowerLog(meter(tmp_path / "meter.csv", start_s=EPOCH_S + 7200)))
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
    assert attachments.with_attached(blind).trials[0].traces == ()


def test_an_altered_log_is_refused(folder: Path, tmp_path: Path) -> None:
    attachments.attach(folder, PowerLog(meter(tmp_path / "meter.csv")))
    ((kept, facts),) = store.attached(folder)
    assert facts["kind"] == "meter-csv"
    kept.write_text(kept.read_text() + "1760000061.0,99\n")
    with pytest.raises(StoreError, match="is not what was attached"):
        store.attached(folder)
