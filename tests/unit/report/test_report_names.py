"""What a case is called, in every report and in the terminal: unique, printable, and cheap to find out."""

import subprocess
import sys
from dataclasses import replace

import pytest

from harness.model.case import Scenario, Settings, TensorSpec
from harness.report.names import (
    SENTENCE_NAME_LENGTH,
    apart,
    in_figure,
    in_sentence,
    isolated,
    labels,
    one_line,
    printable,
    styles,
)
from tests.support.example_run import example_case, example_run

FAST, WIDE = example_case("fast"), example_case("wide")


def test_a_variant_alone_goes_by_its_name():
    assert labels((FAST, WIDE)) == ("fast", "wide")
    assert labels(()) == ()


@pytest.mark.parametrize(
    ("changes", "called"),
    [
        ({"backend": "null"}, ("fast · onnxruntime", "fast · null")),
        ({"precision": "int8"}, ("fast · fp32", "fast · int8")),
        ({"settings": Settings(threads=4, affinity="3")}, ("fast · 1 thread", "fast · 4 threads")),
    ],
)
def test_cases_of_one_variant_are_called_by_what_differs(changes, called):
    first, wide, second = labels((FAST, WIDE, replace(FAST, **changes)))
    assert ((first, second), wide) == (called, "wide")


def test_names_stay_unique_when_the_difference_is_not_in_them():
    other = replace(FAST, inputs=(TensorSpec("image", "float32", (4, 3, 32, 32)),))
    hotter = replace(FAST, scenario=Scenario(stop=replace(FAST.scenario.stop, min_count=65)))
    found = labels((FAST, other, hotter, WIDE))
    assert found == (*(f"fast · {case.id[:6]}" for case in (FAST, other, hotter)), "wide")
    alike = labels((replace(FAST, variant="a\x01"), replace(FAST, variant="a\x02")))
    assert len(set(alike)) == 2
    assert all(label.startswith("a\ufffd · ") for label in alike)


def test_a_case_is_called_by_what_differs_among_the_cases_of_its_own_variant():
    quantized = replace(WIDE, precision="int8")
    assert labels((FAST, replace(FAST, device="nano"), quantized)) == ("fast · pi4", "fast · nano", "wide")


def test_a_name_that_a_sentence_mentions_is_short():
    assert in_sentence("fast") == "fast"
    assert in_sentence("x" * SENTENCE_NAME_LENGTH) == "x" * SENTENCE_NAME_LENGTH
    assert in_sentence("x" * 200).strip("\u2068\u2069") == "x" * (SENTENCE_NAME_LENGTH - 1) + "…"
    assert in_sentence("a\nb") == isolated("a\ufffdb")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("résumé ✓ שלום", "résumé ✓ שלום"),
        ("\x1b[2Jx\r\n", "\ufffd[2Jx\ufffd\ufffd"),
        ("\u202eexe.\udcff\u2028\x7f\x9b", "\ufffdexe.\ufffd\ufffd\ufffd\ufffd"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),  # Persian needs its joiners
    ],
)
def test_what_shows_as_nothing_is_replaced(name, shown):
    assert printable(name) == shown
    assert isolated(name).strip("\u2068\u2069") == shown
    assert not [character for character in in_figure(name) if not character.isprintable()]


def test_variants_beyond_the_colours_share_no_colour_and_dash():
    pattern = example_run(("fast",))[0].cases[0]

    def of(count: int, backends: tuple[str, ...] = ("onnxruntime",)):
        return [
            replace(pattern, case=replace(pattern.case, variant=f"v{number}", backend=backend))
            for number in range(count)
            for backend in backends
        ]

    drawn = [(one.colour, one.dash) for one in styles(of(24))]
    assert len(set(drawn)) == 24
    assert {one.dash for one in styles(of(6))} == {"solid"}
    assert [one.dash for one in styles(of(6, ("onnxruntime", "null")))[:2]] == ["solid", "dash"]
    first, again = styles(of(7, ("onnxruntime", "null")))[:2]
    assert first == again  # the dash is the variants' now


def test_prose_in_a_cell_is_isolated_as_a_whole_and_keeps_the_marks_of_its_names():
    assert apart("T: against fast") == "T: against fast"
    assert apart(f"T: against {isolated('שלום')}") == "\u2068T: against \u2068שלום\u2069\u2069"


def test_prose_stays_on_one_line_and_keeps_the_marks_around_names():
    assert one_line(f"of {isolated('שלום')}:\n\tbad\x00") == "of \u2068שלום\u2069:  bad\ufffd"


def test_asking_for_a_name_loads_nothing_heavy():
    code = "import sys, harness.report.names; print(*{'plotly', 'jinja2', 'numpy', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
