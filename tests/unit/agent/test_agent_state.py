from __future__ import annotations

import os

import pytest

from harness.agent import state


@pytest.fixture
def allowed() -> list[int]:
    """Cores this process may use; what a test changes is put back."""
    before = os.sched_getaffinity(0)
    yield sorted(before)
    os.sched_setaffinity(0, before)


def test_cores_of_the_affinity_words(allowed: list[int]) -> None:
    assert state.measured_cores("none") == allowed
    assert state.measured_cores("last") == allowed[-1:]
    assert state.measured_cores("2,3") == [2, 3]


def test_another_word_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="affinity 'first' is neither"):
        state.measured_cores("first")


def test_what_was_set_is_read_back(allowed: list[int]) -> None:
    found, problems = state.apply("last", 0)
    assert found == {"affinity": str(allowed[-1]), "nice": os.getpriority(os.PRIO_PROCESS, 0)}
    assert problems == []


@pytest.mark.parametrize("affinity", ["100000", "first"])
def test_what_could_not_be_set_is_a_problem_and_not_in_force(allowed: list[int], affinity: str) -> None:
    found, problems = state.apply(affinity, 0)
    assert found["affinity"] == ",".join(str(core) for core in allowed)
    (problem,) = problems
    assert problem.startswith(f"affinity {affinity!r} refused")


def test_sensors_go_where_the_measured_process_is_not(allowed: list[int]) -> None:
    assert state.other_cores("last") == (allowed[:-1] or allowed)
    assert state.other_cores("none") == allowed
    assert state.other_cores("100000") == allowed
