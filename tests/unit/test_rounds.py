"""Which launches are still started: by precision, by the time for all, after failures, and after an interruption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.analysis.stopping import LOOKS
from harness.errors import UsageError
from harness.model.case import Plan, PlannedTrial, Precision, Suite, Variant
from harness.model.run import Stopped
from harness.model.trial import Trial
from harness.options import Options
from harness.rounds import MOST_FAILURES, Rounds, asked
from tests.support.host_side import CASE, facts, plan, trial

CALM = [1.0, 1.0001, 0.9999]
RESTLESS = [1.0, 1.1, 0.9, 1.2]


class Board:
    """A clock that each launch moves, and how long each launch's inferences take; a launch of None fails."""

    def __init__(self, values: Mapping[str, Sequence[float | None]], **launch_s: float) -> None:
        self._values, self._launch_s = values, dict.fromkeys(values, 1.0) | launch_s
        self.now_s = 0.0
        self.started: list[tuple[str, int]] = []

    def clock(self) -> float:
        return self.now_s

    def launch(self, planned: PlannedTrial, variant: str, order: int) -> Trial:
        """The next one of a variant."""
        values, took_s = self._values[variant], self._launch_s[variant]
        value = values[planned.launch % len(values)]
        self.now_s += took_s
        self.started.append((variant, planned.launch))
        given: dict[str, Any] = {"case": replace(CASE, variant=variant), "launch": planned.launch, "order": order}
        if value is None:
            return trial([], status="failed", message="no", wall_s=took_s, **given)
        return trial([value] * 8, wall_s=took_s, **given)


def planned(variants: Sequence[str], relative: float = 0.01, budget_s: float | None = None) -> Plan:
    cases = [replace(CASE, variant=variant) for variant in variants]
    return replace(plan(cases, LOOKS[-1], facts()), until=Precision(relative, LOOKS[-1], budget_s))


def run(board: Board, what: Plan, done: Sequence[Trial] = (), most: int | None = None) -> tuple[Rounds, list[Trial]]:
    """As the stages do; `most`: interrupted after so many trials."""
    assert what.until is not None
    rounds, trials = Rounds(what, what.until, done, board.clock), list(done)
    known = {(one.case.id, one.launch) for one in done}
    for order, one in enumerate(what.trials):
        if (one.case_id, one.launch) in known or not rounds.wanted(one):
            continue
        if len(trials) == most:
            break
        trials.append(board.launch(one, what.case(one.case_id).variant, order))
        rounds.add(trials[-1])
    return rounds, trials


def ended(rounds: Rounds, what: Plan) -> dict[str, Stopped]:
    return {what.case(key).variant: one for key, one in rounds.outcome().items()}


def test_a_precise_case_is_left_out_of_later_rounds_and_the_others_go_on() -> None:
    board, what = Board({"calm": CALM, "restless": RESTLESS}), planned(["calm", "restless"])
    rounds, trials = run(board, what)
    found = ended(rounds, what)
    assert [(name, one.rounds, one.reached) for name, one in found.items()] == [
        ("calm", 6, True),
        ("restless", 30, False),
    ]
    assert found["calm"].reason == "after 6 launches the interval is +-0.01 %, within the 1 % asked"
    assert found["calm"].relative == pytest.approx(0.0001)
    assert found["restless"].reason.startswith("the last look, at 30 launches, is past: the interval is +-")
    assert len(trials) == 36
    # In rounds, until one is left.
    assert board.started[:4] == [("calm", 0), ("restless", 0), ("calm", 1), ("restless", 1)]
    assert board.started[12:14] == [("restless", 6), ("restless", 7)]


def test_where_all_are_precise_nothing_more_is_started() -> None:
    board, what = Board({"a": CALM, "b": CALM}), planned(["a", "b"])
    rounds, trials = run(board, what)
    assert (len(trials), {one.rounds for one in ended(rounds, what).values()}) == (12, {6})


def test_a_wider_target_is_reached_sooner() -> None:
    counts = []
    for relative in (0.001, 0.5):
        what = planned(["one"], relative)
        counts.append(len(run(Board({"one": RESTLESS}), what)[1]))
    assert counts == [30, 6]


def test_other_trials_are_always_wanted() -> None:
    what = planned(["calm"])
    rounds, _ = run(Board({"calm": CALM}), what)
    assert rounds.wanted(PlannedTrial(what.cases[0].id, "accuracy", 0))
    assert rounds.wanted(PlannedTrial(what.cases[0].id, "observer", 0))
    assert not rounds.wanted(PlannedTrial(what.cases[0].id, "performance", 7))


def test_the_time_for_all_is_never_overrun() -> None:
    """3 s a round: of 29 s nine rounds fit, and nothing is begun that would end later."""
    board = Board({"a": RESTLESS, "b": RESTLESS}, b=2.0)
    what = planned(["a", "b"], budget_s=29.0)
    rounds, _ = run(board, what)
    found = ended(rounds, what)
    assert found["b"].rounds == 9
    assert board.now_s <= 29.0
    assert "27 of 29 s are spent after 9 launches and no other fits: the interval is +-" in found["b"].reason
    # The dearest is left out first: two of the other still fit.
    assert (found["a"].rounds, board.now_s) == (11, 29.0)
    assert "not the 1 % asked" in found["a"].reason


def test_the_time_that_a_precise_case_leaves_is_the_others() -> None:
    board = Board({"calm": CALM, "restless": RESTLESS})
    what = planned(["calm", "restless"], budget_s=20.0)
    rounds, _ = run(board, what)
    assert [one.rounds for one in ended(rounds, what).values()] == [6, 14]


def test_a_round_that_takes_longer_than_those_before_it_is_cut() -> None:
    board, what = Board({"a": RESTLESS, "b": RESTLESS}), planned(["a", "b"], budget_s=13.5)
    rounds = Rounds(what, what.until, (), board.clock)  # type: ignore[arg-type]
    for order, one in enumerate(what.trials):
        if rounds.wanted(one):
            rounds.add(board.launch(one, what.case(one.case_id).variant, order))
            board.now_s += 5.0 if order == 0 else 0.0  # a board that had to cool down
    assert board.now_s <= 13.5
    assert [one.rounds for one in ended(rounds, what).values()] == [4, 4]


def test_a_budget_that_is_spent_before_there_is_an_interval_says_so() -> None:
    board, what = Board({"one": CALM}), planned(["one"], budget_s=3.5)
    rounds, _ = run(board, what)
    found = ended(rounds, what)["one"]
    assert (found.rounds, found.relative, found.reached) == (3, None, False)
    assert (
        found.reason == "3 of 3.5 s are spent after 3 launches and no other fits: there is no interval under 6 launches"
    )


def test_a_case_whose_launches_fail_is_not_tried_thirty_times() -> None:
    board, what = Board({"bad": [None], "calm": CALM}), planned(["bad", "calm"])
    rounds, _ = run(board, what)
    found = ended(rounds, what)
    assert (found["bad"].rounds, found["bad"].reason) == (MOST_FAILURES, "6 of 6 launches failed")
    assert (found["bad"].relative, found["bad"].reached, found["calm"].reached) == (None, False, True)


def test_a_failed_launch_is_replaced_by_a_later_one() -> None:
    board, what = Board({"one": [None, *CALM, *CALM, *CALM]}), planned(["one"])
    rounds, trials = run(board, what)
    found = ended(rounds, what)["one"]
    assert (found.rounds, found.reached, len(trials)) == (7, True, 7)
    assert found.reason.startswith("after 6 launches ")


def test_where_failures_keep_it_from_the_last_look_the_reason_says_what_is_there() -> None:
    board, what = Board({"one": [None, *RESTLESS, *RESTLESS, *RESTLESS]}), planned(["one"])
    rounds, _ = run(board, what)
    found = ended(rounds, what)["one"]
    assert (found.rounds, found.reached) == (30, False)
    assert found.reason.startswith("all 30 planned launches are done: the interval is +-")
    assert found.reason.endswith("not the 1 % asked")


@pytest.mark.parametrize("most", range(0, 30, 3))
def test_an_interrupted_run_ends_as_one_that_was_not(most: int) -> None:
    values = {"calm": CALM, "restless": RESTLESS, "late": [*RESTLESS, *CALM * 9]}
    what = planned(list(values), 0.03)
    whole, trials = run(Board(values), what)
    _, begun = run(Board(values), what, most=most)
    again, all_of_them = run(Board(values), what, begun)
    assert ended(again, what) == ended(whole, what)
    assert [(one.case.id, one.launch) for one in all_of_them] == [(one.case.id, one.launch) for one in trials]


def test_the_time_of_earlier_sessions_counts_and_that_between_them_does_not() -> None:
    what = planned(["one"], budget_s=10.0)
    _, begun = run(Board({"one": RESTLESS}), what, most=6)
    board = Board({"one": RESTLESS})
    board.now_s = 1e6
    rounds, trials = run(board, what, begun)
    assert (len(trials), ended(rounds, what)["one"].rounds) == (10, 10)


OPTIONS = Options(("harness",), "s", ("here",), Path("r"), Path("c"), Path("d"))
SUITE = Suite("s", "S", (Variant("v", "V", "demo"),))


@pytest.mark.parametrize(
    ("suite", "changes", "expected"),
    [
        (None, {}, None),
        (None, {"until": 0.02}, Precision(0.02, 30)),
        (0.05, {}, Precision(0.05, 30)),
        (0.05, {"until": 0.02, "budget_total_s": 60.0}, Precision(0.02, 30, 60.0)),
        (0.05, {"budget_total_s": 60.0}, Precision(0.05, 30, 60.0)),
        (0.05, {"quick": True}, None),
    ],
)
def test_the_command_line_comes_before_the_suite(
    suite: float | None, changes: dict[str, Any], expected: Precision | None
) -> None:
    assert asked(replace(SUITE, until=suite), replace(OPTIONS, **changes)) == expected


def test_a_budget_for_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="--budget-total limits the launches of --until: add --until 1%"):
        asked(SUITE, replace(OPTIONS, budget_total_s=60.0))


@pytest.mark.parametrize("relative", [0.0, 1.0, -0.01, float("nan")])
def test_a_precision_that_cannot_be_is_refused(relative: float) -> None:
    with pytest.raises(UsageError, match="give a share"):
        asked(replace(SUITE, until=relative), OPTIONS)
