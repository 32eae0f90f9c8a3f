"""The parts that all plots share, as plotly JSON: plain dicts, so that nothing heavy is imported.

Text colour is left to the page's style sheet, which knows light from dark; there is no legend, as the page has one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from harness.report.blocks import Plot
from harness.report.names import COLOURS

# A mid-grey reads on white and on near-black alike.
NEUTRAL = "#7a828a"
GRID = "rgba(128,136,144,0.25)"
NOT_VALID_OPACITY = 0.45
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', sans-serif"
# Beyond this spread a linear axis squeezes the small ones into one place.
LOG_BEYOND = 8.0
SHORTEST_LINE = 3


def whiskers(plus: float, minus: float) -> Plot:
    """Whiskers around one point, in the axis' unit."""
    return {"type": "data", "symmetric": False, "array": [plus], "arrayminus": [minus], "thickness": 1.5, "width": 5}


def pen(times: Sequence[float | None]) -> Plot:
    """How to draw pieces that None separates: a piece of one or two points is too short for a line to be seen."""
    lengths = [len(list(piece)) for real, piece in groupby(times, lambda time: time is not None) if real]
    if min(lengths, default=0) >= SHORTEST_LINE:
        return {"mode": "lines"}
    return {"mode": "lines+markers", "marker": {"size": 5}}


def linear_axis(title: str) -> Plot:
    """A linear axis."""
    return {
        "title": {"text": title, "standoff": 8},
        "automargin": True,
        "showline": True,
        "linecolor": NEUTRAL,
        "gridcolor": GRID,
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": NEUTRAL,
    }


def log_axis(axis: Plot, low: float, high: float) -> Plot:
    """A log axis with ticks at 1, 2 and 5 times the powers of ten, or fewer where they would crowd."""
    low, high = low / 1.12, high * 1.12
    steps = (1, 2, 5) if high / low < 300 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
    found = axis | {"type": "log", "range": [math.log10(low), math.log10(high)]}
    if len(ticks) > 1:
        found |= {"tickvals": ticks, "ticktext": [f"{tick:.6g}" for tick in ticks]}
    return found


def faded(colour: str, alpha: float) -> str:
    """#rrggbb, so much of it that what lies behind shows through: 0 is nothing, 1 is the colour."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:.3g})"


def base_layout(height: int) -> Plot:
    """What every plot begins with; height in pixels."""
    return {
        "height": height,
        "margin": {"l": 56, "r": 16, "t": 12, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13},
        "showlegend": False,
        "dragmode": "zoom",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": NEUTRAL, "activecolor": COLOURS[0]},
        "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": NEUTRAL, "font": {"color": "#14181c"}, "align": "left"},
    }
