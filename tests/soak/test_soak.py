"""A few of the soak's kills, so that it stays in order itself; the whole of it: nox -s soak."""

from __future__ import annotations

from pathlib import Path

from tests.soak.kills import soak

KILLS = 8


def test_nothing_finished_is_lost_whatever_is_killed(tmp_path: Path) -> None:
    told: list[str] = []
    count = soak(tmp_path, KILLS, 1, told.append, real=False)
    assert count.kills.total() == KILLS
    assert count.trials == 11 * count.runs
