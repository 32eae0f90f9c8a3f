"""From a trial's traces and the device's totals to figures: every number worked out on paper, every reason named."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.places import ENERGY, NET, NO_POWER, POWER, Figures, figures, place_notes, settled
from harness.analysis.power import TrialPower, total_energy, trial_power
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


CUDA = Environment({}, {"providers": ["CUDAExecutionProvider", "CPUExecutionProvider"]}, {})


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


def with_a_hole(time: np.ndarray) -> np.ndarray:
    return np.where((time > T + 2) & (time < T + 3), math.nan, load(time))


def test_a_hole_in_a_power_withholds_the_figure_and_costs_a_counter_nothing() -> None:
    found = known(trial_power(launch(gauge(power=with_a_hole)), board(RAIL)))
    assert found.withheld == (
        "readings cover 91% of the steady part; the longest gap is 1.05 s, at one reading every 0.05 s"
    )
    energy = made("rapl:package-0_energy", "J", "counter", with_a_hole(TIMES) * 0 + 5 * TIMES)
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


def restless(time: np.ndarray) -> np.ndarray:
    return load(time) + np.random.default_rng(2).normal(0, 0.02, len(time))


def test_where_the_period_did_not_show_at_the_start_the_trace_shows_it() -> None:
    """Idle it did not move for the 0.6 s of the survey; under load it does with every reading."""
    seen = launch(gauge(power=restless), sensors={"update_period_s": {"ina": None}})
    found = known(trial_power(seen, board(RAIL)))
    assert (found.withheld, found.gross.update_period_s) == ("", pytest.approx(0.05))


def test_a_rail_at_rest_has_the_period_of_the_others_of_its_sensor() -> None:
    """As the accelerators' rail of a Xavier, at 0 W throughout."""
    none = {"update_period_s": {"ina": None}}
    resting = gauge("ina:CV_power", lambda time: 0 * time)
    seen = launch(gauge("ina:A_power", restless), resting, sensors=none)
    total = PowerTotal(("ina:A_power", "ina:CV_power"), "sum of rails")
    assert known(trial_power(seen, board(total))).withheld == ""
    alone = launch(resting, sensors=none)
    assert str(trial_power(alone, board(PowerTotal(("ina:CV_power",), "rail")))).startswith("window too short: ")


BATTERY = PowerTotal(("battery:BAT0_power",), "battery")


def on_battery(random: np.random.Generator, steady_s: float, period_s: float) -> Trial:
    """8 W idle, 20 W busy from the warm-up on: a gauge that renews its value every few seconds, asked every 50 ms."""
    times = T - 10 + (np.arange((steady_s + 16) / 0.05) + random.uniform(-0.2, 0.2)) * 0.05
    renewed = T - 10 + random.uniform(-period_s, 0) + np.arange(0, steady_s + 30, period_s)
    shown = np.where((renewed > T - 3) & (renewed < T + steady_s), 20.0, 8.0) + random.normal(0, 0.2, len(renewed))
    value = shown[np.searchsorted(renewed, times, "right") - 1]
    described = Channel("battery", "BAT0_power", "W", "gauge", "battery", "board rail")
    phases = Phases(
        steady_start_s=T,
        steady_end_s=T + steady_s,
        idle_before_start_s=T - 8,
        idle_before_end_s=T - 3,
        idle_after_start_s=T + steady_s,
        idle_after_end_s=T + steady_s + 5,
    )
    told = {"update_period_s": {"battery": None}}
    return launch(Trace(described, column(times), column(value)), phases=phases, sensors=told)


@pytest.mark.parametrize("period_s", [2.0, 5.0, 8.0])
def test_a_slow_gauge_of_which_nobody_knows_gives_no_figure_of_a_short_window(period_s: float) -> None:
    random = np.random.default_rng(5)
    for _ in range(100):
        seen = on_battery(random, 5.0, period_s)
        found = trial_power(seen, board(BATTERY))
        assert isinstance(found, str) or found.withheld.startswith("window too short: ")
        assert isinstance(figures([seen], board(BATTERY))[ENERGY], str)


def test_a_slow_gauge_in_a_long_window_is_right_within_its_interval() -> None:
    """Periods of 2 to 8 s, windows of 20 to 150 s, 1,000 repeats: what is published holds the truth."""
    random = np.random.default_rng(6)
    errors, inside, widths, long_enough = [], [], [], 0
    for _ in range(1000):
        steady_s, period_s = random.uniform(20, 150), random.uniform(2, 8)
        found = trial_power(on_battery(random, steady_s, period_s), board(BATTERY))
        long_enough += steady_s > 12 * period_s
        if isinstance(found, TrialPower) and not found.withheld:
            assert steady_s > 9 * period_s
            errors.append(abs(found.gross.joules / (20 * steady_s) - 1))
            inside.append(found.gross.low_j <= 20 * steady_s <= found.gross.high_j)
            widths.append(found.gross.relative)
    assert len(inside) > 0.9 * long_enough > 400
    assert np.mean(inside) >= 0.95
    assert max(errors) < 0.06
    assert np.median(widths) < 0.12


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


def scaled(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda time: factor * load(time)


def six(*watts: float) -> list[Trial]:
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
        "median of 6 launches; 95 % order-statistic interval (covers 96.9%); "
        "module input, board rail ina:VDD_IN_power, trapezoids, "
        f"20 readings/s, coverage 100%, each launch known to +-{100 * within:.2g} %"
    )
    assert metrics[NET].method.startswith(
        "median of 6 launches; 95 % order-statistic interval (covers 96.9%); "
        "minus idle of 2 W before and 2.2 W after, interval "
        "widened by half their difference; module input, board rail"
    )


def test_launches_whose_energy_is_withheld_are_left_out_and_counted() -> None:
    holed = launch(gauge(power=with_a_hole), number=6)
    metrics, _ = summarise(Record(CASE, (*six(5, 5, 5, 5, 5), holed)), facts(), board(RAIL))
    assert (metrics[ENERGY].n, metrics[ENERGY].low) == (5, None)


PLUG = PowerTotal(("plug:plug_power",), "wall")
METER = PowerTotal(("meter:meter_power",), "wall")
FALLBACK = PowerTotal(("tegrastats:VDD_IN_power",), "module input")


def energy_of(found: Mapping[str, Figures | str]) -> Figures:
    energy = found[ENERGY]
    assert isinstance(energy, Figures), energy
    return energy


def test_launches_read_at_different_places_are_never_mixed() -> None:
    at_the_wall = launch(gauge("plug:plug_power", scaled(2), provenance="external meter"), number=1)
    found = energy_of(figures([launch(gauge()), at_the_wall], board(RAIL, PLUG)))
    assert found.values == pytest.approx((0.5,), rel=0.002)
    assert found.method.startswith("module input, board rail ina:VDD_IN_power")


def test_a_log_of_one_launch_costs_the_others_nothing() -> None:
    """A meter's log, first among the totals, that lies over one of six launches."""
    trials = six(5, 5, 5, 5, 5, 5)
    trials[0] = replace(trials[0], traces=(*trials[0].traces, gauge("meter:meter_power", scaled(2))))
    assert energy_of(figures(trials, board(METER, RAIL))).values == pytest.approx((0.5,) * 6, rel=0.002)
    every = [replace(one, traces=(*one.traces, gauge("meter:meter_power", scaled(2)))) for one in six(*[5] * 6)]
    assert energy_of(figures(every, board(METER, RAIL))).values == pytest.approx((1.0,) * 6, rel=0.002)


def test_a_hole_in_one_launch_moves_no_case_to_another_place() -> None:
    holed = launch(gauge(power=with_a_hole), gauge("plug:plug_power", scaled(2)), number=5)
    whole = [launch(gauge(), gauge("plug:plug_power", scaled(2)), number=number) for number in range(5)]
    assert energy_of(figures([*whole, holed], board(RAIL, PLUG))).values == pytest.approx((0.5,) * 5, rel=0.002)
    mostly = [launch(gauge(power=with_a_hole), gauge("plug:plug_power", scaled(2)), number=n) for n in range(4)]
    assert len(energy_of(figures([*mostly, *whole[:2]], board(RAIL, PLUG))).values) == 6


def test_the_total_that_serves_most_launches_is_used_where_none_serves_all() -> None:
    trials = [launch(gauge()), *[launch(gauge("tegrastats:VDD_IN_power"), number=n) for n in (1, 2)]]
    assert len(energy_of(figures(trials, board(RAIL, FALLBACK))).values) == 2


def test_one_place_serves_a_whole_run_where_one_can() -> None:
    """The log lies over one case of two: both are read at the rail."""
    logged = [launch(gauge(), gauge("meter:meter_power", scaled(2)), number=n) for n in range(2)]
    plain = [launch(gauge(), number=n) for n in range(2)]
    device = board(METER, RAIL)
    assert settled(device, [logged, plain]).power.totals == (RAIL, METER)
    assert settled(device, [logged, logged, []]).power.totals == (METER, RAIL)
    assert settled(device, [[launch()], plain]).power.totals == (METER, RAIL)  # nothing serves both
    assert settled(device, []) == device


def notes_of(device: Device, **cases: list[Trial]) -> list[str]:
    return place_notes(device, settled(device, list(cases.values())), list(cases.items()))


def test_a_run_says_where_its_cases_were_read_and_what_was_passed_over() -> None:
    logged = [launch(gauge(), gauge("meter:meter_power", scaled(2)), number=n) for n in range(2)]
    plain = [launch(gauge(), number=n) for n in range(2)]
    metered = [launch(gauge("meter:meter_power", scaled(2)), number=n) for n in range(2)]
    device = board(METER, RAIL)
    assert notes_of(device, a=plain, b=plain) == []
    assert notes_of(device, a=logged, b=logged) == []
    (passed_over,) = notes_of(device, a=logged, b=plain)
    assert passed_over == (
        "meter:meter_power (wall) told the energy of 2 of 4 launches and is not used: a figure holds launches of one "
        "place alone."
    )
    (apart,) = notes_of(device, a=metered, b=plain)
    assert apart == (
        "Energy was read at different places, and only energies of one place compare: wall (meter:meter_power) for a; "
        "module input (ina:VDD_IN_power) for b."
    )
    assert notes_of(board(), a=plain) == []


@pytest.mark.parametrize(
    "failing",
    [
        made("rapl:package-0_energy", "J", "counter", 0 * TIMES),  # stood still
        made("rapl:package-0_energy", "J", "counter", np.where(TIMES < T + 4, 900.0, 0) + 5 * TIMES),  # fell
        made("rapl:package-0_energy", "J", "counter", np.where(TIMES < T + 9, 5 * TIMES, math.nan)),  # ended early
        made("rapl:package-0_energy", "J", "counter", 5 * TIMES, provenance="modelled"),
    ],
)
def test_a_total_that_was_read_and_tells_no_energy_gives_way_to_the_next(failing: Trace) -> None:
    assert known(trial_power(launch(failing, gauge()), board(PACKAGE, RAIL))).channels == ("ina:VDD_IN_power",)


def test_the_reasons_of_all_totals_that_were_read_are_kept() -> None:
    still = made("rapl:package-0_energy", "J", "counter", 0 * TIMES)
    found = known(trial_power(launch(still, gauge(provenance="modelled")), board(PACKAGE, RAIL, PLUG)))
    assert found.channels == ("ina:VDD_IN_power",)
    assert found.withheld == "the counter stood still for the whole window of 10 s; modelled, not measured"
    assert trial_power(launch(still), board(PACKAGE, RAIL)) == (
        "the counter stood still for the whole window of 10 s; "
        "ina was not read: add it to collectors in the device's file"
    )


def test_one_socket_of_two_is_no_way_out_where_both_were_read() -> None:
    both = PowerTotal(("rapl:package-0_energy", "rapl:package-1_energy"), "package")
    reset = made("rapl:package-1_energy", "J", "counter", np.where(TIMES < T + 4, 900.0, 0) + 5 * TIMES)
    found = trial_power(launch(counter(), reset), board(both, PACKAGE))
    assert isinstance(found, str)
    assert found.startswith("the counter fell from ")
    assert "rapl:package-0_energy is only a part of rapl:package-0_energy + rapl:package-1_energy" in found


GPU = PowerTotal(("nvml:gpu0_energy",), "GPU")


@pytest.mark.parametrize("providers", [["CPUExecutionProvider"], ["XnnpackExecutionProvider"], []])
def test_the_power_of_a_gpu_says_nothing_of_a_model_on_the_cpu(providers: list[str]) -> None:
    idle = launch(counter("nvml:gpu0_energy", 60.0), environment=Environment({}, {"providers": providers}, {}))
    found = known(trial_power(idle, board(GPU)))
    assert found.withheld.startswith("the model ran on the CPU, of which the GPU's power says nothing: ")
    assert set(figures([idle], board(GPU)).values()) == {found.withheld}
    at_the_wall = replace(idle, traces=(*idle.traces, gauge("plug:plug_power")))
    assert known(trial_power(at_the_wall, board(GPU, PLUG))).scope == "wall"


def test_the_power_of_a_gpu_in_use_and_of_a_whole_module_counts() -> None:
    on_gpu = launch(counter("nvml:gpu0_energy"), environment=CUDA)
    assert known(trial_power(on_gpu, board(GPU))).withheld == ""
    by_tensorrt = launch(counter("nvml:gpu0_energy"), case=replace(CASE, backend="tensorrt"))
    assert known(trial_power(by_tensorrt, board(GPU))).withheld == ""
    module = launch(counter("nvml:gpu0_energy", scope="module input"))
    assert known(trial_power(module, board(GPU))).withheld == ""


@pytest.mark.parametrize(
    ("name", "power_is", "after_w"),
    [
        ("gpu0_power", "mean of 1 s", 2.2),
        ("gpu0_average_power", "instantaneous", 2.2),
        ("gpu0_instant_power", "mean of 1 s", 2.35),
        ("gpu0_power", "instantaneous", 2.35),
    ],
)
def test_idle_leaves_out_a_mean_over_what_was_before(name: str, power_is: str, after_w: float) -> None:
    """The second after the load still holds some of it."""
    decaying = gauge(f"nvml:{name}", lambda time: load(time) + 0.3 * ((time > T + 10) & (time < T + 11)))
    told = {"update_period_s": {"nvml": 0.02}, "details": {"nvml": {"gpus": {"gpu0": {"power_is": power_is}}}}}
    found = known(trial_power(launch(decaying, sensors=told), board(PowerTotal((f"nvml:{name}",), "GPU"))))
    assert not isinstance(found.idle, str)
    assert found.idle.after_w == pytest.approx(after_w, abs=0.02)


def test_without_a_device_or_a_launch_there_is_the_plain_reason() -> None:
    assert set(figures([launch(gauge())], None).values()) == {NO_POWER}
    assert set(figures([], board(RAIL)).values()) == {NO_POWER}
