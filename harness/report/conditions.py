"""Conditions and provenance as key/value text: what was asked, what was in force, and how to run it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.model.verdict import RunResult
from harness.report.cases import NOT_RECORDED, Named
from harness.report.names import isolated, printable

_TREE = {"True": " with uncommitted changes", "False": " (clean tree)"}


@dataclass(frozen=True)
class Fact:
    """A key and its value as text."""

    key: str
    value: str


@dataclass(frozen=True)
class Setting:
    """A key, as asked for and as found in force; `differs` where both are known and are not the same."""

    key: str
    requested: str
    in_force: str
    differs: bool


@dataclass(frozen=True)
class ArtifactRow:
    """What identifies the file behind a case."""

    label: str
    file: str
    sha256: str
    recipe: str
    parent: str
    seeds: str
    case_id: str


@dataclass(frozen=True)
class Provenance:
    """Where the numbers come from. `again`: the lines of a shell that repeat the run; `caution`: what they miss."""

    facts: tuple[Fact, ...]
    versions: tuple[Fact, ...]
    artifacts: tuple[ArtifactRow, ...]
    again: tuple[str, ...]
    caution: str


def flattened(values: Mapping[str, object]) -> dict[str, str]:
    """Nested mappings as dotted keys in their own order; lists joined; null, which is absence, said in words."""
    return dict(_flat("", values))


def facts(values: Mapping[str, object]) -> tuple[Fact, ...]:
    """Flattened, one fact a key."""
    return tuple(Fact(key, value) for key, value in flattened(values).items())


def settings(environment: Mapping[str, object]) -> tuple[Setting, ...]:
    """Requested and in force side by side, over the keys of both."""
    requested, in_force = flattened(_table(environment, "requested")), flattened(_table(environment, "in_force"))
    return tuple(
        Setting(
            key,
            requested.get(key, "not asked for"),
            in_force.get(key, NOT_RECORDED),
            key in requested and key in in_force and not _granted(requested[key], in_force[key]),
        )
        for key in dict.fromkeys([*requested, *in_force])
    )


def _granted(requested: str, in_force: str) -> bool:
    """Whether what is in force is what was asked for; "last" and "none" leave the value to the board."""
    return requested in ("last", "none") or requested.replace(" ", "") == in_force.replace(" ", "")


def environment_facts(environment: Mapping[str, object]) -> Mapping[str, object]:
    """The `facts` part, empty where absent."""
    return _table(environment, "facts")


def provenance(result: RunResult, named: Sequence[Named]) -> Provenance:
    """From the run's own facts; what is absent there is said to be so."""
    run = result.run
    commit = text(run.get("commit"))
    dirty = run.get("commit_dirty")
    state = _TREE.get(str(dirty), "") if run.get("commit") else ""
    keys = (
        ("run", "id"), ("suite", "suite"), ("plan", "plan_id"), ("seed", "seed"), ("started (UTC)", "started_utc"),
        ("finished (UTC)", "finished_utc"), ("harness", "harness_version"), ("agent SHA-256", "agent_sha256"),
    )  # fmt: skip
    shown = [Fact(label, text(run.get(key))) for label, key in keys]
    return Provenance(
        (*shown, Fact("commit", commit + state), Fact("command", command_line(run) or NOT_RECORDED)),
        facts(_table(run, "versions")),
        tuple(_artifact(one) for one in named),
        again(run),
        "The tree had uncommitted changes: the commit alone does not bring this run back." if dirty is True else "",
    )


def command_line(run: Mapping[str, object]) -> str:
    """The command as a shell would take it, or empty."""
    command = run.get("command")
    return shlex.join(map(str, command)) if isinstance(command, list | tuple) else str(command or "")


def again(run: Mapping[str, object]) -> tuple[str, ...]:
    """Shell lines that repeat the run: the commit, then the command with its seed made explicit."""
    command = run.get("command")
    if not isinstance(command, list | tuple) or not command:
        return ()
    words = [str(word) for word in command]
    seeded = any(word == "--seed" or word.startswith("--seed=") for word in words)
    if "run" in words and not seeded and run.get("seed") is not None:
        words += ["--seed", str(run["seed"])]
    checkout = (f"git checkout {shlex.quote(str(run['commit']))}",) if run.get("commit") else ()
    return (*checkout, shlex.join(words))


def text(value: object) -> str:
    """One value as a reader expects it."""
    if value is None or value == "":
        return NOT_RECORDED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(text(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {text(item)}" for key, item in value.items()) or "none"
    return str(value)


def _flat(prefix: str, values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", text(value)


def _table(values: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = values.get(key)
    return found if isinstance(found, Mapping) else {}


def _artifact(one: Named) -> ArtifactRow:
    artifact, case = one.result.artifact, one.result.case
    training = NOT_RECORDED if artifact.seed is None else str(artifact.seed)
    return ArtifactRow(
        one.label,
        printable(artifact.file),
        artifact.sha256,
        artifact.recipe_id or NOT_RECORDED,
        isolated(artifact.parent) if artifact.parent else "none",
        f"training {training}, input {case.input_seed}",
        case.id,
    )
