"""RAPL zones by name and their counters unwrapped, by ourselves and by the adapter on pyRAPL."""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.agent.collectors import rapl
from harness.agent.collectors.files import Reader
from harness.agent.collectors.pyrapl import PyraplCollector, import_pyrapl
from harness.agent.collectors.rapl import RaplCollector, Unwrapped
from tests.support import power_trees
from tests.support.agent_side import Script, place, tree
from tests.support.power_trees import MICROJOULES_AMD, MICROJOULES_INTEL

PACKAGE = "sys/class/powercap/intel-rapl:0/energy_uj"
TURN_J = (MICROJOULES_INTEL + 1) / 1e6


def described(collector: Any) -> dict[str, str]:
    """Scopes by channel name."""
    assert {(one.unit, one.kind, one.provenance) for one in collector.channels()} <= {
        ("J", "counter", "hardware counter")
    }
    return {channel.name: channel.scope for channel in collector.channels()}


def followed(root: str, path: str, values: Sequence[int | str], step_s: float = 0.05) -> list[float]:
    """The first channel's readings while its file takes these values, the first of which it has at the start."""
    clock = Script()
    collector = RaplCollector(place(root), clock=clock.clock)
    (Path(root) / path).write_text(f"{values[0]}\n")
    collector.start()
    found = []
    for value in values[1:]:
        (Path(root) / path).write_text(f"{value}\n")
        clock.now_s += step_s
        found.append(collector.read()[0])
    collector.stop()
    return found


# --- zones


def test_zones_of_a_desktop_by_name_and_scope(tmp_path: Path) -> None:
    # The package of intel-rapl-mmio is the same package again, and left out.
    assert described(RaplCollector(place(power_trees.intel_desktop(tmp_path)))) == {
        "package-0_energy": "package",
        "core_energy": "rail",
        "uncore_energy": "rail",
        "dram_energy": "rail",
        "psys_energy": "board input",
    }


def test_zones_of_two_sockets_stand_in_the_order_of_their_names(tmp_path: Path) -> None:
    collector = RaplCollector(place(power_trees.intel_server(tmp_path)))
    assert list(described(collector)) == [
        "package-0-die-0_energy",
        "dram_energy",
        "package-0-die-1_energy",
        "dram_energy#2",
        "package-1-die-0_energy",
        "dram_energy#3",
        "package-1-die-1_energy",
        "dram_energy#4",
    ]


def test_each_of_several_zones_of_one_name_has_its_own_counter(tmp_path: Path) -> None:
    root = power_trees.intel_server(tmp_path)
    collector = RaplCollector(place(root))
    collector.start()
    # Zone 2 is package-0-die-0, the first; its dram is the second channel.
    tree(tmp_path, {"sys/class/powercap/intel-rapl:2:0/energy_uj": f"{200_000 + 3_000_000}\n"})
    tree(tmp_path, {"sys/class/powercap/intel-rapl:0/energy_uj": "5000000\n"})
    assert collector.read() == [0.0, 3.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0]
    collector.stop()


def test_mmio_alone_is_read(tmp_path: Path) -> None:
    power_trees.zone(tmp_path, "intel-rapl-mmio:0", "package-0", 1, MICROJOULES_INTEL)
    assert described(RaplCollector(place(tmp_path))) == {"package-0_energy": "package"}


def test_zones_below_their_control_type_alone_are_found(tmp_path: Path) -> None:
    folder = "sys/class/powercap/intel-rapl/intel-rapl:0"
    for inner, name in (("", "package-0"), ("/intel-rapl:0:0", "core")):
        tree(tmp_path, {f"{folder}{inner}/name": name, f"{folder}{inner}/energy_uj": "1"})
    assert list(described(RaplCollector(place(tmp_path)))) == ["package-0_energy", "core_energy"]


def test_zones_without_a_counter_are_left_out(tmp_path: Path) -> None:
    root = power_trees.amd(tmp_path)
    (tmp_path / "sys/class/powercap/intel-rapl:0:0/energy_uj").unlink()
    tree(tmp_path, {"sys/class/powercap/dtpm/name": "dtpm", "sys/class/powercap/dtpm/energy_uj": "7"})
    assert list(described(RaplCollector(place(root)))) == ["package-0_energy"]


# --- counters


def test_joules_count_from_the_start(tmp_path: Path) -> None:
    root = power_trees.intel_desktop(tmp_path)
    assert followed(root, PACKAGE, [12_000_000, 12_000_000, 12_500_061, 14_000_000]) == [0.0, 0.500061, 2.0]


def test_a_counter_that_starts_over_goes_on(tmp_path: Path) -> None:
    # By hand: 1 J before the end, then 0.75 J behind it; the turn itself is one step.
    root = power_trees.amd(tmp_path)
    values = [MICROJOULES_AMD - 1_000_000, MICROJOULES_AMD - 400_000, 749_999, 1_249_999]
    assert followed(root, PACKAGE, values) == [0.6, 1.75, 2.25]


def test_many_turns_are_many_ranges(tmp_path: Path) -> None:
    root, count = power_trees.amd(tmp_path), MICROJOULES_AMD + 1
    # An eighth of a turn per 8 s is 1024 W; 24 steps are 3 turns.
    values = [step * count // 8 % count for step in range(25)]
    found = followed(root, PACKAGE, values, step_s=8.0)
    assert found[-1] == pytest.approx(3 * count / 1e6, abs=1e-6)
    assert found == sorted(found)


def test_turns_and_steps_not_believed_are_facts(tmp_path: Path) -> None:
    clock = Script()
    collector = RaplCollector(place(power_trees.amd(tmp_path)), clock=clock.clock)
    collector.start()
    for value in (5, 10, 30_000_000_000, 30_000_000_010):
        tree(tmp_path, {PACKAGE: str(value)})
        clock.now_s += 0.05
        collector.read()
    collector.stop()
    assert collector.facts() == {
        "package-0_energy": {"turns": 1, "steps_not_believed": 1},
        "core_energy": {"turns": 0, "steps_not_believed": 0},
    }


def test_a_counter_that_was_set_back_is_not_taken_for_a_turn(tmp_path: Path) -> None:
    root = power_trees.intel_desktop(tmp_path)
    found = followed(root, PACKAGE, [12_000_000, 13_000_000, 500_000, 1_500_000])
    assert math.isnan(found[1])
    # What was drawn meanwhile is lost: one turn lower, no difference across it can pass for an energy.
    assert (found[0], found[2]) == (1.0, pytest.approx(2.0 - TURN_J, abs=1e-6))


def test_a_jump_that_nothing_draws_is_not_believed(tmp_path: Path) -> None:
    root = power_trees.intel_desktop(tmp_path)
    found = followed(root, PACKAGE, [12_000_000, 99_000_000_000, 13_000_000, 14_000_000])
    assert [math.isnan(value) for value in found] == [True, True, False]
    assert found[2] == pytest.approx(1.0 - 2 * TURN_J, abs=1e-6)


@pytest.mark.parametrize("content", ["", "\n", "garbage", "-5", "nan", "1_000", "12000000 13000000"])
def test_what_is_no_count_is_missing_once_and_its_joules_come_later(tmp_path: Path, content: str) -> None:
    root = power_trees.intel_desktop(tmp_path)
    found = followed(root, PACKAGE, [12_000_000, content, 15_000_000])
    assert math.isnan(found[0])
    assert found[1] == 3.0


def test_a_zone_that_does_not_answer_at_the_start_counts_from_its_first_answer(tmp_path: Path) -> None:
    root = power_trees.intel_desktop(tmp_path)
    assert followed(root, PACKAGE, ["", 15_000_000, 16_000_000]) == [0.0, 1.0]


def test_two_readings_at_once_may_hold_the_energy_of_a_millisecond() -> None:
    joules = Unwrapped(float(MICROJOULES_INTEL), 15.0)
    assert [joules.follow(0.0, 10.0), joules.follow(300_000.0, 10.0)] == [0.0, 0.3]


@pytest.mark.parametrize(("gap_s", "believed"), [(16.3, True), (16.5, False)])
def test_a_gap_of_a_quarter_turn_is_the_longest_believed(tmp_path: Path, gap_s: float, believed: bool) -> None:
    # 65 532.6 J at the assumed 1000 W are 65.5 s, a quarter of which are 16.38 s.
    root = power_trees.amd(tmp_path)
    found = followed(root, PACKAGE, [0, 1_000_000, 2_000_000], step_s=gap_s)
    assert [not math.isnan(value) for value in found] == [believed, believed]


def test_counting_goes_on_behind_a_gap() -> None:
    joules = Unwrapped(float(MICROJOULES_AMD), 1000.0)
    values = ((0.0, 0.0), (1e6, 1.0), (9e6, 30.0), (10e6, 31.0), (13e6, 32.0))
    found = [joules.follow(value, now_s) for value, now_s in values]
    assert math.isnan(found[2])
    assert found[1] == 1.0
    assert found[3] < found[1]
    assert found[4] - found[3] == pytest.approx(3.0, abs=1e-6)


def test_a_counter_without_a_known_end_is_followed_forwards_alone() -> None:
    joules = Unwrapped(math.nan, 1000.0)
    found = [joules.follow(value, float(now_s)) for now_s, value in enumerate((5e6, 6e6, 1e6, 2e6))]
    assert math.isnan(found[2])
    assert (found[0], found[1], found[3]) == (0.0, 1.0, 2.0 - 1e6)


@pytest.mark.parametrize(
    ("limits_uw", "longest_s"),
    [
        ((), 65.535711),  # a quarter of 262 143 J at 1000 W
        ((0,), 65.535711),  # 0 is no limit
        ((9_000_000_000,), 65.535711),  # nor is what the register cannot hold
        ((125_000_000, 250_000_000), 262.142845),
    ],
)
def test_the_highest_limit_of_a_zone_says_how_often_to_ask(
    tmp_path: Path, limits_uw: tuple[int, ...], longest_s: float
) -> None:
    power_trees.zone(tmp_path, "intel-rapl:0", "package-0", 0, 262_142_845_000, limits_uw)
    power_trees.zone(tmp_path, "intel-rapl:0:0", "core", 0, 262_142_845_000)  # takes its parent's
    for one in rapl.find_zones(str(tmp_path / "sys/class/powercap")):
        assert rapl.longest_gap_s(one.range_uj, one.limit_w) == pytest.approx(longest_s, abs=1e-5)


# --- reasons


def test_no_zone_is_a_reason(tmp_path: Path) -> None:
    reason = RaplCollector(place(tmp_path)).why_unavailable()
    assert f"no RAPL zone in {tmp_path}/sys/class/powercap" in reason
    assert "modprobe intel_rapl_msr" in reason


def refusing(error: Exception) -> Callable[[str], Reader]:
    """A reader of files that may not be opened."""

    def refuse(_: str) -> Reader:
        raise error

    return refuse


def test_a_refusal_names_the_file_and_all_three_remedies(tmp_path: Path) -> None:
    root = power_trees.intel_desktop(tmp_path)
    reason = RaplCollector(place(root), reader=refusing(PermissionError(13, "Permission denied"))).why_unavailable()
    assert f"{tmp_path}/{PACKAGE}: Permission denied" in reason
    for remedy in ("udev rule", "sudo chmod a+r", "sudo sysctl kernel.perf_event_paranoid=0", "daemon"):
        assert remedy in reason


def test_one_zone_that_may_be_read_is_enough(tmp_path: Path) -> None:
    root = power_trees.intel_desktop(tmp_path)

    def psys_alone(path: str) -> Reader:
        if "rapl:1/" not in path:
            raise PermissionError(13, "Permission denied", path)
        return Reader(path)

    collector = RaplCollector(place(root), reader=psys_alone)
    assert collector.why_unavailable() is None
    collector.start()
    values = dict(zip([channel.name for channel in collector.channels()], collector.read(), strict=True))
    collector.stop()
    assert values.pop("psys_energy") == 0.0
    assert [math.isnan(value) for value in values.values()] == [True] * 4


def test_asking_too_rarely_is_a_reason_with_the_longest_period(tmp_path: Path) -> None:
    root = power_trees.amd(tmp_path)
    assert RaplCollector(place(root, period_s=16.0)).why_unavailable() is None
    reason = RaplCollector(place(root, period_s=20.0)).why_unavailable()
    assert reason == "asked every 20 s a counter may start over unseen: set [sensor.rapl] period_s below 16"


def test_an_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rapl has no option zones"):
        RaplCollector(place(tmp_path, options={"zones": "all"}))


# --- captured


def captured(shared: Path, name: str, folder: Path) -> str:
    """PATH:VALUE lines of a grep as a tree; what grep could not read holds nothing."""
    lines = (shared / "fixtures/rapl" / name).read_text().splitlines()
    pairs = [re.match(r"(?:grep: )?/(\S+?):\s?([^:]*)$", line) for line in lines]
    found = {match[1]: match[2] + "\n" for match in pairs if match and "Is a directory" not in match[2]}
    return tree(folder, {path: "" if "denied" in value else value for path, value in found.items()})


def test_captured_zone_of_a_desktop_whose_counter_is_denied(shared: Path, tmp_path: Path) -> None:
    root = captured(shared, "intel_desktop_nonroot_grep.txt", tmp_path)
    (found,) = rapl.find_zones(f"{root}/sys/class/powercap")
    assert found._replace(path="") == rapl.Zone("intel-rapl:0", "package-0", "package", "", 262143328850.0, 136.0)
    # 262 143 J at 136 W are 1927.5 s: half an hour.
    assert rapl.longest_gap_s(found.range_uj, found.limit_w) == pytest.approx(481.88, abs=0.01)
    reason = RaplCollector(place(root), reader=refusing(PermissionError(13, "Permission denied"))).why_unavailable()
    assert "intel-rapl/intel-rapl:0/energy_uj: Permission denied" in reason


def test_captured_dram_zone(shared: Path, tmp_path: Path) -> None:
    root = captured(shared, "haswell_dram_zone_root_grep_partial.txt", tmp_path)
    (found,) = rapl.find_zones(f"{root}/sys/class/powercap")
    assert (found.entry, found.name, found.scope) == ("intel-rapl:0:2", "dram", "rail")
    assert (found.range_uj, found.limit_w) == (262143999938.0, 3408.25)
    path = "sys/class/powercap/intel-rapl/intel-rapl:0/intel-rapl:0:2/energy_uj"
    assert followed(root, path, [2469474853, 2469474853, 2470474853]) == [0.0, 1.0]


def test_captured_counter_beyond_32_bits(shared: Path, tmp_path: Path) -> None:
    lines = (shared / "fixtures/rapl/server_zone1_find_cat_partial.txt").read_text().splitlines()
    energy = int(lines[1 + lines.index("/sys/devices/virtual/powercap/intel-rapl/intel-rapl:1/energy_uj")])
    assert energy == 60_293_987_000_000
    power_trees.zone(tmp_path, "intel-rapl:1", "package-1", energy, 2**63 - 1)
    # "No data available" for a constraint: the zone has no limit then.
    (tmp_path / "sys/class/powercap/intel-rapl:1/constraint_1_power_limit_uw").mkdir()
    path = "sys/class/powercap/intel-rapl:1/energy_uj"
    assert followed(str(tmp_path), path, [energy, energy + 1, energy + 2_000_000]) == [1e-6, 2.0]


# --- the adapter on pyRAPL


class Files:
    """Stands for pyRAPL's files: remembers whether they were closed."""

    closed = 0

    def close(self) -> None:
        Files.closed += 1


def package(rows: Sequence[Sequence[float]]) -> Any:
    """A module of pyRAPL's shape, whose sensors answer with these rows one after the other and repeat the last."""

    class Sensor:
        def __init__(self, devices: Sequence[int]) -> None:
            assert devices == [0]
            self._device_api = {0: SimpleNamespace(_sys_files=[Files()])}
            self._rows = list(rows)

        def energy(self) -> Sequence[float]:
            return self._rows.pop(0) if len(self._rows) > 1 else self._rows[0]

    return SimpleNamespace(Sensor=Sensor, Device=SimpleNamespace(PKG=0, DRAM=1))


def test_pyrapl_gives_joules_of_every_package(tmp_path: Path) -> None:
    # By socket: package, dram. No socket 1; its microjoules are called joules.
    rows = [[5e6, -1, -1, -1, 1e6, -1], [5.5e6, -1, -1, -1, 3e6, -1]]
    clock = Script()
    collector = PyraplCollector(place(tmp_path), load=lambda: package(rows), clock=clock.clock)
    assert described(collector) == {"package-0_energy": "package", "package-2_energy": "package"}
    assert collector.why_unavailable() is None
    collector.start()
    clock.now_s = 1.0
    assert collector.read() == [0.5, 2.0]
    collector.stop()


def test_pyrapl_goes_on_where_powercap_tells_the_range(tmp_path: Path) -> None:
    rows = [[MICROJOULES_AMD - 1_000_000, -1], [749_999, -1], [1_749_999, -1]]
    for root, expected in ((power_trees.amd(tmp_path / "amd"), [1.75, 2.75]), (str(tmp_path), [math.nan, 1.0 - 1e6])):
        clock = Script()
        collector = PyraplCollector(place(root), load=lambda: package(rows), clock=clock.clock)
        collector.start()
        found = []
        for now_s in (1.0, 2.0):
            clock.now_s = now_s
            found += collector.read()
        collector.stop()
        # A negative difference, which pyRAPL itself would give, never shows.
        assert found == pytest.approx(expected, nan_ok=True)


def test_pyrapl_has_its_files_closed(tmp_path: Path) -> None:
    Files.closed = 0
    collector = PyraplCollector(place(tmp_path), load=lambda: package([[1.0, -1]]))
    assert collector.why_unavailable() is None
    assert Files.closed == 1
    collector.start()
    collector.stop()
    collector.stop()
    assert Files.closed == 2


def missing() -> Any:
    raise ImportError


def failing() -> Any:
    def sensor(_: Sequence[int]) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/sys/devices/system/cpu/cpu3/topology")

    return SimpleNamespace(Sensor=sensor, Device=SimpleNamespace(PKG=0))


@pytest.mark.parametrize(
    ("load", "told"),
    [
        (missing, "pyRAPL is not installed: pip install pyRAPL, or rather use the collector rapl"),
        (failing, "pyRAPL refuses this machine (FileNotFoundError: [Errno 2] No such file or directory: '/sys/devices"),
        (lambda: package([[-1, -1]]), "pyRAPL finds no package on this machine: use the collector rapl"),
    ],
)
def test_pyrapl_that_does_not_work_points_at_rapl(tmp_path: Path, load: Callable[[], Any], told: str) -> None:
    collector = PyraplCollector(place(tmp_path), load=load)
    assert collector.channels() == []
    assert told in collector.why_unavailable()
    assert "needs nothing" in collector.why_unavailable()


def test_the_loader_asks_for_the_package_by_its_name() -> None:
    if importlib.util.find_spec("pyRAPL") is None:
        with pytest.raises(ImportError, match="pyRAPL"):
            import_pyrapl()
    else:
        assert import_pyrapl().__name__ == "pyRAPL"
