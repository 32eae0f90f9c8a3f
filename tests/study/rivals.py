"""What other tools would say of the same samples: slower or not. Owns their rules; draws no samples.

Each takes both sides' launches, an array of seconds each. pytest-benchmark: `--benchmark-compare-fail=STAT:5%`. asv:
`asv compare`, Mann and Whitney's test, two-sided, p < 0.002, and a factor (1.1 unless asked otherwise) of the medians;
a sample of it is the mean of about 10 ms of calls (`sample_time`). statistics.md, section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Times = NDArray[np.float64]
Launches = Sequence[Times]
Rule = Callable[[Launches, Launches], bool]
THRESHOLD = 1.05
SAMPLE_S = 0.01
ASV_P = 0.002


def _over(statistic: Callable[[Times], float]) -> Rule:
    """Of all samples of a side together."""
    return lambda before, after: (
        statistic(np.concatenate(list(after))) > THRESHOLD * statistic(np.concatenate(list(before)))
    )


def fixed_threshold(before: Launches, after: Launches) -> bool:
    """5 % of the median over processes of their medians."""
    medians = [float(np.median([np.median(one) for one in side])) for side in (before, after)]
    return medians[1] > THRESHOLD * medians[0]


def mann_whitney(before: Launches, after: Launches) -> bool:
    """Slower at p < 0.05, every inference a sample."""
    x, y = np.concatenate(list(before)), np.concatenate(list(after))
    return bool(stats.mannwhitneyu(y, x, alternative="greater", method="asymptotic").pvalue < 0.05)


def asv(factor: float) -> Rule:
    """With this factor."""

    def slower(before: Launches, after: Launches) -> bool:
        x, y = (np.concatenate([_batches(one) for one in side]) for side in (before, after))
        different = stats.mannwhitneyu(x, y, alternative="two-sided", method="asymptotic").pvalue < ASV_P
        return bool(different and np.median(y) > factor * np.median(x))

    return slower


def _batches(times: Times) -> Times:
    size = max(1, round(SAMPLE_S / float(np.median(times))))
    whole = len(times) // size * size
    return times[:whole].reshape(-1, size).mean(axis=1) if whole else times


RULES: dict[str, Rule] = {
    "pytest-benchmark mean:5%": _over(lambda times: float(times.mean())),
    "pytest-benchmark median:5%": _over(lambda times: float(np.median(times))),
    "pytest-benchmark min:5%": _over(lambda times: float(times.min())),
    "fixed 5 % of the median of medians": fixed_threshold,
    "Mann-Whitney on raw samples, p < 0.05": mann_whitney,
    "asv compare, p < 0.002 and factor 1.1": asv(1.1),
    "asv compare, p < 0.002 and factor 1.05": asv(1.05),
}
