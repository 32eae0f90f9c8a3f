from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from harness.agent import wire

COLUMNS = [("samples.start_s", array("d", [0.1, 1e300, -0.0])), ("empty", array("d")), ("é", array("d", [7.0]))]


def test_messages_survive_the_line() -> None:
    message = {"do": "measure", "with": {"path": "/data/é", "limit": None, "values": [1, 0.1, True]}}
    line = wire.encode(message)
    assert "\n" not in line
    assert line.isascii()
    assert wire.decode(line) == message


def test_a_newline_in_a_text_does_not_end_the_line() -> None:
    assert "\n" not in wire.encode({"text": "a\nb"})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_has_no_form_for_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        wire.encode({"value": value})


@pytest.mark.parametrize("line", ["", "Segmentation fault", "[1]", "7"])
def test_a_line_that_is_no_message_is_refused(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the parser's words are not ours
        wire.decode(line)


def test_columns_survive_the_file_bit_by_bit(tmp_path: Path) -> None:
    path = str(tmp_path / "columns")
    wire.write_columns(path, COLUMNS)
    back = wire.read_columns(path)
    assert list(back) == ["samples.start_s", "empty", "é"]
    assert [values.tobytes() for values in back.values()] == [values.tobytes() for _, values in COLUMNS]


def test_columns_are_little_endian_doubles_behind_one_line(tmp_path: Path) -> None:
    wire.write_columns(str(tmp_path / "columns"), [("one", array("d", [1.0]))])
    head, _, body = (tmp_path / "columns").read_bytes().partition(b"\n")
    assert head == b'{"columns": [["one", 1]]}'
    assert body == bytes.fromhex("000000000000f03f")


@pytest.mark.parametrize("kept", ["nothing", "half of the line", "the line", "all but one byte"])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, kept: str) -> None:
    path = tmp_path / "columns"
    wire.write_columns(str(path), COLUMNS)
    content = path.read_bytes()
    line = content.index(b"\n") + 1
    ends = {"nothing": 0, "half of the line": line // 2, "the line": line, "all but one byte": len(content) - 1}
    path.write_bytes(content[: ends[kept]])
    with pytest.raises(ValueError, match=str(path)):
        wire.read_columns(str(path))


@pytest.mark.parametrize(
    "content", [b"\x80\x81\n", b"[1, 2]\n", b"{}\n", b'{"columns": 3}\n', b'{"columns": [["a"]]}\n']
)
def test_another_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "columns"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=str(path)):
        wire.read_columns(str(path))


def test_an_exception_becomes_type_text_and_traceback() -> None:
    def lose() -> None:
        raise OSError("the device went away")

    with pytest.raises(OSError, match="went away") as caught:
        lose()
    found = wire.failure(caught.value)
    assert (found["type"], found["text"]) == ("OSError", "the device went away")
    assert "in lose" in found["traceback"]
    assert found["traceback"].endswith("OSError: the device went away\n")
