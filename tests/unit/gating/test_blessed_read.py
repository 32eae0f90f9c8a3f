"""Blessed files that nobody wrote so: each is refused by its name, and the others of the folder are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.gating import blessed
from harness.model.baseline import Baseline
from tests.support.host_side import environment, plan, stored, trial

DEEP = 100_000


def written(folder: Path, name: str = "sound") -> Path:
    trials = [trial([0.001 + 1e-6 * n] * 70, launch=n, environment=environment()) for n in range(3)]
    made = blessed.bless(stored(trials, plan(launches=3)), folder, name)
    return blessed.write(made, folder / "store")


def set_in(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def altered(text: str) -> str:
        told = json.loads(text)
        change(told)
        return json.dumps(told)

    return altered


SPOILED: dict[str, tuple[Callable[[str], str], str]] = {
    "deep": (lambda _text: "[" * DEEP, "nested too deeply"),
    "deep-options": (
        lambda text: text.replace('"options": {}', '"options": {"a": ' + "[" * 700 + "]" * 700 + "}"),
        "nested too deeply",
    ),
    "long-schema": (
        set_in(lambda told: told.update(schema="harness.baseline/" + "9" * 5000)),
        "is no blessed baseline: its schema is 'harness.baseline/999",
    ),
    "long-number": (lambda text: text.replace("1000", "9" * 5000, 1), "999... is no number below 2**63"),
    "great-number": (lambda text: text.replace("1000", str(2**63), 1), "9223372036854775808 is no number below 2**63"),
    "little-number": (lambda text: text.replace("1000", str(-(2**63)), 1), "is no number below 2**63"),
    "great-float": (lambda text: text.replace("0.001,", "1e308,", 1), "1e308 is no number below 2**63"),
    "infinite": (lambda text: text.replace("0.001,", "1e999,", 1), "1e999 is no number below 2**63"),
    "no-number": (lambda text: text.replace("0.001,", "NaN,", 1), "NaN is no number below 2**63"),
    "infinity": (lambda text: text.replace("0.001,", "-Infinity,", 1), "-Infinity is no number below 2**63"),
}


@pytest.mark.parametrize("how", SPOILED)
def test_it_is_refused_by_its_name_and_the_others_are_listed(tmp_path: Path, how: str) -> None:
    sound = written(tmp_path)
    spoil, words = SPOILED[how]
    text = spoil(sound.read_text("utf-8"))
    assert text != sound.read_text("utf-8")
    path = sound.with_name("broken.json")
    path.write_text(text, "utf-8")
    with pytest.raises(HarnessError) as caught:
        blessed.read(path)
    assert caught.value.exit_code == 2
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 1000
    (refused, said), (kept, found) = blessed.listed(tmp_path / "store")
    assert (refused, said, kept) == (path, str(caught.value), sound)
    assert isinstance(found, Baseline)


def test_the_greatest_number_is_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text("utf-8").replace("1000", str(2**62), 1), "utf-8")
    (cell,) = blessed.read(path).cells
    assert cell.artifact.size_bytes == 2**62
