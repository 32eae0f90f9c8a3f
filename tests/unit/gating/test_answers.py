"""Two accuracy trials to a decision, and what becomes of those that say nothing."""

from __future__ import annotations

from harness.gating import answers
from harness.gating.paired import NO_IMAGES
from harness.model.gate import Decision, Policy, Rule
from harness.model.policy import DEFAULT
from harness.model.trial import Outputs
from tests.support.host_side import column, trial

REQUIRED = Policy((Rule("accuracy_top1", 0.001, 0.005),))
OTHERS = Policy((Rule("latency_p50_s", 0.02, 0.05),))


def predicted(top1: list[int], labels: list[int], **changes):
    outputs = Outputs(top1=column(top1), label=column(labels), finite=changes.pop("finite", True))
    return trial(mode="accuracy", outputs=outputs, **changes)


def decided(before, after, policy: Policy = REQUIRED) -> Decision:
    found = answers.judged("a", (before, after), policy, 0.01)
    assert isinstance(found, Decision)
    return found


def test_the_same_answers_to_many_images_pass() -> None:
    labels = [0] * 5000
    found = decided(predicted(labels, labels), predicted(labels, labels))
    assert (found.outcome, found.n, found.change) == ("pass", 5000, 0.0)


def test_a_tenth_lost_is_a_regression() -> None:
    labels = [0] * 1000
    found = decided(predicted(labels, labels), predicted([1] * 100 + [0] * 900, labels))
    assert (found.outcome, found.baseline, found.candidate) == ("regression", 1.0, 0.9)


def test_what_says_nothing_is_invalid_where_it_is_required() -> None:
    labels = [0, 1]
    good = predicted(labels, labels)
    for bad, words in (
        (predicted([], []), "the candidate predicted nothing"),
        (predicted(labels, labels, finite=False), "the candidate gave NaN or infinity"),
        (predicted(labels, [1, 0]), "the two sides saw other images"),
        (predicted(labels, labels, dataset_sha256="b"), "the two sides saw other images"),
        (trial(mode="accuracy", status="failed", message="it died\nthere"), "the candidate failed: it died"),
    ):
        found = decided(good, bad)
        assert found.outcome == "invalid"
        assert words in found.reason


def test_the_default_policy_only_notes_it_and_others_do_not_ask() -> None:
    assert answers.judged("a", NO_IMAGES, DEFAULT, 0.01) == f"top-1 is not compared: {NO_IMAGES}"
    assert answers.judged("a", "it failed", DEFAULT, 0.01) == "a: top-1 is not compared: it failed"
    assert answers.judged("a", NO_IMAGES, OTHERS, 0.01) == ""
