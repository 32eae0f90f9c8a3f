"""Energy by rail: levels that are known on paper, what may be stacked, and what is withheld."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.context import timed_of
from harness.analysis.rails import breakdown
from harness.model.power import Power, PowerTotal
from tests.support.example_power import BOARD, CPU, GPU, INPUT, LEVELS, power_run

TWO_RAILS = replace(BOARD, power=Power((PowerTotal((GPU, CPU), "sum of rails"),)))


def timed(**given):
    _, records = power_run(("fast",), **given)
    return timed_of(next(iter(records.values())))


def test_every_rail_has_its_energy_and_its_idle_part() -> None:
    """10 s of 5, 1 and 3 W over 1000 inferences, of which 2, 0.4 and 0.8 W would have gone in at rest."""
    found = breakdown(timed(), BOARD)
    assert (found.scope, found.provenance, found.note) == ("module input", "board rail", "")
    assert (found.total.channel, found.total.median_j) == (INPUT, pytest.approx(0.050, rel=0.003))
    assert found.total.median_idle_j == pytest.approx(0.020, rel=0.003)
    assert [part.channel for part in found.parts] == [GPU, CPU]
    assert [part.median_j for part in found.parts] == pytest.approx([0.010, 0.030], rel=0.003)
    assert [part.median_idle_j for part in found.parts] == pytest.approx([0.004, 0.008], rel=0.003)
    assert len(found.total.gross_j) == len(found.parts[0].gross_j) == 6


def test_a_sum_of_rails_is_made_of_its_own_channels() -> None:
    found = breakdown(timed(), TWO_RAILS)
    assert found.total.channel == f"{GPU} + {CPU}"
    assert [part.channel for part in found.parts] == [GPU, CPU]
    assert sum(part.median_j for part in found.parts) == pytest.approx(found.total.median_j)


def test_without_parts_the_total_stands_alone() -> None:
    found = breakdown(timed(), replace(BOARD, power=Power((PowerTotal((INPUT,), "module input"),))))
    assert (found.parts, found.note) == ((), "")


def test_another_sensors_reading_of_a_rail_is_not_stacked_once_more() -> None:
    parts = (GPU, CPU, GPU.replace("ina", "tegrastats"))
    found = breakdown(timed(), replace(BOARD, power=replace(BOARD.power, parts=parts)))
    assert [part.channel for part in found.parts] == [GPU, CPU]


def test_a_part_that_was_not_read_is_named() -> None:
    found = breakdown(timed(), replace(BOARD, power=replace(BOARD.power, parts=(GPU, "ina:VDD_SOC_power"))))
    assert [part.channel for part in found.parts] == [GPU]
    assert found.note.startswith("not drawn: ina:VDD_SOC_power: ina has no channel VDD_SOC_power")


def test_parts_that_add_up_to_more_than_their_total_are_not_stacked() -> None:
    heavy = {"fast": {**LEVELS["fast"], CPU: 4.5}}
    found = breakdown(timed(levels=heavy), BOARD)
    assert found.parts == ()
    assert found.note == f"{GPU}, {CPU} add up to more than {INPUT}: they overlap, and are not stacked"


@pytest.mark.parametrize("provenance", ["replayed", "modelled"])
def test_what_was_not_measured_is_withheld(provenance) -> None:
    assert breakdown(timed(provenance=provenance), BOARD) == f"{provenance}, not measured"


def test_without_a_sensor_or_a_launch_the_reason_is_analysis_own() -> None:
    bare = timed(changed=lambda trial: replace(trial, traces=()))
    assert breakdown(bare, BOARD) == "ina was not read: add it to collectors in the device's file"
    assert breakdown([], BOARD) == "no power sensor was read on this device"


def test_an_idle_that_was_not_waited_for_is_unknown_and_not_nought() -> None:
    def busy(trial):
        return replace(trial, phases=replace(trial.phases, idle_before_start_s=None, idle_before_end_s=None))

    found = breakdown(timed(changed=busy), BOARD)
    assert found.parts[0].median_idle_j is None
    assert found.parts[0].unknown.startswith("idle before warm-up was not waited for")
    assert found.parts[0].median_j == pytest.approx(0.010, rel=0.003)


def test_a_launch_whose_energy_does_not_stand_is_left_out_of_total_and_parts() -> None:
    def holed(trial):
        if trial.launch != 2:
            return trial
        begin = trial.phases.steady_start_s
        cut = []
        for trace in trial.traces:
            time = np.asarray(trace.time_s)
            kept = (time < begin + 2) | (time > begin + 8)
            given = (trace.time_s, trace.value)
            if trace.channel.unit == "W":
                given = tuple(type(trace.time_s)("d", np.asarray(one)[kept]) for one in given)
            cut.append(replace(trace, time_s=given[0], value=given[1]))
        return replace(trial, traces=tuple(cut))

    found = breakdown(timed(changed=holed), BOARD)
    assert [len(rail.gross_j) for rail in (found.total, *found.parts)] == [5, 5, 5]
