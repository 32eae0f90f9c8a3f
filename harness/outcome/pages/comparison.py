"""The page of a comparison: ratios as a forest, the whole table, what differs, what could not be compared and why.

Of several comparisons with one baseline, each candidate has a letter. Owns the page's order; compares nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from harness.model.codec import Json
from harness.model.gate import Comparison, GateResult
from harness.outcome.compared import Compared, Side, comparisons_json, counts, ordered, unclear, without, word
from harness.outcome.pages import gate as gate_page
from harness.outcome.pages.marks import MARKS, facts_table
from harness.outcome.pages.ratios import Pair, change, families, tables
from harness.outcome.pages.raw import raw
from harness.outcome.ranking import label
from harness.report.blocks import Block, Cell, Commands, Name, Paragraph, Section, Table
from harness.report.cards import Card, commit_text
from harness.report.conditions import command_line, flattened
from harness.report.html import page
from harness.report.names import isolated
from harness.report.rows import mark_number

# Of cells with a sentence above the fold, and of the metrics in one.
MOST_SENTENCES = 30
_MOST_NAMED = 4
# Of facts as they are stored.
_WORDS = {
    "started_utc": "started (UTC)", "finished_utc": "finished (UTC)", "commit_dirty": "uncommitted changes",
    "harness_version": "harness", "agent_sha256": "agent SHA-256",
}  # fmt: skip
NOT_JUDGED = (
    "The boards differ, and that was allowed: the ratios say how the boards compare, with what runs on them, and none "
    "of them is a verdict on a change."
)


def comparison_page(found: Sequence[Compared], command: Sequence[str], decision: GateResult | None = None) -> str:
    """Of one comparison, or of several with one baseline. command: the line that made the page; decision: of a gate
    between the two sides of the only comparison. The same bytes for the same values."""
    letters = [""] if len(found) == 1 else [mark_number(index + 1).upper() for index in range(len(found))]
    pairs = [Pair(one, letter) for one, letter in zip(found, letters, strict=True)]
    sections = [*families(pairs), *tables(pairs), _differing(pairs), _not_compared(pairs), *_gate(pairs, decision)]
    sections += [_provenance(pairs), _again(command)]
    heads = [f"{one.letter + ': ' if one.letter else ''}{_counted(one)}" for one in pairs]
    return page(
        _card(found, "; ".join(heads)), sections, raw(comparisons_json(found)),
        baseline=found[0].baseline.name, candidates=[(one.letter, one.found.candidate.name) for one in pairs],
        heads=heads, sides=_sides(pairs), sentences=list(_sentences(pairs)), more=_left_out(pairs),
        alerts=_alerts(pairs), refused="",
    )  # fmt: skip


def refused_page(names: Sequence[str], reason: str, command: Sequence[str]) -> str:
    """Of what was not compared: the names as they were asked for, and why."""
    sections = [_again(command)]
    candidates = [("", name) for name in names[1:]]
    card = Card("comparison", f"{', '.join(names[1:])} against {names[0]}", counts="not compared")
    return page(
        card, sections, {"refused": reason}, baseline=names[0], candidates=candidates, heads=["not compared"],
        sides=[("", name, "") for name in names], sentences=[], more="", alerts=[], refused=reason,
    )  # fmt: skip


def _card(found: Sequence[Compared], told: str) -> Card:
    sides = [found[0].baseline, *(one.candidate for one in found)]
    facts = [dict(side.facts) for side in sides]

    def each(key: str) -> str:
        return ", ".join(dict.fromkeys(str(one[key]) for one in facts if one.get(key)))

    commits = [commit_text(one.get("commit"), dirty=bool(one.get("commit_dirty"))) for one in facts]
    title = f"{', '.join(side.name for side in sides[1:])} against {sides[0].name}"
    when = max(str(one.get("started_utc") or "") for one in facts)
    return Card(
        "comparison", title, each("suite"), each("device"), when, told, " → ".join(one or "none" for one in commits)
    )


def _sides(pairs: Sequence[Pair]) -> list[tuple[str, str, str]]:
    """Of each side: what it is called here, its name, and what it measured, where, when and of which commit."""
    named = [("baseline", pairs[0].found.baseline)]
    named += [(pair.letter or "candidate", pair.found.candidate) for pair in pairs]
    return [(called, side.name, _when_and_where(side.facts)) for called, side in named]


def _when_and_where(facts: Mapping[str, Json]) -> str:
    """As far as the facts tell it."""
    suite, device, started, commit = (str(facts.get(key) or "") for key in ("suite", "device", "started_utc", "commit"))
    what = " on ".join(one for one in (suite, device) if one)
    when = f"{started[:19].replace('T', ' ')} UTC" if started else ""
    dirty = " with uncommitted changes" if facts.get("commit_dirty") else ""
    return ", ".join(one for one in (what, when, f"commit {commit[:10]}{dirty}" if commit else "") if one)


def _counted(pair: Pair) -> str:
    if pair.judged:
        return counts(pair.found.comparisons)
    compared = sum(one.ratio is not None for one in pair.found.comparisons)
    return f"{compared} metrics side by side, without a verdict"


def _alerts(pairs: Sequence[Pair]) -> list[str]:
    found = []
    for pair in pairs:
        head = f"{pair.letter}: " if pair.letter else ""
        if all(one.ratio is None for one in pair.found.comparisons):
            found.append(f"{head}No metric could be compared; the reasons stand below.")
        if not pair.judged:
            found.append(head + NOT_JUDGED)
        elif allowed := _allowed(pair.found):
            found.append(f"{head}Allowed to differ: {', '.join(allowed)}; what they were stands below.")
    return found


def _allowed(found: Compared) -> tuple[str, ...]:
    """What differs although it may refuse a comparison, by name; the time between two runs never does."""
    names = dict.fromkeys(one.name for one in found.differences if one.name != "time")
    return tuple(name for name in names if "*" in found.allowed or name in found.allowed)


def _sentences(pairs: Sequence[Pair]) -> Iterator[tuple[Name, str]]:
    """For each cell of each comparison: its mark and name, and what it came to; the worst first."""
    told = [(pair, cell, held) for pair in pairs if pair.judged for cell, held in _by_cell(pair).items()]
    gravest = {side: rank for rank, side in enumerate(("worse", "better", "unclear", "same"))}
    ranked = sorted(told, key=lambda one: min((gravest[each.side] for each in one[2]), default=9))
    for pair, cell, held in ranked[:MOST_SENTENCES]:
        side = min((one.side for one in held), key=gravest.__getitem__, default="unclear")
        yield Name(f"{pair.letter} · {cell}" if pair.letter else cell, MARKS[side]), _sentence(held)


def _left_out(pairs: Sequence[Pair]) -> str:
    cells = sum(len(_by_cell(pair)) for pair in pairs if pair.judged)
    return f"{cells - MOST_SENTENCES} more cells stand in the table." if cells > MOST_SENTENCES else ""


def _by_cell(pair: Pair) -> dict[str, list[Comparison]]:
    """Those with a ratio, the worst first, of every cell in the order of the comparison."""
    found: dict[str, list[Comparison]] = {one.cell: [] for one in pair.found.comparisons}
    for one in ordered(pair.found.comparisons):
        found[one.cell].append(one)
    return found


def _sentence(held: Sequence[Comparison]) -> str:
    """What moved, each with its change and interval; of the rest how much came to what."""
    if not held:
        return "nothing could be compared."
    moved = [one for one in held if one.side in ("worse", "better")]
    parts = [f"{label(one.metric)} {word(one)}: {change(one)}" for one in moved[:_MOST_NAMED]]
    if len(moved) > _MOST_NAMED:
        parts.append(f"{len(moved) - _MOST_NAMED} more moved")
    rest = [f"{number} {side}" for side in ("unclear", "same") if (number := sum(one.side == side for one in held))]
    if not moved and any(one.side == "unclear" for one in held):
        return f"no clear change: {', '.join(rest)}."
    return "; ".join([*parts, *rest]) + "."


def _differing(pairs: Sequence[Pair]) -> Section:
    """Every condition that differs, with the candidates in which it does."""
    found: dict[tuple[str, str], list[str]] = {}
    for pair in pairs:
        for one in pair.found.differences:
            found.setdefault((one.name, one.sentence), []).append(pair.letter)
    blocks: tuple[Block, ...] = (Paragraph("None that was recorded.", "none"),)
    if found:
        rows = tuple(
            (f"{name} ({', '.join(letters)})" if letters[0] else name, sentence)
            for (name, sentence), letters in found.items()
        )
        blocks = (Table(("condition", "what differs"), rows, numeric=False),)
    return Section("conditions", "Conditions that differ", blocks)


def _not_compared(pairs: Sequence[Pair]) -> Section:
    rows: list[tuple[Cell, ...]] = []
    for pair in pairs:
        head = f"{pair.letter} · " if pair.letter else ""
        rows += [(head + what, "not compared", reason) for reason, what in without(pair.found.comparisons)]
        rows += [(head + what, "no interval", reason) for reason, what in unclear(pair.found.comparisons)]
        for side in (pair.found.baseline, pair.found.candidate):
            rows += [(side.name, "lacks", lack) for lack in side.lacks]
            rows += [(side.name, "note", note) for note in side.notes]
    blocks: tuple[Block, ...] = (Paragraph("Nothing: every metric of every cell was compared.", "none"),)
    if rows:
        blocks = (Table(("what", "", "why"), tuple(dict.fromkeys(rows)), numeric=False),)
    return Section("missing", "What was not compared, and why", blocks)


def _gate(pairs: Sequence[Pair], decision: GateResult | None) -> Iterator[Section]:
    """What the given gate decided; whether it was of these runs is for the reader to see where its names do not say."""
    if decision is None:
        return
    found = pairs[0].found
    names = [(found.baseline.name, decision.baseline), (found.candidate.name, decision.candidate)]
    other = [f"{isolated(theirs)} in place of {isolated(ours)}" for ours, theirs in names if ours not in theirs]
    doubt = f"The gate had sides of its own, by their names others than the ones here: {'; '.join(other)}."
    alert = (Paragraph(doubt, "alert"),) if other else ()
    yield Section("gate", "The gate's decision", (*alert, *gate_page.told(decision)))


def _provenance(pairs: Sequence[Pair]) -> Section:
    sides = [pairs[0].found.baseline, *(pair.found.candidate for pair in pairs)]
    names = ["baseline", *(pair.letter or "candidate" for pair in pairs)]
    return Section("provenance", "Provenance", (facts_table(names, [_facts(side) for side in sides], ""),))


def _facts(side: Side) -> Mapping[str, str]:
    facts = dict(side.facts)
    command = command_line(facts)
    if command:
        facts["command"] = command
    told = {_WORDS.get(key, key): text for key, text in flattened(facts).items()}
    return {"name": side.name, "measured by": side.tool, **told}


def _again(command: Sequence[str]) -> Section:
    return Section("again", "Make this page again", (Commands((shlex.join(command),)),))
