"""Figures from logits, each against a value worked out by hand; and the judge of whole files on made-up images."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from harness.datasets.confusion import class_figures, confusion, mean_class_accuracy
from harness.datasets.split import Split, digest_of
from harness.errors import DataError, ModelError, UnknownName, UsageError
from harness.model.codec import from_json, to_json
from harness.model.quality import Calibration, CalibrationFigures, ClassFigures, Paired, Quality
from harness.variants.quality import figures as quality
from harness.variants.quality import judge
from tests.support import models


def labels(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def test_rows_of_the_confusion_are_true_classes() -> None:
    counts = confusion(labels(0, 1, 1, 2, 0), labels(0, 0, 1, 1, 0), 4)
    assert counts.tolist() == [[2, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_classes_absent_from_either_side_have_no_share() -> None:
    """Class 0: 2 of 3 found, never wrongly; class 2 predicted once and absent; class 3 neither."""
    counts = confusion(labels(0, 1, 1, 2, 0), labels(0, 0, 1, 1, 0), 4)
    assert class_figures(counts) == (
        ClassFigures(3, 1.0, pytest.approx(2 / 3), pytest.approx(0.8)),
        ClassFigures(2, 0.5, 0.5, 0.5),
        ClassFigures(0, 0.0, None, 0.0),
        ClassFigures(0, None, None, None),
    )
    assert mean_class_accuracy(counts) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_an_unpredicted_class_with_images_has_recall_and_f1_of_zero_and_no_precision() -> None:
    assert class_figures(confusion(labels(0, 0), labels(0, 1), 2))[1] == ClassFigures(1, None, 0.0, 0.0)


@pytest.mark.parametrize(("predicted", "true"), [(labels(0, 2), labels(0, 1)), (labels(0, 1), labels(0, -1))])
def test_classes_out_of_range_are_refused(predicted: NDArray[np.int64], true: NDArray[np.int64]) -> None:
    with pytest.raises(DataError, match=r"lies outside 0\.\.1 .*different classes"):
        confusion(predicted, true, 2)


def test_no_images_are_no_figure() -> None:
    with pytest.raises(DataError, match="0 answers for 0 labels"):
        quality.negative_log_likelihood(np.empty((0, 2)), labels())
    with pytest.raises(DataError, match="2 answers for 1 labels"):
        quality.mcnemar(labels(0, 1), labels(0, 1), labels(0))


def test_ece_weighs_bins_by_their_images() -> None:
    """Bins of 0.1: (0.6, 0.7] holds 2 images of 0.65 and 0.70, one right; (0.9, 1] one of 0.95, right.

    |1.35 - 1| and |0.95 - 1|, over 3 images.
    """
    confidences, right = np.array([0.65, 0.70, 0.95]), np.array([True, False, True])
    assert quality.expected_calibration_error(confidences, right, bins=10) == pytest.approx((0.35 + 0.05) / 3)


def test_a_bin_is_closed_above() -> None:
    """0.5 belongs to (0, 0.5] with 0.1, where 0.6 of confidence meets one right answer; 1.0 has a bin too."""
    confidences, right = np.array([0.1, 0.5, 1.0]), np.array([True, False, True])
    assert quality.expected_calibration_error(confidences, right, bins=2) == pytest.approx(0.4 / 3)


def test_adaptive_ece_cuts_bins_of_equal_counts() -> None:
    """Ordered: 0.6 wrong, 0.7 right | 0.8 right, 0.9 right. |1.3 - 1| + |1.7 - 2| over 4; equal widths would give
    |0.6| + |2.4 - 3| for 3 bins."""
    confidences, right = np.array([0.9, 0.6, 0.8, 0.7]), np.array([True, False, True, True])
    assert quality.adaptive_calibration_error(confidences, right, bins=2) == pytest.approx(0.6 / 4)
    assert quality.adaptive_calibration_error(confidences, right, bins=15) == pytest.approx((0.1 + 0.6 + 0.2 + 0.3) / 4)


def test_nll_and_brier_of_known_shares() -> None:
    """Shares 0.8 0.2 and 0.4 0.6 for the true classes 0 and 0."""
    logits = np.log(np.array([[0.8, 0.2], [0.4, 0.6]])) + 5.0  # a shift changes no share
    figures = quality.calibration_figures(logits, labels(0, 0))
    assert figures.nll == pytest.approx(-(math.log(0.8) + math.log(0.4)) / 2)
    assert figures.brier == pytest.approx((0.2**2 + 0.2**2 + 0.6**2 + 0.6**2) / 2)
    assert figures.ece == pytest.approx((0.2 + 0.6) / 2)


def test_large_logits_overflow_nothing() -> None:
    figures = quality.calibration_figures(np.array([[5000.0, 0.0], [5000.0, 0.0]], np.float32), labels(0, 1))
    assert figures.nll == pytest.approx(2500)
    assert figures.brier == pytest.approx(1.0)
    assert figures.ece == pytest.approx(0.5)


def sure(count: int, wrong: int, logit: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Two classes, the same confidence throughout, so many wrong answers."""
    return np.tile(np.array([logit, 0], np.float32), (count, 1)), (np.arange(count) < wrong).astype(np.int64)


def test_the_temperature_makes_confidence_equal_accuracy() -> None:
    """One confidence for all: the best share is the accuracy 0.8, whose logit is ln 4, so T = logit / ln 4."""
    logits, true = sure(50, 10, 6.0)
    temperature = quality.fit_temperature(logits, true)
    assert temperature == pytest.approx(6 / math.log(4), rel=1e-9)
    after = quality.calibration_figures(logits, true, temperature)
    assert after.ece == pytest.approx(0, abs=1e-9)
    assert after.nll == pytest.approx(-(0.8 * math.log(0.8) + 0.2 * math.log(0.2)))


def test_the_temperature_is_the_minimum_of_the_nll() -> None:
    generator = np.random.default_rng(3)
    true = generator.integers(0, 5, 400)
    logits = generator.normal(size=(400, 5)) * 2 + 3 * np.eye(5)[true]
    best = quality.fit_temperature(logits, true)
    at = {factor: quality.negative_log_likelihood(logits, true, best * factor) for factor in (0.99, 1.0, 1.01)}
    assert at[1.0] < min(at[0.99], at[1.01])


def test_where_no_temperature_is_the_minimum_none_is_given() -> None:
    with pytest.raises(DataError, match=r"no temperature fits 5 images: the model is right.*not trained on"):
        quality.fit_temperature(*sure(5, 0, 1.0))
    with pytest.raises(DataError, match="no temperature fits 4 images: the model is no better than chance"):
        quality.fit_temperature(*sure(4, 3, 1.0))


@pytest.mark.parametrize(
    ("one", "other", "p"), [(0, 0, 1.0), (3, 3, 1.0), (1, 0, 1.0), (0, 6, 2 / 64), (2, 8, 2 * 56 / 1024)]
)
def test_mcnemar_is_exact(one: int, other: int, p: float) -> None:
    """P(Binomial(10, 1/2) <= 2) = (1 + 10 + 45) / 1024."""
    assert quality.exact_sign_p(one, other) == pytest.approx(p, rel=1e-12)


def test_mcnemar_keeps_a_tail_that_floats_would_lose() -> None:
    """2 / 2^1000, and 2000 discordant images whose 2^2000 is no float."""
    assert quality.exact_sign_p(0, 1000) == pytest.approx(2.0**-999, rel=1e-12)
    assert 0.5 < quality.exact_sign_p(990, 1010) < 0.8


def test_the_difference_of_two_predictions() -> None:
    """10 images: 5 right for both, 1 for a alone, 3 for b alone. With one more of each kind of 12 the shares are 2/12
    and 4/12: centre 2/12, variance (6/12 - (2/12)^2) / 12."""
    true = labels(*[0] * 10)
    a, b = labels(0, 0, 0, 0, 0, 0, 1, 1, 1, 1), labels(0, 0, 0, 0, 0, 1, 0, 0, 0, 1)
    found = quality.mcnemar(a, b, true)
    half = 1.959963984540054 * math.sqrt((0.5 - 1 / 36) / 12)
    assert (found.only_a_right, found.only_b_right, found.p_value) == (1, 3, pytest.approx(2 * 5 / 16))
    assert found.difference == pytest.approx(0.2)
    assert (found.low, found.high) == (pytest.approx(1 / 6 - half), pytest.approx(1 / 6 + half))
    mirrored = quality.mcnemar(b, a, true)
    assert (mirrored.difference, mirrored.low) == (pytest.approx(-0.2), pytest.approx(-found.high))


def test_equal_predictions_have_an_interval_with_a_width() -> None:
    found = quality.mcnemar(labels(0, 1), labels(0, 1), labels(0, 0))
    assert (found.difference, found.p_value) == (0.0, 1.0)
    assert found.low < 0 < found.high


# The judge


def brightest_channel(path: Path, gain: float = 20.0) -> Path:
    """A model that knows one thing: three logits, `gain` times the means of the channels in [0, 1]."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Mul", ["f", "gain"], ["logits"]),
    ]
    inputs, outputs = [models.value("image", ["n", 3, 8, 8])], [models.value("logits", ["n", 3])]
    return models.save(path, nodes, inputs, outputs, {"gain": np.array([gain], np.float32)})


def coloured(count: int, seed: int, wrong: int = 0) -> Split:
    """Images of one brighter channel, which is the label but for the first `wrong`, labelled with the next one."""
    generator = np.random.default_rng(seed)
    true = np.arange(count, dtype=np.int64) % 3
    images = generator.integers(60, 100, (count, 3, 8, 8), dtype=np.uint8)
    images[np.arange(count), true] += 60
    true = np.where(np.arange(count) < wrong, (true + 1) % 3, true)
    return Split(images, true, digest_of(images, true), "coloured")


def test_a_file_is_judged(tmp_path: Path) -> None:
    path = brightest_channel(tmp_path / "channels.onnx")
    test, held = coloured(30, 0, wrong=3), coloured(40, 1, wrong=8)
    found = judge.judge(path, test, judge.calibrate(path, test, held))
    found = replace(found, robustness=judge.robustness(path, test, ("brightness", "contrast"), 0))
    assert (found.variant, found.dataset, found.images) == ("channels", "coloured", 30)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.dataset_sha256 == test.sha256
    # One image of each class carries the next class's label: 9 right and 1 wrong in every row.
    assert found.confusion == ((9, 0, 1), (1, 9, 0), (0, 1, 9))
    assert (found.top1, found.mean_class_accuracy) == (pytest.approx(0.9), pytest.approx(0.9))
    assert found.per_class[0] == ClassFigures(10, 0.9, 0.9, 0.9)
    # Neither lifts one channel over another, and truncation takes at most a level.
    assert found.robustness == {"brightness": (0.9,) * 5, "contrast": (0.9,) * 5}
    assert found.mean_corruption_accuracy == pytest.approx(0.9)
    assert found.worst_corruption in found.robustness


def test_the_temperature_comes_from_the_held_images(tmp_path: Path) -> None:
    """8 of 40 held images are wrong: the mean confidence after is near 0.8, on the others too, however sure before."""
    path = brightest_channel(tmp_path / "channels.onnx", gain=100.0)
    test, held = coloured(30, 0), coloured(40, 1, wrong=8)
    found = judge.calibrate(path, test, held)
    assert found.temperature is not None
    assert found.after is not None
    assert (found.fitted_dataset, found.fitted_images, found.fitted_sha256) == ("coloured", 40, held.sha256)
    assert found.missing is None
    assert found.before.ece == pytest.approx(0, abs=1e-6)  # all right, and sure of it
    assert found.after.ece == pytest.approx(0.2, abs=0.02)
    assert found.after.nll == pytest.approx(-math.log(0.8), abs=0.03)


def test_without_a_temperature_the_reason_is_recorded(tmp_path: Path) -> None:
    path = brightest_channel(tmp_path / "channels.onnx")
    without = judge.judge(path, coloured(6, 0), judge.calibrate(path, coloured(6, 0), None))
    assert without.calibration.missing == "no images were held out to fit a temperature on"
    assert (without.mean_corruption_accuracy, without.worst_corruption) == (None, None)
    right = judge.calibrate(path, coloured(6, 0), coloured(9, 1))
    assert (right.temperature, right.after) == (None, None)
    assert right.missing is not None
    assert "no temperature fits 9 images" in right.missing


def test_held_images_that_are_judged_are_refused(tmp_path: Path) -> None:
    test = coloured(9, 0)
    held = Split(test.images[7:], test.labels[7:], "another", "coloured")
    with pytest.raises(DataError, match="2 of the 2 images held out for the temperature are among the 9"):
        judge.calibrate(brightest_channel(tmp_path / "m.onnx"), test, held)


def test_an_unknown_corruption_is_found_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no corruption is called 'frog'; did you mean fog"):
        judge.robustness(tmp_path / "absent.onnx", coloured(3, 0), ("frog",), 0)


def test_a_model_for_other_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"tiny\.onnx gives \(2,\) values for an image, but coloured has labels up to 2"
    ):
        judge.calibrate(models.tiny(tmp_path / "tiny.onnx"), coloured(3, 0), None)


def test_a_seed_decides_what_noise_does(tmp_path: Path) -> None:
    """A model that is no longer sure under noise: equal for equal seeds, and worse the stronger the noise is."""
    path, generator = brightest_channel(tmp_path / "m.onnx"), np.random.default_rng(0)
    true = np.arange(300, dtype=np.int64) % 3
    images = np.full((300, 3, 8, 8), 128, np.uint8)
    images[np.arange(300), true] += generator.integers(1, 4, (300, 1, 1), dtype=np.uint8)
    test = Split(images, true, "", "close")
    first, again = (judge.robustness(path, test, ("gaussian_noise",), 1) for _ in range(2))
    assert first == again
    assert first != judge.robustness(path, test, ("gaussian_noise",), 2)
    shares = first["gaussian_noise"]
    assert 1 > shares[0] > shares[4] > 1 / 3


def test_two_files_are_compared(tmp_path: Path) -> None:
    """The other is the same with its logits negated: it answers with the darkest channel."""
    a, b = brightest_channel(tmp_path / "a.onnx"), brightest_channel(tmp_path / "b.onnx", gain=-20.0)
    test = coloured(12, 0, wrong=2)
    found = judge.compare(a, b, test)
    assert (found.a, found.b, found.images, found.dataset_sha256) == ("a", "b", 12, test.sha256)
    assert found.a_sha256 == hashlib.sha256(a.read_bytes()).hexdigest()
    assert found.only_a_right == 10
    assert found.difference == pytest.approx((found.only_b_right - 10) / 12)
    assert judge.compare(a, a, test).p_value == 1.0


def test_halves_share_nothing_and_lose_nothing() -> None:
    split = coloured(11, 0)
    one, other = judge.halves(split, 0)
    assert (len(one.labels), len(other.labels)) == (6, 5)
    rows = {image.tobytes() for image in np.concatenate([one.images, other.images])}
    assert rows == {image.tobytes() for image in split.images}
    assert len({one.sha256, other.sha256, split.sha256}) == 3
    assert judge.halves(split, 0)[0].sha256 == one.sha256
    assert judge.halves(split, 1)[0].sha256 != one.sha256


# The record


def test_the_record_survives_json() -> None:
    figures = CalibrationFigures(0.1, 0.2, 0.3, 0.4)
    calibration = Calibration(40, figures, figures, 1.5, "coloured", 40, "ff")
    found = Quality(
        variant="v",
        sha256="aa",
        dataset="coloured",
        dataset_sha256="bb",
        images=5,
        confusion=((2, 1), (0, 2)),
        per_class=(ClassFigures(3, 1.0, 2 / 3, 0.8), ClassFigures(2, None, None, None)),
        mean_class_accuracy=5 / 6,
        calibration=calibration,
        robustness={"fog": (0.5, 0.4, 0.3, 0.2, 0.1), "jpeg": (0.9, 0.8, 0.7, 0.6, 0.5)},
    )
    assert from_json(Quality, json.loads(json.dumps(to_json(found))), "here") == found
    assert found.top1 == pytest.approx(0.8)
    assert found.corruption_accuracy == {"fog": pytest.approx(0.3), "jpeg": pytest.approx(0.7)}
    assert (found.mean_corruption_accuracy, found.worst_corruption) == (pytest.approx(0.5), "fog")
    paired = Paired("a", "b", "aa", "bb", "coloured", "cc", 10, 1, 3, 0.625, 0.2, -0.2, 0.6)
    assert from_json(Paired, json.loads(json.dumps(to_json(paired))), "here") == paired
    with pytest.raises(UsageError, match="here: unknown key 'p'"):
        from_json(Paired, to_json(paired) | {"p": 1}, "here")
