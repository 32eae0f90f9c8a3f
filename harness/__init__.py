"""Edge Harness: benchmark vision-model variants on edge boards and keep an honest record.

The public surface is small: the ``harness`` command, and :func:`load` for notebooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from harness.store.frames import Frames

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(path: str | Path) -> Frames:
    """Read every trial under a run folder, a store folder or one trial folder into tidy pandas frames.

    Raises harness.errors.StoreError if nothing readable is there.
    """
    from harness.store.frames import load_frames  # pandas is heavy; `harness --help` must not pay for it

    return load_frames(path)
