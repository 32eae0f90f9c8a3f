"""What `run` says of several boards, and what one that fails costs the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import EXIT_DONE, EXIT_USAGE, StoreError
from harness.options import Options
from harness.planning import downloaded
from harness.registry import Target, this_machine
from harness.verbs.each import each, said
from harness.verbs.run import without_devices


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (("--device", "a", "--device", "b"), ("--device", "b")),
        (("--device=a", "--device=b", "--data", "a"), ("--device=b", "--data", "a")),
        (("--dev", "a", "--devic=b", "--download"), ("--devic=b", "--download")),
        (("--variant", "a", "--device", "b"), ("--variant", "a", "--device", "b")),
    ],
)
def test_the_command_for_the_rest_leaves_out_what_is_done(words: tuple[str, ...], kept: tuple[str, ...]) -> None:
    assert without_devices(("harness", "run", *words), ["a"]) == ["harness", "run", *kept]


def test_a_board_is_named_once() -> None:
    assert said("nano", "it is away") == "harness: nano: it is away"
    assert said("nano", "nano: it is away") == "harness: nano: it is away"
    assert said("nano", "nano (me@nano): it is away") == "harness: nano (me@nano): it is away"
    assert said("nano", "nano-2 is away") == "harness: nano: nano-2 is away"


def refuse(error: Exception) -> int:
    raise error


def test_one_that_fails_leaves_the_others_theirs(capsys: pytest.CaptureFixture[str]) -> None:
    target, done = this_machine(), []
    pairs: list[tuple[Target, object]] = [
        (target, lambda: refuse(StoreError("cannot write out.json"))),
        (target, lambda: refuse(OSError(28, "No space left on device", "table"))),
        (target, lambda: done.append(1) or EXIT_DONE),
    ]
    assert each(pairs) == EXIT_USAGE  # type: ignore[arg-type]
    assert done == [1]
    assert capsys.readouterr().err.splitlines() == [
        "harness: localhost: cannot write out.json",
        "harness: localhost: table: No space left on device",
    ]


def test_what_the_only_one_raises_is_the_callers() -> None:
    with pytest.raises(StoreError):
        each([(this_machine(), lambda: refuse(StoreError("x")))])


def test_a_reader_who_left_wants_none_of_them() -> None:
    with pytest.raises(BrokenPipeError):
        each([(this_machine(), lambda: refuse(BrokenPipeError())), (this_machine(), lambda: EXIT_DONE)])


def test_what_is_to_be_downloaded_is_fetched_once_for_all(tmp_path: Path) -> None:
    """Before any board's process is started."""
    folder = tmp_path / "data"
    given = Options(("harness",), "smoke", ("localhost",), tmp_path, tmp_path, folder, download=True)
    assert downloaded(given).download is False
    assert not folder.exists()  # that suite takes none
    folder.write_text("in the way")
    with pytest.raises(FileExistsError):  # before any network is asked
        downloaded(Options(("harness",), "cifar10", ("localhost",), tmp_path, tmp_path, folder, download=True))
