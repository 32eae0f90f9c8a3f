"""Which variant was made from which: a tree, and a table with recipe, parent and what each step changed.

Owns the order of the tree and its words; how it is drawn is lineage_plot's. Parents are recorded by name, teachers are
not: what a variant was taught by is inside its recipe's id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.model.metrics import REGISTRY, show
from harness.report.blocks import Cell, Figure, Number, Paragraph, Section, Table
from harness.report.cases import ABSENT, NOT_RECORDED, Named, Shown
from harness.report.comparison import UNCLEAR, Change, Reference, change, codes
from harness.report.names import in_sentence, printable
from harness.report.sections.lineage_plot import MOST_DRAWN, Drawn, plot

TITLE = "Lineage"
NOT_HERE = "not measured here"
# What each step is judged by, in the order of the issue: what it costs to store, what it knows, how fast it is.
METRICS = ("model_size_bytes", "accuracy_top1", "latency_p50_s")
HASH_LENGTH = 12


@dataclass(frozen=True)
class Node:
    """A variant in the tree. cases: all of it that were measured, none of a parent that was not; `parent`: the index
    of the node it hangs from, None of a root; depth: steps from its root."""

    variant: str
    cases: tuple[Named, ...]
    parent: int | None
    depth: int


@dataclass(frozen=True)
class _Step:
    """What a case shows of a metric, and its change to the variant it was made from, if there is any."""

    number: Number
    change: Change | None


def section(shown: Shown) -> Section:
    """The tree with its table; a sentence instead of the figure where nothing was made from anything."""
    nodes = tree(shown.cases)
    if not nodes:
        return Section(
            "lineage", TITLE, (Paragraph("No variant was measured, so there is no lineage to show.", "none"),)
        )
    table = Table(_headings(shown), tuple(_rows(shown, nodes)), "What each step changed", numeric=False)
    notes = tuple(Paragraph(note, "note") for note in _notes(shown))
    if all(node.parent is None for node in nodes):
        alone = len(nodes) == 1
        said = "The one variant of this run was" if alone else f"None of the {len(nodes)} variants of this run was"
        absent = f"{said} made from {'no other' if alone else 'another one'}: there is no tree to draw."
        return Section("lineage", TITLE, (Paragraph(absent, "none"), table, *notes))
    figure = Figure(
        "lineage",
        "Tree of the variants, each under the one it was made from, with size, accuracy and latency and their change",
        plot(_drawn(shown, nodes)),
        table,
        tuple(_how(shown, nodes)),
    )
    return Section("lineage", TITLE, (figure, *notes))


def tree(cases: Sequence[Named]) -> tuple[Node, ...]:
    """All variants and the parents they name, depth first, brothers in the order of the cases. A ring of parents, which
    no recipe can make, is cut at its first variant."""
    measured: dict[str, list[Named]] = {}
    for one in cases:
        measured.setdefault(one.result.case.variant, []).append(one)
    parents = {name: found[0].result.artifact.parent for name, found in measured.items()}
    children: dict[str, list[str]] = {}
    for name, parent in parents.items():
        if parent is not None and parent != name:
            children.setdefault(parent, []).append(name)
    roots = [
        name if parent is None or parent in measured else parent
        for name, parent in parents.items()
        if parent in (None, name) or parent not in measured
    ]
    nodes: list[Node] = []
    placed: set[str] = set()
    for root in dict.fromkeys([*roots, *measured]):
        _hang(root, measured, children, nodes, placed)
    return tuple(nodes)


def _hang(
    root: str, measured: dict[str, list[Named]], children: dict[str, list[str]], nodes: list[Node], placed: set[str]
) -> None:
    """A root and all below it. A stack and not recursion: a line of descent may be a thousand long."""
    waiting: list[tuple[str, int | None, int]] = [(root, None, 0)]
    while waiting:
        name, parent, depth = waiting.pop()
        if name in placed:
            continue
        placed.add(name)
        nodes.append(Node(name, tuple(measured.get(name, ())), parent, depth))
        below = [(child, len(nodes) - 1, depth + 1) for child in children.get(name, ())]
        waiting += reversed(below)


def _main(shown: Shown) -> tuple[Named, ...]:
    """The cases measured alike that the figure's numbers are of: the largest group."""
    return max(shown.groups, key=len, default=())


def _drawn(shown: Shown, nodes: Sequence[Node]) -> list[Drawn]:
    by_variant = {one.result.case.variant: one for one in reversed(_main(shown))}
    found = []
    for node in nodes[:MOST_DRAWN]:
        one = by_variant.get(node.variant, node.cases[0] if node.cases else None)
        if one is None:
            found.append(Drawn(printable(node.variant), NOT_HERE, None, node.parent, node.depth))
            continue
        steps = [_step(shown, one, metric) for metric in METRICS]
        verdict = one.result.verdict
        found.append(
            Drawn(
                printable(node.variant),
                "" if verdict == "valid" else verdict,
                one.style,
                node.parent,
                node.depth,
                tuple(_figure(metric, one) for metric in METRICS),
                tuple(step.change.text for step in steps if step.change),
                (f"recipe {one.result.artifact.recipe_id or NOT_RECORDED}", *_role(one)),
            )
        )
    return found


def _figure(metric: str, one: Named) -> str:
    summary = one.result.metrics.get(metric)
    label = {"accuracy_top1": "top-1 ", "latency_p50_s": "p50 "}.get(metric, "")
    value = ABSENT if summary is None else f"{show(metric, summary.point)} {REGISTRY[metric].shown_unit}"
    return f"{label}{value}"


def _role(one: Named) -> tuple[str, ...]:
    return (printable(one.result.artifact.role),) if one.result.artifact.role else ()


def _step(shown: Shown, one: Named, metric: str) -> _Step:
    summary, parent = one.result.metrics.get(metric), shown.parent(one)
    if summary is None:
        return _Step(Number(ABSENT, None), None)
    number = Number(show(metric, summary.point), summary.point)
    return _Step(number, None if parent is None else change(metric, one, Reference("parent", parent), shown))


def _headings(shown: Shown) -> tuple[str, ...]:
    figures = []
    for metric in METRICS:
        figures += [f"{REGISTRY[metric].label}, {REGISTRY[metric].shown_unit}", "change"]
    taught = ("agrees with what taught it, %",) if _taught(shown) else ()
    return ("variant", "role", "made from", "recipe", "parent’s SHA-256", *figures, *taught, "verdict")


def _taught(shown: Shown) -> bool:
    return any(one.result.artifact.agreement_with_teacher is not None for one in shown.cases)


def _rows(shown: Shown, nodes: Sequence[Node]) -> Iterator[tuple[Cell, ...]]:
    width = len(_headings(shown))
    for node in nodes:
        if not node.cases:
            yield (printable(node.variant), *[ABSENT] * (width - 2), NOT_HERE)
        for one in node.cases:
            artifact = one.result.artifact
            steps: list[Cell] = []
            for metric in METRICS:
                step = _step(shown, one, metric)
                steps += [step.number, step.change.text if step.change else ABSENT]
            agreement = artifact.agreement_with_teacher
            shares = (ABSENT if agreement is None else show("agreement_top1", agreement),) if _taught(shown) else ()
            named = (printable(artifact.role) or ABSENT, _made_from(shown, one), artifact.recipe_id or NOT_RECORDED)
            yield (one.name, *named, _parent_hash(nodes, node), *steps, *shares, one.result.verdict)


def _made_from(shown: Shown, one: Named) -> str:
    parent = one.result.artifact.parent
    if parent is None:
        return ABSENT
    if all(other.result.case.variant != parent for other in shown.cases):
        return f"{printable(parent)} ({NOT_HERE})"
    return printable(parent) if shown.parent(one) is not None else f"{printable(parent)} (not measured alike)"


def _parent_hash(nodes: Sequence[Node], node: Node) -> str:
    if node.parent is None:
        return ABSENT
    parents = nodes[node.parent].cases
    return parents[0].result.artifact.sha256[:HASH_LENGTH] if parents else NOT_RECORDED


def _how(shown: Shown, nodes: Sequence[Node]) -> Iterator[str]:
    """How to read the figure."""
    yield (
        "How to read it: a line leads from a variant down to each that was made from it. Below a name stand size, "
        "top-1 and p50, then their change to the variant above. Open symbols: doubtful or invalid; grey: "
        f"{NOT_HERE}."
    )
    main = _main(shown)
    if len(main) < len(shown.cases):
        case = main[0].result.case
        conditions = " · ".join(printable(part) for part in (case.device, case.backend, case.scenario.name))
        yield f"The figure’s latencies are of {conditions}, where a variant was measured so; the table has all cases."
    if len(nodes) > MOST_DRAWN:
        yield f"Of {len(nodes)} variants the first {MOST_DRAWN} of the tree are drawn; the table has all."


def _notes(shown: Shown) -> Iterator[str]:
    """How to read the table."""
    doubts: dict[str, list[str]] = {}
    for one in shown.cases:
        for metric in METRICS:
            found = _step(shown, one, metric).change
            if found is not None and found.doubt and not found.doubtful:
                doubts.setdefault(found.doubt, []).append(f"{REGISTRY[metric].label} of {in_sentence(one.label)}")
    if doubts:
        said = "; ".join(f"{reason}: {_some(named)}" for reason, named in doubts.items())
        yield f"{UNCLEAR.strip()} marks a change that proves nothing. {said[:1].upper()}{said[1:]}."
    for verdict, said in (
        (
            "doubtful",
            f"Doubtful, so that changes to and from them are marked {UNCLEAR.strip()} in what the doubt touches",
        ),
        ("invalid", "Compared with nothing, as invalid"),
    ):
        unfit = [f"{in_sentence(one.label)} ({codes(one.result)})" if codes(one.result) else in_sentence(one.label)
                 for one in shown.cases if one.result.verdict == verdict]  # fmt: skip
        if unfit:
            yield f"{said}: {_some(unfit)}."
    yield (
        f"A recipe’s id covers every step, seed and teacher; of the parent’s file the first {HASH_LENGTH} digits of "
        "its SHA-256 are shown. What taught a variant is not recorded by name, and need not be the one that all are "
        "held against here. The trade-off table has the intervals."
    )


def _some(named: Sequence[str], most: int = 5) -> str:
    more = f" and {len(named) - most} more" if len(named) > most else ""
    return ", ".join(named[:most]) + more
