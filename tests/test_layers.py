"""The architecture as a test: who may import whom, and where heavy libraries may be. Reads sources, runs nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import harness

ROOT = Path(harness.__file__).parent
# From the top down, as units: a package of harness, or one of its modules. A unit may import itself and what stands
# in a lower line; those of one line do not know each other. `agent` is no layer: see `violations`.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("arguments",),
    ("verbs",),
    ("outcome",),
    ("calibrating",),
    ("console", "fleet", "gating"),
    ("stages",),
    ("planning",),
    ("rounds",),
    ("report",),
    ("analysis",),
    ("attachments", "resolve", "occupied"),
    ("store", "board", "variants", "logs", "foreign"),
    ("plan", "registry", "doctor"),
    ("artifacts", "datasets", "places", "options", "words"),
    ("ports",),
    ("model",),
    ("errors",),
)
RANK = {unit: rank for rank, units in enumerate(LAYERS) for unit in units}
# Library -> the only modules or packages that may import it.
HOMES = {
    "torch": ("variants",),
    "torchvision": ("variants",),
    "torch_pruning": ("variants.compression.prune",),
    "PIL": ("datasets.jpeg",),
    "plotly": ("report",),
    "jinja2": ("report",),
    "pandas": ("store.frames", "analysis", "report"),
    "pyarrow": ("store",),
    "rich": ("console",),
}
HEAVY = frozenset({"numpy", "onnx", "onnxruntime", "pandas", "pyarrow", "rich", "torch", "plotly", "jinja2", "scipy"})
# What `harness --help` loads.
LIGHT = ("cli", "options", "registry", "errors")


@dataclass(frozen=True)
class Import:
    """One imported name as an absolute path; `late`: inside a function or for the type checker alone."""

    target: str
    line: int
    late: bool


def modules() -> dict[str, str]:
    """Source by name below harness, e.g. "store.frames"; a package goes by its own name, harness itself by ""."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text("utf-8")
    return found


SOURCES = modules()


def imports(name: str, source: str) -> list[Import]:
    """Every import of a module. `from harness import x` counts as harness.x, or as harness where x is no module."""
    package = name if any(one.startswith(f"{name}.") for one in SOURCES) or not name else name.rpartition(".")[0]
    found = []
    for node, late in _walk(ast.parse(source), late=False):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno, late) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = ["harness", *package.split(".")] if package else ["harness"]
            base = ".".join([*above[: len(above) - node.level + 1], node.module or ""] if node.level else [node.module])
            base = base.rstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                is_module = inner.removeprefix("harness.") in SOURCES and inner.startswith("harness.")
                found.append(Import(inner if is_module else base, node.lineno, late))
    return found


def _walk(node: ast.AST, *, late: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        yield child, late
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or typing_only
        yield from _walk(child, late=late or inside)


def unit_of(path: str) -> str:
    """The layer's unit of harness.a.b, which is "a"; "" of harness itself."""
    return path.removeprefix("harness").lstrip(".").partition(".")[0]


def violations(name: str, source: str) -> list[str]:
    """What a module imports although its place forbids it; a sentence each."""
    unit, found = unit_of(f"harness.{name}"), []
    if unit not in RANK and unit not in ("", "agent"):
        found.append(f"{name}: has no place in LAYERS; give it one")
    for one in imports(name, source):
        library = one.target.partition(".")[0]
        reason = _against_layers(unit, one) if library == "harness" else _against_homes(name, library)
        if reason:
            found.append(f"{name}:{one.line} imports {one.target}{reason}")
    return found


def _against_homes(name: str, library: str) -> str:
    homes = HOMES.get(library, (name,))
    at_home = any(name == home or name.startswith(f"{home}.") for home in homes)
    return "" if at_home else f", which belongs in {' or '.join(homes)} alone"


def _against_layers(unit: str, one: Import) -> str:
    other = unit_of(one.target)
    if unit == "agent":
        return "" if other == "agent" else ": the agent is an island"
    if other == "agent":
        of_decoders = unit == "logs" and one.target.startswith("harness.agent.decoders")
        return "" if unit == "board" or of_decoders else ": only board may import the agent, and logs its decoders"
    if unit == "":
        return "" if one.late else ": `import harness` must cost nothing"
    below = other in ("", unit) or RANK.get(other, -1) > RANK.get(unit, len(RANK))
    return "" if below else ", which is not below it"


def environment_readers(sources: Mapping[str, str]) -> list[str]:
    """Modules that read the environment."""
    readers = []
    for name, source in sources.items():
        names = {ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
        direct = {f"os.{alias}" for one in ast.walk(ast.parse(source)) for alias in _from_os(one)}
        if (names | direct) & {"os.environ", "os.environb", "os.getenv"}:
            readers.append(name)
    return readers


def _from_os(node: ast.AST) -> list[str]:
    return [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) and node.module == "os" else []


def loaded_with(name: str) -> set[str]:
    """Modules and libraries that importing a module loads at once, through all that it imports at module level."""
    seen: set[str] = set()
    waiting = [f"harness.{name}"]
    while waiting:
        target = waiting.pop()
        if target in seen:
            continue
        seen.add(target)
        inner = target.removeprefix("harness").lstrip(".")
        if target.partition(".")[0] == "harness" and inner in SOURCES:
            waiting += [one.target for one in imports(inner, SOURCES[inner]) if not one.late]
            waiting.append(target.rpartition(".")[0] or "harness")
    return seen


@pytest.mark.parametrize("name", sorted(SOURCES), ids=lambda name: name or "harness")
def test_imports_point_down(name: str) -> None:
    assert violations(name, SOURCES[name]) == []


@pytest.mark.parametrize("name", LIGHT)
def test_starting_up_loads_nothing_heavy(name: str) -> None:
    assert {target.partition(".")[0] for target in loaded_with(name)} & HEAVY == set()


def test_only_the_command_line_reads_the_environment() -> None:
    assert environment_readers(SOURCES) == ["cli"]


def test_every_layer_is_there() -> None:
    assert set(RANK) == {unit_of(f"harness.{name}") for name in SOURCES} - {"", "agent"}


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("model.case", "from harness.store import store\n", "harness.store.store, which is not below it"),
        ("model.case", "def f():\n    from harness.plan import make_plan\n", "model.case:2 imports harness.plan"),
        ("board.link", "from harness.store.frames import load_frames\n", "not below it"),
        ("errors", "from harness import ports\n", "imports harness.ports, which is not below it"),
        ("report.view", "import torch.nn\n", "belongs in variants alone"),
        ("store.store", "import pandas as pd\n", "belongs in store.frames or analysis or report alone"),
        ("stages", "from plotly import graph_objects\n", "belongs in report alone"),
        ("verbs", "from rich.table import Table\n", "belongs in console alone"),
        ("agent.wire", "from harness.errors import HarnessError\n", "an island"),
        ("agent.collectors.cpu", "from ...errors import HarnessError\n", "an island"),
        ("stages", "from harness.agent import wire\n", "only board may import the agent"),
        ("stages", "from harness.agent.decoders import tegrastats\n", "only board may import the agent"),
        ("logs.reading", "from harness.agent import wire\n", "and logs its decoders"),
        ("logs.reading", "from harness.agent.collectors import Channel\n", "and logs its decoders"),
        ("logs.reading", "from harness.store import store\n", "which is not below it"),
        ("", "from harness.store import store\n", "must cost nothing"),
        ("utils", "import os\n", "has no place in LAYERS"),
    ],
)
def test_a_planted_violation_is_caught(name: str, source: str, words: str) -> None:
    (found,) = violations(name, source)
    assert words in found


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("board.link", "from harness.agent import PROTOCOL, wire\nfrom harness.board import pack\n"),
        ("agent.sensors", "from . import collectors, wire\nfrom .tables import resolve\n"),
        ("logs.log", "from harness.agent.decoders import Reading, tegrastats\nfrom harness.model.power import Scope\n"),
        ("agent.collectors", "from .files import Reader\nfrom .. import wire\n"),
        ("stages", "import harness\nfrom harness import __version__\n"),
        ("variants.training.train", "import torch\nfrom harness.errors import BuildError\n"),
        ("", "def f():\n    from harness.store import frames\n"),
    ],
)
def test_a_lawful_import_passes(name: str, source: str) -> None:
    assert violations(name, source) == []


@pytest.mark.parametrize(
    "source", ["import os\nos.environ['A']\n", "import os\nos.getenv('A')\n", "from os import environ\n"]
)
def test_a_planted_reader_of_the_environment_is_caught(source: str) -> None:
    assert environment_readers({"plan": source, "verbs": "import os\nos.getpid()\n"}) == ["plan"]


def test_what_is_loaded_late_is_not_loaded_at_once() -> None:
    assert "numpy" in loaded_with("stages")
    assert "harness.verbs" not in loaded_with("cli")
