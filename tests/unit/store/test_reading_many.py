"""Reading a run of many trials: what they share is held once, what they do not is each one's own."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.model.trial import Trial
from harness.store import store
from tests.support.many_trials import WARM_UP, Size, many_trials


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return many_trials(tmp_path_factory.mktemp("store"), Size(cases=2, launches=3, inferences=200))


def rewritten(folder: Path, tmp_path: Path, **changes: object) -> Path:
    """A copy of one trial with facts replaced."""
    first = min((folder / "trials").iterdir())
    target = tmp_path / first.name
    target.mkdir()
    for file in first.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    facts = json.loads((target / "trial.json").read_text("utf-8"))
    (target / "trial.json").write_text(json.dumps({**facts, **changes}), "utf-8")
    return target


def test_the_same_seed_is_the_same_run(folder, tmp_path) -> None:
    again = many_trials(tmp_path, Size(cases=2, launches=3, inferences=200))
    assert store.read(again).trials == store.read(folder).trials


def test_cases_and_channels_are_held_once(folder) -> None:
    trials = store.read(folder).trials
    assert [len(one.samples) for one in trials] == [200] * 6
    assert [len(one.warm_up) for one in trials] == [WARM_UP] * 6
    assert len({id(one.case) for one in trials}) == 2
    assert len({id(trace.channel) for one in trials for trace in one.traces}) == 5
    assert len({one.environment.facts["memory_available_bytes"] for one in trials}) == 6


def test_alone_and_among_others_a_trial_is_the_same(folder) -> None:
    alone: list[Trial] = [store.read_trial(one) for one in sorted((folder / "trials").iterdir())]
    assert tuple(alone) == store.read(folder).trials


def test_a_case_that_another_trial_decoded_hides_no_mistake(folder, tmp_path) -> None:
    known: dict = {}
    good = store.read_trial(min((folder / "trials").iterdir()), known)
    case = json.loads((min((folder / "trials").iterdir()) / "trial.json").read_text("utf-8"))["case"]
    with pytest.raises(StoreError, match="input_seed"):
        store.read_trial(rewritten(folder, tmp_path, case={**case, "input_seed": False}), known)
    assert good.case.input_seed == 0  # equal to False, and not the same


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was(folder, enabled) -> None:
    before = gc.isenabled()
    try:
        gc.enable() if enabled else gc.disable()
        store.read(folder)
        assert gc.isenabled() is enabled
    finally:
        gc.enable() if before else gc.disable()
