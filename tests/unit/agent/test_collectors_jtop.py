"""The jtop feed: its three shapes as one, and a stand-in of its client. No line of jetson-stats is needed."""

from __future__ import annotations

import csv
import json
import math
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.agent.collectors import Channel, Place
from harness.agent.collectors.jtop import JtopFeed, explain, normalise, total_is_a_sum

STATS_3 = {
    "time": "now", "uptime": "long", "jetson_clocks": "OFF", "nvp model": "MAXN", "CPU1": 41, "CPU2": "OFF", "GPU": 99,
    "MTS FG": 1, "MTS BG": 2, "RAM": 1000, "EMC": 1000, "IRAM": 1000, "SWAP": 3, "APE": 25, "NVENC": "OFF", "NVJPG": 7,
    "fan": 31.5, "Temp CPU": 44.5, "Temp PMIC": -256, "power cur": 4664, "power avg": 2852,
}  # fmt: skip
POWER_3 = ({"cur": 4664, "avg": 2852}, {"POM_5V_GPU": {"cur": 1000, "avg": 1}, "POM_5V_CPU": {"cur": 500, "avg": 2}})
STATS_4 = {
    "time": "now", "uptime": "long", "jetson_clocks": "OFF", "nvp model": "25W", "CPU1": 18, "CPU2": "OFF", "RAM": 0.25,
    "SWAP": 0.0, "EMC": 5, "GPU": 4.8, "APE": "OFF", "VIC": 115200,
    "PVA0 VPS": 819200, "SETTING": 5, "Mood": 5, "Fan pwmfan0": 26.0, "Temp cpu": 46.062,
    "Temp cv0": -256, "Power VDD_SOC": 1540, "Power TOT": 5133,
}  # fmt: skip
RAIL = {"volt": 5000, "curr": 300, "warn": 32760, "crit": 32760, "power": 1500, "online": True, "avg": 9}
POWER_4 = {
    "rail": {"VDD_SOC": RAIL, "VDD_CV": {**RAIL, "online": False}},
    "tot": {**RAIL, "power": 4000, "name": "VDD_IN"},
}
MEMORY_4 = {"RAM": {"tot": 4000, "used": 1000}, "SWAP": {"tot": 100, "used": 0}, "EMC": {"cur": 2133000}}
GPU_4 = {"gpu": {"status": {"load": 4.8}, "freq": {"cur": 306000}}}


def named(readings: list[Any]) -> dict[str, float]:
    """Values by name; None for NaN, so that they compare."""
    assert len({one.name for one in readings}) == len(readings)
    return {one.name: None if math.isnan(one.value) else one.value for one in readings}  # type: ignore[misc]


# --- shapes


def test_3_in_si_units() -> None:
    assert named(normalise("3.1.4", STATS_3, POWER_3)) == {
        "CPU1_load": 0.41,
        "CPU2_load": None,
        "GPU_load": 0.99,
        "MTS_FG_load": 0.01,
        "MTS_BG_load": 0.02,
        "ram_used": 1000 * 1024,
        "swap_used": 3 * 1024**2,
        "APE_clock": 25e6,
        "NVENC_clock": None,
        "fan_load": 0.315,
        "CPU_temperature": 44.5,
        "PMIC_temperature": None,
        "POM_5V_GPU_power": 1.0,
        "POM_5V_CPU_power": 0.5,
        "TOT_power": 4.664,
    }


@pytest.mark.parametrize("version", ["4.0.0rc1", "4.3.2", "7.2.2"])
def test_4_and_7_in_si_units(version: str) -> None:
    assert named(normalise(version, STATS_4, POWER_4, MEMORY_4, GPU_4)) == {
        "CPU1_load": 0.18,
        "CPU2_load": None,
        "RAM_load": 0.25,
        "SWAP_load": 0.0,
        "EMC_load": 0.05,
        "GPU_load": 0.048,
        "APE_clock": None,
        "VIC_clock": 115.2e6,
        "PVA0_VPS_clock": 819.2e6,
        "pwmfan0_load": 0.26,
        "cpu_temperature": 46.062,
        "cv0_temperature": None,
        "VDD_SOC_power": 1.5,
        "VDD_SOC_voltage": 5.0,
        "VDD_SOC_current": 0.3,
        "VDD_CV_power": None,
        "VDD_CV_voltage": None,
        "VDD_CV_current": None,
        "VDD_IN_power": 4.0,
        "VDD_IN_voltage": 5.0,
        "VDD_IN_current": 0.3,
        "ram_used": 1000 * 1024,
        "swap_used": 0.0,
        "EMC_clock": 2.133e9,
        "gpu_clock": 306e6,
    }


def test_a_total_without_a_name_is_a_sum_and_has_no_voltage() -> None:
    power = {"rail": {"VDD_SOC": RAIL}, "tot": {key: value for key, value in POWER_4["tot"].items() if key != "name"}}
    found = named(normalise("4.3.2", {}, power))
    assert (found["TOT_power"], "TOT_voltage" in found, "VDD_IN_power" in found) == (4.0, False, False)
    assert total_is_a_sum("4.3.2", power)


def test_without_the_power_page_the_stats_serve() -> None:
    assert named(normalise("4.3.2", {"Power VDD_SOC": 1540, "Power TOT": 5133})) == {
        "VDD_SOC_power": 1.54,
        "TOT_power": 5.133,
    }
    assert named(normalise("3.1.4", {"power cur": 4664, "power avg": 1})) == {"TOT_power": 4.664}


@pytest.mark.parametrize(("total", "summed"), [(1500, True), (1501, True), (4664, False), (1400, False)])
def test_in_3_the_figures_tell_whether_the_total_is_a_sum(total: int, summed: bool) -> None:
    assert total_is_a_sum("3.1.4", ({"cur": total}, POWER_3[1])) is summed
    assert total_is_a_sum("3.1.4", ({"cur": total}, {})) is False
    assert total_is_a_sum("3.1.4", None) is False


def test_averages_never_come_through() -> None:
    marked = {**RAIL, "avg": 999_999}
    found = named(normalise("4.3.2", {"Power avg": 999_999}, {"rail": {"A": marked}, "tot": marked}))
    found.update(named(normalise("3.1.4", {"power avg": 999_999}, ({"cur": 1, "avg": 999_999}, {}))))
    assert 999.999 not in found.values()


@pytest.mark.parametrize("version", ["2.1.0", "1.8", "", "master"])
def test_older_shapes_are_refused(version: str) -> None:
    with pytest.raises(ValueError, match="too old"):
        normalise(version, STATS_3)


def test_switches_are_no_numbers() -> None:
    assert named(normalise("4.3.2", {"GPU": True, "Temp cpu": None, "CPU1": "OFF"})) == {
        "GPU_load": None,
        "cpu_temperature": None,
        "CPU1_load": None,
    }


def test_captured_orin_nano_of_4(shared: Path) -> None:
    page = json.loads((shared / "fixtures/jtop/orinnano4g_r36.4.3_jtop4.json").read_text())
    found = named(normalise("4.3.1", page["stats"], page["power"], page["memory"], page["gpu"]))
    assert found == {
        **{f"CPU{core}_load": load / 100 for core, load in enumerate((18, 39, 9, 9, 5, 3), 1)},
        "RAM_load": 0.4574121443512036,
        "SWAP_load": 0.0,
        "EMC_load": 0.0,
        "GPU_load": 0.048,
        **{f"{engine}_clock": None for engine in ("APE", "NVDEC", "NVJPG", "NVJPG1", "OFA", "SE", "VIC")},
        "pwmfan0_load": pytest.approx(0.26274509803921568, rel=1e-12),
        "cpu_temperature": 46.062,
        "cv0_temperature": None,
        "cv1_temperature": None,
        "cv2_temperature": None,
        "gpu_temperature": 46.406,
        "soc0_temperature": 45.875,
        "soc1_temperature": 47.906,
        "soc2_temperature": 45.25,
        "tj_temperature": 47.906,
        "VDD_CPU_GPU_CV_power": 1.064,
        "VDD_CPU_GPU_CV_voltage": 4.928,
        "VDD_CPU_GPU_CV_current": 0.216,
        "VDD_SOC_power": 1.54,
        "VDD_SOC_voltage": 4.936,
        "VDD_SOC_current": 0.312,
        "VDD_IN_power": 5.133,
        "VDD_IN_voltage": 4.936,
        "VDD_IN_current": 1.04,
        "ram_used": 1687344 * 1024,
        "swap_used": 0.0,
        "EMC_clock": 2.133e9,
        "gpu_clock": 306e6,
    }


def test_captured_nano_of_3(shared: Path) -> None:
    page = json.loads((shared / "fixtures/jtop/nano_r32.6.1_jtop3.json").read_text())
    assert named(normalise("3.1.4", page["stats"])) == {
        **{f"CPU{core}_load": load / 100 for core, load in enumerate((41, 48 + 6, 61, 48), 1)},
        "GPU_load": 0.99,
        "ram_used": 3656268 * 1024,
        "swap_used": 1982 * 1024**2,
        "APE_clock": 25e6,
        "NVENC_clock": None,
        "NVDEC_clock": None,
        "fan_load": pytest.approx(0.31372549019607842, rel=1e-12),
        "AO_temperature": 50.5,
        "CPU_temperature": 44.0,
        "GPU_temperature": 39.5,
        "PLL_temperature": 37.5,
        "iwlwifi_temperature": 40.0,
        "thermal_temperature": 41.5,
        "TOT_power": 4.664,
    }


def test_captured_agx_xavier_of_3(shared: Path) -> None:
    with (shared / "fixtures/jtop/agxxavier_jtop3_stats.csv").open() as source:
        rows = [[cell.strip() for cell in row] for row in csv.reader(source)][1:]
    stats = {key: float(text) if text.replace(".", "", 1).isdigit() else text for key, text in rows}
    found = named(normalise("3.0.2", stats))
    assert [found[f"CPU{core}_load"] for core in range(1, 9)] == [0.05, 0.03, 0.03, 0.07, 0.05, 0.05, 0.14, 0.01]
    temperatures = {name: value for name, value in found.items() if name.endswith("_temperature")}
    assert temperatures == {
        "AO_temperature": 44.5, "AUX_temperature": 44.5, "CPU_temperature": 46.0, "GPU_temperature": 46.0,
        "Tboard_temperature": 46.0, "Tdiode_temperature": 49.25, "thermal_temperature": 45.4,
    }  # fmt: skip
    rest = {name: value for name, value in found.items() if not name.startswith("CPU") and name not in temperatures}
    assert rest == {
        "GPU_load": 0.0, "MTS_FG_load": 0.0, "MTS_BG_load": 0.0, "ram_used": 1745160 * 1024, "swap_used": 0.0,
        "APE_clock": 150e6, "NVENC_clock": None, "NVDEC_clock": None, "fan_load": 0.0, "TOT_power": 4.859,
    }  # fmt: skip


# --- the client


class JtopException(Exception):
    pass


class Client:
    """A client that sends these updates as soon as it is started; `update` sends another."""

    def __init__(self, package: Package, interval: float) -> None:
        self.package, self.interval = package, interval
        self.stats: Any = STATS_4
        self.power: Any = POWER_4
        self.memory: Any = MEMORY_4
        self.gpu: Any = GPU_4
        self.tell: Callable[[Client], None] = lambda _: None
        self.is_open = False
        self.error: Exception | None = None

    def attach(self, observer: Callable[[Client], None]) -> None:
        self.tell = observer

    def start(self) -> None:
        if self.package.refusal is not None:
            raise self.package.refusal
        self.is_open = True
        if not self.package.silent:
            self.tell(self)

    def ok(self, spin: bool = False) -> bool:
        assert spin
        if self.error is not None:
            raise self.error
        return self.is_open

    def close(self) -> None:
        self.is_open = False


class Package:
    """What `import jtop` gives."""

    JtopException = JtopException

    def __init__(self, version: str = "4.3.2", refusal: Exception | None = None, silent: bool = False) -> None:
        self.__version__ = version
        self.refusal, self.silent = refusal, silent
        self.clients: list[Client] = []

    def jtop(self, interval: float) -> Client:
        self.clients.append(Client(self, interval))
        return self.clients[-1]


def feed(root: Path, package: Package, first_s: float = 10.0, watch_s: float = 0.01, **options: Any) -> JtopFeed:
    (root / "run").mkdir(exist_ok=True)
    (root / "run/jtop.sock").write_text("")
    place = Place(str(root), 1, 1, 0.5, options)
    return JtopFeed(place, load=lambda: package, clock=lambda: 3.5, first_s=first_s, watch_s=watch_s)


def test_an_update_is_a_row(tmp_path: Path) -> None:
    package = Package()
    jtop = feed(tmp_path, package)
    assert jtop.why_unavailable() is None
    jtop.start()
    client = package.clients[0]
    client.power = {"rail": {"VDD_SOC": {**RAIL, "power": 1700}}, "tot": POWER_4["tot"]}
    client.tell(client)
    names = [channel.name for channel in jtop.channels()]
    first, second = jtop.wait(), jtop.wait()
    jtop.stop()
    assert (client.interval, client.is_open) == (0.5, False)
    assert (first[0], second[0]) == (3.5, 3.5)
    at = names.index("VDD_SOC_power"), names.index("VDD_CV_power"), names.index("VDD_IN_power")
    assert [first[1][at[0]], first[1][at[2]]] == [1.5, 4.0]
    assert [second[1][at[0]], second[1][at[2]]] == [1.7, 4.0]
    assert math.isnan(second[1][at[1]])
    assert jtop.facts() == {"jetson_stats": "4.3.2", "nvp model": "25W", "jetson_clocks": "OFF", "odd_updates": 0}


def test_channels_say_which_total_is_a_sum(tmp_path: Path) -> None:
    def scopes(version: str, power: Any) -> dict[str, str]:
        package = Package(version)
        jtop = feed(tmp_path, package)
        client_of = package.jtop

        def prepared(interval: float) -> Client:
            client = client_of(interval)
            client.stats, client.power = (STATS_3 if version.startswith("3") else STATS_4), power
            return client

        package.jtop = prepared  # type: ignore[method-assign]
        jtop.start()
        jtop.stop()
        assert Channel("GPU_load", "1", "gauge", "board", "jtop") in jtop.channels()
        return {channel.name: channel.scope for channel in jtop.channels() if channel.provenance == "board rail"}

    nameless = {"rail": {"A": RAIL}, "tot": {"power": 1500}}
    assert scopes("4.3.2", POWER_4)["VDD_IN_power"] == "rail"
    assert scopes("4.3.2", nameless) == {
        "A_power": "rail",
        "A_voltage": "rail",
        "A_current": "rail",
        "TOT_power": "sum of rails",
    }
    assert scopes("3.1.4", POWER_3)["TOT_power"] == "rail"
    assert scopes("3.1.4", ({"cur": 1500}, POWER_3[1]))["TOT_power"] == "sum of rails"


def test_an_odd_update_is_a_row_of_nan(tmp_path: Path) -> None:
    package = Package()
    jtop = feed(tmp_path, package)
    jtop.start()
    client = package.clients[0]
    client.power = {"rail": 5}
    client.tell(client)
    jtop.wait()
    _, values = jtop.wait()
    jtop.stop()
    assert all(math.isnan(value) for value in values)
    assert len(values) == len(jtop.channels())
    assert jtop.facts()["odd_updates"] == 1


def test_stop_wakes_one_who_waits(tmp_path: Path) -> None:
    jtop = feed(tmp_path, Package(), watch_s=60.0)
    jtop.start()
    heard: queue.Queue[object] = queue.Queue()

    def listen() -> None:
        try:
            while True:
                heard.put(jtop.wait()[0])
        except EOFError as error:
            heard.put(str(error))

    waiting = threading.Thread(target=listen)
    waiting.start()
    assert heard.get(timeout=10.0) == 3.5
    jtop.stop()
    assert heard.get(timeout=10.0) == "jtop was stopped"
    waiting.join(10.0)
    with pytest.raises(EOFError):
        jtop.wait()


def test_a_service_that_goes_ends_the_feed(tmp_path: Path) -> None:
    package = Package()
    jtop = feed(tmp_path, package)
    for error in (None, JtopException("Lost connection with jtop server")):
        jtop.start()
        jtop.wait()
        package.clients[-1].is_open, package.clients[-1].error = False, error
        with pytest.raises(EOFError, match="onnection") as ended:
            jtop.wait()
        assert str(ended.value).endswith(": sudo systemctl restart jtop.service")
        jtop.stop()


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (
            JtopException("The jtop.service is not active. Please run:\nsudo systemctl restart jtop.service"),
            "restart jtop",
        ),
        (FileNotFoundError(2, "No such file"), "restart jtop"),
        (ConnectionRefusedError(111, "refused"), "restart jtop"),
        (JtopException("I can't access jtop.service.\nPlease logout or reboot this board."), "usermod -aG jtop"),
        (PermissionError(13, "Permission denied"), "usermod -aG jtop"),
        (JtopException("Mismatch version jtop service: [4.2.7] and client: [4.3.1]."), "version where the agent's"),
        (
            JtopException("mismatch python version between library and service"),
            "the Python that jtop.service runs with",
        ),
        (JtopException("Mismatch of Python versions between library and service"), "the Python that jtop.service runs"),
        (JtopException("Authentication with jetson-stats server failed"), "version where the agent's"),
        (JtopException(""), "restart jtop"),
    ],
)
def test_errors_of_the_client_come_with_their_remedy(tmp_path: Path, error: Exception, remedy: str) -> None:
    assert remedy in explain(error).rpartition(": ")[2]
    assert "\n" not in explain(error)
    jtop = feed(tmp_path, Package(refusal=error))
    with pytest.raises(OSError, match=r"^jtop: ") as said:
        jtop.start()
    assert str(said.value) == explain(error)


def test_a_silent_service_is_given_up(tmp_path: Path) -> None:
    package = Package(silent=True)
    with pytest.raises(OSError, match=r"sent nothing for 0\.02 s"):
        feed(tmp_path, package, first_s=0.02).start()
    assert not package.clients[0].is_open


def test_an_unknown_version_is_given_up(tmp_path: Path) -> None:
    package = Package("2.1.0")
    with pytest.raises(OSError, match=r"jetson-stats 2\.1\.0 sends a shape that is not known here: install 4"):
        feed(tmp_path, package).start()
    assert not package.clients[0].is_open


def test_what_is_missing_is_a_reason(tmp_path: Path) -> None:
    def missing() -> Any:
        raise ImportError("No module named 'jtop'")

    reason = JtopFeed(Place(str(tmp_path), 1, 1, 0.5, None), load=missing).why_unavailable()
    assert reason is not None
    assert (
        "jetson-stats is not installed (No module named 'jtop'): sudo python3 -m pip install -U jetson-stats" in reason
    )
    jtop = feed(tmp_path, Package())
    (tmp_path / "run/jtop.sock").unlink()
    assert jtop.why_unavailable() == (
        f"there is no {tmp_path}/run/jtop.sock, so jtop.service is not active: sudo systemctl restart jtop.service"
    )


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="jtop has no option rate: it takes interval_s"):
        feed(tmp_path, Package(), rate=1)
    with pytest.raises(ValueError, match="must be above 0"):
        feed(tmp_path, Package(), interval_s=0)
