"""Do the intervals, the stop rule and the checks of a series keep what they promise? Seeded, synthetic, one table.

    python -m tests.study.intervals            the whole study, about two minutes
    python -m tests.study.intervals --quick    what tests/unit/analysis/test_bars.py asserts, in seconds

Synthetic launches: inferences of an AR(1) series in a Gaussian copula (so that the marginal, and with it the long-run
value, is known exactly), times a level of the launch. Launch levels have a standard deviation of 1 %.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from harness.analysis import series, stats, steady, stopping

Values = NDArray[np.float64]
Generator = np.random.Generator
LAUNCH_SIGMA = 0.01
INFERENCES = 600


@dataclass(frozen=True)
class Line:
    """One line of the table. low, high: the bar; share: what was found."""

    bar: str
    case: str
    share: float
    low: float
    high: float
    trials: int

    @property
    def error(self) -> float:
        """Standard error of the share."""
        return math.sqrt(max(self.share * (1 - self.share), 1e-9) / self.trials)

    @property
    def reached(self) -> bool:
        """Within the bar; by two standard errors of the simulation where it is at its edge."""
        return self.low - 2 * self.error <= self.share <= self.high + 2 * self.error


def normal_tail(z: Values) -> Values:
    """1 ms with 3 % spread."""
    return 1e-3 * np.exp(0.03 * z)


def heavy_tail(z: Values) -> Values:
    """1 ms plus delays without a variance: Pareto of index 1.5, so that one in a thousand takes twice as long."""
    share = 0.5 * (1 + _erf(z / math.sqrt(2)))
    return 1e-3 * (1 + 0.01 * ((1 - share) ** (-1 / 1.5) - 1))


MARGINALS: dict[str, Callable[[Values], Values]] = {"lognormal": normal_tail, "heavy tail": heavy_tail}


def correlated(generator: Generator, phi: float, rows: int, count: int) -> Values:
    """Standard normal AR(1) series, one per row."""
    shocks = generator.standard_normal((rows, count))
    found = np.empty_like(shocks)
    found[:, 0] = shocks[:, 0]
    scale = math.sqrt(1 - phi**2)
    for index in range(1, count):
        found[:, index] = phi * found[:, index - 1] + scale * shocks[:, index]
    return found


def coverage(generator: Generator, phi: float, marginal: str, launches: int, trials: int) -> dict[float, float]:
    """Share of runs whose interval of p50 and p90 holds the long-run value."""
    levels = np.exp(LAUNCH_SIGMA * generator.standard_normal(trials * launches))
    times = MARGINALS[marginal](correlated(generator, phi, trials * launches, INFERENCES)) * levels[:, None]
    found = {}
    for q in (0.5, 0.9):
        truth = float(MARGINALS[marginal](np.array([NormalDist().inv_cdf(q)]))[0])
        points = np.quantile(times, q, axis=1).reshape(trials, launches)
        intervals = [stats.order_interval(row) or (math.nan, math.nan) for row in points.tolist()]
        found[q] = float(np.mean([low <= truth <= high for low, high in intervals]))
    return found


def stopped(generator: Generator, sigma: float, trials: int) -> tuple[float, float, float]:
    """Coverage after the stop rule with 3 % of launches 25 % slower, mean launches, share that reached the target."""
    covered, used, reached = [], [], []
    for _ in range(trials):
        levels = np.exp(sigma * generator.standard_normal(30)) * np.where(generator.random(30) < 0.03, 1.25, 1.0)
        values: list[float] = []
        decision = stopping.decide(stopping.Progress(values, 0.0, 0, 0.0))
        while not decision.stop:
            values = (1e-3 * levels[: len(values) + decision.more]).tolist()
            decision = stopping.decide(
                stopping.Progress(values, len(values) * 0.2, 200 * len(values), len(values) * 0.5)
            )
        low, high = stats.order_interval(values) or (math.nan, math.nan)
        # The long-run median of a launch: 3 % of them above move it by so many standard deviations.
        truth = 1e-3 * math.exp(sigma * NormalDist().inv_cdf(0.5 / 0.97))
        covered.append(low <= truth <= high)
        used.append(len(values))
        reached.append(decision.reached)
    return float(np.mean(covered)), float(np.mean(used)), float(np.mean(reached))


def flags(generator: Generator, shape: str, trials: int) -> float:
    """Share of launches in which drift is seen. Steps lie in the middle 70 %; nearer to an end few are seen."""
    count, seen = 1000, 0
    place = np.arange(count) / count
    for _ in range(trials):
        phi = 0.3 if shape.startswith(("step", "ramp")) else 0.0
        sigma = 0.2 if shape == "iid, 20 % spread" else 0.03
        values = np.exp(sigma * correlated(generator, phi, 1, count)[0])
        if shape == "iid, heavy tail":
            values = heavy_tail(generator.standard_normal(count))
        if shape == "step +10 %":
            values *= np.where(place > generator.uniform(0.15, 0.85), 1.1, 1.0)
        if shape == "ramp +10 %":
            values *= 1 + 0.1 * place
        seen += series.drift(values) is not None
    return seen / trials


def modes(generator: Generator, shape: str, trials: int) -> float:
    """Share of launches in which two modes are seen."""
    seen = 0
    for _ in range(trials):
        z = correlated(generator, 0.5 if shape == "one mode, correlated" else 0.0, 1, 1000)[0]
        values = heavy_tail(z) if shape == "one mode, heavy tail" else np.exp(0.015 * z)
        if shape == "uniform":
            values = generator.uniform(1.0, 1.3, 1000)
        if shape == "one mode, coarse clock":
            values = np.round(np.exp(0.03 * z), 2)
        if shape == "two modes, 15 % apart":
            values *= np.where(generator.random(1000) < 0.35, 1.15, 1.0)
        seen += series.two_modes(values) is not None
    return seen / trials


def warm_ups(generator: Generator, tau: float, trials: int) -> list[float]:
    """Found over true end of a warm-up of 50 % excess, with bursts of a neighbour in every launch; nan: none found."""
    count, truth = 2000, tau * math.log(0.5 / 0.02)
    decay = 1 + 0.5 * np.exp(-np.arange(count) / tau)
    found = []
    for _ in range(trials):
        launches = []
        for _ in range(5):
            values = np.exp(0.03 * generator.standard_normal(count)) * decay
            for start in generator.integers(0, count, 3):
                values[start : start + generator.integers(5, 30)] *= 1.4
            launches.append(values)
        profile = steady.welch_profile(launches)
        found.append(math.nan if profile is None or profile.found is None else profile.found / truth)
    return found


def ratios(generator: Generator, noise: str, counts: tuple[int, int], trials: int) -> float:
    """Coverage of the interval of the ratio of two independent runs, true ratio 1.05."""
    covered = 0
    for _ in range(trials):
        sides = []
        for place, count in enumerate(counts):
            z = generator.standard_normal(count)
            if noise == "t with 3 degrees":
                z = generator.standard_t(3, count)
            if noise == "spread 1:3" and place:
                z = 3 * z
            logs = 0.01 * z + math.log(1.05) * place
            if noise == "3 % of launches +25 %":
                logs = logs + np.where(generator.random(count) < 0.03, math.log(1.25), 0.0)
            sides.append(logs)
        _, low, high = stats.ratio_interval(*sides)
        covered += low <= 1.05 <= high
    return covered / trials


def study(quick: bool, seed: int = 20261121) -> list[Line]:
    """All lines. quick: fewer trials of the same cases, and fewer numbers of launches."""
    generator = np.random.default_rng(seed)
    many, few = (300, 100) if quick else (4000, 1000)
    return [
        *_of_intervals(generator, many, (6, 20) if quick else (6, 9, 12, 20, 30)),
        *_of_the_stop_rule(generator, 300 if quick else 10_000),
        *_of_checks(generator, few),
        *_of_ratios(generator, 300 if quick else 10_000),
    ]


def _of_intervals(generator: Generator, trials: int, numbers: Sequence[int]) -> Iterator[Line]:
    for launches, marginal, phi in itertools.product(numbers, MARGINALS, (0.0, 0.5, 0.9)):
        parts = [coverage(generator, phi, marginal, launches, trials // 4) for _ in range(4)]  # a quarter fits memory
        for q in (0.5, 0.9):
            share = float(np.mean([part[q] for part in parts]))
            case = f"p{100 * q:g}, {marginal}, autocorrelation {phi:g}, {launches} launches"
            yield Line("interval", case, share, 0.93, 0.97, trials)


def _of_the_stop_rule(generator: Generator, trials: int) -> Iterator[Line]:
    for sigma in (0.005, 0.01, 0.015, 0.02, 0.03):
        share, used, reached = stopped(generator, sigma, trials)
        case = f"launches differ by {100 * sigma:g} %: {used:.1f} launches, {reached:.0%} reached 1 %"
        yield Line("5 stop rule", case, share, 0.95, 0.99, trials)


def _of_checks(generator: Generator, trials: int) -> Iterator[Line]:
    for shape in ("step +10 %", "ramp +10 %"):
        yield Line("7 drift seen", shape, flags(generator, shape, trials), 0.85, 1.0, trials)
    for shape in ("iid", "iid, 20 % spread", "iid, heavy tail"):
        yield Line("7 drift, false", shape, flags(generator, shape, trials), 0.0, 0.05, trials)
    for shape in ("one mode", "one mode, correlated", "one mode, heavy tail", "one mode, coarse clock", "uniform"):
        yield Line("two modes, false", shape, modes(generator, shape, trials), 0.0, 0.02, trials)
    shape = "two modes, 15 % apart"
    yield Line("two modes seen", shape, modes(generator, shape, trials), 0.85, 1.0, trials)
    for tau in (10.0, 50.0, 200.0):
        found = warm_ups(generator, tau, max(10, trials // 10))
        case = f"tau {tau:g}: median of found / true, range {min(found):.0%} to {max(found):.0%}"
        yield Line("8 warm-up", case, float(np.median(found)), 0.85, 1.30, len(found))


def _of_ratios(generator: Generator, trials: int) -> Iterator[Line]:
    for noise in ("normal", "t with 3 degrees", "3 % of launches +25 %", "spread 1:3"):
        for counts in ((6, 6), (10, 10), (20, 6)):
            case = f"{noise}, {counts[0]} and {counts[1]} launches"
            yield Line("ratio", case, ratios(generator, noise, counts, trials), 0.93, 0.97, trials)


def table(lines: Sequence[Line]) -> str:
    """As Markdown."""
    rows = ["| bar | case | found | asked | |", "| --- | --- | --- | --- | --- |"]
    for one in lines:
        asked, found = f"{100 * one.low:g}-{100 * one.high:g} %", f"{100 * one.share:.1f} %"
        found += f" +- {100 * one.error:.1f}" if one.bar != "8 warm-up" else ""
        rows.append(f"| {one.bar} | {one.case} | {found} | {asked} | {'yes' if one.reached else 'NO'} |")
    return "\n".join(rows)


def _erf(values: Values) -> Values:
    return np.array([math.erf(one) for one in values.ravel()]).reshape(values.shape)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    print(table(study(parser.parse_args().quick)))  # noqa: T201  # the one thing it is for
