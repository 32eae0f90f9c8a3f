"""The interval of a proportion: needed by the lock of a build and by the analysis of a run alike."""

from __future__ import annotations

import math

Z = 1.959963984540054  # 97.5 % quantile of the normal distribution


def wilson_interval(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a proportion. Source: E. B. Wilson, JASA 22 (1927)."""
    share = hits / count
    centre = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2)) / (1 + Z**2 / count)
    return max(0.0, centre - half), min(1.0, centre + half)
