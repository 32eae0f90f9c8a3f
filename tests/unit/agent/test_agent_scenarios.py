from __future__ import annotations

import pytest

from harness.agent import scenarios
from harness.agent.tables import resolve
from tests.support.agent_side import MILLI_S, SCENARIO, Script


def test_single_stream_warms_up_and_then_measures_without_a_gap() -> None:
    script = Script(*[4 * MILLI_S] * 20, MILLI_S, start_s=1.0)
    run = scenarios.single_stream(script.step, script.clock, SCENARIO, 8 * MILLI_S)
    warm, samples = run["warm_up"], run["samples"]
    assert run["steady"]
    assert run["reason"] == "minimum count and duration reached"
    assert run["begin"] == 1.0 + sum(warm.duration_s[: warm.count])
    # 250 ms of inferences that take 1/1024 s each.
    assert samples.count == 256
    assert run["end"] - run["begin"] == 0.25
    assert samples.start_s[0] == run["begin"]
    assert set(samples.duration_s[: samples.count]) == {MILLI_S}
    assert warm.count + samples.count == script.count


def test_single_stream_keeps_the_devices_own_time() -> None:
    script = Script(MILLI_S)
    run = scenarios.single_stream(script.step, script.clock, SCENARIO, MILLI_S, lambda: MILLI_S / 4)
    for name in ("warm_up", "samples"):
        assert set(dict(run[name].columns("x"))["x.device_s"]) == {MILLI_S / 4}


def test_single_stream_says_that_it_never_became_steady() -> None:
    script = Script(*[MILLI_S * 1.01**number for number in range(4000)])
    run = scenarios.single_stream(script.step, script.clock, SCENARIO, MILLI_S)
    assert not run["steady"]
    assert run["samples"].count > 0


def test_every_scenario_of_the_table_resolves() -> None:
    assert [resolve(scenarios.TABLE, "scenario", name) for name in scenarios.TABLE] == [scenarios.single_stream]


def test_an_unknown_scenario_is_answered_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="no scenario is called 'server'; known: single-stream"):
        resolve(scenarios.TABLE, "scenario", "server")
