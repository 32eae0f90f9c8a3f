"""Checks of what the timed model computed: finite, the reference's output, the lock's accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from harness.analysis.context import Context
from harness.model.case import Signature
from harness.model.verdict import Finding

# Root mean square difference to the reference, as a share of its extent, by declared precision. Seen between graphs
# with and without optimizations: 2e-6 in fp32, and 1.5 % in int8, whose kernels round a few steps of 1/255 differently.
SIGNATURE_TOLERANCE = {"fp32": 1e-3, "scripted": 1e-3, "fp16": 1e-2}
WIDEST_TOLERANCE = 0.05
# An accuracy measured here may differ from the lock's by the rounding of other kernels, not by more.
ACCURACY_TOLERANCE = 0.005


def output_not_finite(context: Context) -> Iterator[Finding]:
    """NaN or infinity in the output of a timed run, or among the logits of the accuracy mode."""
    finished = [trial for trial in context.record.trials if trial.status == "ok"]
    bad = [trial for trial in finished if not trial.outputs.finite]
    if bad:
        yield Finding(
            "output_not_finite",
            "invalid",
            f"the output of {len(bad)} of {len(finished)} trials holds NaN or infinity",
            "check the model's weights and the input range it expects; speed over broken numbers means nothing",
        )


def output_mismatch(context: Context) -> Iterator[Finding]:
    """The timed model against the reference output for the same seeded input."""
    expected = context.artifact.signature
    finite = [trial for trial in context.timed if trial.outputs.finite and trial.outputs.signature]
    if expected is None or not finite:
        return
    worst = max(_distance(expected, trial.outputs.signature) for trial in finite)
    if worst > SIGNATURE_TOLERANCE.get(context.record.case.precision, WIDEST_TOLERANCE):
        yield Finding(
            "output_mismatch",
            "invalid",
            f"the timed run's output differs from the reference ({expected.source}) by {worst:.1%} of its range",
            "the runtime does not compute this model; try another version or provider",
        )


def output_not_checked(context: Context) -> Iterator[Finding]:
    """Timed runs whose output could not be held against anything."""
    if not context.timed or context.record.case.precision == "scripted":
        return
    silent = [trial for trial in context.timed if not trial.outputs.signature]
    if context.artifact.signature is None or silent:
        yield Finding(
            "output_not_checked",
            "note",
            "there is no reference output" if not silent else f"{len(silent)} launches gave no numbers to check",
            "that the timed model computes the right thing is not shown",
        )


def accuracy_differs(context: Context) -> Iterator[Finding]:
    """Accuracy measured here against the one recorded for exactly this artifact."""
    known, measured = context.artifact.accuracy, context.accuracy
    if context.record.case.precision != context.artifact.precision:
        return  # the lock says nothing of what a backend made of it
    if known is None or measured is None or measured.n != known.images or not measured.method.startswith("measured"):
        return
    difference = measured.point - known.top1
    if abs(difference) > ACCURACY_TOLERANCE:
        yield Finding(
            "accuracy_differs",
            "invalid",
            f"top-1 is {measured.point:.2%} here and {known.top1:.2%} in the lock, for the same bytes",
            "the runtime on this device computes something else; compare its version with the lock's",
        )


def _distance(expected: Signature, found: Sequence[float]) -> float:
    """Root mean square difference as a share of the reference's range; 1 where the shapes differ.

    Not the largest: where a quantizer has few steps, a tie that another kernel rounds the other way moves one value by
    8 % of the range while 97 % of the values are equal (one QDQ convolution, onnxruntime's own two graphs).
    """
    if len(expected.values) != len(found):
        return 1.0
    reference, values = np.asarray(expected.values), np.asarray(found)
    # Where the range is nothing beside the values (a single one, say), rounding alone fills it: size is the scale.
    extent, size = float(np.ptp(reference)), float(np.abs(reference).max())
    extent = extent if extent > 1e-4 * size else max(size, 1e-12)
    return math.sqrt(float(np.mean((reference - values) ** 2))) / extent
