"""Where labels stand beside their points, so that none lies on another one, on a symbol or on a whisker.

Pure geometry over shares of the plotting area; the same points give the same places. Labels keep their size while the
area is drawn wider or narrower, and boxes that are apart at two widths are apart at every width between them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# In the order of preference, in plotly's words.
POSITIONS = (
    "middle right", "top right", "bottom right", "middle left", "top left", "bottom left", "top center",
    "bottom center",
)  # fmt: skip
# Of a sans-serif font, in em: an average letter, with room to spare; one of a wide script; the line.
LETTER_EM, WIDE_LETTER_EM, LINE_EM = 0.58, 1.05, 1.25


@dataclass(frozen=True)
class Frame:
    """A plotting area and its font, in pixels."""

    width: float
    height: float
    font: float


# The narrowest areas that page.css leaves: beside the verdicts in a window of 1200 pixels, and in one of 390.
WIDE, NARROW = Frame(470.0, 355.0, 13.0), Frame(290.0, 355.0, 11.0)


@dataclass(frozen=True)
class Anchor:
    """A point, its place and the ends of its whiskers as shares of the area from its lower left corner. label: empty
    for a point that only stands in the way. size: of its symbol, pixels across."""

    label: str
    x: tuple[float, float, float]  # low, point, high
    y: tuple[float, float, float]
    size: float = 13.0

    @property
    def off(self) -> float:
        """How far plotly sets a label off the symbol's middle, in pixels."""
        return self.size / 2 / 0.8 + 1


class Box(NamedTuple):
    """left < right, bottom < top."""

    left: float
    bottom: float
    right: float
    top: float


Segment = tuple[float, float, float, float]  # x0, y0, x1, y1: shares of the area; straight along one axis


def places(anchors: Sequence[Anchor], frame: Frame, avoided: Sequence[Segment] = ()) -> tuple[str, ...]:
    """For each anchor one of POSITIONS, or empty where it has no label or its label has no room.

    avoided: lines on which a label would rather not lie.
    """
    taken = [box for anchor in anchors for box in _obstacles(anchor, frame)]
    lines = [_scaled(segment, frame) for segment in avoided]
    found = []
    for anchor in anchors:
        boxes = {position: _text(anchor, position, frame) for position in POSITIONS} if anchor.label else {}
        free = [position for position, box in boxes.items() if _free(box, taken, frame)]
        # Off the lines where that is possible; min keeps the order of preference.
        place = min(free, key=lambda position: any(_touch(boxes[position], line) for line in lines), default="")
        taken += [boxes[place]] if place else []
        found.append(place)
    return tuple(found)


def text_width(label: str, font: float) -> float:
    """About how wide a label is drawn, in pixels."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in label)
    return font * (wide * WIDE_LETTER_EM + (len(label) - wide) * LETTER_EM)


def _text(anchor: Anchor, position: str, frame: Frame) -> Box:
    vertical, _, horizontal = position.partition(" ")
    x, y = anchor.x[1] * frame.width, anchor.y[1] * frame.height
    width, height = text_width(anchor.label, frame.font), LINE_EM * frame.font
    left = {"right": x + anchor.off, "left": x - anchor.off - width, "center": x - width / 2}[horizontal]
    bottom = {"top": y + anchor.off, "bottom": y - anchor.off - height, "middle": y - height / 2}[vertical]
    return Box(left, bottom, left + width, bottom + height)


def _obstacles(anchor: Anchor, frame: Frame) -> Iterable[Box]:
    (left, x, right), (bottom, y, top) = (
        tuple(share * size for share in shares) for shares, size in ((anchor.x, frame.width), (anchor.y, frame.height))
    )
    half = anchor.size / 2 + 1
    yield Box(x - half, y - half, x + half, y + half)
    yield Box(left - 1, y - 3, right + 1, y + 3)
    yield Box(x - 3, bottom - 1, x + 3, top + 1)


def _scaled(segment: Segment, frame: Frame) -> Box:
    x0, y0, x1, y1 = segment
    left, right = sorted((x0 * frame.width, x1 * frame.width))
    bottom, top = sorted((y0 * frame.height, y1 * frame.height))
    return Box(left - 1, bottom - 1, right + 1, top + 1)


def _free(box: Box, taken: Iterable[Box], frame: Frame) -> bool:
    inside = box.left >= 0 and box.bottom >= 0 and box.right <= frame.width and box.top <= frame.height
    return inside and not any(_touch(box, other) for other in taken)


def _touch(one: Box, other: Box) -> bool:
    return one.left < other.right and other.left < one.right and one.bottom < other.top and other.bottom < one.top
