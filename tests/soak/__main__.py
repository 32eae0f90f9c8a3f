"""python -m tests.soak [KILLS] [SEED]: one line per kill, then a summary; ends with 1 where something was lost."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.soak.kills import soak


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("kills", nargs="?", type=int, default=100, help="default: %(default)s")
    parser.add_argument("seed", nargs="?", type=int, default=0, help="of victims and pauses (default: %(default)s)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harness-soak-") as folder:
        count = soak(Path(folder), given.kills, given.seed, lambda line: print(line, flush=True))  # noqa: T201
    print(count.text())  # noqa: T201


main()
