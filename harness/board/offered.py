"""What the packed agent has, by plug point. Owns nothing but the way to its tables, which no other layer may import."""

from __future__ import annotations

from harness.agent import backends, collectors, controls
from harness.model.device import Offered


def offered() -> Offered:
    """The names of its tables; nothing behind them is imported."""
    return Offered(tuple(backends.TABLE), tuple(collectors.TABLE), tuple(controls.TABLE))
