from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence

import pytest

from harness.agent import collectors, polling, sensors
from harness.agent.collectors import Channel, Place

PLACE = Place("/", 1, 2, 3600.0, {})  # asked at the start and at the stop alone
PATIENCE_S = 30.0  # of what must come at once


class Meter:
    """A collector that answers from a list; an exception in it is raised, and the last answer repeats."""

    def __init__(self, *answers: object, unit: str = "1") -> None:
        self._answers, self._unit = list(answers), unit
        self.reads, self.stopped, self.reading = 0, 0, threading.Event()

    def why_unavailable(self) -> str | None:
        return None

    def channels(self) -> list[Channel]:
        return [Channel(name, self._unit, "gauge", "rail", "board rail") for name in ("a", "b")]

    def start(self) -> None:
        """Nothing to open."""

    def read(self) -> Sequence[float]:
        self.reads += 1
        self.reading.set()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer() if callable(answer) else answer  # type: ignore[return-value]

    def stop(self) -> None:
        self.stopped += 1


class Line(Meter):
    """A feed: `wait` in place of `read`."""

    read = None  # type: ignore[assignment]

    def __init__(self, *answers: object) -> None:
        super().__init__(*answers)
        self._ended = threading.Event()

    def wait(self) -> tuple[float, Sequence[float]]:
        if not self._answers:
            self._ended.wait(PATIENCE_S)
            raise EOFError("the child said goodbye")
        answer = self._answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[return-value]

    def stop(self) -> None:
        super().stop()
        self._ended.set()


class Clock:
    """Moves by a step with every look."""

    def __init__(self, step_s: float) -> None:
        self.now_s, self._step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now_s += self._step_s
        return self.now_s


def opened(meter: Meter, control: polling.Control, place: Place = PLACE) -> polling.Source:
    source = polling.Source("meter", lambda _: meter, place, control)
    source.start()
    assert source.ready.wait(PATIENCE_S)
    return source


def ended(source: polling.Source, control: polling.Control) -> dict[str, list[float]]:
    control.say("stop")
    assert source.end(PATIENCE_S)
    return {name: list(values) for name, values in source.columns()}


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("garbage"), IndexError("short")])
def test_a_failed_reading_is_missing_and_the_next_one_counts(error: Exception) -> None:
    control = polling.Control()
    meter = Meter(error, [3.0, math.nan])
    found = ended(opened(meter, control), control)
    assert (meter.reads, meter.stopped) == (2, 1)
    assert [math.isnan(value) for value in found["meter:a"]] == [True, False]
    assert [math.isnan(value) for value in found["meter:b"]] == [True, True]
    assert found["meter:a"][1] == 3.0
    assert found["time:meter"] == sorted(found["time:meter"])
    assert len(found["time:meter"]) == 2


def test_what_cannot_be_made_is_unavailable_with_its_error() -> None:
    def make(_: Place) -> Meter:
        raise RuntimeError("the library is of another version")

    source = polling.Source("meter", make, PLACE, polling.Control())
    source.start()
    assert source.ready.wait(PATIENCE_S)
    assert source.unavailable == "RuntimeError: the library is of another version"


def test_a_reason_for_being_unavailable_is_kept() -> None:
    meter = Meter([1.0, 2.0])
    meter.why_unavailable = lambda: "no such bus: load i2c-dev"  # type: ignore[method-assign]
    source = opened(meter, polling.Control())
    assert (source.unavailable, meter.reads) == ("no such bus: load i2c-dev", 0)


def test_a_sensor_that_dies_says_why_and_keeps_what_it_read() -> None:
    control = polling.Control()
    meter = Meter([1.0, 2.0], RuntimeError("the bus fell over"))
    source = opened(meter, control, PLACE._replace(period_s=0.001))
    source._thread.join(PATIENCE_S)
    assert source.ended == "RuntimeError: the bus fell over"
    assert ended(source, control)["meter:b"] == [2.0]
    assert meter.stopped == 1


def test_a_row_of_another_width_ends_the_sensor_and_no_column_is_torn() -> None:
    control = polling.Control()
    source = opened(Meter([1.0, 2.0], [3.0]), control, PLACE._replace(period_s=0.001))
    source._thread.join(PATIENCE_S)
    assert source.ended == "RuntimeError: 1 values for 2 channels"
    assert ended(source, control) == {**ended(source, control), "meter:a": [1.0], "meter:b": [2.0]}


def test_a_sensor_that_hangs_holds_up_neither_the_pause_nor_the_end() -> None:
    """Its thread is left behind, with what it had read before."""
    control = polling.Control()
    released, hanging = threading.Event(), threading.Event()

    def hang() -> Sequence[float]:
        hanging.set()
        released.wait(PATIENCE_S)
        return [0.0, 0.0]

    meter = Meter([1.0, 2.0], hang)
    source = opened(meter, control, PLACE._replace(period_s=0.001))
    other = opened(Meter([5.0, 6.0]), control)
    assert hanging.wait(PATIENCE_S)
    control.say("off")  # returns although the meter hangs
    control.say("stop")
    assert source.end(0.01) is False
    assert list(dict(source.columns())["meter:a"]) == [1.0]
    assert len(ended(other, control)["meter:a"]) == 2
    released.set()
    assert source.end(PATIENCE_S)


def test_off_reads_nothing_and_on_goes_on() -> None:
    control = polling.Control()
    control.say("off")
    meter = Meter([1.0, 2.0])
    source = opened(meter, control, PLACE._replace(period_s=0.001))
    assert meter.reads == 1  # the first one, by which it is known to be usable
    control.say("on")
    meter.reading.clear()
    assert meter.reading.wait(PATIENCE_S)
    assert len(ended(source, control)["meter:a"]) >= 3


def test_a_feed_keeps_the_times_it_was_told() -> None:
    control = polling.Control()
    feed = Line((10.0, [1.0, 2.0]), (10.5, [3.0, 4.0]), EOFError("the child ended: no such option"))
    source = opened(feed, control)
    source._thread.join(PATIENCE_S)
    assert ended(source, control) == {"time:meter": [10.0, 10.5], "meter:a": [1.0, 3.0], "meter:b": [2.0, 4.0]}
    assert source.ended == "the child ended: no such option"
    assert feed.stopped >= 1


def test_how_often_a_feed_renews_its_values_is_the_time_between_its_readings() -> None:
    control = polling.Control()
    lines = [(10.0 + 0.1 * number, [1.0, 2.0]) for number in range(9)]
    source = opened(Line(*lines, EOFError("over")), control)
    source._thread.join(PATIENCE_S)
    assert source.line_period_s() == pytest.approx(0.1)
    assert opened(Meter([1.0, 2.0]), control).line_period_s() is None


def test_ending_a_feed_ends_its_waiting() -> None:
    control = polling.Control()
    source = opened(Line((1.0, [1.0, 2.0])), control)
    control.say("stop")
    assert source.end(PATIENCE_S)


# --- watching


class Still:
    """A source as the watch sees it."""

    def __init__(self, silent_s: float = 0.0, ended: str | None = None) -> None:
        self.name, self.last_s, self.ended, self.silent_s = "meter", 4.0, ended, silent_s

    def silent_for(self, now_s: float) -> float:
        return self.silent_s


def test_each_silence_is_told_once_and_a_second_one_again(capsys: pytest.CaptureFixture[str]) -> None:
    source = Still(silent_s=1.6)
    watch = sensors.Watch([source], polling.Control(Clock(0.25)))
    watch.look()
    watch.look()
    source.silent_s = 0.0
    watch.look()
    source.silent_s = 1.75
    watch.look()
    assert watch.lost == [
        {"collector": "meter", "last_s": 4.0, "seen_s": 0.25, "reason": "no reading for 1.60 s"},
        {"collector": "meter", "last_s": 4.0, "seen_s": 1.0, "reason": "no reading for 1.75 s"},
    ]
    assert capsys.readouterr().err.splitlines()[0] == "sensor meter was lost: no reading for 1.60 s"


def test_one_that_ended_is_told_with_its_reason() -> None:
    watch = sensors.Watch([Still(ended="OSError: unplugged")], polling.Control())
    watch.look()
    assert [event["reason"] for event in watch.lost] == ["OSError: unplugged"]


def test_during_a_pause_silence_is_no_loss() -> None:
    control = polling.Control()
    control.say("off")
    watch = sensors.Watch([Still(silent_s=9.0)], control)
    watch.look()
    assert watch.lost == []


@pytest.mark.parametrize(("period_s", "allowed_s"), [(0.05, 1.5), (0.1, 1.5), (0.6, 1.5), (1.0, 2.5)])
def test_silence_is_noticed_within_two_seconds_at_the_usual_rates(period_s: float, allowed_s: float) -> None:
    source = polling.Source("meter", lambda _: Meter([1.0, 2.0]), PLACE._replace(period_s=period_s), polling.Control())
    source.last_s = 100.0
    assert source.silent_for(100.0 + allowed_s) == 0.0
    assert source.silent_for(100.0 + allowed_s + 0.01) == pytest.approx(allowed_s + 0.01)
    assert period_s > 0.6 or allowed_s + sensors.WATCH_S < 2.0


# --- surveying


def held(period_s: float, clock: Clock) -> Callable[[], Sequence[float]]:
    """A sensor that renews its value every `period_s`."""
    return lambda: [math.floor(clock.now_s / period_s), 7.0]


@pytest.mark.parametrize("period_s", [0.001, 0.013, 0.1])
def test_the_update_period_is_measured(period_s: float) -> None:
    clock = Clock(0.0001)
    meter = Meter(held(period_s, clock), unit="W")
    found_s, read_s = polling.survey(meter, meter.channels(), clock)
    assert found_s == pytest.approx(period_s, rel=0.05, abs=0.0003)
    assert read_s == pytest.approx(0.0002, rel=0.3)


def test_a_value_that_stays_the_same_now_and_then_does_not_stretch_the_period() -> None:
    """Of nine renewals one cannot be seen; most gaps still show the period."""
    clock = Clock(0.0001)
    meter = Meter(lambda: [math.floor(clock.now_s / 0.01) * 0.9 // 1, 7.0], unit="W")
    found_s, _ = polling.survey(meter, meter.channels(), clock)
    assert found_s == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("answer", [[5.0, 5.0], [math.nan, math.nan], OSError("gone")])
def test_a_sensor_that_does_not_move_has_no_known_period(answer: object) -> None:
    meter = Meter(answer, unit="W")
    assert polling.survey(meter, meter.channels(), Clock(0.001))[0] is None


def test_only_power_is_surveyed() -> None:
    control = polling.Control()
    warm = opened(Meter([1.0, 2.0], unit="degC"), control)
    assert (warm.update_period_s, warm.read_s) == (None, None)
    ended(warm, control)


def test_every_name_in_the_table_is_a_word() -> None:
    assert all(name.isidentifier() for name in collectors.TABLE)


# --- what reviewers broke


def test_one_that_starts_too_late_stays_unavailable_and_is_let_go() -> None:
    control, meter, begun = polling.Control(), Meter([1.0, 2.0]), threading.Event()
    meter.start = lambda: begun.wait(PATIENCE_S) and None  # type: ignore[method-assign,func-returns-value]
    source = polling.Source("meter", lambda _: meter, PLACE, control)
    source.start()
    source.abandon("did not answer")
    begun.set()
    source._thread.join(PATIENCE_S)
    assert (source.unavailable, meter.stopped) == ("did not answer", 1)


def test_a_stop_that_hangs_holds_up_nobody() -> None:
    control, feed, released = polling.Control(), Line((1.0, [1.0, 2.0])), threading.Event()
    feed.stop = lambda: released.wait(PATIENCE_S) and None  # type: ignore[method-assign,func-returns-value]
    source = opened(feed, control)
    control.say("stop")
    assert source.end(0.01) is False
    released.set()
    feed._ended.set()
    assert source.end(PATIENCE_S)


def test_wrong_options_are_the_callers_mistake_and_no_missing_sensor() -> None:
    settings = {
        "names": ["thermal"],
        "root": "/",
        "target": 1,
        "period_s": 1.0,
        "options": {"thermal": {"colour": 1}},
    }
    with pytest.raises(ValueError, match=r"^collector thermal: thermal has no option colour: only period_s"):
        sensors.open_sources(settings, polling.Control())


def test_a_sensor_that_never_held_a_value_is_noticed_too() -> None:
    control = polling.Control(Clock(0.5))
    source = opened(Meter([math.nan, math.nan]), control, PLACE._replace(period_s=0.05))
    assert source.silent_for(source.last_s + 1.51) > 0
    ended(source, control)


def test_a_pause_halts_a_feed_that_can_be_halted_and_is_no_silence() -> None:
    control, feed, told = polling.Control(), Line((1.0, [1.0, 2.0])), []
    feed.pause = told.append  # type: ignore[attr-defined]
    source = opened(feed, control)
    source.pause(True)
    source.pause(False)
    assert told == [True, False]
    assert source.silent_for(control.clock()) == 0.0
    control.say("stop")
    assert source.end(PATIENCE_S)
