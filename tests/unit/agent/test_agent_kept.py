"""The board's folder: what is listed, and that nothing else can be removed."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.agent import kept, lease

HASH = "0123456789abcdef"
NOW = 1_000_000.0


def write(path: Path, size: int, age_s: float = 0.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (NOW - age_s, NOW - age_s))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    board = tmp_path / "board"
    write(board / f"agent-{HASH}.pyz", 10)
    write(board / f"artifacts/{HASH}/small.onnx", 1000)
    write(board / "inputs/a.npz", 20)
    write(board / "trials/run-1/t0/result.json", 5)
    write(board / "trials/run-1/t0/samples", 7)
    write(board / "trials/run-1/t1/script.json", 3)
    # Of these nothing may be touched: what was found of the board's state must be put back from it.
    write(board / "clocks.conf", 1)
    write(board / "leases/1.lease.json", 1)
    return board


def entries(folder: Path, agent: str = "") -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in kept.listing(str(folder), agent)}


def test_what_is_listed_and_what_is_not(folder: Path) -> None:
    found = entries(folder)
    assert {name: one["kind"] for name, one in found.items()} == {
        f"agent-{HASH}.pyz": "agent",
        f"artifacts/{HASH}": "artifacts",
        "inputs/a.npz": "inputs",
        "trials/run-1": "trials",
    }
    assert found["inputs/a.npz"]["bytes"] == 20
    assert 1000 <= found[f"artifacts/{HASH}"]["bytes"] < 1000 + 2**16  # with what its folder takes
    assert found["trials/run-1"]["finished"] == 1
    assert found["inputs/a.npz"]["finished"] is None
    assert all(one["age_s"] >= 0 for one in found.values())
    assert json.loads(json.dumps(list(found.values()))) == list(found.values())


def test_the_oldest_comes_first(folder: Path) -> None:
    write(folder / "inputs/older.npz", 1, age_s=500.0)
    write(folder / "inputs/oldest.npz", 1, age_s=900.0)
    ages = [one for one in kept.listing(str(folder)) if one["kind"] == "inputs"]
    assert [one["name"] for one in ages] == ["inputs/oldest.npz", "inputs/older.npz", "inputs/a.npz"]
    assert ages[0]["age_s"] - ages[2]["age_s"] == pytest.approx(900.0, abs=1.0)


def test_the_agent_that_asks_is_no_left_over(folder: Path) -> None:
    assert f"agent-{HASH}.pyz" not in entries(folder, str(folder / f"agent-{HASH}.pyz"))


@pytest.mark.parametrize("rest", [".pyz.partial", ".pyz.123.partial", ".123.partial"])
def test_an_agent_that_did_not_arrive_whole_is_a_left_over(folder: Path, rest: str) -> None:
    write(folder / f"agent-{HASH}{rest}", 4)
    assert entries(folder)[f"agent-{HASH}{rest}"]["kind"] == "agent"
    assert kept.remove(str(folder), [f"agent-{HASH}{rest}"])["failed"] == []


def test_what_clocks_were_goes_once_nothing_is_owed(folder: Path) -> None:
    names = ["jetson_clocks.boot", "jetson_clocks.store"]
    for name in names:
        write(folder / name, 9, age_s=float(len(name)))
    assert [one["name"] for one in kept.listing(str(folder)) if one["kind"] == "state"] == names[::-1]
    leases = folder.parent / "lease"
    leases.mkdir()
    entry = {"run": "r", "who": "you", "since_utc": "", "holder": None, "children": [], "board": str(folder)}
    left = leases / f"old{lease.SUFFIX}"
    left.write_text(json.dumps({**entry, "found": {"clocks": "free"}}))
    (_, answer) = served(folder, json.dumps(names) + "\n", str(leases))
    # There is no jetson_clocks here to put them back.
    assert answer["removed"] == []
    assert {name: reason.partition(" from it")[0] for name, reason in answer["failed"]} == dict.fromkeys(
        names, "the clocks are still to be put back"
    )
    left.unlink()
    (_, answer) = served(folder, json.dumps(names) + "\n", str(leases))
    assert answer == {"removed": names, "failed": []}
    # Which taking the lease may have seen to before.
    assert kept.remove(str(folder), names) == {"removed": names, "failed": []}


def test_a_lease_that_cannot_be_taken_is_told(folder: Path) -> None:
    write(folder.parent / "file", 1)
    (_, answer) = served(folder, '["inputs/a.npz"]\n', str(folder.parent / "file"))
    assert "file" in answer["refused"]
    assert (folder / "inputs/a.npz").exists()


def test_an_empty_board_holds_nothing(tmp_path: Path) -> None:
    assert kept.listing(str(tmp_path)) == []


def test_what_is_named_is_removed_whole(folder: Path) -> None:
    answer = kept.remove(str(folder), ["trials/run-1", "inputs/a.npz"])
    assert answer == {"removed": ["trials/run-1", "inputs/a.npz"], "failed": []}
    assert set(entries(folder)) == {f"agent-{HASH}.pyz", f"artifacts/{HASH}"}


@pytest.mark.parametrize(
    "name", ["../outside", "clocks.conf", "leases", "inputs/../../outside", "/etc/hostname", "inputs"]
)
def test_what_is_not_listed_is_not_removed(folder: Path, name: str) -> None:
    write(folder.parent / "outside", 1)
    assert kept.remove(str(folder), [name]) == {"removed": [], "failed": [[name, "it is not there"]]}
    assert (folder.parent / "outside").exists()
    assert (folder / "clocks.conf").exists()


def test_a_link_is_removed_and_what_it_leads_to_stays(folder: Path) -> None:
    write(folder.parent / "elsewhere/file", 1)
    (folder / "inputs/link").symlink_to(folder.parent / "elsewhere")
    assert kept.remove(str(folder), ["inputs/link"])["removed"] == ["inputs/link"]
    assert (folder.parent / "elsewhere/file").exists()


def served(folder: Path, asked: str, leases: str = "") -> list[dict[str, Any]]:
    """What is said to a host that says `asked`."""
    answers = io.StringIO()
    kept.serve((io.StringIO(asked), answers), str(folder), "agent.pyz", (leases, "me@host"))
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def test_a_host_that_only_looks_removes_nothing(folder: Path) -> None:
    (listed,) = served(folder, "")
    assert len(listed["kept"]) == 4


def test_names_are_removed_under_the_lease(folder: Path) -> None:
    leases = folder.parent / "lease"
    (_, answer) = served(folder, '["inputs/a.npz"]\n', str(leases))
    assert answer == {"removed": ["inputs/a.npz"], "failed": []}
    assert list(leases.iterdir()) == []  # and let go of


def test_nothing_is_removed_below_a_run(folder: Path) -> None:
    leases = str(folder.parent / "lease")
    held, _ = lease.take(leases, "/", "run-1", "you@host", str(folder))
    (_, answer) = served(folder, '["inputs/a.npz"]\n', leases)
    assert answer["busy"].startswith("you@host has been measuring on it since ")
    assert (folder / "inputs/a.npz").exists()
    lease.release(held.path, "/")
