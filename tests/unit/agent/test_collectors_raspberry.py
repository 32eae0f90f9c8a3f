"""The Raspberry Pi collector: a mailbox that a function plays, and small programs in the place of vcgencmd."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.agent.collectors import Channel, Place
from harness.agent.collectors.raspberry import RaspberryCollector
from tests.support.agent_side import readings

PMIC = """   3V3_SYS_A current(1)=0.50000000A
  VDD_CORE_A current(7)=2.00000000A
   3V3_SYS_V volt(9)=3.30000000V
  VDD_CORE_V volt(15)=0.75000000V
     EXT5V_V volt(24)=5.11478000V
      BATT_V volt(25)=0.01880340V
"""
PI_5 = {
    "pmic_read_adc": PMIC,
    "get_throttled": "throttled=0x50005",
    "measure_clock arm": "frequency(0)=2400001536",
    "measure_temp": "temp=48.3'C",
    "measure_volts core": "volt=0.8500V",
}
REFUSED = 'error=1 error_msg="Command not registered"'
PI_4 = {**PI_5, "pmic_read_adc": REFUSED, "measure_clock arm": "frequency(48)=1500000000"}
FLAGS = {
    "under_voltage": 1.0,
    "frequency_capped": 0.0,
    "throttled": 1.0,
    "throttled_soft_temperature": 0.0,
    "under_voltage_since_boot": 1.0,
    "frequency_capped_since_boot": 0.0,
    "throttled_since_boot": 1.0,
    "throttled_soft_temperature_since_boot": 0.0,
}


class Firmware:
    """ioctl of the property mailbox, with these answers; what it was sent."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = dict(answers)
        self.sent: list[tuple[int, tuple[int, ...]]] = []

    def ioctl(self, descriptor: int, request: int, message: bytearray, mutate: bool) -> int:
        assert mutate
        os.fstat(descriptor)  # open
        words = struct.unpack_from("=6I", message)
        command = bytes(message[24:1048]).partition(b"\0")[0].decode()
        self.sent.append((request, words))
        answer = self.answers.get(command)
        if answer is None:
            raise OSError(5, "Input/output error")
        struct.pack_into("=6I", message, 0, words[0], 0x80000000, *words[2:5], int(answer == REFUSED))
        struct.pack_into("1024s", message, 24, answer.encode())
        return 0


def mailbox(root: Path, firmware: Firmware, device: str = "vcio_gencmd") -> RaspberryCollector:
    (root / "dev").mkdir(exist_ok=True)
    (root / "dev" / device).write_text("")
    return RaspberryCollector(Place(str(root), 1, 1, 0.1, None), load=lambda: firmware.ioctl)


def vcgencmd(root: Path, answers: dict[str, str], path: str = "usr/bin/vcgencmd") -> Path:
    """A program that answers, or fails with the text, as the real one does."""
    cases = [f"'{command}') cat <<'END'\n{answer}\nEND\n;;" for command, answer in answers.items() if answer != REFUSED]
    program = root / path
    program.parent.mkdir(parents=True, exist_ok=True)
    body = "\n".join(cases)
    program.write_text(
        f"#!/bin/sh\necho \"$*\" >> '{root}/asked'\ncase \"$*\" in\n{body}\n*) echo '{REFUSED}'; exit 255;;\nesac\n"
    )
    program.chmod(0o755)
    return program


def unused(*_: Any) -> Callable[..., int]:
    raise AssertionError("the mailbox is not to be asked")


def program(root: Path, **options: Any) -> RaspberryCollector:
    return RaspberryCollector(Place(str(root), 1, 1, 0.1, options), load=unused)


def open_files() -> list[str]:
    return sorted(str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.exists())


@pytest.mark.parametrize("through", ["mailbox", "program"])
def test_a_pi_5_in_si_units(tmp_path: Path, through: str) -> None:
    vcgencmd(tmp_path, PI_5)
    collector = mailbox(tmp_path, Firmware(PI_5)) if through == "mailbox" else program(tmp_path)
    assert readings(collector) == {
        "3V3_SYS_current": 0.5,
        "VDD_CORE_current": 2.0,
        "3V3_SYS_voltage": 3.3,
        "3V3_SYS_power": 1.65,
        "VDD_CORE_voltage": 0.75,
        "VDD_CORE_power": 1.5,
        "EXT5V_voltage": 5.11478,
        "BATT_voltage": 0.0188034,
        "pmic_power": 3.15,
        **FLAGS,
        "arm_clock": 2.4e9,
        "soc_temperature": 48.3,
        "core_voltage": 0.85,
    }
    assert (tmp_path / "asked").exists() == (through == "program")


def test_rails_are_board_rails_and_their_sum_has_its_own_scope(tmp_path: Path) -> None:
    by_name = {channel.name: channel for channel in mailbox(tmp_path, Firmware(PI_5)).channels()}
    assert by_name["VDD_CORE_power"] == Channel("VDD_CORE_power", "W", "gauge", "rail", "board rail")
    assert by_name["pmic_power"] == Channel("pmic_power", "W", "gauge", "PMIC rails", "board rail")
    assert by_name["under_voltage"] == Channel("under_voltage", "flag", "gauge", "board", "firmware")
    assert by_name["core_voltage"].provenance == "firmware"


@pytest.mark.parametrize("through", ["mailbox", "program"])
def test_a_pi_4_lacks_the_rails_alone(tmp_path: Path, through: str) -> None:
    vcgencmd(tmp_path, PI_4)
    collector = mailbox(tmp_path, Firmware(PI_4)) if through == "mailbox" else program(tmp_path)
    assert readings(collector) == {**FLAGS, "arm_clock": 1.5e9, "soc_temperature": 48.3, "core_voltage": 0.85}


def test_the_message_is_that_of_the_property_interface(tmp_path: Path) -> None:
    firmware = Firmware(PI_5)
    readings(mailbox(tmp_path, firmware))
    number = {4: 0xC0046400, 8: 0xC0086400}[struct.calcsize("P")]
    assert set(firmware.sent) == {(number, (1052, 0, 0x00030080, 1024, 0, 0))}
    assert len(firmware.sent) == 15  # five questions: to see whether it answers, to begin, to read


def test_the_older_mailbox_serves_too(tmp_path: Path) -> None:
    collector = mailbox(tmp_path, Firmware(PI_4), device="vcio")
    assert readings(collector)["soc_temperature"] == 48.3
    collector.start()
    assert collector.facts() == {"asked_through": f"{tmp_path}/dev/vcio"}
    collector.stop()


def test_a_sum_with_a_rail_missing_is_missing(tmp_path: Path) -> None:
    firmware = Firmware(PI_5)
    collector = mailbox(tmp_path, firmware)
    collector.start()
    firmware.answers["pmic_read_adc"] = "\n".join(line for line in PMIC.splitlines() if "VDD_CORE_A" not in line)
    found = dict(zip([channel.name for channel in collector.channels()], collector.read(), strict=True))
    collector.stop()
    assert found["3V3_SYS_power"] == 1.65
    assert found["VDD_CORE_voltage"] == 0.75
    assert [name for name, value in found.items() if math.isnan(value)] == [
        "VDD_CORE_current",
        "VDD_CORE_power",
        "pmic_power",
    ]


def test_questions_that_fail_are_missing_one_by_one(tmp_path: Path) -> None:
    firmware = Firmware(PI_4)
    collector = mailbox(tmp_path, firmware)
    collector.start()
    del firmware.answers["measure_temp"]
    firmware.answers["measure_clock arm"] = "nonsense"
    found = dict(zip([channel.name for channel in collector.channels()], collector.read(), strict=True))
    collector.stop()
    assert [name for name, value in found.items() if math.isnan(value)] == ["arm_clock", "soc_temperature"]
    assert found["core_voltage"] == 0.85


def test_an_answer_that_does_not_say_so_is_none(tmp_path: Path) -> None:
    def silent(*_: Any) -> int:
        return 0

    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/vcio").write_text("")
    collector = RaspberryCollector(Place(str(tmp_path), 1, 1, 0.1, None), load=lambda: silent)
    reason = collector.why_unavailable()
    assert reason is not None
    assert f"{tmp_path}/dev/vcio refuses pmic_read_adc" in reason
    assert reason.endswith("sudo usermod -aG video $USER, then log in again")


def test_nothing_stays_open(tmp_path: Path) -> None:
    collector = mailbox(tmp_path, Firmware(PI_5))
    before = open_files()
    readings(collector)
    assert open_files() == before
    collector.start()
    assert len(open_files()) == len(before) + 1
    collector.stop()
    collector.stop()
    assert open_files() == before
    assert all(math.isnan(value) for value in collector.read())
    firmware = Firmware({})
    assert mailbox(tmp_path, firmware).why_unavailable() is not None
    assert open_files() == before


def test_a_board_without_either_names_both_and_the_package(tmp_path: Path) -> None:
    assert program(tmp_path).why_unavailable() == (
        f"no {tmp_path}/dev/vcio, and no program {tmp_path}/usr/bin/vcgencmd: on a Raspberry Pi, sudo apt install "
        "raspi-utils (older systems: libraspberrypi-bin)"
    )
    assert program(tmp_path).channels() == []


def test_a_refused_mailbox_is_said_where_there_is_no_program(tmp_path: Path) -> None:
    def refused() -> Any:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/vcio_gencmd").write_text("")
    collector = RaspberryCollector(Place(str(tmp_path), 1, 1, 0.1, None), load=refused)
    assert collector.why_unavailable() == (
        f"{tmp_path}/dev/vcio_gencmd cannot be opened by this user: sudo usermod -aG video $USER, then log in again"
    )


def test_a_program_that_says_nothing_is_a_reason_with_its_words(tmp_path: Path) -> None:
    path = tmp_path / "usr/bin/vcgencmd"
    path.parent.mkdir(parents=True)
    path.write_text('#!/bin/sh\necho "Can\'t open device file: /dev/vcio"\n')
    path.chmod(0o755)
    reason = program(tmp_path).why_unavailable()
    assert reason is not None
    assert reason.startswith(f"{path} answers nothing that can be read (pmic_read_adc says \"Can't open device file")
    assert "usermod -aG video" in reason


def test_another_program_may_be_named_and_is_asked_alone(tmp_path: Path) -> None:
    path = vcgencmd(tmp_path, PI_4, "opt/mine")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/vcio").write_text("")
    assert readings(program(tmp_path, command=str(path)))["arm_clock"] == 1.5e9
    assert (tmp_path / "asked").read_text().splitlines()[:2] == ["pmic_read_adc", "get_throttled"]


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no option rate: it takes command"):
        program(tmp_path, rate=1)


@pytest.mark.parametrize(
    ("capture", "watts", "supply"),
    [("pi5_pmic_read_adc_idle_pidash.txt", 1.90, 5.11478), ("pi5_pmic_read_adc_load_cpumonitor.txt", 5.92, 4.9245)],
)
def test_captured_answers_add_up(tmp_path: Path, shared: Path, capture: str, watts: float, supply: float) -> None:
    text = (shared / "fixtures/rpi" / capture).read_text()
    found = readings(mailbox(tmp_path, Firmware({**PI_5, "pmic_read_adc": text})))
    assert found["pmic_power"] == pytest.approx(watts, abs=0.005)
    assert found["EXT5V_voltage"] == supply
    assert sum(name.endswith("_power") for name in found) == 12 + 1
