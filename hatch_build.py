"""Puts the built-in inputs into the wheel, file by file: a folder as a whole would take a user's sites.toml along."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Folder in the checkout -> name inside the package, as harness.places knows it.
BUILTIN = {
    "suites": "suites",
    "devices": "devices",
    "reports/templates": "templates",
    "results/schema": "schema",
}
PRIVATE = {"devices/sites.toml"}


class Builtin(BuildHookInterface[Any]):
    """The one hook of this file."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name every file and its place."""
        root = Path(self.root)
        for folder, name in BUILTIN.items():
            for path in sorted((root / folder).rglob("*")):
                inside = path.relative_to(root).as_posix()
                if path.is_file() and "__pycache__" not in path.parts and inside not in PRIVATE:
                    target = f"harness/_builtin/{name}/{path.relative_to(root / folder).as_posix()}"
                    build_data["force_include"][str(path)] = target
