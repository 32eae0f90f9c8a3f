"""Where the numbers come from: the run's own facts, the files behind its cases, the order of its trials, and how to run
exactly this again. What is absent is said to be so.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.model.verdict import RunResult
from harness.report.cases import NOT_RECORDED, Named
from harness.report.conditions import Fact, command_line, facts, text
from harness.report.names import isolated, one_line, printable

# What a cache calls every model that was built on this machine; a released one is called after its variant
# (harness.artifacts.locks).
_BUILT = "model.onnx"
_TREE = {True: " with uncommitted changes", False: " (clean tree)"}
_SCRIPTED = "scripted"
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
# Versions of a run that pip installs; the interpreter is another matter.
_NO_PACKAGE = "python"
MOST_NAMED = 6
_FINISHED = "finished (UTC)"


@dataclass(frozen=True)
class ArtifactRow:
    """What identifies the file behind a case."""

    case: Named
    file: str
    sha256: str
    recipe: str
    parent: str
    dataset_sha256: str
    training_seed: str
    input_seed: str
    case_id: str


@dataclass(frozen=True)
class Again:
    """lines: for a shell, they repeat the run; empty where the command was not recorded. cautions: what they cannot
    bring back, one sentence each."""

    lines: tuple[str, ...]
    cautions: tuple[str, ...]


def run_facts(result: RunResult) -> tuple[Fact, ...]:
    """The run itself: which, when, by which code, by which command."""
    run = result.run
    dirty = run.get("commit_dirty")
    state = _TREE[dirty] if isinstance(dirty, bool) and run.get("commit") else ""
    keys = (
        ("run", "id"), ("suite", "suite"), ("plan", "plan_id"), ("seed of the order", "seed"),
        ("started (UTC)", "started_utc"), (_FINISHED, "finished_utc"), ("harness", "harness_version"),
        ("agent SHA-256", "agent_sha256"),
    )  # fmt: skip
    shown = [Fact(label, text(run.get(key))) for label, key in keys]
    if run.get("started_utc") and not run.get("finished_utc"):
        shown = [Fact(one.key, "not: it was interrupted") if one.key == _FINISHED else one for one in shown]
    return (*shown, Fact("commit", text(run.get("commit")) + state), Fact("command", command_line(run) or NOT_RECORDED))


def versions(result: RunResult) -> tuple[Fact, ...]:
    """Of the host's packages."""
    found = result.run.get("versions")
    return facts(found) if isinstance(found, Mapping) else ()


def artifacts(named: Sequence[Named]) -> tuple[ArtifactRow, ...]:
    """One row per case."""
    return tuple(_artifact(one) for one in named)


def _artifact(one: Named) -> ArtifactRow:
    artifact, case = one.result.artifact, one.result.case
    return ArtifactRow(
        one,
        printable(artifact.file),
        artifact.sha256,
        artifact.recipe_id or "none: a file of its own",
        isolated(artifact.parent) if artifact.parent else "none",
        artifact.dataset_sha256 or NOT_RECORDED,
        NOT_RECORDED if artifact.seed is None else str(artifact.seed),
        str(case.input_seed),
        case.id,
    )


def datasets(named: Sequence[Named]) -> tuple[str, ...]:
    """Hashes of the images by which accuracy was measured in this run, each once."""
    trials = (trial for one in named for trial in (one.record.trials if one.record else ()))
    return tuple(dict.fromkeys(trial.dataset_sha256 for trial in trials if trial.dataset_sha256))


def again(result: RunResult, named: Sequence[Named]) -> Again:
    """The commit, what the host had installed, the data, the command with its seed made explicit."""
    run = result.run
    command = run.get("command")
    if not isinstance(command, list | tuple) or not command:
        return Again((), ())
    words = [str(word) for word in command]
    seeded = any(word == "--seed" or word.startswith("--seed=") for word in words)
    if "run" in words and not seeded and run.get("seed") is not None:
        words += ["--seed", str(run["seed"])]
    lines = (*_installed(run), *_data(words, named), shlex.join(map(one_line, words)))
    return Again(lines, tuple(_cautions(result, words, named)))


def _installed(run: Mapping[str, object]) -> Iterator[str]:
    commit = str(run.get("commit") or "")
    if _COMMIT.fullmatch(commit):
        yield f"git checkout {commit}"
    told = run.get("versions")
    packages = {str(name): str(value) for name, value in told.items()} if isinstance(told, Mapping) else {}
    if _NO_PACKAGE in packages:
        yield one_line(f"# with Python {packages[_NO_PACKAGE]}:")
    pinned = [shlex.quote(one_line(f"{name}=={value}")) for name, value in packages.items() if name != _NO_PACKAGE]
    if commit or pinned:
        yield " ".join(["python -m pip install .", *pinned])


def _data(words: Sequence[str], named: Sequence[Named]) -> Iterator[str]:
    if datasets(named):
        names = sorted({one.result.artifact.accuracy.dataset for one in named if one.result.artifact.accuracy})
        where = "the folder after --data" if "--data" in words else "HARNESS_DATA, or add --download to the command"
        hashes = " or ".join(datasets(named))
        yield one_line(
            f"# images of {', '.join(names) or 'the data set'}: {where}; with their labels, SHA-256 {hashes}"
        )


def _cautions(result: RunResult, words: Sequence[str], named: Sequence[Named]) -> Iterator[str]:
    run = result.run
    if run.get("commit_dirty") is True:
        yield "The tree had uncommitted changes: the commit alone does not bring this run back."
    if not run.get("commit"):
        yield (
            f"The commit was not recorded, as the harness did not run from a checkout: install version "
            f"{text(run.get('harness_version'))}, whose agent has the SHA-256 under Provenance."
        )
    own = [one for one in named if one.result.artifact.recipe_id is None and one.result.case.precision != _SCRIPTED]
    if own:
        yield f"Models of your own ({_few(own)}): keep the files, whose SHA-256 must be the one in the table."
    built = [one for one in named if one.result.artifact.recipe_id and printable(one.result.artifact.file) == _BUILT]
    if built:
        yield (
            f"Not released, but built on this machine ({_few(built)}): build them again with `harness build`, which "
            "gives the same bytes on the same machine and versions; the SHA-256 says whether it did."
        )
    if any(word in words for word in ("--host", "--sites")):
        yield "The board’s address in the command was one of this site’s own."
    if not run.get("finished_utc"):
        yield "This run was interrupted: with the same results folder the same command goes on with it."


def _few(named: Sequence[Named]) -> str:
    labels = ", ".join(isolated(one.label) for one in named[:MOST_NAMED])
    more = len(named) - MOST_NAMED
    return f"{labels} and {more} more" if more > 0 else labels
