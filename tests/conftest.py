"""Fixtures that more than one folder of tests needs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data sets and released models: HARNESS_SHARED, else `shared` beside the checkout."""
    named = os.environ.get("HARNESS_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"there is no folder {folder}; name one in HARNESS_SHARED")
    return folder
