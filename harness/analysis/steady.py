"""Where steady state begins over the launches of a case, by Welch's profile; and that it never does.

Pure numpy over series of durations from a process's first inference on; knows no trial and judges nothing.
Source: Welch, The Statistical Analysis of Simulation Results (1983); the thresholds are statistics.md, 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis import stats
from harness.analysis.stats import Values

# So many points of the profile are looked at together, and so near to 1 must their median be.
WINDOW = 20
WITHIN = 0.02
# A decay that is quick against the window has a median of it within bounds too soon: so must that of this many points.
NEAREST = 5
# Added to what was found: a profile sees the end of a warm-up only when it has sunk into the noise.
MARGIN = 0.5
# Fewer launches do not average out what each of them meets; shorter ones have no second half to speak of.
LEAST_LAUNCHES = 3
LEAST_LENGTH = 4 * WINDOW


@dataclass(frozen=True)
class Profile:
    """`found`: inferences until steady state, None where there is none; `warm_up`: with its margin, at most half of a
    launch; `level`: the profile itself, 1 is the steady level; from so many launches."""

    found: int | None
    warm_up: int | None
    level: Values
    launches: int


def welch_profile(series: Sequence[Values]) -> Profile | None:
    """The profile of at least 3 launches with at least 80 inferences each; None where there are fewer.

    Each launch is divided by the median of its second half; the profile is the median over launches at each inference.
    It is steady from the first index in the first half whose next 20 points have a median within 2 % of 1, and the next
    5 too (of a decay over 10 inferences the 20 alone find the end a third too soon). A level that only passes through 1
    does not count: the median of all that follows up to the middle must be as near.
    """
    used = [one for one in series if len(one) >= LEAST_LENGTH and stats.median(one[len(one) // 2 :]) > 0]
    if len(used) < LEAST_LAUNCHES:
        return None
    length = min(len(one) for one in used)
    scaled = np.array([one[:length] / stats.median(one[length // 2 : length]) for one in used])
    level = np.median(scaled, axis=0)
    found = _begin(level)
    warm_up = None if found is None else min(round(found * (1 + MARGIN)), length // 2)
    return Profile(found, warm_up, level, len(used))


def _begin(level: Values) -> int | None:
    half = len(level) // 2
    near = _near(level[: half + WINDOW], WINDOW)
    for index in np.flatnonzero(near & _near(level[: half + NEAREST], NEAREST)):
        rest = level[index : max(half, index + WINDOW)]
        if index <= half and abs(float(np.median(rest)) - 1) <= WITHIN:
            return int(index)
    return None


def _near(level: Values, count: int) -> NDArray[np.bool_]:
    """Where the median of this point and those that follow it, so many in all, is near 1."""
    medians = np.median(np.lib.stride_tricks.sliding_window_view(level, count), axis=1)
    return np.asarray(np.abs(medians - 1) <= WITHIN)
