"""What the agent's sources may use: Python 3.6, an allow-list of its standard library, runtimes inside functions."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import agent

SOURCES = Path(agent.__file__).parent
# All of them are in Python 3.6. A new name needs a look at the 3.6 documentation, and a line here.
STANDARD = frozenset(
    {
        "array", "collections", "contextlib", "csv", "ctypes", "datetime", "difflib", "errno", "fcntl", "gc", "glob",
        "hashlib", "http", "importlib", "io", "json", "math", "os", "platform", "pwd", "queue", "re", "select",
        "selectors", "shlex", "shutil", "signal", "stat", "struct", "subprocess", "sys", "tempfile", "threading",
        "time", "traceback", "urllib", "warnings",
    }
)  # fmt: skip
LATE = frozenset({"joulescope", "jtop", "numpy", "onnxruntime", "pyRAPL", "pynvml"})


def refused_imports(source: str) -> list[str]:
    """Imports of a module that the agent may not have: (line: name), those of runtimes only if at module level."""
    module = ast.parse(source)
    late = {id(node) for function in _functions(module) for node in ast.walk(function)}
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        else:
            continue
        roots = {name.partition(".")[0] for name in names}
        allowed = STANDARD | LATE if id(node) in late else STANDARD
        found += [f"{node.lineno}: {name}" for name in sorted(roots - allowed)]
    return found


def _functions(module: ast.Module) -> Iterator[ast.AST]:
    return (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCES)))
def test_imports_are_on_the_list(path: Path) -> None:
    assert refused_imports(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("source", "refused"),
    [
        ("import dataclasses\n", ["1: dataclasses"]),
        ("import numpy\n", ["1: numpy"]),
        ("try:\n    import onnxruntime.capi\nexcept ImportError:\n    pass\n", ["2: onnxruntime"]),
        ("class A:\n    from numpy import array\n", ["2: numpy"]),
        ("def f():\n    import torch, numpy\n", ["2: torch"]),
        ("from harness.errors import HarnessError\n", ["1: harness"]),
        ("def f():\n    import numpy\n    import os.path\n", []),
        ("from . import wire\nfrom ..x import y\n", []),
    ],
)
def test_the_rule_catches_what_it_should(source: str, refused: list[str]) -> None:
    assert refused_imports(source) == refused


def test_the_allow_list_is_standard() -> None:
    assert set(sys.stdlib_module_names) >= STANDARD


@pytest.mark.skipif(importlib.util.find_spec("vermin") is None, reason="vermin is not installed: pip install vermin")
def test_syntax_and_library_calls_are_those_of_python_3_6() -> None:
    command = [sys.executable, "-c", "from vermin import main; main()", "-t=3.6-", "--no-tips", "--violations"]
    said = subprocess.run([*command, str(SOURCES)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.skipif(importlib.util.find_spec("vermin") is None, reason="vermin is not installed: pip install vermin")
def test_vermin_refuses_what_is_newer(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text("import subprocess\nsubprocess.run([], capture_output=True)\n")
    command = [sys.executable, "-c", "from vermin import main; main()", "-t=3.6-", "--no-tips", "--violations"]
    said = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert said.returncode != 0
    assert "capture_output" in said.stdout
