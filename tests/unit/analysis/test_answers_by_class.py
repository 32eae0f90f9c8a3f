"""What a model took each class for: counted from the run, else as recorded; names, mistakes and intervals of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.analysis.classes import Mistake, answers, comparable, mistakes
from harness.datasets import cifar10
from harness.datasets.confusion import row_shares
from harness.datasets.table import TABLE, dataset_of_split
from harness.model.proportion import wilson_interval
from tests.support.example_outputs import counts_of, quality_of, with_answers
from tests.support.example_run import example_run

COUNTS = np.array([[8, 2, 0], [1, 8, 1], [0, 0, 0]])


def record_with(counts, **changes):
    _, records = with_answers(example_run(("fast",)), {"fast": counts}, **changes)
    (record,) = records.values()
    return record


def test_answers_are_counted_from_the_run():
    found = answers(record_with(counts_of("fast")), None)
    assert found.measured
    assert found.counts.tolist() == counts_of("fast").tolist()
    assert (found.images, found.of_class) == (1000, (100,) * 10)
    assert found.names == cifar10.CLASSES


def test_measured_beats_recorded_and_recorded_stands_in():
    record, quality = record_with(counts_of("fast")), quality_of("fast", "a" * 64, counts_of("other", 1000))
    assert answers(record, quality).counts.tolist() == counts_of("fast").tolist()
    bare = replace(record, trials=record.trials[:-1])
    stood_in = answers(bare, quality)
    assert (stood_in.measured, stood_in.images) == (False, 10_000)
    assert stood_in.names == cifar10.CLASSES
    assert answers(None, quality).images == 10_000
    assert answers(bare, None) is None
    assert answers(None, None) is None


@pytest.mark.parametrize("changes", [{"status": "failed"}, {"mode": "performance"}])
def test_a_pass_that_failed_or_was_none_counts_for_nothing(changes):
    record = record_with(COUNTS)
    assert answers(replace(record, trials=(replace(record.trials[-1], **changes),)), None) is None


def test_a_pass_whose_columns_do_not_match_counts_for_nothing():
    record = record_with(COUNTS)
    last = record.trials[-1]
    cut = replace(last, outputs=replace(last.outputs, label=last.outputs.label[:-1]))
    assert answers(replace(record, trials=(cut,)), None) is None


def test_classes_of_an_unknown_data_set_go_by_numbers_and_as_many_as_the_logits_tell():
    found = answers(record_with(COUNTS, dataset_sha256="f" * 64), None)
    assert found.names == ("0", "1", "2")  # the third has neither an image nor an answer
    assert found.counts.tolist() == COUNTS.tolist()
    assert comparable(found, found)
    assert not comparable(found, answers(record_with(counts_of("fast")), None))


def test_a_data_set_is_known_by_the_hash_of_its_test_split():
    assert dataset_of_split(cifar10.TEST_SHA256) is TABLE["cifar10"]
    assert dataset_of_split("f" * 64) is None
    assert dataset_of_split(None) is None


def test_the_noted_hash_is_that_of_the_published_test_images(shared: Path):
    if not (shared / "data" / cifar10.FOLDER).is_dir():
        pytest.skip(f"no CIFAR-10 in {shared}/data")
    assert cifar10.load_test(shared / "data").sha256 == cifar10.TEST_SHA256


def test_mistakes_come_by_share_and_then_by_count():
    found = answers(record_with(COUNTS, dataset_sha256=None), None)
    assert mistakes(found) == (
        Mistake(0, 1, 2, pytest.approx(0.2)),
        Mistake(1, 0, 1, pytest.approx(0.1)),
        Mistake(1, 2, 1, pytest.approx(0.1)),
    )


def test_recall_has_wilsons_interval_where_the_class_has_images():
    found = answers(record_with(COUNTS, dataset_sha256=None), None)
    assert found.figures[0].recall == pytest.approx(0.8)
    assert found.recall_interval(0) == wilson_interval(8, 10)
    assert found.recall_interval(2) is None
    assert found.figures[2].recall is None


def test_a_class_without_images_has_no_shares():
    shares = row_shares(COUNTS)
    assert shares[0].tolist() == pytest.approx([0.8, 0.2, 0.0])
    assert np.isnan(shares[2]).all()
