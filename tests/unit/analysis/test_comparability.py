"""Every condition that differs is said; board, power mode and runtime refuse, unless they are allowed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.analysis.cells import Match, cells_of, match
from harness.analysis.comparability import ENERGIES, NAMES, Difference, differences, refusal
from harness.errors import UnknownName
from harness.model.case import Settings, TensorSpec
from harness.model.device import Device
from harness.model.power import Power, PowerTotal
from harness.model.trial import Channel, Environment, Phases, Trace
from harness.store.store import StoredRun
from tests.support import host_side
from tests.support.host_side import CASE, DEVICE, column, plan, trace, trial

FACTS = {
    "board_model": "Jetson Nano", "machine": "aarch64", "cores": 4, "cores_allowed": 4, "memory_bytes": 4 * 2**30,
    "kernel": "4.9", "python": "3.6.9", "governors": ["performance"], "boost": False, "distribution": "Ubuntu 18.04",
    "hypervisor": False, "boot_id": "b", "versions": {"onnxruntime": "1.18.0", "numpy": "1.19.5"},
}  # fmt: skip
IN_FORCE = {"affinity": "3", "nice": 0, "threads": 1, "providers": ["CPUExecutionProvider"]}
STATE = {"power_mode": "MAXN", "clocks": "max", "governor": "performance", "fan": "full"}


def stored(
    *,
    facts: dict | None = None,
    in_force: dict | None = None,
    state: dict | None = None,
    case: Any = CASE,
    device: Device = DEVICE,
    traces: tuple[Trace, ...] = (),
    **changes: Any,
) -> StoredRun:
    told = {**IN_FORCE, "state": {**STATE, **(state or {})}, **(in_force or {})}
    environment = Environment({}, told, {**FACTS, **(facts or {})})
    phases = Phases(steady_start_s=100.0, steady_end_s=102.0)
    trials = [
        trial([0.001] * 20, launch=n, case=case, environment=environment, traces=traces, phases=phases)
        for n in range(2)
    ]
    planned = replace(plan((case,)), device_id=changes.pop("device_id", "d"))
    held = host_side.stored(trials, planned)
    return replace(held, run=replace(held.run, **{"id": "base", "device": device, **changes}))


def found(base: StoredRun, candidate: StoredRun, *allowed: str) -> tuple[Difference, ...]:
    return differences(base, candidate, matched(base, candidate), allowed)


def matched(base: StoredRun, candidate: StoredRun) -> tuple[Match, ...]:
    return match(cells_of(base), cells_of(candidate))


def only(base: StoredRun, candidate: StoredRun) -> Difference:
    """The one difference but that of time."""
    (one,) = [one for one in found(base, candidate) if one.name != "time"]
    return one


def test_of_two_like_runs_only_the_time_between_them_differs() -> None:
    later = stored(id="candidate", started_utc="2026-01-01T06:00:00Z")
    (one,) = found(stored(), later)
    assert (one.name, one.meaningless) == ("time", False)
    assert "6 h apart, not interleaved" in one.sentence


def test_a_gap_below_an_hour_is_in_minutes() -> None:
    (one,) = found(stored(), stored(id="candidate", started_utc="2026-01-01T00:01:30Z"))
    assert "1.5 minutes apart" in one.sentence
    assert refusal((one,)) == ""
    assert found(stored(), stored()) == ()  # a run and itself


@pytest.mark.parametrize(
    ("changes", "name", "sentence"),
    [
        ({"facts": {"board_model": "Orin"}}, "board", "board: Jetson Nano in the baseline, Orin in the candidate"),
        ({"facts": {"cores": 2}}, "board", "number of cores: 4 in the baseline, 2 in the candidate"),
        ({"facts": {"memory_bytes": 2 * 2**30}}, "board", "memory: 4 GiB in the baseline, 2 GiB in the candidate"),
        (
            {"facts": {"emulated": "arm on x86"}},
            "board",
            "emulation: none in the baseline, arm on x86 in the candidate",
        ),
        ({"state": {"power_mode": "5W"}}, "power_mode", "power mode: MAXN in the baseline, 5W in the candidate"),
        (
            {"facts": {"versions": {"onnxruntime": "1.19.0", "numpy": "1.19.5"}}},
            "runtime",
            "runtime: null, onnxruntime 1.18.0 in the baseline, null, onnxruntime 1.19.0 in the candidate",
        ),
        (
            {"in_force": {"providers": ["CUDAExecutionProvider"]}},
            "runtime",
            "provider in force: CPUExecutionProvider in the baseline, CUDAExecutionProvider in the candidate",
        ),
    ],
)
def test_what_makes_it_meaningless(changes: dict, name: str, sentence: str) -> None:
    candidate = stored(id="candidate", **changes)
    one = only(stored(), candidate)
    assert (one.name, one.sentence, one.meaningless) == (name, sentence, True)
    assert found(stored(), candidate)[0] == one  # first of all
    told = refusal(found(stored(), candidate))
    assert sentence in told
    assert told.endswith(f"allow it by name: {name}")
    allowed = found(stored(), candidate, name)
    assert refusal(allowed) == ""
    assert sentence in [one.sentence for one in allowed]  # allowed, and still said


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"facts": {"cores_allowed": 2}}, "cores", "cores allowed: 4 in the baseline, 2"),
        ({"state": {"clocks": "free"}}, "clocks", "clocks as set: max in the baseline, free"),
        ({"state": {"governor": "schedutil"}}, "governor", "governor: performance in the baseline, schedutil"),
        ({"facts": {"boost": True}}, "governor", "boost: false in the baseline, true"),
        ({"state": {"fan": "auto"}}, "fan", "fan: full"),
        ({"facts": {"kernel": "5.10"}}, "kernel", "kernel: 4.9 in the baseline, 5.10"),
        ({"facts": {"distribution": "Debian"}}, "system", "distribution: Ubuntu 18.04"),
        ({"facts": {"hypervisor": True}}, "system", "hypervisor: false"),
        ({"facts": {"boot_id": "c"}}, "system", "boot: b"),
        ({"facts": {"python": "3.8"}}, "versions", "Python: 3.6.9"),
        ({"facts": {"versions": {"onnxruntime": "1.18.0", "numpy": "2"}}}, "versions", "numpy: 1.19.5"),
        ({"in_force": {"threads": 2}}, "threads", "threads in force: 1"),
        ({"in_force": {"affinity": "0"}}, "settings", "cores of the measured process: 3"),
        ({"in_force": {"nice": -5}}, "settings", "niceness: 0"),
        ({"case": replace(CASE, settings=Settings(threads=4))}, "threads", "threads: 1 in the baseline, 4"),
        ({"case": replace(CASE, options={"a": 1})}, "settings", 'options of the runtime: {} in the baseline, {"a":1}'),
        ({"case": replace(CASE, precision="int8")}, "precision", "small: precision: fp32 in the baseline, int8"),
        (
            {"case": replace(CASE, inputs=(TensorSpec("image", "float32", (4, 3, 8, 8)),))},
            "inputs",
            "small: inputs: image float32 1x3x8x8 in the baseline, image float32 4x3x8x8",
        ),
        ({"traces": (trace("cpu", "x", [(101, 1)]),)}, "sensors", "sensors read while measuring: not recorded"),
        ({"device_id": "e", "device": replace(DEVICE, title="B")}, "device_file", "was changed in between (title)"),
        ({"device": replace(DEVICE, name="b")}, "device_file", "device: bench in the baseline, b"),
    ],
)
def test_what_is_said_and_refuses_nothing(changes: dict, name: str, words: str) -> None:
    candidate = stored(id="candidate", **changes)
    one = only(stored(), candidate)
    assert (one.name, one.meaningless) == (name, False)
    assert words in one.sentence
    assert refusal(found(stored(), candidate)) == ""


def test_a_clock_that_ran_otherwise_is_told() -> None:
    def at(hertz: float) -> tuple[Trace, ...]:
        return (trace("cpu", "cpu3_clock", [(100.5, hertz), (101, hertz)]),)

    one = only(stored(traces=at(1.4e9)), stored(id="candidate", traces=at(1.2e9)))
    assert (one.name, one.sentence) == (
        "clocks", "clock of the measured cores: 1.40 GHz in the baseline, 1.20 GHz in the candidate"
    )  # fmt: skip
    near = found(stored(traces=at(1.4e9)), stored(id="candidate", traces=at(1.41e9)))
    assert [one.name for one in near] == ["time"]


def test_the_version_of_the_harness_and_of_the_agent_are_told() -> None:
    candidate = stored(id="candidate")
    newer = replace(candidate.run.plan, harness_version="9.9", agent_sha256="c" * 64)
    told = found(stored(), replace(candidate, run=replace(candidate.run, plan=newer)))
    assert [one.sentence for one in told if one.name == "harness"] == [
        "harness: 0.0 in the baseline, 9.9 in the candidate",
        f"agent: {'b' * 12} in the baseline, {'c' * 12} in the candidate",
    ]


def test_what_one_side_did_not_record_is_said_and_refuses_nothing() -> None:
    older = stored(in_force={"state": None})
    told = found(older, stored(id="candidate"))
    (mode,) = [one for one in told if one.name == "power_mode"]
    assert mode.sentence == "power mode: not recorded in the baseline, MAXN in the candidate"
    assert refusal(told) == ""


def test_without_facts_the_devices_name_stands_for_the_board() -> None:
    nothing = dict.fromkeys(("board_model", "machine"))
    base = stored(facts={**nothing})
    bare = [replace(one, environment=Environment()) for one in base.trials]
    base = replace(base, trials=tuple(bare))
    candidate = replace(base, run=replace(base.run, id="candidate", device=replace(DEVICE, name="other")))
    assert "device: bench in the baseline, other in the candidate" in refusal(found(base, candidate))


def test_launches_that_differ_among_themselves_show_all_that_they_say() -> None:
    candidate = stored(id="candidate")
    first, second = candidate.trials
    changed = Environment({}, first.environment.in_force, {**first.environment.facts, "kernel": "5.10"})
    one = only(stored(), replace(candidate, trials=(first, replace(second, environment=changed))))
    assert one.sentence == "kernel: 4.9 in the baseline, 4.9 and 5.10 in the candidate"


def test_energies_of_two_places_are_not_compared_and_the_rest_is() -> None:
    def powered(channel: str, scope: str) -> dict:
        power = Power(totals=(PowerTotal((f"meter:{channel}",), scope),), idle_s=0.0)  # type: ignore[arg-type]
        times = [99.0 + 0.01 * n for n in range(400)]
        known = Channel("meter", channel, "W", "gauge", scope, "external meter")
        return {
            "device": replace(DEVICE, power=power, collectors=("meter",)),
            "traces": (Trace(known, column(times), column([5.0 + 0.01 * (n % 7) for n in range(400)])),),
        }

    base, candidate = stored(**powered("a_power", "wall")), stored(id="candidate", **powered("b_power", "board input"))
    told = found(base, candidate)
    (place,) = [one for one in told if one.name == "power_place"]
    assert (place.meaningless, place.metrics, place.cell) == (True, ENERGIES, "small")
    assert "wall (meter:a_power, external meter) in the baseline, board input" in place.sentence
    assert refusal(told) == ""


def test_only_a_known_name_can_be_allowed() -> None:
    with pytest.raises(UnknownName, match="did you mean runtime"):
        found(stored(), stored(id="candidate"), "runtim")
    assert {"board", "power_mode", "runtime", "power_place", "threads", "device_file"} <= set(NAMES)
