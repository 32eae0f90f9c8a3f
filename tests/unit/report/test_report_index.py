"""The index of a folder of pages: newest first, read from the pages themselves; what is no page of ours is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.report import index
from harness.report.cards import HEAD_BYTES, LONGEST, Card, read_card
from harness.report.html import page
from harness.report.index import entries, index_page, is_own
from tests.support.gate_results import NASTY
from tests.support.read_page import ReadPage


def put(folder: Path, name: str, when: str = "2026-01-01T00:00:00Z", **changes: str) -> Path:
    """A page with a card alone."""
    card = Card("index", **{"title": f"page {name}", "when_utc": when, **changes})  # type: ignore[arg-type]
    text = page(card, (), {}, entries=(), count="").replace('"kind":"index"', '"kind":"report"')
    (folder / name).write_text(text, "utf-8")
    return folder / name


def test_the_newest_comes_first_with_what_its_card_says(tmp_path: Path) -> None:
    put(tmp_path, "a.html", "2026-01-01T00:00:00Z", suite="cifar10", device="A bench")
    put(tmp_path, "b.html", "2026-03-01T12:34:56Z", counts="3 valid, 1 doubtful", commit="0123456789+")
    put(tmp_path, "c.html", "2026-02-01T00:00:00Z")
    put(tmp_path, "d.html", "")
    page = ReadPage(index_page(tmp_path))
    assert page.links[-4:] == ["./b.html", "./c.html", "./a.html", "./d.html"]
    rows = page.texts("pages")[1:]
    assert rows[0][1:] == ("report", "", "", "2026-03-01 12:34:56", "3 valid, 1 doubtful", "0123456789+")
    assert rows[2][2:4] == ("cifar10", "A bench")
    assert "4 pages" in page.text


def test_the_same_folder_is_the_same_text_and_the_index_is_not_in_it(tmp_path: Path) -> None:
    put(tmp_path, "a.html")
    first = index_page(tmp_path)
    (tmp_path / index.NAME).write_text(first)
    os.utime(tmp_path / "a.html", (1, 1))
    assert index_page(tmp_path) == first
    assert ReadPage(first).links[-1] == "./a.html"


@pytest.mark.parametrize(("text", "words"), [
    ("<p>hello", "not a page of this harness"),
    ("", "not a page of this harness"),
    ('<script type="application/json" id="card">{"schema": "harness.card/9"}</script></html>', "another version"),
    ('<script type="application/json" id="card">{"schema"</script></html>', "damaged"),
    ('<script type="application/json" id="card">[1]</script></html>', "damaged"),
    ('<script type="application/json" id="card">{"schema":"harness.card/1","kind":"odd","title":""}</script></html>',
     "damaged"),
])  # fmt: skip
def test_a_page_of_another_origin_is_listed_by_its_name_and_why(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "other.html").write_text(text)
    put(tmp_path, "own.html")
    rows = ReadPage(index_page(tmp_path)).texts("pages")[1:]
    assert rows[0][0].startswith("page own.html")
    assert rows[1][0] == "other.html"
    assert words in rows[1][1]


def test_a_page_that_is_cut_short_is_said_to_be(tmp_path: Path) -> None:
    path = put(tmp_path, "a.html")
    path.write_text(path.read_text()[:-200])
    assert read_card(path) == "cut short: write it again"


def test_folders_hidden_files_and_other_kinds_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    (tmp_path / ".12-partial.html").write_text("half")
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "gone.html").symlink_to(tmp_path / "nowhere")
    assert entries(tmp_path) == ()
    assert "No page is here yet" in index_page(tmp_path)


@pytest.mark.parametrize("name", ["javascript:alert(1).html", "a b#c?d&e.html", '"><img src=x>.html', "שלום.html"])
def test_a_link_leads_to_the_file_whatever_its_name(tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    page = ReadPage(index_page(tmp_path))
    (link,) = [one for one in page.links if not one.startswith("#")]
    assert link.startswith("./")
    assert not set(link) & set('"<> #?&:')
    assert not any(tag == "img" for tag, _ in page.elements)


def test_a_name_that_is_no_text_is_a_page_all_the_same(tmp_path: Path) -> None:
    put(tmp_path, os.fsdecode(b"a\xff.html"))
    text = index_page(tmp_path)
    text.encode("utf-8")
    assert "./a%FF.html" in ReadPage(text).links


@pytest.mark.parametrize("name", [*NASTY.values(), "<" * 5000], ids=[*NASTY, "endless"])
def test_any_text_fits_into_a_card(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, "a.html", title=name, suite=name, device=name, counts=name, commit=name)
    card = read_card(path)
    assert isinstance(card, Card)
    assert len(card.title) <= LONGEST
    assert path.read_bytes().index(b"</script>") < HEAD_BYTES
    assert not any(tag == "img" for tag, _ in ReadPage(index_page(tmp_path)).elements)


def test_an_index_is_known_as_the_harnesss_own_whatever_its_version(tmp_path: Path) -> None:
    path = tmp_path / index.NAME
    assert not is_own(path)
    path.write_text("<h1>mine</h1>")
    assert not is_own(path)
    path.write_text(index_page(tmp_path))
    assert is_own(path)
    path.write_text(path.read_text().replace("harness.card/1", "harness.card/7"))
    assert is_own(path)
