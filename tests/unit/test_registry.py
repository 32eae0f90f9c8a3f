"""Suites and devices by name or path."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import places, registry
from harness.errors import DeviceFileError, StoreError, UnknownName, UsageError
from tests.support.scripted_suite import script, write_device, write_suite


def test_every_registered_device_and_suite_can_be_read() -> None:
    assert "localhost" in registry.device_names()
    assert {registry.DEFAULT_SUITE, "smoke"} <= set(registry.suite_names())
    for name in registry.device_names():
        assert registry.load_device(name).name == name
    for name in registry.suite_names():
        suite, folder = registry.load_suite(name)
        assert (suite.name, folder) == (name, places.builtin()["suites"] / name)
        assert len({variant.name for variant in suite.variants}) == len(suite.variants)
        parents = {variant.parent for variant in suite.variants} - {None}
        assert parents <= {variant.name for variant in suite.variants}


def test_a_device_and_a_suite_by_path(tmp_path: Path) -> None:
    assert registry.load_device(str(write_device(tmp_path))).title == "A bench"
    suite, folder = registry.load_suite(str(write_suite(tmp_path, {"a": script()})))
    assert [variant.name for variant in suite.variants] == ["a"]
    assert folder == tmp_path / "scripted"


def test_unknown_names_say_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no device is called 'localhst'; did you mean localhost\?"):
        registry.load_device("localhst")
    with pytest.raises(UnknownName, match=r"no suite is called 'smke'; did you mean smoke\? Known: .*cifar10"):
        registry.load_suite("smke")
    with pytest.raises(UnknownName, match=r"no device is called '\.\./devices/localhost'"):
        registry.load_device("../devices/localhost")


def test_files_that_are_absent_or_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceFileError, match=r"absent\.toml cannot be read"):
        registry.load_device(str(tmp_path / "absent.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(DeviceFileError, match=r"binary\.toml cannot be read"):
        registry.load_device(str(tmp_path / "binary.toml"))
    with pytest.raises(UsageError, match=r"there is no suite file .*absent\.py"):
        registry.load_suite(str(tmp_path / "absent.py"))


def test_what_a_suite_raises_is_told_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("1 / 0")
    with pytest.raises(UsageError, match=r"mine\.py does not load: ZeroDivisionError: division by zero"):
        registry.load_suite(str(path))
    path.write_text("raise SystemExit(1)")  # whose code would be a regression's
    with pytest.raises(UsageError, match=r"mine\.py does not load: SystemExit: 1"):
        registry.load_suite(str(path))
    path.write_text("NOT_A_SUITE = 1")
    with pytest.raises(UsageError, match=r"mine\.py defines no SUITE; give it one, as suites/smoke\.py shows"):
        registry.load_suite(str(path))


def test_a_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = places.writable(tmp_path / "a" / "b", "--results")
    assert list(folder.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write to .*file.*; name another with --cache"):
        places.writable(tmp_path / "file" / "b", "--cache")


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with places.held(tmp_path, "unused"), pytest.raises(StoreError, match="it is taken"):
        places.held(tmp_path, "it is taken").__enter__()
    with places.held(tmp_path, "unused"):
        pass
    with pytest.raises(StoreError, match=r"cannot write to .*absent: No such file"):
        places.held(tmp_path / "absent", "unused").__enter__()


def test_the_built_in_inputs_are_there() -> None:
    for kind, name in (
        ("suites", "smoke.py"),
        ("devices", "localhost.toml"),
        ("templates", "report.html.j2"),
        ("schema", "trial-1.schema.json"),
    ):
        assert (places.builtin()[kind] / name).is_file()
