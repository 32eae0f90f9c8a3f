"""The gate on recorded launches: false alarms, power, tails, and other tools on the same samples. Writes docs/gate.md.

    python -m tests.study.gate_study FOLDER [--out docs/gate.md] [--gates 1000] [--seed 20261121]

FOLDER is one that tests.study.collect filled. The same data and seed give the same file to the last character.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.analysis.gate import effects
from harness.analysis.gate.effects import Effect
from harness.model.gate import Policy, Rule
from harness.model.policy import DEFAULT
from tests.study import recorded, rivals, study_page
from tests.study.collect import CONDITIONS, ROUND, SAME, SLOWER, TAIL, named
from tests.study.figures import ARRANGEMENTS, Alarms, Found, Power, Rival
from tests.study.recorded import Data, Recorded
from tests.study.resample import Generator, Ran, Series, Stretch, drawn, run, series_of

FAMILY, CELLS = 20, 10
WITHIN_S = 15.0
# Of the default margins; ten models with these two are the family of 20 that the bars speak of.
TWO = tuple(rule for rule in DEFAULT.rules if rule.metric in ("latency_p50_s", "latency_p90_s"))
PAIRS = {kind: tuple(pair for pair in ROUND if pair[1] == kind) for kind in (SAME, *SLOWER, TAIL)}
# Launches of each side for another tool: those that the gate takes for a regression, first look and confirmation.
RIVAL_LAUNCHES = DEFAULT.looks[0] + DEFAULT.confirm
FEWEST = 2 * RIVAL_LAUNCHES


def study(data: Data, gates: int, seed: int, draws: int = 200) -> Found:
    """All tables. draws: comparisons of each other tool and kind. What the data are too few for is left out, and the
    page says how many there were."""
    policy, whole = Policy(TWO), DEFAULT
    alarms: list[Alarms] = []
    powers: list[Power] = []
    tails: list[Power] = []
    for index, condition in enumerate(CONDITIONS):
        generator = np.random.default_rng([seed, index])
        alarms += _alarms(data, condition, generator, gates)
        for kind in SLOWER:
            powers += _powers(data, (condition, kind), policy, (generator, gates))
        tails += _powers(data, (condition, TAIL), whole, (generator, gates))
    compared = rival_rows(data, seed, draws) if alarms else []
    return Found(data.sessions, gates, seed, alarms, powers, tails, compared)


def _alarms(data: Data, condition: str, generator: Generator, gates: int) -> list[Alarms]:
    chosen = [some for pair in PAIRS[SAME] if len(some := data.of(condition, named(pair))) >= FEWEST]
    if not chosen:
        return []
    found = []
    total = sum(map(len, chosen))
    two = [series_of(some, TWO) for some in chosen]
    every = [series_of(some, DEFAULT.rules) for some in chosen]
    present = min(sum(isinstance(one, Effect) for one in some.effects[0].values()) - 1 for some in every)
    cells = max(1, round(FAMILY / present))  # the floor is an effect, and no metric
    margin = {rule.metric: math.log1p(rule.tolerance) for rule in TWO}
    for what, policy, series, number, swap, shift in (
        ("10 models x p50, p90; sides swapped per gate", Policy(TWO), two, CELLS, "gate", None),
        ("10 models x p50, p90; sides swapped per launch", Policy(TWO), two, CELLS, "launch", None),
        (f"{cells} models x {present} metrics of the default policy", DEFAULT, every, cells, "launch", None),
        ("all 20 exactly at the tolerance", Policy(TWO), two, CELLS, "launch", margin),
    ):
        ran = [
            run(
                policy, {f"m{i}": drawn(generator, series[i % len(series)], swap, shift) for i in range(number)}, FAMILY
            )
            for _ in range(gates)
        ]
        found.append(_counted(condition, what, ran, total))
    return [*found, _as_measured(condition, two, total)]


def _as_measured(condition: str, series: Sequence[Series], total: int) -> Alarms:
    """Gates that share no launch, of the sides as they were: few, and nothing about them is resampled."""
    step = DEFAULT.looks[0]
    ran = [run(Policy(TWO), {"m": Stretch(one, start)}, FAMILY) for one in series for start in range(0, len(one), step)]
    return _counted(condition, "as measured, one model each, no launch in two first looks", ran, total)


def _counted(condition: str, what: str, ran: Sequence[Ran], launches: int) -> Alarms:
    alarms = float(np.mean([one.regressed for one in ran]))
    return Alarms(condition, what, len(ran), launches, alarms, passed(ran), invalid(ran))


def passed(ran: Sequence[Ran]) -> float:
    """Share."""
    return float(np.mean([one.outcome in ("pass", "improvement") for one in ran]))


def invalid(ran: Sequence[Ran]) -> float:
    """Share."""
    return float(np.mean([one.outcome == "invalid" for one in ran]))


def _powers(data: Data, cell: tuple[str, str], policy: Policy, how: tuple[Generator, int]) -> list[Power]:
    (condition, kind), (generator, gates) = cell, how
    found = []
    for pair in PAIRS[kind]:
        launches = data.of(condition, named(pair))
        if len(launches) < FEWEST:
            continue
        series = series_of(launches, policy.rules)
        opened_s = float(np.median([one["opened_s"] for one in data.sessions]))
        ran = [run(policy, {"m": drawn(generator, series)}, FAMILY) for _ in range(gates)]
        found.append(_power(condition, named(pair), launches, ran, opened_s))
    return found


def _power(condition: str, pair: str, launches: Sequence[Recorded], ran: Sequence[Ran], opened_s: float) -> Power:
    seconds = np.array([one.seconds + opened_s for one in ran])
    regressed = np.array([one.regressed for one in ran])
    tail = [any(one.tail_only for one in gate.decisions) for gate in ran]
    floor, median, mean, p99 = (
        true_effect(launches, name) for name in (effects.FLOOR, effects.MEDIAN, effects.MEAN, "latency_p99_s")
    )
    return Power(
        condition, pair, len(launches), floor, median, mean, p99, float(regressed.mean()), passed(ran), invalid(ran),
        float((regressed & (seconds <= WITHIN_S)).mean()), float(np.median(seconds)),
        float(np.quantile(seconds, 0.99)), float(np.median([one.launches for one in ran])), float(np.mean(tail)),
        len(launches) // RIVAL_LAUNCHES,
    )  # fmt: skip


def true_effect(launches: Sequence[Recorded], metric: str) -> float:
    """Relative, the median over all launches; nan where none has it."""
    rules = () if metric == effects.FLOOR else (Rule(metric, 0.0, 1.0),)  # the floor is evidence, and always there
    series = series_of(launches, rules)
    logs = [one.log for told in series.effects if isinstance(one := told[metric], Effect)]
    return math.expm1(float(np.median(logs))) if logs else math.nan


def rival_rows(data: Data, seed: int, draws: int) -> list[Rival]:
    """Every rule on every arrangement of the same launches."""
    found = []
    for arrangement in ARRANGEMENTS:
        shares: dict[str, dict[tuple[str, str], float]] = {name: {} for name in rivals.RULES}
        for i, condition in enumerate(CONDITIONS):
            for j, kind in enumerate(PAIRS):
                generator = np.random.default_rng([seed, i, j])
                sides = _sides(data, (condition, kind), arrangement, (generator, draws))
                for name, rule in rivals.RULES.items() if sides else ():
                    shares[name][condition, kind] = float(np.mean([rule(*both) for both in sides]))
        found += [Rival(name, arrangement, shares[name]) for name in rivals.RULES]
    return found


def _sides(
    data: Data, cell: tuple[str, str], arrangement: str, how: tuple[Generator, int]
) -> list[tuple[rivals.Launches, rivals.Launches]]:
    (condition, kind), (generator, draws) = cell, how
    series = [some for pair in PAIRS[kind] if len(some := data.of(condition, named(pair))) >= FEWEST]
    found: list[tuple[rivals.Launches, rivals.Launches]] = []
    for draw in range(draws if series else 0):
        some = series[draw % len(series)]
        start = int(generator.integers(len(some)))
        count = 1 if arrangement == "one process each" else RIVAL_LAUNCHES
        later = 0 if arrangement == "in turns" else count
        before = [some[(start + k) % len(some)].launch.baseline.duration_s for k in range(count)]
        after = [some[(start + later + k) % len(some)].launch.candidate.duration_s for k in range(count)]
        found.append((after, before) if kind == SAME and generator.random() < 0.5 else (before, after))
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/gate.md"))
    parser.add_argument("--gates", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20261121)
    how = parser.parse_args()
    found = study(recorded.read(how.folder), how.gates, how.seed)
    how.out.write_text(study_page.page(found), "utf-8")
    print(how.out)  # noqa: T201


if __name__ == "__main__":
    main()
