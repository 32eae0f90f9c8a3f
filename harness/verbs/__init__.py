"""One function per verb: options in, exit code out. Owns which stages a verb strings together, and what is printed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, BuildError, UsageError
from harness.model.backend import Form
from harness.model.codec import to_json
from harness.options import Options
from harness.verbs import boards, imports
from harness.verbs.compare import compare
from harness.verbs.gate import baseline, gate
from harness.verbs.history import history
from harness.verbs.output import write_json, write_report
from harness.verbs.run import plan, run

if TYPE_CHECKING:
    from harness.variants.proof import Check

Verb = Callable[[Options, argparse.Namespace], int]


def report(options: Options, parsed: argparse.Namespace) -> int:
    """Write the report of each named run."""
    from harness import attachments, console, stages
    from harness.outcome.files import check_folder
    from harness.store import store

    folders = [store.find_run(options.results, name) for name in parsed.runs]
    check_folder(parsed.out, "--out")
    if options.power_log:
        if len(folders) > 1:
            raise UsageError("--power-log belongs to one run: name one")
        console.message(attachments.attach(folders[0], options.power_log))
    for folder in folders:
        console.plain(str(write_report(*stages.conclude(folder), parsed.format, parsed.out)))
    return EXIT_DONE


def build(options: Options, parsed: argparse.Namespace) -> int:
    """Build what is missing of a suite; with --release, lock it beside the suite; with --check, prove what is locked.

    3 where a check failed or could not be made.
    """
    if parsed.form:
        return _build_forms(options, parsed.form)
    if options.models:
        raise UsageError("--model belongs to --form; a suite's variants are built from their recipes")
    from harness import console, registry
    from harness.datasets import cifar10

    suite, folder = registry.load_suite(options.suite)
    from harness.variants import build as building
    from harness.variants import proof
    from harness.variants import release as releasing
    from harness.variants.workplace import Site, data_in

    if options.download and suite.dataset == cifar10.NAME:
        cifar10.fetch(options.data)
    site = Site(suite, data_in(options.data), options.cache, folder.parent, console.message)
    if parsed.check:
        options.cache.mkdir(parents=True, exist_ok=True)
        files = proof.check_files(site, options.variants, folder.parent)
        if not files:
            console.plain(
                f"{suite.name} releases nothing: none of its variants is trained, so there is nothing to check"
            )
            return EXIT_DONE
        _print_checks(f"{suite.name}: are these the released files?", files)
        answers = proof.check_answers(site, options.variants, folder.parent, options.data_named)
        if answers:
            _print_checks(f"{suite.name}: is what was said of them still true?", answers)
        return EXIT_DONE if all(one.good for one in (*files, *answers)) else EXIT_NOTHING_VALID
    built = building.build(site, options.variants, anew=parsed.anew)
    if parsed.release:
        built = releasing.release(site, list(options.variants) or list(built), folder.parent)
    for name, facts in built.items():
        accuracy = f"top-1 {facts.accuracy.top1:.2%}" if facts.accuracy else facts.accuracy_missing or ""
        console.plain(f"{name}: {facts.size_bytes / 1e6:.2f} MB, {accuracy}, sha256 {facts.sha256[:16]}")
    return EXIT_DONE


def _build_forms(options: Options, form: Form) -> int:
    """The named variants, or the user's own models, as programs for torch; what has none is said, and is 3."""
    from harness import console, planning
    from harness.plan import Resolved
    from harness.resolve import resolve
    from harness.variants.forms import make

    suite, folder = planning.suite_of(options)
    resolution = resolve(suite, folder, options.cache)
    code = EXIT_DONE
    for name, resolved in resolution.artifacts.items():
        try:
            if not isinstance(resolved, Resolved):
                raise BuildError(f"{name}: {resolved}")
            source = resolution.sources[name]
            made = make(options.cache, resolved.facts, source.folder / source.files[0], form)
            console.plain(f"{name}: {made.path}, {made.size_bytes / 1e6:.2f} MB, sha256 {made.sha256[:16]}")
        except BuildError as error:
            code = EXIT_NOTHING_VALID
            console.message(str(error))
    return code


def _print_checks(title: str, checks: Sequence[Check]) -> None:
    from harness import console

    rows = [(one.variant, one.what, one.state, one.found) for one in checks]
    console.print_rows(title, ("variant", "what", "", "found"), rows)


def judge(options: Options, parsed: argparse.Namespace) -> int:
    """Judge what is built of a suite beyond top-1; with --release, enter it in the file beside the suite.

    3 where nothing could be judged.
    """
    from harness import console, registry
    from harness.artifacts.quality_file import (
        Qualities,
        check_comparable,
        merged,
        quality_path,
        read_qualities,
        write_qualities,
    )
    from harness.datasets.corruptions import TABLE as CORRUPTIONS
    from harness.outcome.files import check, is_stdout
    from harness.report.quality import paired_rows, quality_rows
    from harness.variants.quality.suite import How, judge_suite
    from harness.variants.workplace import Site, data_in

    check({"--json": options.json})
    suite, folder = registry.load_suite(options.suite)
    site = Site(suite, data_in(options.data), options.cache, folder.parent, console.message)
    how = How(tuple(parsed.corruption or CORRUPTIONS), parsed.images, options.seed)
    path = quality_path(folder.with_suffix(".py"))
    known = (read_qualities(path) if parsed.release else None) or Qualities(options.seed)
    wanted = {one.name for one in suite.variants}
    known = replace(
        known,
        qualities=tuple(one for one in known.qualities if one.variant in wanted),
        paired=tuple(one for one in known.paired if {one.a, one.b} <= wanted),
    )
    if options.variants:  # said now, and not after hours of judging
        others = tuple(one for one in known.qualities if one.variant not in options.variants)
        check_comparable(replace(known, qualities=others), how.seed, how.images, how.corruptions, path)
    found = judge_suite(site, options.variants, how)
    if not found.qualities:
        console.message(
            f"harness: nothing of {suite.name} was judged: {'see above' if options.variants else 'build it'}"
        )
        return EXIT_NOTHING_VALID
    if not is_stdout(options.json):
        console.print_rows(f"{suite.name}: beyond top-1", *quality_rows(found.qualities))
        if found.paired:
            console.print_rows("Right or wrong on the same images", *paired_rows(found.paired))
    if parsed.release:
        write_qualities(path, merged(known, found, path))
    if options.json is not None:
        write_json(to_json(found), options.json)
    return EXIT_DONE


TABLE: Mapping[str, Verb] = {
    "plan": plan,
    "run": run,
    "report": report,
    "devices": boards.devices,
    "doctor": boards.doctor,
    "build": build,
    "judge": judge,
    "compare": compare,
    "gate": gate,
    "baseline": baseline,
    "history": history,
    "import": imports.import_file,
}
