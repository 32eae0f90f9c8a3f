"""Fewer points with the same extremes: which samples are drawn. Knows arrays alone, not what they mean."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

# The tail is what a reader zooms into, so its samples are all kept.
KEPT_TAIL = 100
DRAWN_BODY = 150


def kept(count: int) -> NDArray[np.int64]:
    """Indices into `count` ascending samples that are drawn, by RULE: both extremes always among them."""
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
    width = (time_s[-1] - time_s[0]) / buckets
    if width <= 0:
        return np.array([int(np.argmin(value)), int(np.argmax(value))])
    bucket = np.minimum(((time_s - time_s[0]) / width).astype(np.int64), buckets - 1)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(bucket)) + 1, [len(time_s)]])
    found = []
    for low, high in pairwise(edges.tolist()):
        found += [low + int(np.argmin(value[low:high])), low + int(np.argmax(value[low:high]))]
    return np.unique(np.array(found))
