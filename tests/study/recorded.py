"""Recorded launches on disk: one line of JSON each, so that a collection can be gone on with after any interruption.

{"kind": "session", ...}    machine, versions, models: whenever a collection begins or goes on
{"kind": "launch", ...}     both sides' times in nanoseconds, by block
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from harness.analysis.gate.effects import Figure, Launch, Side

FILE = "launches.jsonl"
Json = dict[str, Any]


@dataclass(frozen=True)
class Recorded:
    """A launch as it was measured. at: round, place in it, number in the burst; seconds: wall time of all of it, both
    processes' starts included."""

    condition: str
    pair: str
    at: tuple[int, int, int]
    seconds: float
    launch: Launch


@dataclass(frozen=True)
class Data:
    """A collection. sessions: as they were written, oldest first."""

    sessions: tuple[Json, ...]
    launches: tuple[Recorded, ...]

    def of(self, condition: str, pair: str) -> tuple[Recorded, ...]:
        """In the order of measuring."""
        found = [one for one in self.launches if (one.condition, one.pair) == (condition, pair)]
        return tuple(sorted(found, key=lambda one: one.at))


def read(folder: Path) -> Data:
    """All that is there; a line that was torn by an interruption is left out. Nothing of a folder without a file."""
    sessions, launches = [], []
    for line in _lines(folder / FILE):
        if line["kind"] == "session":
            sessions.append(line)
        else:
            launches.append(_recorded(line))
    return Data(tuple(sessions), tuple(launches))


def append(folder: Path, line: Json) -> None:
    """At the end of the file, on a line of its own even where the last one was torn."""
    path = folder / FILE
    torn = path.is_file() and not path.read_bytes().endswith(b"\n")
    with path.open("a") as target:
        target.write("\n" * torn + json.dumps(line, separators=(",", ":")) + "\n")


def line_of(one: Recorded, **more: Any) -> Json:
    """As it is written. more: what else is known of it."""
    launch = one.launch
    return {
        "kind": "launch", "condition": one.condition, "pair": one.pair, "at": list(one.at),
        "seconds": round(one.seconds, 4), "baseline": _side_json(launch.baseline),
        "candidate": _side_json(launch.candidate), "second": [int(flag) for flag in launch.candidate_second],
        "started_second": launch.candidate_started_second, **more,
    }  # fmt: skip


def _lines(path: Path) -> Iterator[Json]:
    if not path.is_file():
        return
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _side_json(side: Side) -> Json:
    blocks = np.asarray(side.block, np.int64)
    return {
        "ns": np.rint(np.asarray(side.duration_s) * 1e9).astype(np.int64).tolist(),
        "sizes": np.bincount(blocks).tolist(),
        "figures": {name: [figure.value, figure.unit] for name, figure in side.figures.items()},
    }


def _side(told: Mapping[str, Any]) -> Side:
    sizes = told["sizes"]
    assert list(accumulate(sizes))[-1] == len(told["ns"])
    block = np.repeat(np.arange(float(len(sizes))), sizes)
    figures = {name: Figure(float(value), unit) for name, (value, unit) in told["figures"].items()}
    return Side(np.asarray(told["ns"], np.float64) / 1e9, block, figures)


def _recorded(line: Mapping[str, Any]) -> Recorded:
    before, after = _side(line["baseline"]), _side(line["candidate"])
    launch = Launch(before, after, tuple(map(bool, line["second"])), line["started_second"])
    return Recorded(line["condition"], line["pair"], tuple(line["at"]), line["seconds"], launch)
