"""`harness run --sustain`: minutes of scripted time through the whole pipeline, and what the report makes of them."""

from __future__ import annotations

import json

import pytest

from tests.support.host_side import invoke, store_of
from tests.support.scripted_suite import script, write_device, write_suite


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    """Two launches of two minutes in the script's time: 75 inferences of a second, some in the warm-up, then slower."""
    folder = tmp_path_factory.mktemp("sustained")
    durations = [1.0] * 75 + [1.25] * 200
    suite = write_suite(folder, {"slow": script(durations_s=durations, first_s=1.0)}, launches=2)
    device = write_device(folder)
    answer = invoke(folder, "run", suite, "--device", device, "--sustain", "2m", "--json", "-", "--report", folder)
    return folder, answer


def test_each_launch_lasts_as_long_as_asked_in_a_scenario_of_its_own(run) -> None:
    folder, answer = run
    assert answer.code == 0, answer.err
    (case,) = json.loads(answer.out[: answer.out.rindex("}") + 1])["cases"]
    assert case["scenario"] == "sustained"
    assert "too_short" not in {finding["code"] for finding in case["findings"]}
    (stored,) = store_of(folder).iterdir()
    trials = [json.loads(path.read_text()) for path in stored.glob("trials/*/trial.json")]
    timed = [one for one in trials if one["mode"] == "performance"]
    spans = [one["phases"]["steady_end_s"] - one["phases"]["steady_start_s"] for one in timed]
    assert len(spans) == 2
    assert all(120 <= span < 122 for span in spans)


def test_the_report_tells_the_first_minute_from_the_last(run) -> None:
    """A second in the first minute and a quarter more in the last: 80 % of the speed is kept."""
    folder, _ = run
    (page,) = folder.glob("2*.html")
    text = page.read_text("utf-8")
    assert "figure-by-minute" in text
    assert "80.0 %" in text
