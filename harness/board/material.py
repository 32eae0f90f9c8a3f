"""What travels to a board for a case: the artifact, the bound inputs, the images.

Names on the board carry content hashes, so nothing travels twice and nothing stale is used.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.artifacts import onnx_session
from harness.board.hold import Board
from harness.datasets.split import Split
from harness.model.case import Case
from harness.model.codec import content_id


def send_artifact(board: Board, folder: Path, files: Sequence[str], sha256: str) -> str:
    """The model file, first in `files`, and its external data; returns the model's path on the board."""
    sent = [board.transport.put(folder / name, f"artifacts/{sha256[:16]}/{name}") for name in files]
    return sent[0]


def send_inputs(board: Board, case: Case) -> str | None:
    """The case's seeded inputs as one .npz; None for a case without inputs."""
    if not case.inputs:
        return None
    name = f"inputs/{content_id({'inputs': case.inputs, 'seed': case.input_seed})}.npz"
    arrays: dict[str, Any] = onnx_session.seeded_inputs(case.inputs, case.input_seed)
    return _send_arrays(board, name, lambda path: np.savez(path, **arrays))


def send_images(board: Board, split: Split) -> str:
    """The images of a split as one uint8 .npy."""
    return _send_arrays(board, f"images/{split.sha256[:16]}.npy", lambda path: np.save(path, split.images))


def _send_arrays(board: Board, name: str, save: Any) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(name).name
        save(path)
        return board.transport.put(path, name)
