"""Burst against sustained performance: latency by the minute, the share of the speed that is kept, ranks before and
after. Where no launch lasted long enough, how long they were and which command measures it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.context import timed_of
from harness.analysis.stats import order_interval
from harness.analysis.sustained import LEAST_MINUTES, LEVEL, Sustained, steady_length_s, sustained
from harness.model.metrics import show
from harness.report import plots
from harness.report.absent import without
from harness.report.blocks import Block, Cell, Commands, Figure, Number, Paragraph, Plot, Section, Table
from harness.report.cases import ABSENT, Named, Shown, legend
from harness.report.names import in_figure, in_sentence

TITLE = "Burst against sustained"
SUGGESTED = "10m"
DRAWN_MOST, ROWS_MOST = 12, 60
# Findings of heat and of what it does: the subject of this section, and so no reason to keep a case out of its ranks.
OF_HEAT = frozenset({"throttled", "frequency_capped", "too_hot", "clock_changed", "drift", "no_steady_state"})
HEADINGS = (
    "case", "launches", "minutes", "p50 of the first, ms", "p50 of the last, ms", "speed kept", "interval",
    "at the end", "first throttle mark", "rank in the first", "rank in the last", "verdict",
)  # fmt: skip
# Words of a command line that would keep launches short, and how many words each takes.
SHORTENING = {"--quick": 1, "--budget": 2, "--sustain": 2}


@dataclass(frozen=True)
class Kept:
    """A case with the launches that were long enough. p50_s: by minute, the median over launches, as far as all of them
    last. ranked: whether only heat speaks against it."""

    one: Named
    launches: tuple[Sustained, ...]
    p50_s: tuple[float, ...]
    ranked: bool

    @property
    def speed_kept(self) -> tuple[float, tuple[float, float] | None]:
        """Median over launches of the share of the first minute's speed, with its 95 % interval where there is one."""
        shares = [one.speed_kept for one in self.launches]
        return float(np.median(shares)), order_interval(shares)


def section(shown: Shown) -> Section:
    """The minutes, or how to measure them."""
    found, left_out = minutes(shown.cases)
    if not found:
        return Section("sustained", TITLE, _why_none(shown))
    drawn = found[:DRAWN_MOST]
    figure = Figure(
        "by-minute",
        "Median latency of every minute of a launch, from the first minute to the last",
        plotted(drawn),
        Table(HEADINGS, _rows(found), numeric=False, folded="Data of this figure (first minute against last)"),
        (_how(len(drawn), len(found)), _moved(found)),
        legend([one.one for one in drawn]),
    )
    return Section("sustained", TITLE, (figure, *without(left_out)))


def minutes(cases: Sequence[Named]) -> tuple[tuple[Kept, ...], tuple[tuple[str, str], ...]]:
    """Cases with launches of two whole minutes or more, the ranked ones first; and the others with their reasons."""
    found, left_out = [], []
    for one in cases:
        timed = timed_of(one.record) if one.record else []
        launches = tuple(kept for trial in timed if (kept := sustained(trial)) is not None)
        if not launches:
            left_out.append((one.label, _too_short([steady_length_s(trial) for trial in timed])))
            continue
        common = min(len(kept.p50_s) for kept in launches)
        p50_s = tuple(float(np.median([kept.p50_s[at] for kept in launches])) for at in range(common))
        codes = {finding.code for finding in one.result.findings if finding.severity != "note"}
        found.append(Kept(one, launches, p50_s, codes <= OF_HEAT))
    return tuple(sorted(found, key=lambda kept: not kept.ranked)), tuple(left_out)


def ranks(found: Sequence[Kept], minute: int) -> dict[str, int]:
    """By label, 1 for the fastest in that minute, of the ranked cases; equal ones share a rank."""
    values = {kept.one.label: kept.p50_s[minute] for kept in found if kept.ranked}
    return {label: 1 + sum(other < value for other in values.values()) for label, value in values.items()}


def command(run: Mapping[str, object]) -> str:
    """The run's own command line, made to last; empty where it was not recorded."""
    words = run.get("command")
    if not isinstance(words, list | tuple) or "run" not in words:
        return ""
    kept: list[str] = []
    skip = 0
    for word in map(str, words):
        if skip:
            skip -= 1
            continue
        option, given, _ = word.partition("=")
        if option in SHORTENING:
            skip = 0 if given else SHORTENING[option] - 1
        else:
            kept.append(word)
    return shlex.join([*kept, "--sustain", SUGGESTED])


def _why_none(shown: Shown) -> tuple[Block, ...]:
    timed = [trial for one in shown.cases for trial in (timed_of(one.record) if one.record else ())]
    lengths = [steady_length_s(trial) for trial in timed if len(trial.samples)]
    if not lengths:
        return (Paragraph("No launch’s timed inferences are at hand, so nothing can be said by the minute.", "none"),)
    span = (
        f"{min(lengths):.3g} s" if max(lengths) < 1.01 * min(lengths) else f"{min(lengths):.3g} to {max(lengths):.3g} s"
    )
    told = (
        "Not measured here: heat takes minutes to build up, and the timed part of the launches lasted "
        f"{span}. Burst and sustained performance are told apart by a first and a last whole minute, {LEAST_MINUTES} "
        "at the least."
    )
    again = command(shown.result.run)
    if not again:
        return (Paragraph(f"{told} `harness run --sustain {SUGGESTED}` measures it.", "none"),)
    return (Paragraph(f"{told} This command measures it:", "none"), Commands((again,)))


def _too_short(lengths: Sequence[float]) -> str:
    if not lengths or max(lengths) <= 0:
        return "no timed inferences at hand"
    if max(lengths) >= 60 * LEAST_MINUTES:
        return "a minute without an inference of its own"
    return f"under {LEAST_MINUTES} whole minutes a launch"


def plotted(found: Sequence[Kept]) -> Plot:
    """Minutes across, each case's median latency upwards."""
    values = [value * 1e3 for kept in found for value in kept.p50_s]
    axis = plots.linear_axis("p50 latency of the minute, ms")
    if max(values) > plots.LOG_BEYOND * min(values):
        axis = plots.log_axis(axis, min(values), max(values))
    longest = max(len(kept.p50_s) for kept in found)
    layout = plots.base_layout(400)
    layout["xaxis"] = plots.linear_axis("minute of the steady part") | {
        "range": [0.5, longest + 0.5],
        "dtick": max(1, round(longest / 12)),
        "tick0": 1,
    }
    layout["yaxis"] = axis
    layout["hovermode"] = "closest"
    layout["margin"] |= {"t": 28}
    return {"data": [trace for kept in found for trace in _traces(kept)], "layout": layout}


def _traces(kept: Kept) -> list[Plot]:
    style, name = kept.one.style, in_figure(kept.one.label)
    opacity = 1.0 if kept.ranked else plots.NOT_VALID_OPACITY
    first, last = kept.p50_s[0], kept.p50_s
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": list(range(1, len(last) + 1)),
        "y": [float(f"{value * 1e3:.6g}") for value in last],
        "opacity": opacity,
        "line": {"color": style.colour, "width": 2, "dash": style.dash},
        "marker": {"color": style.colour, "symbol": style.symbol, "size": 8},
        "text": [f"{_percent(first / value)} of the first minute’s speed" for value in last],
        "hovertemplate": "<b>%{fullData.name}</b>, minute %{x}<br>%{y:.4~r} ms, %{text}<extra></extra>",
    }
    marks = [one.throttled_s for one in kept.launches if one.throttled_s is not None]
    if not marks:
        return [line]
    minute = min(int(min(marks) / 60), len(last) - 1)
    mark = {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [float(f"{min(marks) / 60 + 0.5:.6g}")],
        "y": [float(f"{last[minute] * 1e3:.6g}")],
        "opacity": opacity,
        "marker": {"color": style.colour, "symbol": "x-thin", "size": 16, "line": {"width": 3, "color": style.colour}},
        "text": [_duration(min(marks))],
        "hovertemplate": "<b>%{fullData.name}</b><br>first mark of throttling after %{text}<extra></extra>",
    }
    return [line, mark]


def _rows(found: Sequence[Kept]) -> tuple[tuple[Cell, ...], ...]:
    first, last = ranks(found, 0), ranks(found, -1)
    rows: list[tuple[Cell, ...]] = []
    for kept in found[:ROWS_MOST]:
        share, interval = kept.speed_kept
        level = sum(one.level for one in kept.launches)
        label, count = kept.one.label, len(kept.launches)
        rows.append((
            kept.one.name, Number(str(count), count), Number(str(len(kept.p50_s)), len(kept.p50_s)),
            *(Number(show("latency_p50_s", kept.p50_s[at]), kept.p50_s[at]) for at in (0, -1)),
            Number(_percent(share), share),
            f"[{_percent(interval[0])}, {_percent(interval[1])}]" if interval else ABSENT,
            "level" if level == count else f"still moving in {count - level} of {count}",
            _throttled(kept.launches),
            *(Number(str(order.get(label, ABSENT)), order.get(label)) for order in (first, last)),
            kept.one.result.verdict,
        ))  # fmt: skip
    return tuple(rows)


def _throttled(launches: Sequence[Sustained]) -> str:
    marks = [one.throttled_s for one in launches if one.throttled_s is not None]
    if marks:
        return f"after {_duration(float(np.median(marks)))} in {len(marks)} of {len(launches)}"
    return (
        "none" if any(one.watched for one in launches) else f"{ABSENT} (no mark of throttling is read on this device)"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{seconds:.3g} s"


def _how(drawn: int, found: int) -> str:
    more = f" The first {drawn} of {found} cases are drawn." if found > drawn else ""
    return (
        "Each symbol is the median latency of one minute, over launches the median of theirs. Burst is the first "
        "minute, sustained the last whole one; speed kept is p50 of the first over p50 of the last: at 100 % "
        f"nothing was lost. At the end: level where the last minute is within {100 * LEVEL:g} % of the one before."
        " A cross marks the earliest sign of throttling. Faint lines: cases of which more than heat is doubted; "
        f"they have no rank. Ranks go by the medians alone.{more}"
    )


def _moved(found: Sequence[Kept]) -> str:
    """Both rankings, in one sentence."""
    first, last = ranks(found, 0), ranks(found, -1)
    if len(first) < 2:
        return "Fewer than two cases are ranked, so there is no order to change."
    if first == last:
        return f"The order of the {len(first)} ranked cases is the same in the first minute and in the last."
    moved = [
        f"{in_sentence(label)} from rank {first[label]} to {last[label]}"
        for label in first
        if first[label] != last[label]
    ]
    return f"The order changes from the first minute to the last: {', '.join(moved)}."
