"""Device TOML is read with exact keys; every message names the file and the key."""

from __future__ import annotations

import pytest

from harness.errors import EXIT_USAGE, DeviceFileError
from harness.model.case import Settings
from harness.model.device import Limits, parse_device

GOOD = """\
schema = 1
name = "board"
title = "A board"
transport = "local"
backends = ["onnxruntime"]
collectors = ["process", "cpu"]
sensor_period_s = 0.1
[settings]
threads = 4
affinity = "2,3"
nice = -5
[limits]
temperature_c = 80
"""


def test_every_key_arrives() -> None:
    device = parse_device(GOOD, "board.toml")
    assert (device.name, device.title, device.transport, device.sensor_period_s) == ("board", "A board", "local", 0.1)
    assert (device.backends, device.collectors) == (("onnxruntime",), ("process", "cpu"))
    assert device.settings == Settings(4, "2,3", -5)
    assert device.limits == Limits(other_load_cores=0.2, temperature_c=80.0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title", "titel", r"board\.toml: unknown key 'titel'; did you mean title\?"),
        ("threads = 4", "thread = 4", r"board\.toml: settings: unknown key 'thread'; did you mean threads\?"),
        ("temperature_c", "temprature_c", r"board\.toml: limits: unknown key 'temprature_c'; did you mean temperature"),
        ('name = "board"\n', "", r"board\.toml: the key 'name' is missing"),
        ("threads = 4", 'threads = "4"', r"board\.toml: settings: threads: expected int, found '4'"),
        ('["onnxruntime"]', '"onnxruntime"', r"board\.toml: backends: expected a list, found 'onnxruntime'"),
        ('"cpu"]', "5]", r"board\.toml: collectors\[1\]: expected str, found 5"),
        ('"local"', '"carrier pigeon"', r"board\.toml: transport: 'carrier pigeon' is not one of local"),
        ('"2,3"', '"2-3"', r"affinity '2-3' is none of: last, none, or core numbers"),
        ("threads = 4", "threads = 0", r"threads must be 1 or more, not 0"),
        ("[settings]", "settings = 5\n[other]", r"board\.toml: unknown key 'other'"),
        ("schema = 1", "schema = 2", r"board\.toml: schema 2 is not 1; this harness reads 1 only"),
        ("schema = 1", "schema = ", r"board\.toml: not valid TOML: .*line 1"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(DeviceFileError, match=said) as caught:
        parse_device(GOOD.replace(old, new), "devices/board.toml")
    assert caught.value.exit_code == EXIT_USAGE
