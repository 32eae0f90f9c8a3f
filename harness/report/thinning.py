"""Fewer points with the same extremes: which inferences and readings are drawn. Knows arrays, not what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

# The tail is what a reader zooms into, so its inferences are all kept.
KEPT_TAIL = 100
DRAWN_BODY = 150
# A trial cut finer than this shows nothing more on a screen; cut into less, its course is lost.
MOST_SPANS, LEAST_SPANS = 60, 8

# Times in s, ascending, and the values at them.
Series = tuple[NDArray[np.float64], NDArray[np.float64]]
Span = tuple[float, float]


@dataclass(frozen=True)
class Grain:
    """Into how many equal spans of time each trial is cut; `whole`: all trials together are cut into so many."""

    spans: int
    whole: bool


def grain(trials: int, room: int) -> Grain:
    """So that a line over that many trials has at most about `room` spans, of two points each."""
    each = min(MOST_SPANS, room // max(trials, 1))
    return Grain(each, whole=False) if each >= LEAST_SPANS else Grain(room, whole=True)


def kept(count: int) -> NDArray[np.int64]:
    """Indices into `count` ascending durations that are drawn: both extremes and the tail always among them."""
    body = max(count - KEPT_TAIL, 0)
    tail = np.arange(body, count)
    if body == 0:
        return tail
    levels = np.geomspace(1.0, (KEPT_TAIL + 1) / count, min(DRAWN_BODY, body))
    spaced = np.clip(np.rint(count - levels * count).astype(np.int64), 0, body - 1)
    return np.unique(np.concatenate([[0], spaced, tail]))


def rounded(value: float) -> float:
    """Six significant digits: more than a screen shows or a clock resolves, at half the bytes."""
    return float(f"{value:.6g}")


def thinned(time_s: NDArray[np.float64], value: NDArray[np.float64], buckets: int) -> NDArray[np.int64]:
    """Indices, ascending, of the least and the greatest value in each of `buckets` equal spans of time."""
    if len(time_s) <= 2 * buckets:
        return np.arange(len(time_s))
    return np.unique(np.concatenate([[low, high] for low, high in extremes(time_s, value, buckets)]))


def extremes(time_s: NDArray[np.float64], value: NDArray[np.float64], buckets: int) -> list[tuple[int, int]]:
    """Of each of `buckets` equal spans of time that holds any, the indices of its least and greatest value."""
    width = (time_s[-1] - time_s[0]) / buckets
    if width <= 0:
        return [(int(np.argmin(value)), int(np.argmax(value)))]
    bucket = np.minimum(((time_s - time_s[0]) / width).astype(np.int64), buckets - 1)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(bucket)) + 1, [len(time_s)]])
    return [
        (low + int(np.argmin(value[low:high])), low + int(np.argmax(value[low:high])))
        for low, high in pairwise(edges.tolist())
    ]


def end_to_end(pieces: Sequence[Series]) -> Series:
    """Series that follow one another, as one."""
    if not pieces:
        return np.empty(0), np.empty(0)
    return np.concatenate([time_s for time_s, _ in pieces]), np.concatenate([value for _, value in pieces])


def merged(spans: Iterable[Span], within: float) -> tuple[Span, ...]:
    """Spans in their order, those that overlap or lie at most `within` apart as one."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin - found[-1][1] <= within:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return tuple(found)
