"""Totals as a device's file gives them: what is wrong is named, and what lies inside a total is never added to it."""

from __future__ import annotations

import pytest

from harness.agent import collectors
from harness.errors import DeviceFileError, UsageError
from harness.model.device import parse_device
from harness.model.power import MEASURED, Power, PowerTotal, Provenance, Scope

BOARD = """\
schema = 1
name = "board"
title = "A board"
transport = "local"
backends = ["onnxruntime"]
collectors = ["process", "ina", "plug"]
[sensor.plug]
url = "http://192.0.2.7"
channel = 1
[power]
parts = ["ina:VDD_SOC_power"]
idle_s = 3
[[power.totals]]
channels = ["ina:VDD_IN_power"]
scope = "module input"
step_w = 0.04
caveats = ["the carrier is not counted"]
[[power.totals]]
channels = ["plug:plug_power"]
scope = "wall"
"""


def test_every_key_arrives() -> None:
    device = parse_device(BOARD, "board.toml")
    rail = PowerTotal(("ina:VDD_IN_power",), "module input", 0.04, ("the carrier is not counted",))
    assert device.power == Power((rail, PowerTotal(("plug:plug_power",), "wall")), ("ina:VDD_SOC_power",), 3.0)
    assert device.sensor == {"plug": {"url": "http://192.0.2.7", "channel": 1}}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "ina:VDD_IN_power",
            "VDD_IN_power",
            r"'VDD_IN_power' is no channel; write collector:channel, for example ina:",
        ),
        ('["ina:VDD_SOC_power"]', '["VDD_SOC"]', r"power: 'VDD_SOC' is no channel"),
        ('["plug:plug_power"]', "[]", r"totals\[1\]: a total needs at least one channel"),
        ('["plug:plug_power"]', '["plug:p", "plug:p"]', r"totals\[1\]: a total counts a channel twice: plug:p, plug:p"),
        ('scope = "wall"', 'scope = "socket"', r"totals\[1\]: scope: 'socket' is not one of wall, board input"),
        ("step_w = 0.04", "step_w = 0.0", r"totals\[0\]: step_w is a size in W and above 0, not 0; leave it out"),
        ("idle_s = 3", "idle_s = -1", r"power: idle_s is a time in s, not -1; 0 waits for no idle"),
        ("caveats", "caveat", r"totals\[0\]: unknown key 'caveat'; did you mean caveats\?"),
        (
            '["ina:VDD_SOC_power"]',
            '["ina:VDD_IN_power"]',
            r"power: ina:VDD_IN_power is a part and counted in a total: what lies inside is never added",
        ),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, said: str) -> None:
    assert old in BOARD
    with pytest.raises(DeviceFileError, match=r"board\.toml: power.*" + said.removeprefix("power: ")):
        parse_device(BOARD.replace(old, new, 1), "board.toml")


def test_a_part_is_no_summand_of_any_total() -> None:
    total = PowerTotal(("ina:A_power", "ina:B_power"), "sum of rails")
    with pytest.raises(UsageError, match="ina:B_power is a part and counted in a total"):
        Power((PowerTotal(("ina:VIN_power",), "board input"), total), ("ina:B_power",))


def test_the_words_are_those_of_the_board() -> None:
    assert Scope.__args__ == collectors.SCOPES  # type: ignore[attr-defined]
    assert Provenance.__args__ == collectors.PROVENANCES  # type: ignore[attr-defined]


def test_neither_a_recording_nor_a_model_counts_as_measured() -> None:
    assert set(collectors.PROVENANCES) - MEASURED == {"modelled", "replayed"}
