"""Suites and devices by name or path. Owns finding and reading them; decides nothing about them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from harness import places
from harness.errors import DeviceFileError, UnknownName, UsageError
from harness.model.case import Suite
from harness.model.device import Device, parse_device

DEFAULT_SUITE = "cifar10"
DEFAULT_DEVICE = "localhost"


def device_names() -> list[str]:
    """Registered boards."""
    return sorted(path.stem for path in places.builtin()["devices"].glob("*.toml"))


def load_device(name: str) -> Device:
    """A board by its registered name or by the path of a TOML. UnknownName, DeviceFileError."""
    path = Path(name) if name.endswith(".toml") else places.builtin()["devices"] / f"{name}.toml"
    if not name.endswith(".toml") and name not in device_names():
        raise UnknownName("device", name, device_names())
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeviceFileError(f"{path} cannot be read: {error}") from None
    return parse_device(text, str(path))


def suite_names() -> list[str]:
    """Built-in suites."""
    return sorted(path.stem for path in places.builtin()["suites"].glob("*.py"))


def suite_path(name: str) -> Path:
    """The Python file of a suite, by name or path. UnknownName."""
    if name.endswith(".py"):
        if not Path(name).is_file():
            raise UsageError(f"there is no suite file {name}")
        return Path(name)
    if name not in suite_names():
        raise UnknownName("suite", name, suite_names())
    return places.builtin()["suites"] / f"{name}.py"


def load_suite(name: str) -> tuple[Suite, Path]:
    """A suite and the folder its artifacts lie in (named like the file, beside it). UsageError if it defines none."""
    path = suite_path(name)
    spec = importlib.util.spec_from_file_location(f"_suite_{path.stem}", path)
    assert spec is not None  # noqa: S101  # a path that ends in .py always has a spec
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # of a suite that exits, its own code would be taken for ours
        raise UsageError(f"{path} does not load: {type(error).__name__}: {error}") from error
    suite = getattr(module, "SUITE", None)
    if not isinstance(suite, Suite):
        raise UsageError(f"{path} defines no SUITE; give it one, as suites/smoke.py shows")
    return suite, path.parent / path.stem
