"""Accuracy trials of both sides to a decision, or to the sentence that says why there is none. Runs nothing."""

from __future__ import annotations

import numpy as np

from harness.analysis.gate.shares import Answers, judge_accuracy
from harness.gating.launches import SIDES, Both
from harness.gating.paired import NO_IMAGES
from harness.model.gate import Decision, Policy
from harness.model.policy import accuracy_rule


def judged(cell: str, found: Both | str, policy: Policy, alarm: float) -> Decision | str:
    """A sentence where accuracy was not measured and no rule requires it; required, that is invalid."""
    rule = accuracy_rule(policy, cell)
    if rule is None:
        return ""
    reason = found if isinstance(found, str) else _unusable(found)
    if reason:
        said = f"top-1 is not compared: {reason}"
        if rule.required:
            return Decision(cell, rule.metric, "invalid", 0, said)
        return said if reason == NO_IMAGES else f"{cell}: {said}"
    assert not isinstance(found, str)  # noqa: S101  # it would be a reason
    labels, before, after = (
        np.asarray(column, np.int64)
        for column in (found[0].outputs.label, found[0].outputs.top1, found[1].outputs.top1)
    )
    return judge_accuracy(cell, rule, Answers(labels, before, after), alarm, policy.beta)


def _unusable(found: Both) -> str:
    for side, trial in zip(SIDES, found, strict=True):
        if trial.status == "failed":
            return f"the {side} failed: {trial.message.splitlines()[0]}"
        if not len(trial.outputs.top1) or len(trial.outputs.top1) != len(trial.outputs.label):
            return f"the {side} predicted nothing"
        if not trial.outputs.finite:
            return f"the {side} gave NaN or infinity"
    if found[0].dataset_sha256 != found[1].dataset_sha256 or found[0].outputs.label != found[1].outputs.label:
        return "the two sides saw other images"
    return ""
