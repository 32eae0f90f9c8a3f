"""The tree of variants as plotly JSON: one row for each, set in by its depth, joined by right-angled lines.

Knows names and texts, not what they mean. Rows keep the names apart whatever their number, and the texts begin near the
left, so that a telephone shows them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report import plots
from harness.report.blocks import Plot
from harness.report.names import FIGURE_NAME_LENGTH, Style, in_figure

# More rows than this are no picture any more.
MOST_DRAWN = 60
ROW_HEIGHT, FRAME = 52, 24
_NAME_END = 10


@dataclass(frozen=True)
class _Width:
    """A step to the right is this share of the page's width; deeper trees take smaller steps, so that there is room for
    text. folded: whether the changes have a line of their own."""

    step: float
    deepest: float
    folded: bool

    def across(self, depth: int, deepest: int) -> float:
        """Where a row begins, as a share of the width."""
        return depth * min(self.step, self.deepest / max(deepest, 1))


# Of a page of 1,400 pixels, and of A4, which takes the same; and of a telephone.
_WIDE, _NARROW = _Width(0.07, 0.14, folded=False), _Width(0.05, 0.2, folded=True)


@dataclass(frozen=True)
class Drawn:
    """A row. remark: beside the name ("invalid"); style None: only its name is known. parent: the index of its row.
    figures, changes: below the name; said: more, on pointing at it."""

    name: str
    remark: str
    style: Style | None
    parent: int | None
    depth: int
    figures: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def plot(rows: Sequence[Drawn]) -> Plot:
    """All rows from the top down; at least one. figures.js takes `meta.narrow` on a narrow page."""
    layout = plots.base_layout(FRAME + ROW_HEIGHT * len(rows))
    layout |= {
        "margin": {"l": 12, "r": 8, "t": 8, "b": 8},
        "xaxis": {"range": [-0.02, 1], "visible": False, "fixedrange": True},
        "yaxis": {"range": [len(rows) - 0.5, -0.5], "visible": False, "fixedrange": True},
        "hovermode": "closest",
        "dragmode": False,
    }
    return {"data": [_lines(rows), _nodes(rows)], "layout": layout}


def _across(rows: Sequence[Drawn], width: _Width) -> list[float]:
    deepest = max(row.depth for row in rows)
    return [float(f"{width.across(row.depth, deepest):.4g}") for row in rows]


def _lines(rows: Sequence[Drawn]) -> Plot:
    """From each parent straight down to the child's row, then across to it; None lifts the pen."""
    steps = [(row.parent, index) for index, row in enumerate(rows) if row.parent is not None]
    down = [place for parent, index in steps for place in (parent, index, index, None)]

    def across(width: _Width) -> list[float | None]:
        at = _across(rows, width)
        return [place for parent, index in steps for place in (at[parent], at[parent], at[index], None)]

    line = {"color": plots.NEUTRAL, "width": 1.5}
    return {"type": "scatter", "mode": "lines", "name": "made from", "x": across(_WIDE), "y": down, "line": line,
            "hoverinfo": "skip", "meta": {"narrow": {"x": across(_NARROW)}}}  # fmt: skip


def _nodes(rows: Sequence[Drawn]) -> Plot:
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": "variants",
        "x": _across(rows, _WIDE),
        "y": list(range(len(rows))),
        "marker": {
            "color": [plots.NEUTRAL if row.style is None else row.style.colour for row in rows],
            "symbol": [_symbol(row) for row in rows],
            "size": 13,
            "line": {"width": [2 if row.remark else 0 for row in rows], "color": [_outline(row) for row in rows]},
        },
        "text": [_text(row, _WIDE) for row in rows],
        "meta": {"narrow": {"x": _across(rows, _NARROW), "text": [_text(row, _NARROW) for row in rows]}},
        "textposition": "middle right",
        "cliponaxis": False,
        "hovertext": ["<br>".join(map(in_figure, (row.name, *row.said))) for row in rows],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }


def _symbol(row: Drawn) -> str:
    if row.style is None:
        return "circle-open"
    return f"{row.style.symbol}-open" if row.remark else row.style.symbol


def _outline(row: Drawn) -> str:
    return plots.NEUTRAL if row.style is None else row.style.colour


def _short(name: str) -> str:
    """The middle of a long name gives way: what was done to a variant often stands at the end."""
    if len(name) <= FIGURE_NAME_LENGTH:
        return name
    return f"{name[: FIGURE_NAME_LENGTH - _NAME_END - 1]}…{name[-_NAME_END:]}"


def _text(row: Drawn, width: _Width) -> str:
    """Lines beside the marker, which a blank keeps off it."""
    remark = f" ({row.remark})" if row.remark else ""
    told = [" · ".join(row.figures), " · ".join(row.changes)]
    if row.changes and not width.folded:
        told = [f"{told[0]}; changed by {told[1]}"]
    lines = [f"<b>{in_figure(_short(row.name))}</b>{remark}", *told]
    return "<br>".join(f" {line}" for line in lines if line)
