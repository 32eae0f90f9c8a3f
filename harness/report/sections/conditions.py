"""Under which conditions the numbers hold: settings, heat and clocks over the run, where power was read, what the board
says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from harness.model.trial import Trial
from harness.report.blocks import Block, Paragraph, Section, Table
from harness.report.cases import ABSENT, NOT_RECORDED, Named, Shown
from harness.report.conditions import (
    Fact,
    Setting,
    board_facts,
    environment_facts,
    environments_of,
    facts,
    settings,
    text,
)
from harness.report.names import isolated
from harness.report.sensed import Course, PowerChannel, courses, device_power, launches, power_channels, waiting

# Of the metrics that an energy or a power stands behind, the first that a case has tells how it was got.
POWER_METRICS = ("energy_per_inference_j", "power_mean_w")
MOST_NAMED = 6
# Of the ways to a figure; the definitions below the table of all cases have every one.
MOST_ROWS = 50
_LABELS = {
    "affinity": "cores of the process (affinity)",
    "nice": "niceness",
    "idle_s": "idle before and after, s",
    "steady_min_duration_s": "least steady part, s",
    "providers": "execution providers",
    "state.power_mode": "power mode",
    "state.clocks": "clocks",
    "state.governor": "governor",
    "state.fan": "fan",
    "state.cores": "cores online",
}
# What a reader looks for first: key in the board's facts, words.
_BOARD = (
    ("board_model", "board"),
    ("cpu", "processor"),
    ("instruction_sets", "instruction sets"),
    ("cores", "cores"),
    ("cores_allowed", "cores allowed"),
    ("memory_bytes", "memory"),
    ("hypervisor", "virtual machine"),
    ("emulated", "emulated"),
    ("boost", "boost clocks"),
    ("kernel", "kernel"),
    ("distribution", "distribution"),
    ("python", "Python"),
    ("versions", "runtimes"),
)


def section(shown: Shown) -> Section:
    """Every part of it, or why it is not there."""
    trials = launches(shown.cases)
    blocks: list[Block] = [
        _board(shown),
        *_settings(settings(environments_of(shown.result, shown.cases))),
        *_over_the_run(trials, shown.result.device),
        _waits(trials, shown.result.device),
        *_power(shown, trials),
        *_everything(shown),
    ]
    return Section("conditions", "Conditions", tuple(blocks))


def _board(shown: Shown) -> Block:
    told, device = environment_facts(shown.result.environment), shown.result.device
    if not told and not device:
        return Paragraph("Board: not recorded.", "none")
    rows = [("device", f"{text(device.get('title'))} ({text(device.get('name'))})")]
    rows += [(words, _fact(key, told[key])) for key, words in _BOARD if key in told]
    rows.append(("supply", _supply(device)))
    return Table(("fact", "as the board tells it"), tuple(rows), caption="Board", numeric=False)


def _fact(key: str, value: object) -> str:
    if key == "memory_bytes" and isinstance(value, int | float):
        return f"{value / 2**30:.1f} GiB"
    if key == "versions" and isinstance(value, Mapping):
        return ", ".join(f"{name} {text(version)}" for name, version in value.items()) or NOT_RECORDED
    return text(value)


def _supply(device: Mapping[str, object]) -> str:
    limits = device.get("limits")
    channel = limits.get("supply") if isinstance(limits, Mapping) else None
    if channel is None:
        return "not known: no channel of this device reads its voltage; say which one you used beside the numbers"
    return f"read by {channel}, see below"


def _settings(found: Sequence[Setting]) -> Iterator[Block]:
    if not found:
        yield Paragraph("Settings: not recorded.", "none")
        return
    rows = tuple(_setting(one) for one in found)
    caption = "Settings, as asked for and as read back"
    yield Table(("setting", "asked for", "in force"), rows, caption=caption, numeric=False)
    if any(one.differs for one in found):
        words = ", ".join(dict.fromkeys(_label(one.key) for one in found if one.differs))
        yield Paragraph(f"Not in force as asked for: {words}. The numbers are of what was in force.", "alert")


def _setting(one: Setting) -> tuple[str, str, str]:
    of = f" ({one.launches})" if one.launches else ""
    return _label(one.key) + of, one.requested, one.in_force + (" (differs)" if one.differs else "")


def _label(key: str) -> str:
    base = key.removesuffix(" at the end")
    return _LABELS.get(base, base) + key[len(base) :]


def _over_the_run(trials: Sequence[Trial], device: Mapping[str, object]) -> Iterator[Block]:
    limits = device.get("limits")
    supply = limits.get("supply") if isinstance(limits, Mapping) else None
    found, more = courses(trials, str(supply) if supply else None)
    if not found:
        yield Paragraph(
            "Temperatures, clocks and supply over the run: no channel was readable; the timeline says why.", "none"
        )
        return
    rows = tuple(_course(one) for one in found)
    headings = ("channel", "unit", "at the start", "at the end", "least", "greatest")
    yield Table(headings, rows, caption="Supply, heat and clocks over the run")
    if more:
        yield Paragraph(f"{more} more channel{'' if more == 1 else 's'} of temperatures and clocks.", "note")


def _course(one: Course) -> tuple[str, ...]:
    return one.name, one.unit, *(f"{value:.4g}" for value in (one.first, one.last, one.low, one.high))


def _waits(trials: Sequence[Trial], device: Mapping[str, object]) -> Paragraph:
    found, rule = waiting(trials), device.get("settle")
    if found is None:
        asked = isinstance(rule, Mapping) and rule.get("deadline_s") == 0
        why = "none, as the device’s file asks for none" if asked else NOT_RECORDED
        return Paragraph(f"Waits for a calm board: {why}.", "none")
    waited = np.array(found.waited_s)
    if not len(waited) or waited.max() == 0:
        said = f"Waited for a calm board before none of {found.trials} trials."
    else:
        said = (
            f"Waited for a calm board before {found.trials} trials: {waited.sum():.0f} s in all, "
            f"{waited.min():.0f} to {waited.max():.0f} s each, {np.median(waited):.0f} s at the median."
        )
    if not found.restless:
        return Paragraph(said)
    began = f"{found.restless} trial{'' if found.restless == 1 else 's'} began before it was calm: {found.reason}."
    return Paragraph(f"{said} {began}", "alert")


def _power(shown: Shown, trials: Sequence[Trial]) -> Iterator[Block]:
    power = device_power(shown.result.device)
    how: dict[str, list[Named]] = {}
    missing: dict[str, list[Named]] = {}
    for one in shown.cases:
        name = next((name for name in POWER_METRICS if name in one.result.metrics), None)
        if name is not None:
            how.setdefault(one.result.metrics[name].method, []).append(one)
        else:
            missing.setdefault(one.result.missing.get(POWER_METRICS[0], NOT_RECORDED), []).append(one)
    if how:
        rows = tuple((_few(cases), method.replace("+-", "±")) for method, cases in list(how.items())[:MOST_ROWS])
        yield Table(("cases", "where and how energy and power were measured"), rows, caption="Power", numeric=False)
    for reason, cases in list(missing.items())[:MOST_ROWS]:
        yield Paragraph(f"No figure of power for {_few(cases)}: {reason}.", "none")
    channels = power_channels(trials, power)
    if channels:
        headings = ("channel", "part", "covers", "provenance", "unit", "renews every", "readings per s", "failed")
        yield Table(headings, tuple(_channel(one) for one in channels), caption="Channels of power", numeric=False)
    caveats = dict.fromkeys(caveat for total in power.totals for caveat in total.caveats) if channels else ()
    for caveat in caveats:
        yield Paragraph(f"To know of it: {caveat}.", "note")


def _channel(one: PowerChannel) -> tuple[str, ...]:
    return (
        one.name,
        one.role,
        one.covers,
        one.source if one.measured else f"{one.source}: not measured, in no figure",
        one.unit,
        "not seen" if one.period_s is None else f"{one.period_s * 1e3:.3g} ms",
        ABSENT if one.per_s is None else f"{one.per_s:.3g}",
        f"{one.failed:.1%}" if one.failed else "none",
    )


def _few(cases: Sequence[Named]) -> str:
    labels = ", ".join(isolated(one.label) for one in cases[:MOST_NAMED])
    more = len(cases) - MOST_NAMED
    return f"{labels} and {more} more" if more > 0 else labels


def _everything(shown: Shown) -> Iterator[Block]:
    for title, found in (
        ("The device’s file as it was used", facts(shown.result.device)),
        ("Everything else that the board said of itself", board_facts(shown.result.environment)),
    ):
        if found:
            yield Table(("key", "value"), _rows(found), numeric=False, folded=title)
        else:
            yield Paragraph(f"{title}: not recorded.", "none")


def _rows(found: Sequence[Fact]) -> tuple[tuple[str, str], ...]:
    return tuple((one.key, one.value) for one in found)
