from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from harness.agent.collectors import files
from harness.agent.collectors.cpu import CpuCollector
from harness.agent.collectors.others import OthersCollector
from harness.agent.collectors.process import ProcessCollector, memory_now
from harness.agent.collectors.thermal import ThermalCollector
from tests.support.agent_side import TICKS, place, process_stat, readings, tree

TARGET, OWN = 41, 42
STATUS = """Name:\t{name}
VmHWM:\t    5120 kB
VmRSS:\t    4096 kB
Threads:\t1
voluntary_ctxt_switches:\t7
nonvoluntary_ctxt_switches:\t3
"""
# user nice system idle iowait irq softirq steal guest guest_nice, in ticks.
STAT = """cpu  1500 20 300 9000 40 5 6 9 100 0
cpu0 1000 10 200 4000 20 3 4 8 100 0
cpu1 500 10 100 5000 20 2 2 1 0 0
intr 12345 0 0
ctxt 999
"""


@pytest.fixture
def root(tmp_path: Path) -> str:
    return tree(
        tmp_path,
        {
            "proc/stat": STAT,
            f"proc/{TARGET}/status": STATUS.format(name="python3"),
            f"proc/{TARGET}/stat": process_stat(TARGET, "python3", minor_faults=11, major_faults=2, user=30, system=10),
            f"proc/{TARGET}/smaps_rollup": "00400000-7fff rollup\nRss: 4096 kB\nPss:    2048 kB\nPss_Dirty: 1 kB\n",
            f"proc/{OWN}/stat": process_stat(OWN, "sensors", user=4, system=1),
        },
    )


# --- process


def test_process_reads_memory_switches_and_faults(root: str) -> None:
    assert readings(ProcessCollector(place(root, TARGET, OWN))) == {
        "rss": 4096 * 1024,
        "voluntary_switches": 7,
        "involuntary_switches": 3,
        "minor_faults": 11,
        "major_faults": 2,
    }


@pytest.mark.parametrize("name", ["my agent", "a) S 1 2 (b", ") 9 9 9", "VmRSS: 1 kB"])
def test_process_names_may_hold_blanks_and_parentheses(root: str, name: str) -> None:
    stat = process_stat(TARGET, name, minor_faults=11, major_faults=2)
    tree(Path(root), {f"proc/{TARGET}/stat": stat, f"proc/{TARGET}/status": STATUS.format(name=name)})
    found = readings(ProcessCollector(place(root, TARGET, OWN)))
    assert (found["rss"], found["minor_faults"], found["major_faults"]) == (4096 * 1024, 11, 2)


def test_process_names_may_be_any_bytes(root: str) -> None:
    status = STATUS.format(name="caf?").encode().replace(b"?", b"\xe9")
    tree(Path(root), {f"proc/{TARGET}/status": status})
    assert readings(ProcessCollector(place(root, TARGET, OWN)))["rss"] == 4096 * 1024
    assert memory_now(root, TARGET)["peak_rss_bytes"] == 5120 * 1024


def test_process_without_a_memory_line_reads_nan(root: str) -> None:
    tree(Path(root), {f"proc/{TARGET}/status": "Name:\tzombie\nvoluntary_ctxt_switches:\t7\n"})
    found = readings(ProcessCollector(place(root, TARGET, OWN)))
    assert math.isnan(found["rss"])
    assert math.isnan(found["involuntary_switches"])
    assert found["voluntary_switches"] == 7


def test_process_that_does_not_show_is_unavailable(root: str) -> None:
    reason = ProcessCollector(place(root, 99, OWN)).why_unavailable()
    assert "proc/99/status" in reason
    assert "hidepid" in reason


def test_memory_now_in_bytes(root: str) -> None:
    assert memory_now(root, TARGET) == {
        "peak_rss_bytes": 5120 * 1024,
        "rss_bytes": 4096 * 1024,
        "pss_bytes": 2048 * 1024,
    }


def test_memory_now_without_a_rollup_leaves_pss_out(root: str) -> None:
    (Path(root) / f"proc/{TARGET}/smaps_rollup").unlink()
    assert memory_now(root, TARGET) == {"peak_rss_bytes": 5120 * 1024, "rss_bytes": 4096 * 1024}


def test_memory_now_of_a_process_that_is_gone_is_empty(root: str) -> None:
    assert memory_now(root, 99) == {}


# --- cpu


def test_cpu_seconds_busy_and_stolen_per_core(root: str) -> None:
    # busy = user + nice + system + irq + softirq; guest time is in user already, iowait is idle.
    assert readings(CpuCollector(place(root, TARGET, OWN))) == {
        "cpu0_busy": (1000 + 10 + 200 + 3 + 4) / TICKS,
        "cpu0_steal": 8 / TICKS,
        "cpu1_busy": (500 + 10 + 100 + 2 + 2) / TICKS,
        "cpu1_steal": 1 / TICKS,
    }


def test_cpu_that_went_offline_reads_nan_and_the_others_go_on(root: str) -> None:
    collector = CpuCollector(place(root, TARGET, OWN))
    collector.start()
    online = "\n".join(line for line in STAT.splitlines() if not line.startswith("cpu1"))
    (Path(root) / "proc/stat").write_text(online)
    values = dict(zip([channel.name for channel in collector.channels()], collector.read(), strict=True))
    collector.stop()
    assert values["cpu0_busy"] == 1217 / TICKS
    assert math.isnan(values["cpu1_busy"])
    assert math.isnan(values["cpu1_steal"])


def test_cpu_clock_is_in_hertz_where_cpufreq_shows_one(root: str) -> None:
    tree(Path(root), {"sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "1479000\n"})
    collector = CpuCollector(place(root, TARGET, OWN))
    assert [channel.unit for channel in collector.channels()] == ["s", "s", "s", "s", "Hz"]
    assert readings(collector)["cpu1_clock"] == 1_479_000_000.0


@pytest.mark.parametrize("content", ["<unsupported>\n", ""])
def test_cpu_clock_that_says_nothing_reads_nan(root: str, content: str) -> None:
    tree(Path(root), {"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": content})
    found = readings(CpuCollector(place(root, TARGET, OWN)))
    assert math.isnan(found["cpu0_clock"])
    assert found["cpu0_busy"] == 1217 / TICKS


def test_cpu_of_a_kernel_without_steal_has_none(tmp_path: Path) -> None:
    root = tree(tmp_path, {"proc/stat": "cpu  1 2 3 4 5 6 7\ncpu0 1 2 3 4 5 6 7\n"})
    assert readings(CpuCollector(place(root, TARGET, OWN))) == {"cpu0_busy": 19 / TICKS, "cpu0_steal": 0}


def test_cpu_without_cores_is_unavailable(tmp_path: Path) -> None:
    assert (
        CpuCollector(place(str(tmp_path), TARGET, OWN)).why_unavailable()
        == f"{tmp_path}/proc/stat lists no core: mount proc"
    )


# --- thermal


def zones(*found: tuple[str, str | None]) -> dict[str, str]:
    """Files of thermal zones numbered from 0: type and millidegrees; None for a zone that cannot be read."""
    named = {}
    for number, (kind, temperature) in enumerate(found):
        folder = f"sys/class/thermal/thermal_zone{number}"
        named[f"{folder}/type"] = kind + "\n"
        # A folder in the place of the file fails to read, for root too.
        named[f"{folder}/temp" if temperature is not None else f"{folder}/temp/no_file"] = temperature or ""
    return named


def test_thermal_zones_in_degrees(tmp_path: Path) -> None:
    root = tree(tmp_path, zones(("CPU-therm", "45500\n"), ("GPU-therm", "-1250\n")))
    assert readings(ThermalCollector(place(root))) == {"CPU-therm_0": 45.5, "GPU-therm_1": -1.25}


def test_two_zones_of_one_type_are_told_apart(tmp_path: Path) -> None:
    root = tree(tmp_path, zones(("acpitz", "20000"), ("acpitz", "30000")))
    assert readings(ThermalCollector(place(root))) == {"acpitz_0": 20.0, "acpitz_1": 30.0}


def test_a_zone_that_sleeps_at_the_start_reads_once_it_wakes(tmp_path: Path) -> None:
    # That of a GPU answers with an I/O error until the first inference.
    root = tree(tmp_path, zones(("gpu", None), ("cpu", "30000")))
    collector = ThermalCollector(place(root))
    assert collector.why_unavailable() is None
    collector.start()
    asleep = collector.read()
    collector.stop()
    temperature = tmp_path / "sys/class/thermal/thermal_zone0/temp"
    (temperature / "no_file").unlink()
    temperature.rmdir()
    temperature.write_text("41000\n")
    assert math.isnan(asleep[0])
    assert asleep[1] == 30.0
    assert readings(collector) == {"gpu_0": 41.0, "cpu_1": 30.0}


@pytest.mark.parametrize("kind", ["PMIC-Die", "PMIC", "INT3400 Thermal"])
def test_zones_that_show_a_constant_are_left_out(tmp_path: Path, kind: str) -> None:
    root = tree(tmp_path, zones((kind, "100000"), ("AO-therm", "38500")))
    assert readings(ThermalCollector(place(root))) == {"AO-therm_1": 38.5}


def test_a_sensor_without_power_reads_nan(tmp_path: Path) -> None:
    root = tree(tmp_path, zones(("cv0-thermal", "-256000\n"), ("tj-thermal", "51312\n"), ("outside", "-40000\n")))
    found = readings(ThermalCollector(place(root)))
    assert math.isnan(found["cv0-thermal_0"])
    assert (found["tj-thermal_1"], found["outside_2"]) == (51.312, -40.0)


def test_zones_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    root = tree(tmp_path, zones(*[("zone", str(1000 * number)) for number in range(12)]))
    assert list(readings(ThermalCollector(place(root))).values()) == [float(number) for number in range(12)]


def test_a_zone_that_falls_asleep_reads_nan(tmp_path: Path) -> None:
    root = tree(tmp_path, zones(("cpu", "30000"), ("modem", "25000")))
    collector = ThermalCollector(place(root))
    collector.start()
    (tmp_path / "sys/class/thermal/thermal_zone1/temp").write_text("")
    values = collector.read()
    collector.stop()
    assert values[0] == 30.0
    assert math.isnan(values[1])


def test_cooling_devices_are_no_zones(tmp_path: Path) -> None:
    root = tree(tmp_path, {"sys/class/thermal/cooling_device0/type": "fan", **zones(("cpu", "1000"))})
    assert [channel.name for channel in ThermalCollector(place(root)).channels()] == ["cpu_0"]


@pytest.mark.parametrize("found", [{}, zones(("asleep", None))])
def test_no_readable_zone_is_a_reason(tmp_path: Path, found: dict[str, str]) -> None:
    reason = ThermalCollector(place(tree(tmp_path, found))).why_unavailable()
    assert f"no readable zone in {tmp_path}/sys/class/thermal" in reason


# --- others


def test_others_are_all_minus_the_measured_and_the_sensor_process(root: str) -> None:
    found = readings(OthersCollector(place(root, TARGET, OWN)))
    assert found["other_busy"] == pytest.approx((1500 + 20 + 300 + 5 + 6 - 30 - 10 - 4 - 1) / TICKS, abs=1e-9)
    assert math.isnan(found["cpu_pressure"])


def test_others_waited_in_seconds_where_the_kernel_keeps_pressure(root: str) -> None:
    pressure = "some avg10=0.00 avg60=0.10 avg300=0.00 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n"
    tree(Path(root), {"proc/pressure/cpu": pressure})
    assert readings(OthersCollector(place(root, TARGET, OWN)))["cpu_pressure"] == 2.5


@pytest.mark.parametrize("emptied", ["proc/stat", "proc/pressure/cpu"])
def test_others_read_nan_when_a_file_changes_under_them(root: str, emptied: str) -> None:
    tree(Path(root), {"proc/pressure/cpu": "some avg10=0.00 total=2500000\n"})
    collector = OthersCollector(place(root, TARGET, OWN))
    collector.start()
    (Path(root) / emptied).write_text("")
    values = collector.read()
    collector.stop()
    assert [math.isnan(value) for value in values] == [emptied == "proc/stat", emptied == "proc/pressure/cpu"]


@pytest.mark.parametrize("gone", ["proc/stat", f"proc/{TARGET}/stat", f"proc/{OWN}/stat"])
def test_others_name_what_is_missing(root: str, gone: str) -> None:
    (Path(root) / gone).unlink()
    assert gone in OthersCollector(place(root, TARGET, OWN)).why_unavailable()


# --- files


def test_a_reader_sees_what_the_file_holds_now(tmp_path: Path) -> None:
    path = tmp_path / "value"
    path.write_text("12345")
    reader = files.Reader(str(path))
    assert reader.read() == "12345"
    path.write_text("6")
    assert reader.read() == "6"
    reader.close()


def test_text_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert files.read_text(str(tmp_path / "absent")) is None
    assert files.read_text(str(tmp_path)) is None


def test_real_names_with_parentheses_do_not_shift_the_fields() -> None:
    own = files.fields_after_name(Path(f"/proc/{os.getpid()}/stat").read_text())
    assert files.fields_after_name(f"1 (x) y) {' '.join(own)}\n") == own
