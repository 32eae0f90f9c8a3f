"""The front on the page: marked as intervals allow, with discs in proportion, names that lie on nothing, and a rule for
a thousand variants."""

from dataclasses import replace

import plotly.graph_objects
import pytest

from harness.report.cases import shown
from harness.report.sections import front
from harness.report.sections.placing import NARROW, POSITIONS, WIDE, Anchor, places, text_width
from harness.report.sections.plane import DRAWN_MOST, LEGEND_MOST
from harness.report.sections.plane_plot import DISCS, LARGEST_DISC, drawn
from tests.support.drawn import plane_of
from tests.support.example_power import power_run
from tests.support.example_run import THROTTLED, example_run, renamed, with_case


def section_of(run):
    return front.section(shown(*run))


def traces_of(run) -> dict:
    return {trace["name"]: trace for trace in drawn(plane_of(*run))["data"]}


def moved(top1: float, half: float = 0.004, latency: float = 1.0):
    """Of fast and fast-int8, the latter with this accuracy and its p50 times `latency`."""
    result, records = example_run(("fast", "fast-int8"))
    metrics = dict(result.cases[1].metrics)
    accuracy, p50 = metrics["accuracy_top1"], metrics["latency_p50_s"]
    metrics["accuracy_top1"] = replace(accuracy, point=top1, low=top1 - half, high=top1 + half)
    metrics["latency_p50_s"] = replace(p50, point=p50.point * latency, low=p50.low * latency, high=p50.high * latency)
    return with_case(result, "fast-int8", metrics=metrics), records


@pytest.mark.parametrize(
    ("top1", "said", "size", "on_front"),
    [
        (0.92, "on the front", 15, True),  # clearly less accurate
        (0.938, "possibly dominated by fast-int8", 15, True),  # less accurate, but within the intervals
        (0.941, "dominated by fast-int8", 11, False),
    ],
)
def test_a_case_is_marked_by_what_the_intervals_bear_out(top1, said, size, on_front):
    run = moved(top1)  # 3.4 times as fast as fast, which is at 93.98 %
    point = plane_of(*run).points[0]
    assert (point.said, point.undominated) == (said, on_front)
    assert traces_of(run)["fast"]["marker"]["size"] == size
    figure = section_of(run).blocks[0]
    assert figure.table.rows[0][-1] == said
    assert figure.legend[0][1] == ("" if said == "on the front" else said.partition(" by ")[0])
    assert said in traces_of(run)["fast"]["hovertext"][0]


def test_the_line_joins_the_best_by_their_points_alone():
    assert len(traces_of(moved(0.938))["front"]["x"]) == 2
    assert "front" not in traces_of(moved(0.941))  # one point is no line


def test_what_is_not_valid_is_open_and_faint_and_never_on_the_front():
    run = example_run()
    wide = next(point for point in plane_of(*run).points if point.label == "wide")
    assert (wide.standing, wide.said) == (None, "invalid, kept off the front")
    marker = traces_of(run)["wide"]["marker"]
    assert "-open" in marker["symbol"]
    assert marker["opacity"] < 1


def test_discs_are_in_proportion_to_size_and_to_energy_where_that_was_measured():
    plain = traces_of(example_run(("fast", "fast-int8")))[DISCS]["marker"]["size"]
    assert plain == pytest.approx([LARGEST_DISC, LARGEST_DISC * (331_872 / 1_102_344) ** 0.5], rel=1e-3)
    powered = traces_of(power_run(("fast", "fast-int8")))[DISCS]["marker"]["size"]
    assert powered == pytest.approx([LARGEST_DISC, LARGEST_DISC * (35 / 50) ** 0.5], rel=1e-3)
    notes = section_of(power_run(("fast", "fast-int8"))).blocks[0].notes
    assert "Discs: their area is the energy per inference, 50.0 mJ the largest" in notes[0]
    assert "model size, 1.10 MB the largest" in section_of(example_run(("fast",))).blocks[0].notes[0]


def test_of_an_energy_that_one_case_lacks_no_disc_is_made_up():
    result, records = power_run(("fast", "fast-int8"))
    metrics = {name: one for name, one in result.cases[1].metrics.items() if "energy" not in name}
    run = with_case(result, "fast-int8", metrics=metrics), records
    assert len(traces_of(run)[DISCS]["x"]) == 1
    assert "none where it was not measured" in section_of(run).blocks[0].notes[0]


def test_without_a_valid_case_the_figure_says_so_once():
    result, records = example_run(("fast", "fast-int8"))
    for name in ("fast", "fast-int8"):
        result = with_case(result, name, verdict="doubtful", findings=(replace(THROTTLED, severity="doubt"),))
    figure = section_of((result, records)).blocks[0]
    assert figure.notes[1] == "Every case drawn is doubtful, so there is no front."
    assert [remark for _, remark in figure.legend] == ["", ""]


def many(count: int):
    """Ten on the front, all others dominated by the first of them."""
    result, _ = example_run(("fast",))
    base, cases = result.cases[0], []
    for number in range(count):
        best = number % (count // 10) == 0
        latency = 1e-3 * (1 + number) if best else 0.02 * (1 + number / count) * count
        accuracy = 0.5 + 0.4 * number / count if best else 0.4
        metrics = dict(base.metrics)
        for name, value in (("latency_p50_s", latency), ("accuracy_top1", accuracy)):
            metrics[name] = replace(metrics[name], point=value, low=value * 0.9999, high=value * 1.0001)
        case = replace(base.case, variant=f"v{number:04d}", input_seed=number)
        cases.append(replace(base, case=case, metrics=metrics, artifact=replace(base.artifact, variant=case.variant)))
    return replace(result, cases=tuple(cases)), {}


def test_of_a_thousand_variants_the_front_is_complete_and_the_rule_is_printed():
    run = many(1000)
    plane = plane_of(*run)
    assert (len(plane.points), plane.others) == (DRAWN_MOST, 1000 - DRAWN_MOST)
    assert {point.label for point in plane.points if point.undominated} == {
        f"v{number:04d}" for number in range(0, 1000, 100)
    }
    slowest = max(run[0].cases, key=lambda case: case.metrics["latency_p50_s"].point)
    assert slowest.case.variant in {point.label for point in plane.points}  # extremes survive
    figure = section_of(run).blocks[0]
    assert figure.notes[-1].startswith(f"Thinning: {DRAWN_MOST} of 1000 cases are drawn: all that are best")
    assert len(figure.legend) == 10 <= LEGEND_MOST
    assert len(figure.table.rows) == DRAWN_MOST
    named = [trace["text"][0] for trace in figure.plot["data"] if "text" in trace.get("mode", "")]
    assert 0 < len(named) <= 10
    assert set(named) <= {f"v{number:04d}" for number in range(0, 1000, 100)}


def test_a_case_that_is_left_out_is_named_with_its_reason():
    assert "Not drawn: sketch (top-1: its weights are random" in section_of(example_run()).blocks[1].text


def test_a_hostile_name_stays_text_wherever_it_is_drawn():
    run = renamed(*moved(0.941), "fast-int8", "<img src=x>")
    hover = traces_of(run)["fast"]["hovertext"][0]
    assert "dominated by &lt;img src=x&gt;" in hover
    plotly.graph_objects.Figure(drawn(plane_of(*run)))


def anchor(label: str, x: float, y: float, spread: float = 0.0) -> Anchor:
    return Anchor(label, (x - spread, x, x + spread), (y - spread, y, y + spread))


@pytest.mark.parametrize("frame", [WIDE, NARROW])
def test_a_name_stands_to_the_right_and_where_that_is_taken_elsewhere(frame):
    assert places([anchor("one", 0.5, 0.5)], frame) == ("middle right",)
    assert places([anchor("at the edge", 0.98, 0.5)], frame) == ("middle left",)
    assert places([anchor("crossed", 0.5, 0.5, 0.1)], frame) == ("top right",)
    assert places([anchor("one", 0.5, 0.5), anchor("", 0.55, 0.5)], frame)[0] not in ("", "middle right")
    assert places([anchor("one", 0.5, 0.5)], frame, [(0.0, 0.5, 1.0, 0.5)]) == ("top right",)


def test_a_name_without_room_is_left_to_the_legend():
    crowd = [anchor("a name that is rather long", 0.5 + 0.001 * number, 0.5) for number in range(12)]
    found = places(crowd, NARROW)
    assert "" in found
    assert len(set(found) - {""}) == len([place for place in found if place])  # no two at one place
    assert places([anchor("", 0.5, 0.5)], WIDE) == ("",)
    assert set(found) - {""} <= set(POSITIONS)


def test_a_line_is_crossed_rather_than_a_name_left_out():
    grid = [(0.0, y / 100, 1.0, y / 100) for y in range(101)]
    assert places([anchor("one", 0.5, 0.5)], WIDE, grid) == ("middle right",)


def test_wide_letters_take_more_room():
    assert text_width("語語", 10) > text_width("ab", 10) > text_width("a", 10) > 0
