"""Checks of a board's state: whether it can be set, what it is now, and what a run will set it to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields

from harness.doctor.check import Check, split
from harness.model.codec import Json
from harness.model.device import Device, State

GRANT = (
    'let it: echo "$USER ALL=(root) NOPASSWD: ALL" | sudo tee /etc/sudoers.d/edge-harness; '
    "or grant single commands, as the lines below name them"
)
WORDS = {"power_mode": "power mode"}


def rights(device: Device, answer: Mapping[str, Json]) -> Iterator[Check]:
    """Whether the agent may set what the device's file asks for."""
    asked = ", ".join(WORDS.get(name, name) for name in device.state.asked())
    may = answer.get("rights")
    if may is None:
        yield Check("rights", "missing", "the board did not say whether the agent can become root")
    elif may:
        yield Check("rights", "good", "root without a password (sudo -n)")
    elif not asked:
        yield Check("rights", "good", "no root, and none is needed: the device's file sets nothing")
    else:
        yield Check("rights", "warning", f"no root without a password: {asked} may stay as found", GRANT)


def controls(device: Device, answer: Mapping[str, Json]) -> Iterator[Check]:
    """Each thing that can be set: its present value against what is asked."""
    told = answer.get("state")
    if told is None:
        yield Check("state", "missing", "the board did not say what power mode, clocks, governor, fan and cores it has")
        return
    asked = device.state.asked()
    for name in (one.name for one in fields(State)):
        if name in told:
            value, reason = told[name]["value"], told[name]["why_unavailable"]
            yield from _control(WORDS.get(name, name), asked.get(name), value, reason)
        elif name in asked:
            yield Check(WORDS.get(name, name), "missing", f"{asked[name]} is asked; the board did not say what it is")


def _control(name: str, asked: str | int | None, value: Json, unavailable: str | None) -> Iterator[Check]:
    now = "cannot be read" if value is None else f"{_shown(value)} now"
    if asked is None:
        if value is not None:
            yield Check(name, "good", f"{now}, and stays so")
    elif unavailable is not None:
        what, fix = split(unavailable)
        yield Check(name, "warning", f"{now}; {asked} is asked, and cannot be set: {what}", fix)
    else:
        yield Check(name, "good", f"{now}; a run sets it to {asked} and puts it back")


def _shown(value: Json) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(one)}" for key, one in sorted(value.items()))
    if isinstance(value, list):
        return ", ".join(dict.fromkeys(_shown(one) for one in value))
    return str(value)
