from __future__ import annotations

from array import array

from harness.board import columns
from harness.model.trial import Samples

COLUMNS = {
    f"samples.{name}": array("d", [value]) for name, value in (("start_s", 1), ("duration_s", 0.5), ("block", 0))
}


def test_a_phase_that_was_not_is_empty() -> None:
    assert columns.samples(COLUMNS, "warm_up") == Samples()


def test_a_device_that_keeps_no_time_has_no_column() -> None:
    assert columns.samples(COLUMNS, "samples") == Samples(array("d", [1]), array("d", [0.5]), array("d", [0]))


def test_the_devices_own_time_is_kept() -> None:
    told = {**COLUMNS, "samples.device_s": array("d", [0.25])}
    assert columns.samples(told, "samples").device_s == array("d", [0.25])
