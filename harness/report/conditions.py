"""Conditions of a run as key and text: what was asked for, what was in force, what the board said of itself.

Owns how a nested record becomes lines; what sensors read is `sensed`'s, where the numbers come from `provenance`'s.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.model.codec import Json
from harness.model.trial import Trial
from harness.model.verdict import RunResult
from harness.report.cases import NOT_RECORDED, Named

NOT_ASKED = "not asked for"
NOT_READ_BACK = "not read back"
# Asked of the agent, which has no state of it to read.
ASKED_OF_THE_AGENT = ("idle_s", "steady_min_duration_s", "started", "padding_bytes")
# Of every board, whether or not it was asked for: who compares two runs looks for these first.
STATE = ("state.power_mode", "state.clocks", "state.governor", "state.fan", "state.cores")
# What a trial tells of itself alone, or what other parts of a page are made of: no condition of the run.
FLEETING = frozenset({
    "epoch_minus_clock_s", "load_average_1min", "memory_available_bytes", "operators", "operators_missing", "pair",
    "sensors", "settled", "started_second", "state_end", "state_problems", "swap_used_bytes",
})  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """A key and its value as text."""

    key: str
    value: str


@dataclass(frozen=True)
class Setting:
    """A key, as asked for and as found in force; `differs` where both are known and are not the same. launches: of how
    many it is so, where others had it otherwise; else empty."""

    key: str
    requested: str
    in_force: str
    differs: bool
    launches: str = ""


def flattened(values: Mapping[str, object]) -> dict[str, str]:
    """Nested mappings as dotted keys in their own order; lists joined; null, which is absence, said in words."""
    return dict(_flat("", values))


def facts(values: Mapping[str, object]) -> tuple[Fact, ...]:
    """Flattened, one fact a key."""
    return tuple(Fact(key, value) for key, value in flattened(values).items())


def board_facts(environment: Mapping[str, object]) -> tuple[Fact, ...]:
    """What the board said of itself that holds for the whole run."""
    told = environment_facts(environment)
    return facts({key: value for key, value in told.items() if key not in FLEETING})


def environment_facts(environment: Mapping[str, object]) -> Mapping[str, object]:
    """The `facts` part, empty where absent."""
    return _table(environment, "facts")


def settings(environments: Sequence[Mapping[str, object]]) -> tuple[Setting, ...]:
    """Requested and in force side by side, over the keys of both; where launches differ, a line for each way."""
    lines: dict[str, Counter[tuple[str, str, bool]]] = {}
    for environment in environments:
        for one in _settings(environment):
            lines.setdefault(one.key, Counter())[one.requested, one.in_force, one.differs] += 1
    return tuple(
        Setting(key, *line, "" if len(ways) == 1 else f"{count} of {len(environments)} launches")
        for key, ways in lines.items()
        for line, count in ways.items()
    )


def environments_of(result: RunResult, named: Sequence[Named]) -> tuple[Mapping[str, Json], ...]:
    """Of every finished timed launch that recorded one; where no record is at hand, the run's own."""
    trials = [trial for one in named for trial in (one.record.trials if one.record else ()) if _is_timed(trial)]
    told = [trial.environment for trial in trials if trial.environment.requested or trial.environment.in_force]
    found = [{"requested": one.requested, "in_force": one.in_force, "facts": one.facts} for one in told]
    return tuple(found) or ((result.environment,) if result.environment else ())


def _is_timed(trial: Trial) -> bool:
    return trial.mode == "performance" and trial.status == "ok"


def _settings(environment: Mapping[str, object]) -> Iterator[Setting]:
    requested, in_force = flattened(_table(environment, "requested")), flattened(_table(environment, "in_force"))
    told = environment_facts(environment)
    if "state.governor" not in in_force and told.get("governors"):
        in_force["state.governor"] = text(told["governors"])
    problems = {text(one.get("control")) for one in _tables(told.get("state_problems"))}
    for key in dict.fromkeys([*requested, *(() if not in_force else STATE), *in_force]):
        if key.startswith("at_end.") or (key == "problems" and in_force[key] == "none"):
            continue
        unknown = NOT_READ_BACK if key in ASKED_OF_THE_AGENT else NOT_RECORDED
        asked, found = requested.get(key, NOT_ASKED), in_force.get(key, unknown)
        known = key in requested and key in in_force
        refused = key.removeprefix("state.") in problems and key.startswith("state.")
        yield Setting(key, asked, found, refused or (known and not _granted(asked, found)))
        at_end = in_force.get(f"at_end.{key}", found)
        if at_end != found:
            yield Setting(f"{key} at the end", asked, at_end, differs=True)


def _granted(requested: str, in_force: str) -> bool:
    """Whether what is in force is what was asked for; "last", "none" and "all" leave the value to the board."""
    return requested in ("last", "none", "all") or requested.replace(" ", "") == in_force.replace(" ", "")


def command_line(run: Mapping[str, object]) -> str:
    """The command as a shell would take it, or empty."""
    command = run.get("command")
    return shlex.join(map(str, command)) if isinstance(command, list | tuple) else str(command or "")


def text(value: object) -> str:
    """One value as a reader expects it."""
    if value is None or value == "":
        return NOT_RECORDED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(text(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {text(item)}" for key, item in value.items()) or "none"
    return str(value)


def _flat(prefix: str, values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", text(value)


def _table(values: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = values.get(key)
    return found if isinstance(found, Mapping) else {}


def _tables(values: object) -> list[Mapping[str, object]]:
    return [one for one in values if isinstance(one, Mapping)] if isinstance(values, list | tuple) else []
