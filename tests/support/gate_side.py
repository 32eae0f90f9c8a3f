"""Suites, policies and stored runs for tests of the gate. Scripted models have a jitter of their own in each process,
as no gate believes a clock that repeats itself to the last digit."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.host_side import Answer, invoke
from tests.support.scripted_suite import script, write_device, write_suite

# 7 durations around 2 ms: a block of 20 ms holds ten of them, 18 blocks 180, so that p95 has its 100.
BASE_S = tuple(0.002 + 0.00001 * step for step in range(7))
# What a scripted model does not decide: the real memory and load time of its process.
P50_ALONE = '[[rules]]\nmetric = "latency_p50_s"\n'


def model(factor: float = 1.0, **keys: Any) -> dict[str, Any]:
    """A script whose processes differ by up to 0.2 %."""
    given = {"durations_s": [duration * factor for duration in BASE_S], "first_s": 0.003, "jitter": 0.002}
    return script(**{**given, **keys})


def suite(folder: Path, models: Mapping[str, Mapping[str, Any]], launches: int = 3) -> Path:
    """A suite in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_suite(folder, models, launches=launches)


def policy(folder: Path, text: str = P50_ALONE) -> Path:
    """A policy file."""
    path = folder / "policy.toml"
    path.write_text(text)
    return path


def gate(folder: Path, *arguments: str | Path, rules: str | None = P50_ALONE) -> Answer:
    """`harness gate` on the bench, by a policy of p50 alone where nothing else is said (None: the default one)."""
    given = ["--policy", policy(folder, rules)] if rules is not None else []
    return invoke(folder, "gate", *arguments, "--device", write_device(folder), *given)


def run(folder: Path, path: Path, *arguments: str | Path) -> Answer:
    """`harness run` on the bench."""
    answer = invoke(folder, "run", path, "--device", write_device(folder), *arguments)
    assert answer.code == 0, answer.err
    return answer


def commit(folder: Path, message: str = "as it was") -> None:
    """Everything in the folder, in a repository of its own."""
    if not (folder / ".git").is_dir():
        git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=Test", "-c", "user.email=test@localhost", "commit", "--quiet", "-m", message)


def git(folder: Path, *arguments: str) -> None:
    """One call, which must work."""
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def within(text: str, words: Sequence[str]) -> None:
    """All words stand in the text, wherever its lines end."""
    flat = " ".join(text.split())
    for word in words:
        assert word in flat, flat
