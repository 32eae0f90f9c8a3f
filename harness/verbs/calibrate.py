"""What `doctor --calibrate` prints. Owns its table and words; harness.calibrating measures."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, UsageError
from harness.model.metrics import REGISTRY
from harness.options import Options
from harness.registry import targets
from harness.verbs.output import write_json

if TYPE_CHECKING:
    from harness.analysis.gate.calibration import Floor
    from harness.calibrating import Calibrated

HEADINGS = (
    "metric", "bias, 95 %", "sigma", "carried over", "launches to find the limit", "found in 15 s", "in 60 s"
)  # fmt: skip


def calibrate(options: Options, parsed: argparse.Namespace) -> int:
    """One board's noise floor. 3 where a gate there is not to be trusted."""
    from harness import calibrating, console
    from harness.outcome.files import check, is_stdout

    if len(options.devices) > 1:
        raise UsageError(f"--calibrate is of one board at a time; {len(options.devices)} devices are given")
    check({"--json": options.json})
    (target,) = targets(options)
    with console.RunView() as view:
        measured = calibrating.calibrate(options, target, view.board(""), parsed.launches)
    path = calibrating.keep(measured, options.cache)
    if not is_stdout(options.json):
        found = measured.found
        title = f"{target.device.title}: {measured.model} against itself, {found.n} launches of {found.launch_s:.2f} s"
        console.print_rows(title, HEADINGS, [row(one) for one in found.floors])
        for line in sentences(measured):
            console.plain(line)
    console.message(f"stored in {path}")
    for reason in measured.reasons:
        console.message(f"harness: a gate is not to be trusted here: {reason}")
    if options.json is not None:
        write_json(calibrating.as_json(measured), options.json)
    return EXIT_NOTHING_VALID if measured.reasons else EXIT_DONE


def row(floor: Floor) -> tuple[str, ...]:
    """A metric's line of the table."""
    needed = "over 60" if floor.launches is None else f"{floor.launches} ({floor.seconds:.0f} s)"
    found = [_share(value) for value in floor.found.values()]
    bias = f"{floor.bias:+.2%} ({floor.low:+.2%} to {floor.high:+.2%})"
    return REGISTRY[floor.metric].label, bias, f"{floor.sigma:.2%}", f"{floor.carried:+.2f}", needed, *found


def sentences(measured: Calibrated) -> Iterator[str]:
    """What stands under the table."""
    from harness.analysis.gate.calibration import FAMILY

    found = measured.found
    yield (
        f"launches: of a look, and as many seconds with the confirmation; found: the smallest slowdown that a gate of "
        f"one model finds and confirms in that time, 95 times in 100; both for a family of {FAMILY} metrics"
    )
    if found.floors:
        yield (
            f"{found.gates} gates resampled from these launches: {found.alarms:.2%} report a regression, "
            f"{found.passes:.1%} pass"
        )
    yield f"{found.drop} inferences are left out at the head of a block; {found.order}"
    for metric, reason in found.absent.items():
        yield f"{REGISTRY[metric].label} has no floor: {reason}"


def _share(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.1%}"
