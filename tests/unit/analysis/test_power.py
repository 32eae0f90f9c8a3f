"""From a trial's traces and the device's totals to figures: every number worked out on paper, every reason named."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.power import ENERGY, NET, NO_POWER, POWER, Figures, TrialPower, figures, total_energy, trial_power
from harness.analysis.summaries import summarise
from harness.model.device import Device
from harness.model.power import Power, PowerTotal
from harness.model.trial import Channel, Environment, Phases, Record, Trace, Trial
from tests.support.host_side import CASE, DEVICE, STEADY_START_S, column, facts, trial

T = STEADY_START_S
STEADY_S = 10.0
# Idle at 2 W, warm-up, ten seconds at 5 W, idle at 2.2 W.
PHASES = Phases(
    steady_start_s=T,
    steady_end_s=T + STEADY_S,
    idle_before_start_s=T - 5,
    idle_before_end_s=T - 3,
    idle_after_start_s=T + STEADY_S,
    idle_after_end_s=T + STEADY_S + 2,
)
INFERENCES = 100
# No reading lies on an edge.
TIMES = T + 0.013 + np.arange(-6, 13, 0.05)


def load(time: np.ndarray) -> np.ndarray:
    """Watts: the second before idle ends already warms up, the load ends with the steady part."""
    return np.select([time < T - 3, time <= T + STEADY_S], [2.0, 5.0], 2.2)


def gauge(name: str = "ina:VDD_IN_power", power: Callable[[np.ndarray], np.ndarray] = load, **changes: str) -> Trace:
    return made(name, "W", "gauge", power(TIMES), **changes)


def counter(name: str = "rapl:package-0_energy", watts: float = 5.0, **changes: str) -> Trace:
    given = {"scope": "package", "provenance": "hardware counter", **changes}
    return made(name, "J", "counter", watts * (TIMES - TIMES[0]), **given)


def made(name: str, unit: str, kind: str, values: np.ndarray, scope: str = "rail", provenance: str = "board rail"):
    collector, _, channel = name.partition(":")
    described = Channel(collector, channel, unit, kind, scope, provenance)  # type: ignore[arg-type]
    return Trace(described, column(TIMES), column(values))


def launch(*traces: Trace, number: int = 0, sensors: Mapping[str, object] | None = None, **changes) -> Trial:
    told = Environment({}, {}, {"sensors": dict(sensors or {})})
    given = {"phases": PHASES, "environment": told, "launch": number, "traces": traces, **changes}
    return trial([0.1] * INFERENCES, **given)


def board(*totals: PowerTotal) -> Device:
    return replace(DEVICE, power=Power(totals))


RAIL = PowerTotal(("ina:VDD_IN_power",), "module input")
PACKAGE = PowerTotal(("rapl:package-0_energy",), "package")


def known(found: TrialPower | str) -> TrialPower:
    assert isinstance(found, TrialPower), found
    return found


def test_a_rail_gives_gross_energy_mean_power_and_net_energy() -> None:
    """50 J in 10 s over 100 inferences, less what 2.1 W of idle would have cost: half of 0.2 W is its error."""
    found = known(trial_power(launch(gauge()), board(RAIL)))
    assert found.energy_per_inference_j == pytest.approx(0.5, rel=0.002)
    assert found.gross.mean_w == pytest.approx(5.0, rel=0.002)
    assert not isinstance(found.idle, str)
    assert (found.idle.before_w, found.idle.after_w) == pytest.approx((2.0, 2.2), abs=1e-9)
    assert found.net_energy_per_inference_j == pytest.approx((5.0 - 2.1) * 10 / 100, rel=0.004)
    assert found.net_error_j == pytest.approx(0.1 * 10 / 100)
    assert (found.scope, found.provenance, found.channels) == ("module input", "board rail", ("ina:VDD_IN_power",))
    assert (found.inferences, found.withheld) == (100, "")
    assert found.gross.method == "trapezoids"


def test_a_counter_gives_its_difference() -> None:
    found = known(trial_power(launch(counter(watts=7.0)), board(PACKAGE)))
    assert found.gross.joules == pytest.approx(70.0)
    assert (found.gross.method, found.scope) == ("counter", "package")
    assert found.net_energy_per_inference_j == pytest.approx(0.0, abs=1e-9)


def test_channels_of_a_total_are_added_with_their_intervals() -> None:
    rails = [gauge("ina:A_power"), gauge("ina:B_power", lambda time: 2 * load(time))]
    sum_of = PowerTotal(("ina:A_power", "ina:B_power"), "sum of rails", step_w=0.4)
    found = known(trial_power(launch(*rails), board(sum_of)))
    assert found.gross.joules == pytest.approx(150.0, rel=0.002)
    single = total_energy(launch(*rails), PowerTotal(("ina:A_power",), "rail", step_w=0.4))
    assert not isinstance(single, str)
    assert found.gross.high_j - found.gross.joules > 2 * (single.high_j - single.joules) * 0.99
    assert found.channels == ("ina:A_power", "ina:B_power")
    assert not isinstance(found.idle, str)
    assert found.idle.before_w == pytest.approx(6.0)


def test_the_first_total_whose_channels_were_all_read_is_used() -> None:
    """The sum lacks a rail, the next one never gave a number: the third is it."""
    silent = gauge("ina:VDD_IN_power", lambda time: np.full(len(time), math.nan))
    traces = [gauge("ina:A_power"), silent, gauge("tegrastats:VDD_IN_power"), gauge("plug:plug_power")]
    totals = (
        PowerTotal(("ina:A_power", "ina:B_power"), "sum of rails"),
        RAIL,
        PowerTotal(("tegrastats:VDD_IN_power",), "module input"),
        PowerTotal(("plug:plug_power",), "wall"),
    )
    assert known(trial_power(launch(*traces), board(*totals))).channels == ("tegrastats:VDD_IN_power",)


def test_a_pattern_matches_exactly_one_channel() -> None:
    total = PowerTotal(("nvml:gpu*_energy",), "GPU")
    one = launch(counter("nvml:gpu1_energy"))
    assert known(trial_power(one, board(total))).channels == ("nvml:gpu1_energy",)
    two = launch(counter("nvml:gpu0_energy"), counter("nvml:gpu1_energy"))
    assert trial_power(two, board(total)) == (
        "nvml:gpu*_energy matches 2 channels (nvml:gpu0_energy, nvml:gpu1_energy): name one of them in the device's "
        "file"
    )


@pytest.mark.parametrize(
    ("told", "used"), [("module input", "module input"), ("rail", "GPU"), ("core", "GPU"), ("GPU", "GPU")]
)
def test_a_channel_that_knows_its_scope_is_believed(told: str, used: str) -> None:
    """A GH200's counter holds the whole module; a rail knows nothing of totals."""
    total = PowerTotal(("nvml:gpu0_energy",), "GPU")
    assert known(trial_power(launch(counter("nvml:gpu0_energy", scope=told)), board(total))).scope == used


def test_a_device_without_totals_says_where_to_add_one() -> None:
    assert trial_power(launch(gauge()), DEVICE) == (
        "this device names no total: add one in devices/bench.toml under [power]"
    )


@pytest.mark.parametrize(
    ("trial_of", "said"),
    [
        (
            launch(sensors={"unavailable": {"ina": "no chip; found none: load its driver"}}),
            "ina could not be read: no chip; found none: load its driver",
        ),
        (launch(), "ina was not read: add it to collectors in the device's file"),
        (launch(gauge("ina:VDD_SOC_power")), "ina has no channel VDD_IN_power, only VDD_SOC_power"),
        (launch(gauge(power=lambda time: time * math.nan)), "ina:VDD_IN_power gave no reading"),
        (launch(gauge(), phases=Phases()), "the times of the steady part were not recorded"),
        (launch(made("ina:VDD_IN_power", "V", "gauge", load(TIMES))), "ina:VDD_IN_power is in V: a total needs W or J"),
        (
            launch(gauge(power=lambda time: np.where(time > T + 9, math.nan, 5.0))),
            "there is no reading after the window ends; one is needed within 0.15 s (three periods)",
        ),
        (launch(counter("ina:VDD_IN_power", 0.0)), "the counter stood still for the whole window of 10 s"),
    ],
)
def test_what_is_missing_is_told_apart(trial_of: Trial, said: str) -> None:
    assert trial_power(trial_of, board(RAIL)) == said


def test_a_collector_that_two_totals_wait_for_is_named_once() -> None:
    absent = launch(sensors={"unavailable": {"ina": "no chip", "plug": "no plug is named"}})
    again = PowerTotal(("ina:A_power", "ina:B_power"), "sum of rails")
    found = trial_power(absent, board(RAIL, again, PowerTotal(("plug:plug_power",), "wall")))
    assert found == "ina could not be read: no chip; plug could not be read: no plug is named"


def test_a_scripted_clock_has_no_energy() -> None:
    scripted = launch(gauge(), case=replace(CASE, precision="scripted"))
    assert trial_power(scripted, board(RAIL)) == "a scripted model runs on a clock of its own, which no sensor shares"


def test_a_launch_without_inferences_has_no_energy_of_one() -> None:
    empty = replace(launch(gauge()), samples=trial([]).samples)
    assert trial_power(empty, board(RAIL)) == "no inference was timed in the steady part"


def test_a_sensor_too_slow_for_the_window_gives_no_figure() -> None:
    """Ten seconds of a sensor that renews its value every 1.1 s are nine values."""
    slow = launch(gauge(), sensors={"update_period_s": {"ina": 1.1}})
    found = known(trial_power(slow, board(RAIL)))
    assert found.withheld == (
        "window too short: 10 s are 9.1 update periods of the sensor; measure for 11 s or longer (--budget SECONDS)"
    )
    assert figures([slow], board(RAIL))[ENERGY] == found.withheld
    enough = launch(gauge(), sensors={"update_period_s": {"ina": 0.9}})
    assert known(trial_power(enough, board(RAIL))).withheld == ""


def test_a_figure_that_its_readings_do_not_tell_is_withheld() -> None:
    """A counter of 20 J a step under 5 W: two or three steps in ten seconds."""
    coarse = made("rapl:package-0_energy", "J", "counter", np.floor(5 * (TIMES - TIMES[0]) / 20) * 20)
    found = known(trial_power(launch(coarse, sensors={"update_period_s": {"rapl": 0.05}}), board(PACKAGE)))
    assert found.withheld.startswith("window too short: ")
    assert "readings of this sensor tell the energy within +-" in found.withheld


def test_a_hole_in_a_power_withholds_the_figure_and_costs_a_counter_nothing() -> None:
    def holed(time: np.ndarray) -> np.ndarray:
        return np.where((time > T + 2) & (time < T + 3), math.nan, load(time))

    found = known(trial_power(launch(gauge(power=holed)), board(RAIL)))
    assert found.withheld == (
        "readings cover 91% of the steady part; the longest gap is 1.05 s, at one reading every 0.05 s"
    )
    energy = made("rapl:package-0_energy", "J", "counter", holed(TIMES) * 0 + 5 * TIMES)
    assert known(trial_power(launch(energy), board(PACKAGE))).withheld == ""


@pytest.mark.parametrize("provenance", ["replayed", "modelled"])
def test_what_was_not_measured_is_readable_and_no_metric(provenance: str) -> None:
    played = launch(gauge(provenance=provenance))
    found = known(trial_power(played, board(RAIL)))
    assert found.energy_per_inference_j == pytest.approx(0.5, rel=0.002)
    assert found.provenance == provenance
    expected = f"{provenance}, not measured"
    assert figures([played], board(RAIL)) == dict.fromkeys((ENERGY, NET, POWER), expected)


def test_one_replayed_rail_makes_the_sum_replayed() -> None:
    rails = [gauge("ina:A_power"), gauge("ina:B_power", provenance="replayed")]
    found = known(trial_power(launch(*rails), board(PowerTotal(("ina:A_power", "ina:B_power"), "sum of rails"))))
    assert (found.provenance, found.withheld) == ("board rail and replayed", "replayed, not measured")


def test_the_update_period_is_the_one_that_was_measured() -> None:
    told = launch(gauge(), sensors={"update_period_s": {"ina": 0.013}})
    assert known(trial_power(told, board(RAIL))).gross.update_period_s == 0.013
    unknown = launch(gauge(), sensors={"update_period_s": {"ina": None}})
    assert known(trial_power(unknown, board(RAIL))).gross.update_period_s is None  # one change tells no period


def test_idle_leaves_out_what_a_slow_sensor_still_tells_of_the_load() -> None:
    """A sensor that is 0.5 s late shows 5 W for half a second of the idle after."""
    late = gauge(power=lambda time: load(time - 0.5))
    told = launch(late, sensors={"update_period_s": {"ina": 0.6}})
    idle = known(trial_power(told, board(RAIL))).idle
    assert not isinstance(idle, str)
    assert idle.after_w == pytest.approx(2.2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"idle_before_start_s": None}, "idle before warm-up was not waited for (idle_s of [power] in the device's"),
        ({"idle_after_end_s": None}, "idle after the steady part was not waited for"),
        ({"idle_after_end_s": T + 10.05}, "idle after the steady part: 1 readings in 0.05 s"),
    ],
)
def test_without_both_idles_there_is_no_net_energy(changes: Mapping[str, float | None], said: str) -> None:
    short = launch(gauge(), phases=replace(PHASES, **changes))
    found = figures([short], board(RAIL))
    assert isinstance(found[NET], str)
    assert found[NET].startswith(said)
    assert isinstance(found[ENERGY], Figures)


def six(*watts: float) -> list[Trial]:
    def scaled(factor: float) -> Callable[[np.ndarray], np.ndarray]:
        return lambda time: factor * load(time)

    return [launch(gauge(power=scaled(one / 5)), number=number) for number, one in enumerate(watts)]


def test_over_launches_the_point_is_the_median_with_the_order_statistic_interval() -> None:
    metrics, _ = summarise(Record(CASE, tuple(six(4, 5, 6, 7, 8, 9))), facts(), board(RAIL))
    energy, power, net = metrics[ENERGY], metrics[POWER], metrics[NET]
    assert (energy.n, energy.unit) == (6, "J")
    assert (energy.point, energy.low, energy.high) == pytest.approx((0.65, 0.4, 0.9), rel=0.002)
    assert (power.point, power.low, power.high) == pytest.approx((6.5, 4.0, 9.0), rel=0.002)
    assert power.unit == "W"
    # Idle before is 0.4 and after 0.44 of the load: 0.42 of it is taken off, give or take 0.02.
    assert (net.point, net.low, net.high) == pytest.approx((0.58 * 0.65, 0.56 * 0.4, 0.6 * 0.9), rel=0.01)


def test_the_method_tells_scope_provenance_source_rate_and_coverage() -> None:
    trials = six(5, 5, 5, 5, 5, 5)
    metrics, _ = summarise(Record(CASE, tuple(trials)), facts(), board(RAIL))
    within = known(trial_power(trials[0], board(RAIL))).gross.relative
    assert 0.001 < within < 0.01  # the load ends between two readings
    assert metrics[ENERGY].method == (
        "median of 6 launches; 95 % order-statistic interval; module input, board rail ina:VDD_IN_power, trapezoids, "
        f"20 readings/s, coverage 100%, each launch known to +-{100 * within:.2g} %"
    )
    assert metrics[NET].method.startswith(
        "median of 6 launches; 95 % order-statistic interval; minus idle of 2 W before and 2.2 W after, interval "
        "widened by half their difference; module input, board rail"
    )


def test_launches_whose_energy_is_withheld_are_left_out_and_counted() -> None:
    holed = launch(gauge(power=lambda time: np.where((time > T + 2) & (time < T + 3), math.nan, load(time))), number=6)
    metrics, _ = summarise(Record(CASE, (*six(5, 5, 5, 5, 5), holed)), facts(), board(RAIL))
    assert (metrics[ENERGY].n, metrics[ENERGY].low) == (5, None)


def test_scopes_are_never_mixed() -> None:
    totals = board(RAIL, PowerTotal(("plug:plug_power",), "wall"))
    at_the_wall = launch(gauge("plug:plug_power", provenance="external meter"), number=1)
    found = figures([launch(gauge()), at_the_wall], totals)
    mixed = (
        "launches were read at different places and are not mixed: module input (ina:VDD_IN_power), wall "
        "(plug:plug_power)"
    )
    assert set(found.values()) == {mixed}


def test_two_sources_of_one_scope_are_both_named() -> None:
    totals = board(RAIL, PowerTotal(("tegrastats:VDD_IN_power",), "module input"))
    found = figures([launch(gauge()), launch(gauge("tegrastats:VDD_IN_power"), number=1)], totals)
    assert isinstance(found[ENERGY], Figures)
    assert "ina:VDD_IN_power or tegrastats:VDD_IN_power" in found[ENERGY].method


def test_without_a_device_or_a_launch_there_is_the_plain_reason() -> None:
    assert set(figures([launch(gauge())], None).values()) == {NO_POWER}
    assert set(figures([], board(RAIL)).values()) == {NO_POWER}
