"""docs/gate.md from what the study found. Owns its words and tables; reckons nothing but shares and bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from string import Template

from scipy.special import betaincinv

from harness.model.policy import DEFAULT
from tests.study.figures import ARRANGEMENTS, Alarms, Found, Power, Rival

CONDITIONS = ("quiet", "loaded")
PAGE = Template("""\
# How often the gate is wrong, and what it finds

Written by `nox -s gate_study` from recorded launches; seed $seed. Change the study, not this file.

$machine

## Asked and measured

$asked

## Method

A launch is a pair of fresh processes of both sides that take turns in about 40 blocks of at least 20 ms. $count
launches were recorded in bursts of $burst, all pairs interleaved in seeded random order, in two conditions in turn:
*quiet*, where nothing was added to what the machine did anyway, and *loaded*, with two neighbours in bursts (2 to
33 % load in regimes of some seconds), one on the measured core, one on another. A/A is a model against itself; the
slower ones are the same model with a residual bottleneck of two 1x1 convolutions before its global pool, sized by
measuring; their true ratios stand in the table. Of the tail's two sides, one draws a random number per inference
and computes such a bottleneck in 5 % of them, the other has the same graph and never does.

A gate run is a stretch of consecutive launches of a series from a random start (and on from the first after the
last), taken by the gate's own code: looks at $looks launches, $confirm fresh launches before a regression is
reported, error shared over 20 metrics. Of A/A the two sides may be swapped: by one coin for a whole gate, which
keeps what a launch has of the one before it and any bias of a side, or by a coin for every launch. Times are those
of the launches when they were recorded, both processes' starts, the transfer of the samples and the opening of the
board included.

## Nothing to report

$alarms

Bound: one-sided 95 %, Clopper and Pearson, of so many independent gates. Resampled gates share launches, so that
the rows with few launches know less than their number of gates says; the row *as measured* is what is really
independent, and its looks after the first may use launches of the next gate.

## A real slowdown

One model, p50 and p90, levels of a family of 20 metrics. *fit*: how many whole gates of $needed launches the series
holds.

$powers

## A slowdown of the tail only

The default policy, one model. *said*: found, and said to be of the tail only.

$tails

## Other tools on the same launches

Shares of comparisons that are called slower, $rivals_each launches of each side for every tool and arrangement but
the last; the gate's own line is of its p50 and p90 (of its default policy for the tail), at levels of a family of
20: alone it would find more. Its cells are the smaller of what it found over all models of a kind, for A/A the
larger.

$rivals

$arrangements

pytest-benchmark: `--benchmark-compare-fail` on all samples of a side. asv: Mann and Whitney's test, two-sided, on
means of about 10 ms, as its `sample_time` makes them, and the factor on their medians. A rule of 5 % finds a
slowdown of 5 % half the time by construction.

## Limits

$limits
""")


def page(found: Found) -> str:
    """The whole file."""
    first = found.sessions[0] if found.sessions else {}
    launches = {(one.condition, one.pair): one.launches for one in (*found.powers, *found.tails)}
    aa = {one.condition: one.launches for one in found.alarms}
    return PAGE.substitute(
        seed=found.seed,
        machine=_machine(found),
        asked="\n".join(_asked(found)),
        count=sum(launches.values()) + sum(aa.values()),
        burst=first.get("burst", "?"),
        looks=", ".join(map(str, DEFAULT.looks)),
        confirm=DEFAULT.confirm,
        needed=DEFAULT.looks[0] + DEFAULT.confirm,
        alarms="\n".join(_alarms(found.alarms)),
        powers="\n".join(_powers(found.powers)),
        tails="\n".join(_tails(found.tails)),
        rivals="\n".join(_rivals(found)),
        rivals_each=DEFAULT.looks[0] + DEFAULT.confirm,
        arrangements="\n".join(f"- *{name}*: {what}." for name, what in ARRANGEMENTS.items()),
        limits="\n".join(f"- {one}" for one in _limits()),
    )


def _machine(found: Found) -> str:
    if not found.sessions:
        return "No collection was read."
    first, last = found.sessions[0], found.sessions[-1]
    when = " to ".join(dict.fromkeys((first["started_utc"], last["started_utc"])))
    return (
        f"Machine: {first['machine']}, kernel {first['kernel']}; Python {first['python']}, onnxruntime "
        f"{first['onnxruntime']}, one thread, pinned to the last core; harness {first['harness']}. Collection begun "
        f"{when}, seed {first['seed']}; {found.gates} resampled gates per row."
    )


def _asked(found: Found) -> Iterator[str]:
    """The issue's figures; a bar is reached where its worst condition reaches it."""
    yield "| bar | asked | quiet | loaded |"
    yield "| --- | --- | ---: | ---: |"
    aa = [one for one in found.alarms if "tolerance" not in one.what]
    yield _bar("A/A gates that report a regression (worst row)", "at most 1 %", _worst(aa, "alarms"))
    edge = [one for one in found.alarms if "tolerance" in one.what]
    yield _bar("called a regression with all 20 at the margin", "at most 1 %", _worst(edge, "alarms"))
    five = [one for one in found.powers if "+5 %" in one.pair]
    for name, asked, field in (
        ("+5 % found (worst model)", "at least 99 %", "regressions"),
        (f"+5 % found within {15} s", "at least 99 %", "within"),
    ):
        yield _bar(name, asked, {key: -value for key, value in _worst(five, field, -1).items()})
    tails = {key: -value for key, value in _worst(found.tails, "regressions", -1).items()}
    yield _bar("tail only: 5 % of inferences twice as slow, found", "found", tails)
    said = {key: -value for key, value in _worst(found.tails, "tail_only", -1).items()}
    yield _bar("and said to be of the tail only", "said", said)


def _worst(rows: Sequence[Alarms] | Sequence[Power], field: str, sign: int = 1) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in rows:
        value = sign * getattr(one, field)
        found[one.condition] = max(value, found.get(one.condition, -math.inf))
    return found


def _bar(name: str, asked: str, shares: dict[str, float]) -> str:
    cells = " | ".join(_percent(shares[one]) if one in shares else "too few launches" for one in CONDITIONS)
    return f"| {name} | {asked} | {cells} |"


def _alarms(rows: Sequence[Alarms]) -> Iterator[str]:
    yield "| condition | gates of | launches | gates | regression | bound | pass | invalid |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for one in rows:
        shares = f"{_percent(one.alarms)} | {_percent(upper(one.alarms, one.gates))} | {_percent(one.passes)}"
        yield f"| {one.condition} | {one.what} | {one.launches} | {one.gates} | {shares} | {_percent(one.invalid)} |"


def _powers(rows: Sequence[Power]) -> Iterator[str]:
    yield (
        "| condition | pair | launches | fit | floor | p50 | regression | pass | invalid | used | median s | "
        "99 % under s | found in 15 s |"
    )
    yield "| --- | --- |" + " ---: |" * 11
    for one in rows:
        true = f"{one.floor:+.1%} | {one.median:+.1%}".replace("%", " %")
        shares = f"{_percent(one.regressions)} | {_percent(one.passes)} | {_percent(one.invalid)}"
        times = f"{one.used:.0f} | {one.median_s:.1f} | {one.slowest_s:.1f} | {_percent(one.within)}"
        yield f"| {one.condition} | {one.pair} | {one.launches} | {one.disjoint} | {true} | {shares} | {times} |"


def _tails(rows: Sequence[Power]) -> Iterator[str]:
    yield "| condition | pair | launches | p50 | mean | p99 | found | said | pass | invalid | used | median s |"
    yield "| --- | --- |" + " ---: |" * 10
    for one in rows:
        true = " | ".join(
            "not measured" if math.isnan(value) else f"{value:+.1%}".replace("%", " %")
            for value in (one.median, one.mean, one.p99)
        )
        shares = " | ".join(map(_percent, (one.regressions, one.tail_only, one.passes, one.invalid)))
        used = f"{one.used:.0f} | {one.median_s:.1f}"
        yield f"| {one.condition} | {one.pair} | {one.launches} | {true} | {shares} | {used} |"


def _rivals(found: Found) -> Iterator[str]:
    kinds = ("A/A", "+2 %", "+5 %", "+10 %", "tail")
    heads = " | ".join(f"{kind} {condition}" for kind in kinds for condition in CONDITIONS)
    yield f"| arrangement | rule | {heads} |"
    yield "| --- | --- |" + " ---: |" * (len(kinds) * len(CONDITIONS))
    own = _own(found)
    yield f"| duets | **this gate** | {' | '.join(own.get((c, k), '') for k in kinds for c in CONDITIONS)} |"
    for one in found.rivals:
        yield f"| {one.arrangement} | {one.rule} | {' | '.join(_cells(one, kinds))} |"


def _cells(one: Rival, kinds: Sequence[str]) -> Iterator[str]:
    for kind in kinds:
        for condition in CONDITIONS:
            share = one.shares.get((condition, kind))
            yield "" if share is None else _percent(share)


def _own(found: Found) -> dict[tuple[str, str], str]:
    """Of several models with the same slowdown the one that is found least; of A/A the row with most alarms."""
    shares: dict[tuple[str, str], float] = {}
    for one in found.alarms:
        if "tolerance" not in one.what:
            key = one.condition, "A/A"
            shares[key] = max(one.alarms, shares.get(key, 0.0))
    for row in (*found.powers, *found.tails):
        key = row.condition, row.pair.partition(" ")[2]
        shares[key] = min(row.regressions, shares.get(key, 1.0))
    return {key: _percent(value) for key, value in shares.items()}


def _limits() -> Iterator[str]:
    yield (
        "One machine, one runtime, one thread, two small models: formulas carry over, these numbers do not. Run "
        "`harness doctor --calibrate` on yours."
    )
    yield (
        "Resampled gates overlap: see *fit*. All of five independent gates being right says, by itself, that more than "
        "55 % are, with 95 % certainty. What carries the rest is how far effects lie from margins, in units of their "
        "noise."
    )
    yield (
        "A stretch that crosses two bursts has launches that lie minutes apart, less alike than those of a gate "
        "would be."
    )
    yield (
        "The neighbours are synthetic, and what else the machine did meanwhile is not controlled; a virtual machine "
        "sees nothing of its own neighbours."
    )
    yield (
        "The other tools were not run: their rules were applied to these launches, with several processes for each "
        "side, which is more than most of them start."
    )


def upper(share: float, count: int) -> float:
    """One-sided 95 % bound of Clopper and Pearson."""
    hits = round(share * count)
    return 1.0 if hits >= count else float(betaincinv(hits + 1, count - hits, 0.95))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share else "0 %"
