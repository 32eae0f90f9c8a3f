from __future__ import annotations

import gc
import itertools
import statistics

import pytest

from harness.agent import measure
from harness.agent.measure import Storage
from tests.support.agent_side import Script

NEVER_S = 1e9
RULE = {"min_duration_s": 0.125, "max_duration_s": 2.0, "tolerance": 0.02}


def test_loop_stops_at_the_duration_once_the_count_is_met() -> None:
    script, storage = Script(0.25), Storage(100)
    reason = measure.timed_loop(script.step, script.clock, storage, 3, 2.0, NEVER_S)
    assert (reason, storage.count, script.count) == ("minimum count and duration reached", 8, 8)


def test_loop_stops_at_the_count_once_the_duration_is_met() -> None:
    script, storage = Script(0.25), Storage(100)
    reason = measure.timed_loop(script.step, script.clock, storage, 12, 1.0, NEVER_S)
    assert (reason, storage.count, script.now_s) == ("minimum count and duration reached", 12, 3.0)


@pytest.mark.parametrize(("min_count", "min_end_s"), [(100, 0.5), (2, NEVER_S)])
def test_loop_stops_at_the_budget_while_either_minimum_is_missing(min_count: int, min_end_s: float) -> None:
    script, storage = Script(0.25), Storage(100)
    reason = measure.timed_loop(script.step, script.clock, storage, min_count, min_end_s, 1.0)
    assert (reason, storage.count) == ("budget spent", 4)


def test_minima_met_by_the_inference_that_spends_the_budget_count_as_met() -> None:
    script, storage = Script(0.25), Storage(100)
    assert measure.timed_loop(script.step, script.clock, storage, 4, 1.0, 1.0) == "minimum count and duration reached"


def test_loop_stops_at_the_capacity() -> None:
    script, storage = Script(0.25), Storage(5)
    reason = measure.timed_loop(script.step, script.clock, storage, 100, NEVER_S, NEVER_S)
    assert (reason, storage.count, script.count) == ("storage full", 5, 5)


def test_columns_hold_each_start_and_duration() -> None:
    script, storage = Script(0.5, 0.25, 0.125, start_s=10.0), Storage(4)
    measure.timed_loop(script.step, script.clock, storage, 3, 0.0, NEVER_S)
    columns = {name: list(values) for name, values in storage.columns("samples")}
    assert columns == {
        "samples.start_s": [10.0, 10.5, 10.75],
        "samples.duration_s": [0.5, 0.25, 0.125],
        "samples.block": [0.0, 0.0, 0.0],
    }


class Device:
    """Takes half of each step, and remembers the moments at which it was asked."""

    def __init__(self, script: Script) -> None:
        self._script, self.asked_at = script, []

    def device_s(self) -> float:
        self.asked_at.append(self._script.now_s)
        return self._script._durations_s[min(self._script.count, len(self._script._durations_s)) - 1] / 2


def test_the_devices_own_time_is_a_column_beside_the_hosts() -> None:
    script = Script(0.5, 0.25, 0.125, start_s=10.0)
    device = Device(script)
    storage = Storage(4, device.device_s)
    measure.timed_loop(script.step, script.clock, storage, 3, 0.0, NEVER_S)
    columns = {name: list(values) for name, values in storage.columns("samples")}
    assert columns["samples.device_s"] == [0.25, 0.125, 0.0625]
    assert columns["samples.duration_s"] == [0.5, 0.25, 0.125]
    assert device.asked_at == [10.5, 10.75, 10.875]  # after each step, and never within one


def test_warm_up_and_steady_state_keep_the_devices_time_and_grow_with_it() -> None:
    script = Script(*[2.0**-6] * 100, 2.0**-12)
    device = Device(script)
    warm, _ = measure.warm_up(script.step, script.clock, RULE, 16.0, device.device_s)
    stop = {"min_count": 64, "min_duration_s": 0.25, "budget_s": 4.0}
    steady, *_ = measure.steady_state(script.step, script.clock, stop, 2.0**-6, device.device_s)
    for storage in (warm, steady):
        found = dict(storage.columns("x"))
        assert len(found["x.device_s"]) == len(found["x.duration_s"]) == storage.count
        assert list(found["x.device_s"]) == [value / 2 for value in found["x.duration_s"]]
    assert len(device.asked_at) == script.count


def test_without_such_a_device_there_is_no_column() -> None:
    script = Script(0.25)
    warm, _ = measure.warm_up(script.step, script.clock, RULE, 0.25)
    assert "x.device_s" not in dict(warm.columns("x"))


def test_a_second_loop_goes_on_behind_the_first() -> None:
    script, storage = Script(0.5), Storage(10)
    measure.timed_loop(script.step, script.clock, storage, 2, 0.0, NEVER_S)
    storage.end_block()
    measure.timed_loop(script.step, script.clock, storage, storage.count + 3, 0.0, NEVER_S)
    storage.end_block()
    columns = dict(storage.columns("x"))
    assert list(columns["x.start_s"]) == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert list(columns["x.block"]) == [0.0, 0.0, 1.0, 1.0, 1.0]


def test_an_empty_storage_has_empty_columns() -> None:
    assert [len(values) for _, values in Storage(3).columns("x")] == [0, 0, 0]


def test_a_grown_storage_keeps_what_it_holds() -> None:
    script, storage = Script(0.5), Storage(3)
    measure.timed_loop(script.step, script.clock, storage, 3, 0.0, NEVER_S)
    storage.grow()
    assert (storage.capacity, len(storage.start_s), len(storage.duration_s)) == (6, 6, 6)
    assert list(dict(storage.columns("x"))["x.start_s"]) == [0.0, 0.5, 1.0]


def test_a_storage_grows_to_the_most_allowed_and_no_further() -> None:
    storage = Storage(measure.CAPACITY_MAX - 5)
    storage.grow()
    assert storage.capacity == measure.CAPACITY_MAX
    storage.grow()
    assert len(storage.start_s) == measure.CAPACITY_MAX


def test_warm_up_of_a_steady_model_takes_three_blocks() -> None:
    script = Script(2.0**-7)  # 8 of them last 62.5 ms: the block's count decides
    storage, steady = measure.warm_up(script.step, script.clock, RULE, 2.0**-7)
    assert (steady, storage.count, storage.block_ends) == (True, 24, [8, 16, 24])


def test_warm_up_blocks_of_a_fast_model_last_20_ms() -> None:
    script = Script(2.0**-10)  # 21 of them are the first to last 20 ms
    storage, steady = measure.warm_up(script.step, script.clock, RULE, 2.0**-10)
    assert steady
    # Three blocks would do for the medians; 125 ms take seven.
    assert storage.block_ends == [21, 42, 63, 84, 105, 126, 147]


def test_warm_up_lasts_its_least_duration() -> None:
    script = Script(2.0**-7)
    storage, steady = measure.warm_up(script.step, script.clock, dict(RULE, min_duration_s=0.5), 2.0**-7)
    assert (steady, storage.count, script.now_s) == (True, 64, 0.5)


def test_warm_up_waits_for_the_last_of_the_steps_down() -> None:
    falling = [level * 2.0**-7 for level in (4, 2, 1) for _ in range(8)]
    script = Script(*falling)
    storage, steady = measure.warm_up(script.step, script.clock, RULE, 2.0**-5)
    assert (steady, storage.block_ends) == (True, [8, 16, 24, 32, 40])


def test_warm_up_ends_at_the_first_three_agreeing_blocks_of_an_exponential_settling() -> None:
    script = Script(*[2.0**-7 * (1 + 3 * 0.95**number) for number in range(400)])
    storage, steady = measure.warm_up(script.step, script.clock, dict(RULE, max_duration_s=30.0), 2.0**-5)
    begins = [0, *storage.block_ends[:-1]]
    medians = [
        statistics.median(storage.duration_s[a:b]) for a, b in zip(begins, storage.block_ends, strict=True)
    ]  # fmt: skip
    agree = [max(medians[i - 2 : i + 1]) <= 1.02 * min(medians[i - 2 : i + 1]) for i in range(2, len(medians))]
    assert steady
    assert agree == [False] * (len(agree) - 1) + [True]
    # (1 + 3a) / (1 + 3a * 0.95**16) is 1.02 at a = 0.0121 = 0.95**86, inside block 10: 11 to 13 are the first to agree.
    assert storage.block_ends[-1] == 8 * 14


def test_warm_up_of_a_drifting_model_ends_at_its_longest_duration() -> None:
    script = Script(*[2.0**-8 * 1.01**number for number in range(2000)])
    storage, steady = measure.warm_up(script.step, script.clock, RULE, 2.0**-8)
    first_of_last_block = storage.block_ends[-2]
    assert not steady
    assert storage.start_s[first_of_last_block] < 2.0 <= script.now_s
    assert storage.block_ends[-1] == storage.count


@pytest.mark.parametrize("step_s", [0.2, 0.25, 30.0])
def test_warm_up_of_a_slow_model_takes_blocks_of_three_and_becomes_steady(step_s: float) -> None:
    """Eight of 0.2 s would be a block of 1.6 s, and three blocks beyond the time limit of 2 s."""
    script = Script(step_s)
    storage, steady = measure.warm_up(script.step, script.clock, RULE, step_s)
    assert (steady, storage.count, storage.block_ends) == (True, 9, [3, 6, 9])


def test_a_block_that_has_begun_is_finished_after_the_time_limit() -> None:
    script = Script(*[2.0**number for number in range(20)])  # the limit of 2 s falls into the first block of 7 s
    storage, steady = measure.warm_up(script.step, script.clock, RULE, 1.0)
    assert (steady, storage.block_ends, script.now_s) == (False, [3, 6, 9, 12, 15], 2.0**15 - 1)


@pytest.mark.parametrize(("step_s", "per_block"), [(0.078125, 8), (0.09375, 3)])
def test_slow_is_what_takes_more_than_80_ms(step_s: float, per_block: int) -> None:
    script = Script(step_s)
    storage, steady = measure.warm_up(script.step, script.clock, RULE, step_s)
    assert (steady, storage.block_ends) == (True, [per_block, 2 * per_block, 3 * per_block])


def test_a_slow_first_inference_makes_the_first_block_short_and_no_other() -> None:
    script = Script(2.0**-7)  # three of them are the first to last 20 ms
    storage, steady = measure.warm_up(script.step, script.clock, RULE, 1.0)
    assert (steady, storage.block_ends) == (True, [3, 11, 19])


def test_a_slow_model_that_is_not_steady_gets_five_blocks_whatever_they_take() -> None:
    script = Script(*[1.1**number for number in range(40)])
    storage, steady = measure.warm_up(script.step, script.clock, RULE, 1.0)
    assert (steady, storage.block_ends) == (False, [3, 6, 9, 12, 15])


def test_one_interruption_does_not_prolong_the_warm_up() -> None:
    script = Script(*[2.0**-7] * 11, 1.0, 2.0**-7)
    storage, steady = measure.warm_up(script.step, script.clock, RULE, 2.0**-7)
    assert (steady, storage.count) == (True, 24)


def test_warm_up_outlasts_the_room_that_a_slow_first_inference_suggests() -> None:
    script = Script(2.0**-15)  # the first took 32768 times as long: room for 81, where 125 ms take 4096
    storage, steady = measure.warm_up(script.step, script.clock, RULE, 1.0)
    assert steady
    assert storage.count >= 4096
    rows = dict(storage.columns("x"))
    assert list(rows["x.start_s"]) == [number * 2.0**-15 for number in range(storage.count)]
    assert set(rows["x.duration_s"]) == {2.0**-15}


def test_steady_state_returns_reason_begin_and_end() -> None:
    script = Script(2.0**-7, start_s=5.0)
    rule = {"min_count": 64, "min_duration_s": 1.0, "budget_s": 30.0}
    storage, reason, begin, end = measure.steady_state(script.step, script.clock, rule, 2.0**-7)
    assert (storage.count, reason, begin, end) == (128, "minimum count and duration reached", 5.0, 6.0)


def test_steady_state_of_a_slow_model_reaches_its_count() -> None:
    script = Script(0.25)
    rule = {"min_count": 64, "min_duration_s": 1.0, "budget_s": 30.0}
    storage, reason, _, end = measure.steady_state(script.step, script.clock, rule, 0.25)
    assert (storage.count, reason, end) == (64, "minimum count and duration reached", 16.0)


def test_steady_state_of_a_very_slow_model_ends_at_the_budget() -> None:
    script = Script(1.0)
    rule = {"min_count": 64, "min_duration_s": 1.0, "budget_s": 30.0}
    storage, reason, _, end = measure.steady_state(script.step, script.clock, rule, 1.0)
    assert (storage.count, reason, end) == (30, "budget spent", 30.0)


def test_steady_state_finds_room_for_a_model_that_became_much_faster() -> None:
    script = Script(2.0**-12)  # the fastest while warming up took 1 s, for which 64 places were made
    rule = {"min_count": 64, "min_duration_s": 1.0, "budget_s": 30.0}
    storage, reason, begin, end = measure.steady_state(script.step, script.clock, rule, 1.0)
    assert (storage.count, reason, end - begin) == (4096, "minimum count and duration reached", 1.0)
    assert list(storage.start_s[: storage.count]) == [number * 2.0**-12 for number in range(4096)]


def test_steady_state_ends_where_no_more_room_is_allowed() -> None:
    ticks = itertools.count()
    rule = {"min_count": 64, "min_duration_s": NEVER_S, "budget_s": NEVER_S}
    storage, reason, begin, end = measure.steady_state(lambda: None, lambda: next(ticks), rule, NEVER_S)
    assert (storage.count, reason) == (measure.CAPACITY_MAX, "storage full")
    # One reading of the clock to begin and two an inference.
    assert (begin, end) == (0, 2 * measure.CAPACITY_MAX + 1)
    assert storage.start_s[measure.CAPACITY_MAX - 1] == 2 * measure.CAPACITY_MAX - 1


@pytest.mark.parametrize("part", ["steady_state", "alternating_blocks"])
def test_collection_is_off_inside_and_on_again_after(part: str) -> None:
    script, seen = Script(2.0**-7), set()

    def step() -> None:
        seen.add(gc.isenabled())
        script.step()

    if part == "steady_state":
        rule = {"min_count": 8, "min_duration_s": 0.0, "budget_s": 1.0}
        measure.steady_state(step, script.clock, rule, 2.0**-7)
    else:
        measure.alternating_blocks(step, script.clock, (["on"], 0.125, 2.0**-7), lambda _arm: None)
    assert seen == {False}
    assert gc.isenabled()


def test_collection_is_on_again_after_a_failing_step() -> None:
    def step() -> None:
        raise RuntimeError("lost the device")

    rule = {"min_count": 8, "min_duration_s": 0.0, "budget_s": 1.0}
    with pytest.raises(RuntimeError, match="lost the device"):
        measure.steady_state(step, Script(1.0).clock, rule, 1.0)
    assert gc.isenabled()


def test_collection_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with measure.collection_off():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_alternating_blocks_switch_before_each_block_and_label_it() -> None:
    script, switched = Script(2.0**-6), []
    arms = ["on", "off", "off", "on"]
    storage = measure.alternating_blocks(
        script.step, script.clock, (arms, 0.125, 2.0**-6), lambda arm: switched.append((arm, script.now_s))
    )
    assert switched == [("on", 0.0), ("off", 0.125), ("off", 0.25), ("on", 0.375)]
    assert list(dict(storage.columns("x"))["x.block"]) == [float(number) for number in range(4) for _ in range(8)]


@pytest.mark.parametrize(("step_s", "per_block"), [(0.5, 8), (2.0, 4)])
def test_blocks_of_a_slow_model_last_eight_inferences_or_sixty_times_their_duration(
    step_s: float, per_block: int
) -> None:
    script = Script(step_s)
    storage = measure.alternating_blocks(
        script.step, script.clock, (["on", "off"], 0.125, step_s), lambda _arm: None
    )  # fmt: skip
    assert storage.block_ends == [per_block, 2 * per_block]


def duet(script: Script, blocks: int, fastest_s: float, block_s: float = 0.125) -> measure.Blocks:
    made = measure.Blocks(script.step, script.clock, (blocks, block_s, fastest_s))
    for _ in range(blocks):
        made.run()
    return made


def counts(storage: Storage) -> list[int]:
    return [end - begin for begin, end in itertools.pairwise([0, *storage.block_ends])]


@pytest.mark.parametrize(
    ("step_s", "per_block"),
    [
        (2.0**-10, 128),  # 125 ms of it
        (2.0**-6, 8),  # 125 ms, and eight
        (2.0**-5, 8),  # eight last longer
    ],
)
def test_a_duets_block_lasts_its_duration_and_eight_inferences(step_s: float, per_block: int) -> None:
    storage, begin, end = duet(Script(step_s, start_s=4.0), 5, step_s).finish()
    assert counts(storage) == [per_block] * 5
    assert (begin, end) == (4.0, 4.0 + 5 * per_block * step_s)


@pytest.mark.parametrize(
    ("step_s", "per_block"), [(0.015625, 8), (0.03125, 5), (0.078125, 5), (0.09375, 3), (0.5, 3), (64.0, 3)]
)
def test_of_a_slow_model_a_duets_block_is_five_inferences_or_three_whatever_they_take(
    step_s: float, per_block: int
) -> None:
    """No budget cuts one short: a block of one inference is none, as the first after a switch is slow."""
    storage, *_ = duet(Script(step_s), 4, step_s, block_s=0.015625).finish()
    assert counts(storage) == [per_block] * 4


def test_a_duets_rows_are_numbered_by_block_and_leave_out_the_pauses() -> None:
    script = Script(2.0**-6)
    made = measure.Blocks(script.step, script.clock, (3, 0.125, 2.0**-6))
    for pause_s in (1.0, 2.0, 4.0):
        script.now_s += pause_s
        made.run()
    columns = dict(made.finish()[0].columns("x"))
    assert list(columns["x.block"]) == [float(number) for number in range(3) for _ in range(8)]
    assert [columns["x.start_s"][first] for first in (0, 8, 16)] == [1.0, 3.125, 7.25]
    assert set(columns["x.duration_s"]) == {2.0**-6}


def test_a_model_that_became_much_faster_than_while_warming_up_has_whole_blocks() -> None:
    """1 s was the fastest while warming up, for which there is room for 5 blocks of 67."""
    storage, begin, end = duet(Script(2.0**-12), 5, 1.0).finish()
    assert counts(storage) == [512] * 5
    assert list(storage.start_s[: storage.count]) == [number * 2.0**-12 for number in range(5 * 512)]
    assert (begin, end) == (0.0, 0.625)


def test_room_is_made_between_blocks_once_it_is_known_how_much_one_takes() -> None:
    script = Script(2.0**-12)
    made, seen = measure.Blocks(script.step, script.clock, (6, 0.125, 1.0)), []
    for _ in range(6):
        made.run()
        storage = made.finish()[0]
        seen.append((storage.count, storage.capacity))
    # From the second on there is room for twice the last one before it begins.
    assert all(capacity >= before + 2 * 512 for (before, _), (_, capacity) in itertools.pairwise(seen))


def test_a_block_that_comes_to_no_end_says_so() -> None:
    made = measure.Blocks(lambda: None, lambda: 0.0, (1, 0.125, 1.0))
    with pytest.raises(RuntimeError, match=r"block 0 did not last 0.125 s within 4000000 inferences, .*its clock"):
        made.run()
    made.finish()


def test_the_devices_own_time_is_kept_in_a_duet_too() -> None:
    script = Script(2.0**-6)
    device = Device(script)
    made = measure.Blocks(script.step, script.clock, (2, 0.125, 2.0**-6), device.device_s)
    made.run()
    made.run()
    assert list(dict(made.finish()[0].columns("x"))["x.device_s"]) == [2.0**-7] * 16


def test_collection_is_off_from_a_duets_first_block_to_its_end() -> None:
    script, seen = Script(2.0**-6), set()

    def step() -> None:
        seen.add(gc.isenabled())
        script.step()

    made = measure.Blocks(step, script.clock, (2, 0.125, 2.0**-6))
    made.run()
    assert not gc.isenabled()  # the other side's turn: what it would collect, it would collect in our pause
    made.run()
    made.finish()
    assert (seen, gc.isenabled()) == ({False}, True)


@pytest.mark.parametrize(("values", "middle"), [([3.0], 3.0), ([4.0, 1.0, 3.0], 3.0), ([4.0, 1.0, 3.0, 2.0], 2.5)])
def test_median(values: list[float], middle: float) -> None:
    assert measure.median(values) == middle
