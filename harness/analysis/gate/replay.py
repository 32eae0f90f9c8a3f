"""Thousands of gates at once from drawn launch effects: what `doctor --calibrate` and the proofs count with.

The same procedure as `sequential` for one cell, on arrays; tests hold the two against each other gate by gate. It knows
effects only: no absent values, no alarm-only rules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis.gate import decide
from harness.analysis.gate.decide import Levels
from harness.analysis.stats import Values
from harness.model.gate import Policy, Rule

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Replayed:
    """Per gate and metric: regression (confirmed, where that is asked), passed; launches: used per gate."""

    regression: Mask
    passed: Mask
    launches: NDArray[np.int64]

    @property
    def alarms(self) -> float:
        """Share of gates that report any regression."""
        return float(self.regression.any(axis=1).mean())

    @property
    def passes(self) -> float:
        """Share of gates in which every metric passes."""
        return float(self.passed.all(axis=1).mean())


def replay(
    policy: Policy, rules: tuple[Rule, ...], seen: Values, fresh: Values, levels: Levels | None = None
) -> Replayed:
    """Gates of one cell. seen: (gates, metrics, launches of the last look); fresh: (gates, metrics, looks * confirm),
    from which the confirmation after look i takes its own part."""
    levels = levels or decide.levels_of(policy, len(rules))
    gates, metrics = seen.shape[:2]
    regression, passed = np.zeros((gates, metrics), bool), np.zeros((gates, metrics), bool)
    launches, going = np.zeros(gates, np.int64), np.ones(gates, bool)
    for look, count in enumerate(policy.looks):
        flagged, passed_now = _classified(seen[going, :, :count], rules, levels)
        again = flagged
        own = slice(look * policy.confirm, (look + 1) * policy.confirm)
        if policy.confirm:
            again = flagged & _confirmed(fresh[going, :, own], rules, levels.again)
        launches[going] = launches[going] - _before(policy, look) + count + policy.confirm * flagged.any(axis=1)
        regression[going], passed[going] = again, passed_now
        ends = again.any(axis=1) | (passed_now.all(axis=1))
        going[np.flatnonzero(going)[ends]] = False
    return Replayed(regression, passed, launches)


def _before(policy: Policy, look: int) -> int:
    return policy.looks[look - 1] if look else 0


def _classified(seen: Values, rules: tuple[Rule, ...], levels: Levels) -> tuple[Mask, Mask]:
    found = decide.bounds(seen, levels.first, levels.missed)
    tolerance, limit = (np.log1p([getattr(rule, name) for rule in rules]) for name in ("tolerance", "limit"))
    flagged = found.low > tolerance
    return flagged, ~flagged & (found.high < limit)


def _confirmed(fresh: Values, rules: tuple[Rule, ...], level: float) -> Mask:
    found = decide.bounds(fresh, level, 0.5)
    return np.asarray(found.low > np.log1p([rule.tolerance for rule in rules]), bool)
