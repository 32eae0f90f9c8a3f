"""What the example run lacks: answers over images, what is recorded of files, a runtime's account, the files' contents.

Added to any result and records of tests.support.example_run. Ten classes of CIFAR-10; every number follows from the
variant's name and one seed, so that a test can say what it expects.
"""

from __future__ import annotations

import hashlib
import zlib
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.datasets import cifar10
from harness.datasets.confusion import class_figures, mean_class_accuracy
from harness.model.case import Part
from harness.model.quality import Calibration, CalibrationFigures, Quality
from harness.model.trial import Outputs, Record, Trial
from harness.model.verdict import RunResult

CLASSES = len(cifar10.CLASSES)
PER_CLASS = 100
Counts = NDArray[np.int64]
Run = tuple[RunResult, dict[str, Record]]


def counts_of(variant: str, per_class: int = PER_CLASS, classes: int = CLASSES) -> Counts:
    """A confusion matrix that is the variant's own: about nine in ten right, the neighbours taken most often."""
    random = np.random.default_rng(zlib.crc32(variant.encode()))
    rows = []
    for label in range(classes):
        weights = np.full(classes, 0.004)
        weights[(label + 1) % classes] += 0.03 + 0.03 * random.random()
        weights[label] = 0.90 + 0.03 * random.random()
        rows.append(random.multinomial(per_class, weights / weights.sum()))
    return np.array(rows, dtype=np.int64)


def images_of(counts: Counts) -> tuple[array[float], array[float]]:
    """Answers and labels, image by image, that add up to these counts."""
    true, predicted = np.indices(counts.shape)
    many = counts.ravel()
    columns = (np.repeat(side.ravel(), many).astype(np.float64) for side in (predicted, true))
    top1, label = (array("d", column.tobytes()) for column in columns)
    return top1, label


def with_answers(run: Run, counts: Mapping[str, Counts], dataset_sha256: str | None = cifar10.TEST_SHA256) -> Run:
    """The run with a pass over images for each named variant, whose answers add up to its counts."""
    result, records = run
    found = dict(records)
    for key, record in records.items():
        if record.case.variant in counts:
            own = counts[record.case.variant]
            top1, label = images_of(own)
            # Two logits a class would do; a model tells its classes by how many there are.
            outputs = Outputs(top1=top1, label=label, logits=array("d", bytes(8 * len(top1) * len(own))))
            trial = replace(_bare(record), outputs=outputs, dataset_sha256=dataset_sha256)
            found[key] = replace(record, trials=(*record.trials, trial))
    return result, found


def _bare(record: Record) -> Trial:
    """A pass over images: nothing of it is timed."""
    return Trial(
        id=f"{record.case.id}-accuracy",
        run="20260314-092653-pi4",
        case=record.case,
        mode="accuracy",
        launch=0,
        order=9000,
        started_utc="2026-03-14T10:00:00+00:00",
        status="ok",
    )


def quality_of(variant: str, sha256: str, counts: Counts, dataset: str = cifar10.NAME) -> Quality:
    """What would be recorded of a file with these answers."""
    figures = CalibrationFigures(ece=0.031, adaptive_ece=0.03, nll=0.25, brier=0.1)
    return Quality(
        variant=variant,
        sha256=sha256,
        dataset=dataset,
        dataset_sha256=cifar10.TEST_SHA256,
        images=int(counts.sum()),
        confusion=tuple(tuple(row) for row in counts.tolist()),
        per_class=class_figures(counts),
        mean_class_accuracy=mean_class_accuracy(counts),
        calibration=Calibration(int(counts.sum()), figures, missing="no images were held out"),
    )


def with_recorded_answers(run: Run, counts: Mapping[str, Counts]) -> Run:
    """The run with what is recorded of the named variants' files."""
    result, records = run
    cases = tuple(
        replace(one, quality=quality_of(one.case.variant, one.artifact.sha256, counts[one.case.variant]))
        if one.case.variant in counts
        else one
        for one in result.cases
    )
    return replace(result, cases=cases), records


def kernel(op: str, precision: str, duration_s: float, count: float = 1.0, provider: str = "CPU") -> dict[str, object]:
    """One line of a runtime's account, as harness.agent.backends gives it."""
    return {"op": op, "provider": provider, "precision": precision, "count": count, "duration_s": duration_s}


FLOAT_ACCOUNT = (kernel("Conv", "float", 6e-4, 12), kernel("Relu", "float", 3e-4, 11), kernel("Gemm", "float", 1e-4))
INT8_ACCOUNT = (
    kernel("QLinearConv", "uint8", 1.5e-4, 12),
    kernel("QuantizeLinear", "float", 0.6e-4, 1),
    kernel("Softmax", "float", 0.9e-4, 1),
)


def with_accounts(run: Run, accounts: Mapping[str, Iterable[Mapping[str, object]]]) -> Run:
    """The run with the runtime's account in the first launch of each named variant."""
    result, records = run
    found = dict(records)
    for key, record in records.items():
        if record.case.variant in accounts:
            first, *others = record.trials
            facts = {**first.environment.facts, "operators": [dict(one) for one in accounts[record.case.variant]]}
            told = replace(first, environment=replace(first.environment, facts=facts))
            found[key] = replace(record, trials=(told, *others))
    return result, found


def with_parts(run: Run, variants: Iterable[str]) -> Run:
    """The run with what the bytes of each named variant's file hold: they add up to its size."""
    result, records = run
    named = set(variants)
    cases = tuple(
        replace(one, artifact=replace(one.artifact, composition=parts_of(one.artifact.size_bytes, one.case.precision)))
        if one.case.variant in named
        else one
        for one in result.cases
    )
    return replace(result, cases=cases), records


def parts_of(size_bytes: int, precision: str) -> tuple[Part, ...]:
    """Nine tenths convolutions, some of the rest for each of the others; the graph has what is left."""
    dtype = "int8" if precision == "int8" else "fp16"
    values = (Part("values", size_bytes * 9 // 10, "Conv", dtype), Part("values", size_bytes // 20, "Gemm", dtype))
    metadata = Part("metadata", 912)
    graph = Part("graph", size_bytes - sum(part.size_bytes for part in (*values, metadata)))
    return (*values, graph, metadata)


def full_run(run: Run) -> Run:
    """Everything at once: answers measured for the first variants, recorded for another, accounts, contents."""
    run = with_answers(run, {name: counts_of(name) for name in ("fast", "fast-int8")})
    run = with_recorded_answers(run, {"wide": counts_of("wide", 1000)})
    run = with_accounts(run, {"fast": FLOAT_ACCOUNT, "fast-int8": INT8_ACCOUNT, "wide": FLOAT_ACCOUNT})
    return with_parts(run, ("fast", "fast-int8", "wide"))


def many(run: Run, count: int) -> Run:
    """The run's first case, so many times over: each of another variant and file, with the same record."""
    result, records = run
    first = result.cases[0]
    cases, found = [], {}
    for number in range(count):
        sha256 = hashlib.sha256(str(number).encode()).hexdigest()
        case = replace(first.case, variant=f"variant-{number}", artifact_sha256=sha256)
        artifact = replace(first.artifact, variant=case.variant, sha256=sha256, role="", parent=None)
        cases.append(replace(first, case=case, artifact=artifact))
        found[case.id] = replace(records[first.case.id], case=case)
    return replace(result, cases=tuple(cases)), found
