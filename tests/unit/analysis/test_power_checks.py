"""Each check of energy fires on one hand-made record and is silent on another."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from harness.analysis import power_checks
from harness.analysis.context import Context
from harness.analysis.validity import findings
from harness.model.power import Power, PowerTotal
from harness.model.trial import Channel, Environment, Phases, Record, Trace, Trial
from harness.model.verdict import Finding
from tests.support.host_side import CASE, DEVICE, STEADY_START_S, column, facts, trial

T = STEADY_START_S
PHASES = Phases(
    warm_up_steady=True,
    steady_start_s=T,
    steady_end_s=T + 10,
    idle_before_start_s=T - 5,
    idle_before_end_s=T - 3,
    idle_after_start_s=T + 10,
    idle_after_end_s=T + 12,
)
TIMES = T + 0.013 + np.arange(-6, 13, 0.05)
RAIL = PowerTotal(("ina:VDD_IN_power",), "module input")
FALLBACK = PowerTotal(("tegrastats:VDD_IN_power",), "module input")
PACKAGE = PowerTotal(("rapl:package-0_energy",), "package")
Shape = Callable[[np.ndarray], np.ndarray]


def load(time: np.ndarray) -> np.ndarray:
    """5 W while it works, 2 W at rest, and something of a ripple, as fine sensors show."""
    return np.where((time < T - 3) | (time > T + 10), 2.0, 5.0) + 0.01 * np.sin(97 * time)


def gauge(name: str = "ina:VDD_IN_power", power: Shape = load, provenance: str = "board rail") -> Trace:
    collector, _, channel = name.partition(":")
    described = Channel(collector, channel, "W", "gauge", "rail", provenance)
    return Trace(described, column(TIMES), column(power(TIMES)))


def counter(name: str = "rapl:package-0_energy", energy: Shape = lambda time: 5 * (time - TIMES[0])) -> Trace:
    collector, _, channel = name.partition(":")
    described = Channel(collector, channel, "J", "counter", "package", "hardware counter")
    return Trace(described, column(TIMES), column(energy(TIMES)))


def launch(*traces: Trace, number: int = 0, sensors: Mapping[str, object] | None = None, **changes) -> Trial:
    told = {"update_period_s": {"ina": 0.013, "rapl": 0.001}, **(sensors or {})}
    return trial(
        [0.1] * 100,
        **{"phases": PHASES, "environment": Environment({}, {}, {"sensors": told}), "launch": number, **changes},
        traces=traces,
    )


def context(*trials: Trial, totals: tuple[PowerTotal, ...] = (RAIL, FALLBACK, PACKAGE)) -> Context:
    return Context(Record(CASE, trials), facts(), replace(DEVICE, power=Power(totals)), None)


def found_by(check: Callable, seen: Context) -> list[Finding]:
    """What this check says, all of which is also among the findings of the case."""
    own = list(power_checks.power_findings(seen))
    assert [one for one in findings(seen) if one in own] == own
    codes = {"power_replayed", "power_modelled"} if check.__name__ == "power_replayed" else {check.__name__}
    return [one for one in own if one.code in codes]


def only(check: Callable, seen: Context) -> Finding:
    (one,) = found_by(check, seen)
    return one


def test_every_check_is_tested_here() -> None:
    names = {name for name in globals() if name.startswith("test_")}
    for check in power_checks.CHECKS:
        assert {f"test_{check.__name__}_fires", f"test_{check.__name__}_is_silent"} <= names


def test_a_clean_power_has_no_finding() -> None:
    assert list(power_checks.power_findings(context(*[launch(gauge(), number=n) for n in range(6)]))) == []
    assert list(power_checks.power_findings(context(launch(counter())))) == []


def test_without_a_total_there_is_nothing_to_say() -> None:
    assert list(power_checks.power_findings(context(launch(gauge()), totals=()))) == []
    assert list(power_checks.power_findings(context())) == []


def holed(time: np.ndarray) -> np.ndarray:
    return np.where((time > T + 2) & (time < T + 3), math.nan, load(time))


def test_coverage_low_fires() -> None:
    found = only(power_checks.coverage_low, context(launch(gauge()), launch(gauge(power=holed), number=1)))
    assert (found.code, found.severity) == ("coverage_low", "doubt")
    assert found.evidence == (
        "in 1 of 2 launches readings cover 91% of the steady part; the longest gap is 1.05 s, at one reading every "
        "0.05 s; the energy of such a launch is withheld"
    )
    assert "period_s" in found.advice


def test_coverage_low_is_silent() -> None:
    # One stall of 80 ms in ten seconds at 20 ms: over three periods, and 0.8 % of the window.
    fine = T + 0.003 + np.arange(-6, 13, 0.02)
    stalled = fine[(fine < T + 5) | (fine > T + 5.065)]
    described = gauge().channel
    stall = Trace(described, column(stalled), column(load(stalled)))
    assert float(np.max(np.diff(stalled[(stalled > T) & (stalled < T + 10)]))) > 3.5 * 0.02
    assert found_by(power_checks.coverage_low, context(launch(stall))) == []
    two_missing = gauge(power=lambda time: np.where(abs(time - T - 2.05) < 0.05, math.nan, load(time)))
    through_a_gap = counter(energy=lambda time: holed(time) * 0 + 5 * time)  # a counter goes on counting
    for traces in ((gauge(),), (two_missing,), (through_a_gap,)):
        assert found_by(power_checks.coverage_low, context(launch(*traces))) == []


@pytest.mark.parametrize(("period_s", "severity"), [(0.11, "doubt"), (0.9, "doubt"), (1.1, "note")])
def test_window_short_fires(period_s: float, severity: str) -> None:
    """Ten seconds; under ten periods the energy is withheld, and nothing that is shown is doubtful."""
    slow = launch(gauge(), sensors={"update_period_s": {"ina": period_s}})
    found = only(power_checks.window_short, context(slow))
    assert (found.code, found.severity) == ("window_short", severity)
    assert f"as short as {10 / period_s:.3g} update periods of the power sensor" in found.evidence
    assert f"measure for {100 * period_s:.3g} s or longer" in found.advice


@pytest.mark.parametrize(
    ("period_s", "budget_s", "severity"), [(0.3, 10, "note"), (0.3, 60, "doubt"), (0.4, 10, "doubt")]
)
def test_a_window_that_the_budget_ended_is_a_note_from_30_periods_on(
    period_s: float, budget_s: float, severity: str
) -> None:
    scenario = replace(CASE.scenario, stop=replace(CASE.scenario.stop, budget_s=budget_s))
    told = {"update_period_s": {"ina": period_s}}
    seen = launch(gauge(), sensors=told, case=replace(CASE, scenario=scenario))
    assert only(power_checks.window_short, context(seen)).severity == severity


def test_window_short_is_silent() -> None:
    for period_s in (0.105, 0.1, 0.013, None):
        told = launch(gauge(), sensors={"update_period_s": {"ina": period_s}})
        assert found_by(power_checks.window_short, context(told)) == []


def idling(before_w: float, after_w: float, working_w: float = 5.0) -> Trace:
    def power(time: np.ndarray) -> np.ndarray:
        return np.select([time < T - 3, time < T + 10], [before_w, working_w], after_w) + 0.01 * np.sin(97 * time)

    return gauge(power=power)


@pytest.mark.parametrize(
    ("before_w", "after_w", "working_w"),
    [(2.0, 2.23, 50.0), (2.23, 2.0, 50.0), (40.0, 42.6, 50.0)],  # 11 % of the idle; 5.2 % of the gross
)
def test_idle_mismatch_fires(before_w: float, after_w: float, working_w: float) -> None:
    found = only(power_checks.idle_mismatch, context(launch(idling(before_w, after_w, working_w))))
    assert (found.code, found.severity) == ("idle_mismatch", "note")  # it is the net energy's, whose interval holds it
    assert f"from {before_w:.3g} W before to {after_w:.3g} W after" in found.evidence


def test_idle_mismatch_counts_the_launches() -> None:
    steady = [launch(gauge(), number=number) for number in range(3)]
    found = only(power_checks.idle_mismatch, context(*steady, launch(idling(2.0, 3.0), number=3)))
    assert (found.severity, found.evidence[:19]) == ("note", "in 1 of 4 launches ")


def test_idle_mismatch_is_silent() -> None:
    no_idle = launch(idling(2.0, 3.0), phases=Phases(steady_start_s=T, steady_end_s=T + 10))
    for quiet in (launch(idling(2.0, 2.19, 50.0)), launch(idling(40.0, 42.3, 50.0)), no_idle):
        assert found_by(power_checks.idle_mismatch, context(quiet)) == []


def scaled(factor: float) -> Shape:
    return lambda time: factor * load(time)


def test_sensors_disagree_fires() -> None:
    """Two totals of one scope 7 % apart; a counter and the power of the same GPU."""
    found = only(
        power_checks.sensors_disagree, context(launch(gauge(), gauge("tegrastats:VDD_IN_power", scaled(1.075))))
    )
    assert (found.code, found.severity) == ("sensors_disagree", "doubt")
    assert (
        "ina:VDD_IN_power tells 49.96 J and tegrastats:VDD_IN_power 53.71 J of one window (7% apart)" in found.evidence
    )
    of_one_gpu = launch(counter("nvml:gpu0_energy"), gauge("nvml:gpu0_power", scaled(0.6)))
    found = only(power_checks.sensors_disagree, context(of_one_gpu, totals=(PowerTotal(("nvml:gpu0_energy",), "GPU"),)))
    assert "nvml:gpu0_energy tells 50 J and nvml:gpu0_power 29.98 J" in found.evidence
    assert found.severity == "doubt"


def test_sensors_that_disagree_within_their_own_intervals_are_a_note() -> None:
    """Renewed once a second: neither is known to better than that."""
    seen = launch(
        gauge(),
        gauge("tegrastats:VDD_IN_power", lambda time: np.where(time < T + 8.9, load(time), 2.0)),
        sensors={"update_period_s": {"ina": 1.0, "tegrastats": 1.0}},
    )
    found = only(power_checks.sensors_disagree, context(seen))
    assert found.severity == "note"
    assert "within their own intervals" in found.evidence


def test_sensors_disagree_is_silent() -> None:
    near = launch(gauge(), gauge("tegrastats:VDD_IN_power", scaled(1.04)))
    other_scopes = launch(gauge(), counter(energy=lambda time: 50 * time))
    other_gpu = launch(counter("nvml:gpu0_energy"), gauge("nvml:gpu1_power", scaled(5)))
    one_of_two_sockets = (PowerTotal(("rapl:package-0_energy", "rapl:package-1_energy"), "package"), PACKAGE)
    both = launch(counter(), counter("rapl:package-1_energy"))
    for seen in (context(near), context(other_scopes), context(other_gpu), context(both, totals=one_of_two_sockets)):
        assert found_by(power_checks.sensors_disagree, seen) == []


def stuck(time: np.ndarray) -> np.ndarray:
    """One value from 3 to 6 s into the steady part."""
    return np.where((time > T + 3) & (time < T + 6), 5.0, load(time))


def test_sensor_stale_fires_for_a_held_value_of_a_fine_sensor() -> None:
    fine = (replace(RAIL, step_w=0.001),)
    found = only(power_checks.sensor_stale, context(launch(gauge(power=stuck), number=2), totals=fine))
    assert (found.code, found.severity) == ("sensor_stale", "doubt")
    assert found.evidence.startswith("ina:VDD_IN_power told one value for 2.95 s, ")
    assert found.evidence.endswith("59 periods of its readings, in steps of 0.001 W in launch 2")


def test_sensor_stale_fires() -> None:
    """Coarse, but the rail inside it moved meanwhile; and a counter that stood still while the machine worked."""
    coarse = (replace(RAIL, step_w=0.04),)
    part = gauge("ina:VDD_SOC_power", lambda time: 1 + 0.3 * np.sin(5 * time))
    found = only(power_checks.sensor_stale, context(launch(gauge(power=stuck), part), totals=coarse))
    assert "while ina:VDD_SOC_power moved by 0.59" in found.evidence
    never = gauge(power=lambda time: np.full(len(time), 5.0))
    assert only(power_checks.sensor_stale, context(launch(never, part), totals=coarse)).severity == "doubt"
    standing = counter(energy=lambda time: 5 * np.where(time < T + 4, time, np.maximum(T + 4, time - 2)))
    found = only(power_checks.sensor_stale, context(launch(standing)))
    assert "rapl:package-0_energy told one value for 1.95 s" in found.evidence
    assert "a counter of energy never rests so long" in found.evidence


def test_sensor_stale_is_silent() -> None:
    coarse = (replace(RAIL, step_w=0.04),)
    still = gauge("ina:VDD_SOC_power", lambda time: np.full(len(time), 1.0))
    at_most_its_noise = gauge("ina:VDD_SOC_power", lambda time: 1 + 0.04 * np.sin(5 * time))
    shortly = gauge(power=lambda time: np.where((time > T + 3) & (time < T + 3.1), 5.0, load(time)))
    for traces, totals in (
        ((gauge(),), coarse),
        ((gauge(power=stuck), still), coarse),
        ((gauge(power=stuck), at_most_its_noise), coarse),
        ((shortly,), (replace(RAIL, step_w=0.001),)),
        ((counter(),), (PACKAGE,)),
        ((counter(energy=lambda time: np.floor(5 * time / 6) * 6),), (PACKAGE,)),  # a step every 1.2 s
    ):
        assert found_by(power_checks.sensor_stale, context(launch(*traces), totals=totals)) == []


def lost(collector: str) -> dict[str, object]:
    event = {"collector": collector, "last_s": T + 4.0, "seen_s": T + 5.5, "reason": "EIO in in1_input"}
    return {"lost": [event]}


@pytest.mark.parametrize(("collector", "severity"), [("ina", "doubt"), ("tegrastats", "note"), ("cpu", "note")])
def test_sensor_lost_fires(collector: str, severity: str) -> None:
    """A doubt for the total's own sensor, while energy comes from it."""
    found = only(power_checks.sensor_lost, context(launch(gauge(), number=3, sensors=lost(collector))))
    assert (found.code, found.severity) == ("sensor_lost", severity)
    assert found.evidence == (
        f"{collector} fell silent in launch 3, seen 1.5 s after its last reading: EIO in in1_input"
    )


def test_a_sensor_that_never_told_a_value_is_lost_too() -> None:
    event = {"collector": "ina", "last_s": None, "seen_s": T + 5.5, "reason": "EIO in in1_input"}
    found = only(power_checks.sensor_lost, context(launch(gauge(), sensors={"lost": [event]})))
    assert found.evidence == "ina fell silent in launch 0, without a single reading: EIO in in1_input"


def test_a_lost_sensor_without_which_there_is_no_total_is_a_doubt() -> None:
    broken = gauge(power=lambda time: np.where(time > T + 4, math.nan, load(time)))
    assert only(power_checks.sensor_lost, context(launch(broken, sensors=lost("ina")))).severity == "doubt"
    assert only(power_checks.sensor_lost, context(launch(sensors=lost("tegrastats")))).severity == "doubt"


def test_sensor_lost_is_silent() -> None:
    for sensors in ({"lost": []}, {}):
        assert found_by(power_checks.sensor_lost, context(launch(gauge(), sensors=sensors))) == []


BOTH = PowerTotal(("rapl:package-0_energy", "rapl:package-1_energy"), "package")


def test_package_left_out_fires() -> None:
    """Four sockets, of which a device's file knows two."""
    four = launch(*[counter(f"rapl:package-{number}_energy") for number in range(4)])
    found = only(power_checks.package_left_out, context(four, totals=(BOTH, PACKAGE)))
    assert (found.code, found.severity) == ("package_left_out", "doubt")
    assert found.evidence == (
        "rapl:package-2_energy, rapl:package-3_energy was read and is not in the total of rapl:package-0_energy + "
        "rapl:package-1_energy"
    )
    assert "devices/bench.toml" in found.advice
    only(power_checks.package_left_out, context(launch(counter(), counter("rapl:package-0-die-1_energy"))))


def test_package_left_out_is_silent() -> None:
    two = (counter(), counter("rapl:package-1_energy"))
    for traces, totals in (
        (two, (BOTH, PACKAGE)),
        ((counter(), counter("rapl:core_energy"), counter("rapl:dram_energy")), (PACKAGE,)),
        ((gauge(), *two), (RAIL, PACKAGE)),
    ):
        assert found_by(power_checks.package_left_out, context(launch(*traces), totals=totals)) == []


SAID = replace(RAIL, caveats=("the carrier is not counted", "steps of 40 mW"))


def test_energy_caveat_fires() -> None:
    found = found_by(power_checks.energy_caveat, context(launch(gauge()), launch(gauge(), number=1), totals=(SAID,)))
    assert [(one.severity, one.evidence) for one in found] == [
        ("note", "the carrier is not counted"),
        ("note", "steps of 40 mW"),
    ]


def test_energy_caveat_is_silent() -> None:
    """Where there is no energy, and where it comes from another total."""
    for traces in ((), (gauge(power=holed),), (gauge("tegrastats:VDD_IN_power"),)):
        assert found_by(power_checks.energy_caveat, context(launch(*traces), totals=(SAID, FALLBACK))) == []


@pytest.mark.parametrize(("provenance", "code"), [("replayed", "power_replayed"), ("modelled", "power_modelled")])
def test_power_replayed_fires(provenance: str, code: str) -> None:
    found = only(power_checks.power_replayed, context(launch(gauge(provenance=provenance))))
    assert (found.code, found.severity) == (code, "note")
    assert found.evidence == (f"power at ina:VDD_IN_power was {provenance}: its energy never counts as measured")


def test_power_replayed_is_silent() -> None:
    other = gauge("replay:VDD_IN_power", provenance="replayed")
    assert found_by(power_checks.power_replayed, context(launch(gauge(), other))) == []
