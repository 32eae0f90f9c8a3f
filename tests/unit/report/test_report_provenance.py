"""Provenance: what identifies a run and its files, which trial ran when, what is missing, how to run it again."""

import shlex
from dataclasses import replace

import pytest

from harness.model.run import Stopped
from harness.report.blocks import Commands, Paragraph, Table
from harness.report.cases import shown
from harness.report.order import in_runs, not_there
from harness.report.provenance import again, run_facts
from harness.report.sections import again as again_section
from harness.report.sections import provenance, skips, state
from tests.support.example_run import example_run, renamed, with_case


@pytest.fixture(scope="module")
def run():
    return example_run()


def again_of(result, records):
    return again(result, shown(result, records).cases)


def changed(result, **facts):
    return replace(result, run={**result.run, **facts})


def texts(section, kind: str) -> list[str]:
    return [block.text for block in section.blocks if isinstance(block, Paragraph) and block.kind == kind]


def table(section, caption: str) -> Table:
    return next(block for block in section.blocks if isinstance(block, Table) and block.caption.startswith(caption))


def test_the_run_can_be_repeated_from_the_page(run):
    assert again_of(*run).lines == (
        "git checkout ae4d5617c0ffee00deadbeef0123456789abcdef",
        "# with Python 3.11.7:",
        "python -m pip install . numpy==2.4.6 onnxruntime==1.22.0",
        "harness run cifar10 --device pi4 --data 'my runs' --seed 20260314",
    )


def test_a_seed_that_was_given_is_not_given_twice_and_a_changed_tree_is_a_caution(run):
    result, records = run
    found = again_of(changed(result, command=["harness", "run", "--seed", "3"], commit_dirty=True), records)
    assert found.lines[-1] == "harness run --seed 3"
    assert found.cautions[0].startswith("The tree had uncommitted changes")
    assert not [one for one in again_of(*run).cautions if "uncommitted" in one]


def test_only_a_commit_is_checked_out(run):
    result, records = run
    hostile = again_of(changed(result, commit="-b x; rm -rf ~"), records)
    assert not [line for line in hostile.lines if "rm" in line]
    without = again_of(changed(result, commit=None), records)
    assert not [line for line in without.lines if line.startswith("git")]
    assert any(one.startswith("The commit was not recorded") and "0.1.0" in one for one in without.cautions)


def test_no_word_of_the_command_or_version_of_a_package_begins_a_line_of_its_own(run):
    result, records = run
    command = ["harness", "run", "a\nrm -rf ~"]
    found = again_of(changed(result, command=command, versions={"python": "3\nrm", "numpy": "2; rm x\nrm"}), records)
    assert all("\n" not in line for line in found.lines)
    assert [word for word in shlex.split(found.lines[-2]) if "rm" in word] == ["numpy==2; rm x rm"]
    assert shlex.split(found.lines[-1])[2] == "a rm -rf ~"


def test_the_data_and_their_hash_are_named_where_accuracy_was_measured(run):
    result, records = run
    key = result.cases[0].case.id
    trial = replace(records[key].trials[0], id="a", mode="accuracy", order=99, dataset_sha256="f" * 64)
    measured = {**records, key: replace(records[key], trials=(*records[key].trials, trial))}
    (line,) = [line for line in again_of(result, measured).lines if line.startswith("# images")]
    assert line == f"# images of cifar10-test: the folder after --data; with their labels, SHA-256 {'f' * 64}".replace(
        "cifar10-test", result.cases[0].artifact.accuracy.dataset
    )
    assert not [line for line in again_of(*run).lines if line.startswith("# images")]


def test_files_of_ones_own_and_files_that_were_built_here_are_cautions(run):
    result, records = run
    own = replace(result.cases[0].artifact, recipe_id=None)
    built = replace(result.cases[1].artifact, recipe_id="0" * 16, file="model.onnx")
    result = with_case(with_case(result, "fast", artifact=own), "fast-int8", artifact=built)
    cautions = again_of(result, records).cautions
    assert [one for one in cautions if one.startswith("Models of your own (fast)")]
    assert [one for one in cautions if one.startswith("Not released, but built on this machine (fast-int8)")]


def test_an_interrupted_run_goes_on_by_the_same_command(run):
    result, records = run
    assert any("goes on with it" in one for one in again_of(changed(result, finished_utc=None), records).cautions)
    assert not any("goes on with it" in one for one in again_of(*run).cautions)


def test_an_interrupted_run_has_no_end(run):
    found = {fact.key: fact.value for fact in run_facts(changed(run[0], finished_utc=None))}
    assert found["finished (UTC)"] == "not: it was interrupted"


def test_without_a_command_nothing_is_invented(run):
    result, records = run
    section = again_section.section(shown(changed(result, command=None), records))
    assert section.blocks == (Paragraph("The command was not recorded.", "none"),)
    assert isinstance(again_section.section(shown(*run)).blocks[0], Commands)


def test_a_run_that_recorded_nothing_of_itself_says_so():
    result, records = example_run(("fast",))
    empty = replace(result, run={})
    assert {fact.value for fact in run_facts(replace(empty, cases=()))} == {"not recorded"}
    section = provenance.section(shown(empty, {}))
    assert texts(section, "none") == [
        "Versions on the host: not recorded.",
        "Order of the trials: no trial is at hand.",
    ]
    assert provenance.section(shown(replace(empty, cases=()), records)).blocks


def test_every_trial_is_at_its_place(run):
    result, records = run
    order = table(provenance.section(shown(result, records)), "Order of the trials")
    assert order.headings == ("case", *(f"launch {launch}" for launch in range(6)))
    assert [row[0].label for row in order.rows] == ["fast", "fast-int8", "sketch", "wide"]
    places = [[int(place) for place in row[1:]] for row in order.rows]
    assert sorted(place for row in places for place in row) == list(range(24))
    assert places[1] == [trial.order for trial in records[result.cases[1].case.id].trials]


def test_failed_and_missing_trials_and_other_modes_show_in_the_order(run):
    result, records = run
    key = result.cases[0].case.id
    first, second, *_ = records[key].trials
    failed = replace(second, status="failed", message="killed")
    accuracy = replace(first, id="a", mode="accuracy", order=30)
    partial = {**records, key: replace(records[key], trials=(first, failed, accuracy))}
    order = table(provenance.section(shown(result, partial)), "Order of the trials")
    assert order.headings[-1] == "accuracy"
    assert order.rows[0][1:] == ("0", "4 (failed)", "—", "—", "—", "—", "30")
    assert order.rows[1][-1] == "—"


def test_of_very_many_launches_and_cases_so_many_are_listed_and_the_rest_is_counted():
    result, records = example_run(("fast",))
    one, record = result.cases[0], records[result.cases[0].case.id]
    launches = tuple(replace(record.trials[0], id=str(n), launch=n, order=n) for n in range(40))
    cases = [replace(one, case=replace(one.case, variant=f"v{n}")) for n in range(250)]
    records = {case.case.id: replace(record, case=case.case, trials=launches) for case in cases}
    section = provenance.section(shown(replace(result, cases=tuple(cases)), records))
    order = table(section, "Order of the trials")
    assert (len(order.rows), len(order.headings)) == (200, 13)
    notes = " ".join(texts(section, "note"))
    assert "28 later launches of each are not listed" in notes
    assert "The orders of 50 more cases are in the stored run." in notes


def test_files_have_their_hashes_and_makers(run):
    result, records = run
    section = provenance.section(shown(result, records))
    artifact = result.cases[1].artifact
    row = table(section, "Artifacts").rows[1]
    assert row[1:] == (artifact.file, artifact.sha256, result.cases[1].case.id)
    assert table(section, "How they were made").rows[1][1:5] == (artifact.recipe_id, "fast", "1", "7")


def test_a_finished_run_is_said_to_be_whole(run):
    section = state.section(shown(*run))
    assert section.blocks == (Paragraph("Finished: 24 of 24 trials are in the store."),)


def without(records, orders):
    return {
        key: replace(one, trials=tuple(trial for trial in one.trials if trial.order not in orders))
        for key, one in records.items()
    }


def test_an_interrupted_run_names_the_places_that_are_empty(run):
    result, records = run
    stopped = changed(result, finished_utc=None, trials_done=20)
    section = state.section(shown(stopped, without(records, {3, 21, 22, 23})))
    assert texts(section, "alert")[0].startswith("Interrupted: 20 of 24 trials are in the store.")
    assert texts(section, "plain") == ["Not there, by their places in the order: 3, 21 to 23."]


def test_a_finished_run_with_holes_is_an_alert_unless_its_launches_ended_when_they_were_precise(run):
    result, records = run
    fewer = without(records, {5, 6})
    section = state.section(shown(changed(result, trials_done=22), fewer))
    assert texts(section, "alert") == ["Finished, but only 22 of 24 trials are in the store."]
    early = with_case(changed(result, trials_done=22), "fast", stopped=Stopped(5, 0.01, reached=True, reason="precise"))
    section = state.section(shown(early, fewer))
    assert section.blocks == (
        Paragraph("Finished after 22 of at most 24 trials: launches ended when they were precise."),
    )


def test_failed_trials_have_their_message_and_damage_its_reason(run):
    result, records = run
    key = result.cases[2].case.id
    trials = list(records[key].trials)
    trials[1] = replace(trials[1], status="failed", message="killed by the kernel\ntraceback")
    broken = {one: replace(record, damaged=("000004-x: truncated",)) for one, record in records.items()}
    broken[key] = replace(broken[key], trials=tuple(trials))
    section = state.section(shown(result, broken))
    (row,) = table(section, "Failed trials: 1").rows
    assert (row[0], row[1].label, *row[2:]) == (str(trials[1].order), "sketch", "timed", "1", "killed by the kernel")
    assert table(section, "Damaged and left out").rows == (("1", "000004-x: truncated"),)


def test_places_without_a_record_at_hand_are_not_called_missing(run):
    result, _ = run
    assert len(state.section(shown(result, {})).blocks) == 1
    assert not_there(changed(result, trials_planned=None), ()) == ()


def test_runs_of_numbers_read_as_words():
    assert in_runs([]) == ""
    assert in_runs([3, 5, 6, 7, 9]) == "3, 5 to 7, 9"


def test_a_cell_that_was_skipped_has_its_reason(run):
    result, records = run
    row = skips.section(shown(result, records)).blocks[0].rows[0]
    assert row[:3] == ("fast-int8", "tensorrt", "single-stream")
    assert row[3].startswith("the device lists no CUDA GPU")
    assert skips.section(shown(replace(result, skips=()), records)).blocks[0].kind == "none"


def test_hostile_names_stay_in_their_sentences(run):
    result, records = renamed(*run, "fast", "\u202eegassem\n" + "x" * 200)
    result = with_case(result, result.cases[0].case.variant, artifact=replace(result.cases[0].artifact, recipe_id=None))
    (caution,) = [one for one in again_of(result, records).cautions if one.startswith("Models of your own")]
    assert "\u202e" not in caution
    assert "\n" not in caution
