from __future__ import annotations

from pathlib import Path

import pytest

from harness.agent.backends import engine_cache

KEY = {"tensorrt": "10.3", "gpu": {"name": "Orin"}, "options": {"shapes": {"image": [1, 3]}}}
FACTS = {"build_s": 12.5}


@pytest.fixture
def path(tmp_path: Path) -> str:
    made = engine_cache.path_of(str(tmp_path / "model.onnx"), KEY)
    engine_cache.write(made, KEY, FACTS, b"engine\nwith a line")
    return made


def test_an_entry_is_read_back(path: str) -> None:
    assert engine_cache.read(path, KEY) == (FACTS, b"engine\nwith a line")


def test_it_lies_beside_its_artifact_and_nothing_else_is_left(path: str, tmp_path: Path) -> None:
    assert Path(path).parent == tmp_path / "engines"
    assert [one.name for one in (tmp_path / "engines").iterdir()] == [Path(path).name]


@pytest.mark.parametrize(
    "other",
    [
        {**KEY, "tensorrt": "10.4"},
        {**KEY, "gpu": {"name": "Thor"}},
        {**KEY, "options": {"shapes": {"image": [2, 3]}}},
        {**KEY, "more": 1},
    ],
)
def test_another_key_is_another_place(path: str, tmp_path: Path, other: dict) -> None:
    assert engine_cache.path_of(str(tmp_path / "model.onnx"), other) != path
    # Even a file that was put there is none of it.
    assert engine_cache.read(path, other) is None


def test_the_order_of_a_key_is_none_of_its_content(path: str, tmp_path: Path) -> None:
    turned = dict(reversed(list(KEY.items())))
    assert engine_cache.path_of(str(tmp_path / "model.onnx"), turned) == path
    assert engine_cache.read(path, turned) is not None


@pytest.mark.parametrize("place", [0, 40, -1])
def test_one_changed_bit_is_no_entry_and_is_removed(path: str, place: int) -> None:
    content = bytearray(Path(path).read_bytes())
    content[place] ^= 1
    Path(path).write_bytes(content)
    assert engine_cache.read(path, KEY) is None
    assert not Path(path).exists()


@pytest.mark.parametrize("content", [b"", b"\n", b"null\n", b"[]\nengine", b'{"format": "edge-harness engine 1"}\n'])
def test_what_is_no_entry_is_none(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)
    assert engine_cache.read(path, KEY) is None


def test_what_is_absent_is_none(tmp_path: Path) -> None:
    assert engine_cache.read(str(tmp_path / "absent"), KEY) is None


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = engine_cache.path_of(str(tmp_path / "model.onnx"), KEY)
    with pytest.raises(TypeError):
        engine_cache.write(path, KEY, FACTS, "no bytes")
    assert list((tmp_path / "engines").iterdir()) == []
