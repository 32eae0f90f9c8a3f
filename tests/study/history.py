"""Does the test for change points keep its error rate, and what does it find? Seeded A/A series, and series that move.

    python -m tests.study.history              the whole table, about a minute (with ruptures: some more)
    python -m tests.study.history 200          with so many series for each cell

Beside it, where it is installed, ruptures' Pelt with both costs and a penalty of c log n in units of the noise; the
comparison with Apache Otava was made once, with its release 0.8.0, whose dependencies do not go with ours.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.analysis.change_points import ALPHA, change_points
from harness.analysis.stats import Values

Generator = np.random.Generator
Method = Callable[[Values], Sequence[int]]
# Of a run's value: one per cent, as of medians over ten launches (statistics.md, 3.3).
SIGMA = 0.01
COUNTS = (7, 12, 20, 40)


def _correlated(generator: Generator, count: int, r: float) -> Values:
    found = [float(generator.standard_normal())]
    for _ in range(count - 1):
        found.append(r * found[-1] + math.sqrt(1 - r * r) * float(generator.standard_normal()))
    return np.asarray(found)


def _with_outliers(generator: Generator, count: int) -> Values:
    """One in twenty runs is slower by about ten standard deviations."""
    values = generator.standard_normal(count)
    hit = generator.random(count) < 0.05
    return np.asarray(values + hit * 10 * np.abs(generator.standard_normal(count)))


NOISES: dict[str, Callable[[Generator, int], Values]] = {
    "normal": lambda generator, count: generator.standard_normal(count),
    "t3": lambda generator, count: generator.standard_t(3, count),
    "skewed": lambda generator, count: generator.exponential(1.0, count),
    "outliers": _with_outliers,
    "correlated 0.3": lambda generator, count: _correlated(generator, count, 0.3),
    "correlated 0.5": lambda generator, count: _correlated(generator, count, 0.5),
}


@dataclass(frozen=True)
class Line:
    """One line: share of series with an alarm, or of moves found within one run of their place."""

    method: str
    noise: str
    count: int
    case: str
    share: float


def ours(values: Values) -> list[int]:
    """At the nominal level of one series."""
    return [place for place, _ in change_points([float(value) for value in values], ALPHA)]


def series(noise: str, count: int, number: int, step: float = 0.0, place: int = 0, until: int | None = None) -> Values:
    """Logarithms; step in standard deviations from `place` on, or up to `until`."""
    generator = np.random.default_rng([number, count, sorted(NOISES).index(noise)])
    values = NOISES[noise](generator, count)
    values[place:until] += step if place else 0.0
    return math.log(1e-3) + SIGMA * values


def alarms(method: Method, noise: str, count: int, repetitions: int) -> float:
    """Share of A/A series with a change point."""
    return sum(bool(method(series(noise, count, number))) for number in range(repetitions)) / repetitions


def found(
    method: Method, noise: str, count: int, step: float, place: int, repetitions: int, until: int | None = None
) -> float:
    """Share of moves that are found within one run of their place."""
    hits = 0
    for number in range(repetitions):
        places = method(series(noise, count, number, step, place, until))
        hits += any(abs(one - place) <= 1 for one in places)
    return hits / repetitions


def lines(methods: dict[str, Method], repetitions: int) -> Iterator[Line]:
    """The table."""
    for name, method in methods.items():
        for count in COUNTS:
            for noise in NOISES:
                yield Line(name, noise, count, "A/A", alarms(method, noise, count, repetitions))
            for noise in ("normal", "outliers"):
                for step, place in ((5, count // 2), (3, count // 2), (5, count - 3)):
                    share = found(method, noise, count, step, place, repetitions)
                    yield Line(name, noise, count, f"+{step} sd at {place}", share)
                if count >= 12:
                    place, until = count // 3, 2 * count // 3
                    share = found(method, noise, count, 5, place, repetitions, until)
                    yield Line(name, noise, count, f"+5 sd {place} to {until}", share)


def _pelt(model: str, c: float) -> Method:
    import ruptures

    def method(values: Values) -> list[int]:
        noise = 1.4826 * float(np.median(np.abs(np.diff(values)))) / math.sqrt(2)
        scaled = (values / max(noise, 1e-12)).reshape(-1, 1)
        fitted: Any = ruptures.Pelt(model=model, min_size=2, jump=1).fit(scaled)
        return list(fitted.predict(pen=c * math.log(len(values))))[:-1]

    return method


def main(repetitions: int) -> None:
    """Print it."""
    methods: dict[str, Method] = {"harness": ours}
    if importlib.util.find_spec("ruptures"):
        methods |= {"Pelt l2, 6 log n": _pelt("l2", 6.0), "Pelt l1, 3.6 log n": _pelt("l1", 3.6)}
    print(f"{'method':<20} {'noise':<15} {'runs':>4}  {'case':<14} {'share':>7}")  # noqa: T201
    for line in lines(methods, repetitions):
        print(f"{line.method:<20} {line.noise:<15} {line.count:>4}  {line.case:<14} {line.share:>7.1%}", flush=True)  # noqa: T201


if __name__ == "__main__":
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("repetitions", nargs="?", type=int, default=500)
    main(given.parse_args().repetitions)
