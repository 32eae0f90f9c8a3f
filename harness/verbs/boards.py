"""The verbs about boards themselves: which there are, whether a file or a board is right, and what is kept there."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from harness import registry
from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, BoardBusy
from harness.model.backend import SCRIPTED
from harness.model.device import Device, check_device
from harness.model.site import Site
from harness.options import Options
from harness.registry import Target
from harness.verbs.each import each

if TYPE_CHECKING:
    from harness.board.keeping import Kept


def devices(options: Options, parsed: argparse.Namespace) -> int:
    """List boards; or check a device's file; or list and remove what is kept on a board."""
    action = {None: _list, "check": _check, "clean": _clean}[parsed.action]
    return action(options, parsed)


def _list(options: Options, _parsed: argparse.Namespace) -> int:
    """Registered boards and sites. Reads files alone, and so starts fast, unless there are addresses to be asked."""
    sites = registry.load_sites(options)
    answers = _answers(sites)
    lines = []
    for name in registry.device_names():
        device = registry.load_device(name)
        lines.append((name, device.title, *_where(device, sites.get(name), answers)))
    for name, site in sites.items():
        if site.device and site.device != name:
            lines.append((name, f"a {site.device}", *_where(None, site, answers)))
    _print_aligned(lines)
    return EXIT_DONE


def _answers(sites: Mapping[str, Site]) -> Mapping[str, str | None]:
    if not sites:
        return {}
    from harness.board.reach import unreachable

    return unreachable(list(sites.values()))


def _where(device: Device | None, site: Site | None, answers: Mapping[str, str | None]) -> tuple[str, str]:
    if site is not None:
        why_not = answers[site.name]
        return site.address, "reachable" if why_not is None else f"not reachable: {why_not}"
    if device is not None and device.transport == "local":
        return "this machine", "reachable"
    return "no address", f"give one with --host, or in {registry.SITES_FILE}"


def _check(_options: Options, parsed: argparse.Namespace) -> int:
    """Print what a device file says. DeviceFileError where it is wrong."""
    from harness.board.offered import offered

    device = registry.load_device(parsed.file)
    check_device(device, offered(), parsed.file)
    _print_aligned(_understood(device))
    return EXIT_DONE


def _understood(device: Device) -> Iterable[tuple[str, str]]:
    yield device.name, device.title
    yield "reached", "as this machine" if device.transport == "local" else "over ssh"
    yield "identity", ", ".join(device.identity) or "any machine"
    yield "backends", ", ".join(device.backends)
    for name, runtime in device.runtimes.items():
        yield f"runtime {name}", f"{runtime.oldest} or later{f'; {runtime.install}' if runtime.install else ''}"
    yield "collectors", ", ".join(device.collectors)
    for total in device.power.totals:
        yield "energy", f"{' + '.join(total.channels)} ({total.scope})"
    if not device.power.totals:
        yield "energy", "none: no total is named"
    asked = device.state.asked()
    yield "state", ", ".join(f"{name} {value}" for name, value in asked.items()) or "left as it is found"
    yield "power modes", ", ".join(device.power_modes) or "not listed: any name is taken"
    settle = device.settle
    start = f", start at or below {settle.start_below_c:g} degC" if settle.start_below_c is not None else ""
    yield "settling", f"up to {settle.deadline_s:g} s{start}" if settle.deadline_s else "not waited for"
    limits = device.limits
    yield "limits", f"{limits.temperature_c:g} degC; other programs {limits.other_load_cores:g} cores"
    if limits.supply:
        lowest = f", at least {limits.supply_lowest_v:g} V" if limits.supply_lowest_v is not None else ""
        yield "supply", f"{limits.supply}{lowest}"


def _print_aligned(rows: Iterable[Sequence[str]]) -> None:
    """Columns, as wide as they need to be; the last one may be long."""
    table = list(rows)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]) - 1)]
    for row in table:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*padded, row[-1]]))  # noqa: T201  # rich would double the start-up time


def _clean(options: Options, parsed: argparse.Namespace) -> int:
    """What is kept on the boards; with --yes removed, trials with --trials alone: no host has collected them yet.

    3 where something could not be removed.
    """
    return each((target, partial(_clean_one, target, options, parsed)) for target in registry.targets(options))


def _clean_one(target: Target, options: Options, parsed: argparse.Namespace) -> int:
    from harness import console, stages
    from harness.board import keeping

    code = EXIT_DONE
    transport = stages.board_of(target, options.cache, options.leases).transport
    try:
        kept = keeping.listing(transport)
        _print_kept(f"{target.name}: {transport.folder}", kept)
        doomed = [one for one in kept if parsed.trials or one.kind != "trials"]
        if parsed.yes and doomed:
            failed = keeping.remove(transport, [one.name for one in doomed])
            for name, reason in failed:
                console.message(f"harness: {target.name}: {name} was not removed: {reason}")
                code = EXIT_NOTHING_VALID
            console.message(f"{target.name}: {len(doomed) - len(failed)} of {len(kept)} entries removed")
        elif doomed:
            console.message(f"{target.name}: --yes removes {len(doomed)} of {len(kept)} entries")
        if len(doomed) < len(kept):
            fix = "the run's own command collects them; --trials removes them too"
            console.message(f"{target.name}: trials stay that no host has collected: {fix}")
    except BoardBusy as busy:
        raise BoardBusy(f"{target.name}: {busy}") from None
    finally:
        transport.close()
    return code


def _print_kept(title: str, kept: Sequence[Kept]) -> None:
    from harness import console

    if kept:
        console.print_rows(title, ("entry", "size", "age", ""), [_kept_row(one) for one in kept])
    else:
        console.plain(f"{title}: nothing is kept there")


def _kept_row(one: Kept) -> tuple[str, str, str, str]:
    finished = "" if one.finished is None else f"{one.finished} finished trials"
    return one.name, _shown_size(one.size_bytes), _shown_age(one.age_s), finished


def _shown_size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e5 else f"{size_bytes / 1e3:.1f} kB"


def _shown_age(age_s: float) -> str:
    for unit, seconds in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if age_s >= 2 * seconds:
            return f"{age_s / seconds:.0f} {unit}"
    return f"{age_s:.0f} s"


def doctor(options: Options, parsed: argparse.Namespace) -> int:
    """Ask each board, print every check with its fix. 3 where on one of them no backend could run a model, or another
    run is measuring: that would be disturbed by whoever asks more. --calibrate: measure the board's own noise instead.
    """
    if parsed.calibrate:
        from harness.verbs.calibrate import calibrate

        return calibrate(options, parsed)
    return each((target, partial(_examine, target, options)) for target in registry.targets(options))


def _examine(target: Target, options: Options) -> int:
    from harness import console, occupied, stages
    from harness.board.runner import examine as examine_board
    from harness.board.runner import holder
    from harness.doctor import examine, in_use

    board = stages.board_of(target, options.cache, options.leases)
    fit = False
    try:
        found = holder(board)
        if found is not None:
            checks = [in_use(occupied.in_use(found))]
        else:
            answer = stages.ask(board, target.name, examine_board)
            checks = examine(target.device, answer)
            fit = bool(set(answer["backends"]) - {SCRIPTED})
    finally:
        board.transport.close()
    rows = [(check.state, check.name, check.found, check.fix) for check in checks]
    console.print_rows(f"{target.device.title}: fit to measure?", ("state", "check", "found", "what to do"), rows)
    warnings = sum(row[0] != "good" for row in rows)
    console.message(f"{len(rows) - warnings} of {len(rows)} checks are good")
    return EXIT_DONE if fit else EXIT_NOTHING_VALID
