"""Options to a plan, with what is needed to carry it out. Asks no board: what is wrong with the input is said here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import harness
from harness import registry, rounds
from harness.board import pack
from harness.board.offered import offered
from harness.datasets import cifar10
from harness.datasets.split import Split
from harness.errors import DataError
from harness.model.case import Plan, Suite
from harness.model.codec import Json, to_json
from harness.model.device import check_device
from harness.options import Options
from harness.plan import Choice, Instrument, chosen, make_plan, wanted_forms
from harness.registry import Target
from harness.resolve import Resolution, adhoc_suite, parse_shapes, resolve


@dataclass(frozen=True)
class Planned:
    """A plan with what is needed to carry it out. `split`: the accuracy images, where they are at hand. told: what the
    board answered when it was asked."""

    plan: Plan
    target: Target
    resolution: Resolution
    split: Split | None
    told: Mapping[str, Json] = field(default_factory=dict)


def suite_of(options: Options) -> tuple[Suite, Path]:
    """The suite or the user's own models, with the chosen variants alone: a broken file of a variant that was not asked
    for must stop nobody. And the folder of its artifacts."""
    if options.models:
        suite, folder = adhoc_suite(options.models, parse_shapes(options.shapes)), Path.cwd() / "(no suite)"
    else:
        suite, folder = registry.load_suite(options.suite)
    names = [variant.name for variant in suite.variants]
    variants = tuple(chosen("variant", suite.variants, names, options.variants))
    return dataclasses.replace(suite, variants=variants), folder


def plan_run(options: Options, target: Target) -> Planned:
    """Everything that can be decided without the board. UsageError and its kin for whatever is wrong with the input."""
    return plan_suite(*suite_of(options), options, target)


def plan_suite(suite: Suite, folder: Path, options: Options, target: Target) -> Planned:
    """As plan_run, of a suite that is at hand."""
    check_device(target.device, offered(), target.file)
    split = _accuracy_images(options) if suite.dataset == cifar10.NAME else None
    choice = Choice(
        until=rounds.asked(suite, options),
        variants=options.variants,
        scenarios=options.scenarios,
        quick=options.quick,
        seed=options.seed,
        accuracy=split is not None,
        budget_s=options.budget_s,
        sustain_s=options.sustain_s,
        backends=options.backends,
    )
    resolution = resolve(suite, folder, options.cache, wanted_forms(suite, target.device, choice))
    instrument = Instrument(harness.__version__, pack.archive()[1])
    return Planned(make_plan(suite, target.device, resolution.artifacts, choice, instrument), target, resolution, split)


def downloaded(options: Options) -> Options:
    """The same once what --download asks for is there: several boards' processes must not each fetch it."""
    if options.download and suite_of(options)[0].dataset == cifar10.NAME:
        cifar10.fetch(options.data)
    return dataclasses.replace(options, download=False)


def _accuracy_images(options: Options) -> Split | None:
    """The test split, or None where it is absent and was not asked for. DataError where it is altered."""
    if options.download:
        cifar10.fetch(options.data)
    try:
        cifar10.find(options.data)
    except DataError:
        if options.data_named:
            raise
        return None
    return cifar10.load_test(options.data)


def plan_json(plan: Plan) -> object:
    """A plan as JSON values, for `plan --json`."""
    return {"schema": "harness.plan/1", "id": plan.id, **to_json(plan)}
