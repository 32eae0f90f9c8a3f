"""The published tables in their own shape, with what was measured here beside them and the ratio of the two.

Owns which case stands for which published row and the words around the tables; the published figures are in
harness.report.published_tables, what 8 bits are said to do in harness.report.claims.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.metrics import significant
from harness.model.verdict import RunResult, Summary
from harness.report.accuracy import images_in_all, source_text
from harness.report.blocks import Block, Cell, Number, Paragraph, Section, Table
from harness.report.cases import ABSENT, NOT_RECORDED, Named, Shown
from harness.report.claims import claims
from harness.report.comparison import UNCLEAR, Reference, change, codes, touched
from harness.report.names import isolated, one_line
from harness.report.published_tables import (
    ACCURACY,
    BOARD_COLUMNS,
    BOARD_ROWS,
    BOARD_RUNTIMES,
    DATASET,
    ENERGY,
    HEADLINES,
    MODEL_COLUMNS,
    MODEL_ROWS,
    MODELS,
    PAPER,
    PARAMETERS,
    POWER,
    PROPOSED,
    RESNET50,
    SIZE,
    SUITES,
    Model,
    PublishedRow,
    Quantity,
)
from harness.report.summary import suite_name

TITLE = "Published and measured"
PUBLISHED, MEASURED, RATIO = "published", "measured here", "measured / published"
# Cases that stand for one published model; more of them would bury the table.
MOST_CASES = 12


def section(shown: Shown) -> Section:
    """The tables where this run can stand beside them, else one sentence that says why not; and the claims on int8."""
    return Section("published", TITLE, (*_tables(shown), *claims(shown)))


def stand_ins(shown: Shown, model: Model) -> tuple[Named, ...]:
    """The cases that stand for a published model, in their order."""
    return tuple(one for one in shown.cases if _stands_for(one, model))


def _stands_for(one: Named, model: Model) -> bool:
    artifact, case = one.result.artifact, one.result.case
    if case.precision not in model.precisions:
        return False
    if artifact.network:
        return artifact.network == model.network
    return case.variant in {model.variant, *(f"{model.variant}-{precision}" for precision in model.precisions)}


def _tables(shown: Shown) -> tuple[Block, ...]:
    if not _of_dataset(shown.result):
        suite = isolated(suite_name(shown.result) or "unnamed")
        said = f"The published tables are of CIFAR-10 and suite {suite} is not, so nothing here stands beside them."
        return (Paragraph(said, "none"),)
    found = {model.name: stand_ins(shown, model) for model in MODELS}
    cases = [one for named in found.values() for one in named[:MOST_CASES]]
    if not cases:
        said = "The published tables compare ResNet-50 with a small CNN; this run measured neither of the two."
        return (Paragraph(said, "none"),)
    return (
        Paragraph(f"Source: {PAPER}, tables 2 and 3. {_rule()}"),
        Paragraph(_put_right()),
        Table(_headings(MODEL_COLUMNS), _models(found), "Table 3 of the paper: the two models on CIFAR-10"),
        Table(
            ("change", *(quantity.heading.partition(",")[0] for quantity in MODEL_COLUMNS), "verdict"),
            _steps(shown, found),
            "From ResNet-50 to the proposed CNN: what changes",
        ),
        Table(
            _headings(BOARD_COLUMNS),
            _boards(shown, found[PROPOSED.name][:MOST_CASES]),
            "Table 2 of the paper: the proposed CNN by board",
        ),
        *(Paragraph(text, "note") for text in _notes(shown, found, cases)),
    )


def _of_dataset(result: RunResult) -> bool:
    recorded = (case.artifact.accuracy for case in result.cases)
    of_data = any(accuracy is not None and accuracy.dataset.startswith(DATASET) for accuracy in recorded)
    return of_data or suite_name(result) in SUITES


def _rule() -> str:
    rules = " and ".join(
        f"{model.network} in {' or '.join(model.precisions)} for {model.name}" for model in (RESNET50, PROPOSED)
    )
    return (
        f"A case stands for a published row by its network: {rules}; where no network is recorded, by its variant’s "
        f"name ({RESNET50.variant}, {PROPOSED.variant}). Ratios are measured over published, of accuracies the "
        f"difference in percentage points; those that a case’s doubt touches are marked {UNCLEAR.strip()}, an invalid "
        "one has none."
    )


def _put_right() -> str:
    large, small = MODEL_ROWS
    energies = [row.value(ENERGY) or 0.0 for row in MODEL_ROWS]
    less = 1 - energies[1] / energies[0]
    weaker = 1 - (small.value(POWER) or 0.0) / (large.value(POWER) or 1.0)
    fewer = (large.value(PARAMETERS) or 0.0) / (small.value(PARAMETERS) or 1.0)
    return (
        "Put right: the paper’s column “energy” holds milliwatts, so it is mean power. Energy per inference is power "
        f"times time, by its own figures {ENERGY.shown(energies[0])} mJ for {large.model} and "
        f"{ENERGY.shown(energies[1])} mJ for the {small.model} (marked as derived), hence {less * 100:.1f} % less and "
        f"not 45 %; what falls by {weaker * 100:.0f} % is the power. It has {fewer:.1f} times fewer parameters."
    )


def _headings(columns: Sequence[Quantity]) -> tuple[str, ...]:
    return ("model", "figures", *(quantity.heading for quantity in columns), "verdict")


def _models(found: dict[str, tuple[Named, ...]]) -> tuple[tuple[Cell, ...], ...]:
    lines: list[tuple[Cell, ...]] = []
    for row in MODEL_ROWS:
        lines.append(_published(row, MODEL_COLUMNS))
        for one in found[row.model][:MOST_CASES]:
            lines += [_measured(one, MODEL_COLUMNS), *_ratios(one, row, RATIO, MODEL_COLUMNS)]
    return tuple(lines)


def _boards(shown: Shown, cases: Sequence[Named]) -> tuple[tuple[Cell, ...], ...]:
    same = [row for row in BOARD_ROWS if row.device == shown.result.device.get("name")]
    lines: list[tuple[Cell, ...]] = [_published(row, BOARD_COLUMNS) for row in BOARD_ROWS]
    for one in cases:
        lines.append(_measured(one, BOARD_COLUMNS))
        for row in same or BOARD_ROWS:
            lines += _ratios(one, row, f"measured / {row.board}", BOARD_COLUMNS)
    return tuple(lines)


def _published(row: PublishedRow, columns: Sequence[Quantity]) -> tuple[Cell, ...]:
    return (row.board or row.model, PUBLISHED, *(row.text(quantity) or ABSENT for quantity in columns), "")


def _measured(one: Named, columns: Sequence[Quantity]) -> tuple[Cell, ...]:
    figures = (with_interval(quantity, one.result.metrics.get(quantity.metric)) for quantity in columns)
    return (one.name, MEASURED, *figures, _verdict(one))


def _verdict(one: Named) -> str:
    if one.result.verdict == "invalid":
        return "invalid: no ratio"
    why = codes(one.result)
    return f"{one.result.verdict}: {why}" if why else one.result.verdict


def with_interval(quantity: Quantity, summary: Summary | None) -> Number:
    """Point and interval in the column's unit; no interval where none is supported or where it says nothing more."""
    if summary is None:
        return Number(ABSENT, None)
    text = quantity.shown(summary.point)
    if summary.low is not None and summary.high is not None:
        low, high = quantity.shown(summary.low), quantity.shown(summary.high)
        text += "" if low == text == high else f" [{low}, {high}]"
    return Number(text, summary.point)


def _ratios(one: Named, row: PublishedRow, said: str, columns: Sequence[Quantity]) -> list[tuple[Cell, ...]]:
    """The line of ratios; none of an invalid case."""
    if one.result.verdict == "invalid":
        return []
    return [(one.name, said, *(ratio(one, row, quantity) or ABSENT for quantity in columns), "")]


def ratio(one: Named, row: PublishedRow, quantity: Quantity) -> str:
    """Measured over published, a difference in points of accuracies, marked where the case is doubtful in it; empty
    where a side is missing or invalid."""
    summary, published = one.result.metrics.get(quantity.metric), row.value(quantity)
    if summary is None or published is None or one.result.verdict == "invalid":
        return ""
    mark = UNCLEAR if touched(quantity.metric, one) else ""
    return mark + _step(quantity, summary.point, published)


def _step(quantity: Quantity, to: float, start: float) -> str:
    if quantity is ACCURACY:
        return f"{(to - start) * 100:+.2f} pp".replace("-", "−")
    return f"×{significant(to / start, 3)}"


def _steps(shown: Shown, found: dict[str, tuple[Named, ...]]) -> tuple[tuple[Cell, ...], ...]:
    """The paper's words, what its own figures give, and each proposed CNN against the ResNet-50 measured alike."""
    large, small = MODEL_ROWS
    own = tuple(_in_words(quantity, small.value(quantity), large.value(quantity)) for quantity in MODEL_COLUMNS)
    lines: list[tuple[Cell, ...]] = [
        ("the paper says", *(HEADLINES.get(quantity, ABSENT) for quantity in MODEL_COLUMNS), ""),
        ("its own figures give", *own, ""),
    ]
    for one in found[PROPOSED.name][:MOST_CASES]:
        start = next((other for other in shown.alike(one) if _stands_for(other, RESNET50)), None)
        if start is not None:
            unfit = [f"{isolated(side.label)} is {side.result.verdict}" for side in (one, start)
                     if side.result.verdict != "valid"]  # fmt: skip
            changes = (_change(quantity, one, start, shown) for quantity in MODEL_COLUMNS)
            lines.append((one.name, *changes, "; ".join(unfit) or "valid"))
    return tuple(lines)


def _in_words(quantity: Quantity, to: float | None, start: float | None) -> str:
    if to is None or start is None:
        return ABSENT
    text = _step(quantity, to, start)
    return text if quantity is ACCURACY else f"{text} ({(1 - to / start) * 100:.1f} % less)"


def _change(quantity: Quantity, one: Named, start: Named, shown: Shown) -> str:
    found = change(quantity.metric, one, Reference("parent", start), shown) if _has(one, quantity) else None
    return found.text if found else ABSENT


def _has(one: Named, quantity: Quantity) -> bool:
    return quantity.metric in one.result.metrics


def _notes(shown: Shown, found: dict[str, tuple[Named, ...]], cases: Sequence[Named]) -> list[str]:
    in_all = images_in_all(shown.cases)
    sources = [(source_text(top1, in_all), one.label) for one in cases
               if (top1 := one.result.metrics.get("accuracy_top1")) is not None]  # fmt: skip
    notes = [_machine(shown), *_missing(cases)]
    notes += [f"Accuracy of {listed(labels)}: {text}." for text, labels in _grouped(sources).items()]
    notes.append(
        f"The paper’s runtimes: {BOARD_RUNTIMES}. Latency here is p50 over launches; the paper says neither which "
        f"statistic nor how many runs, and prints no intervals. {UNCLEAR.strip()}: a case is doubtful in it, or "
        "intervals overlap or are missing, so the change proves nothing."
    )
    if any(SIZE.metric in one.result.metrics for one in found[PROPOSED.name]):
        notes.append("3.2 MB for 3.2 million parameters is a byte each: the published size is that of 8-bit weights.")
    notes += [
        f"Of {len(named)} cases that stand for {name} the first {MOST_CASES} are shown."
        for name, named in found.items()
        if len(named) > MOST_CASES
    ]
    return [*notes, *(f"Not measured in this run: {name}." for name, named in found.items() if not named)]


def _machine(shown: Shown) -> str:
    title = isolated(one_line(str(shown.result.device.get("title") or shown.result.device.get("name") or "a board")))
    if any(row.device == shown.result.device.get("name") for row in BOARD_ROWS):
        return f"This run was on {title}, one of the paper’s boards; the other one was not measured here."
    boards = " nor ".join(row.board for row in BOARD_ROWS)
    return (
        f"The machine of this run ({title}) is neither {boards}: ratios of latency, power, energy and memory to "
        "published figures compare machines as well as models. The step from one model to the other is on one machine."
    )


def _missing(cases: Sequence[Named]) -> list[str]:
    """A sentence for each reason, with the quantities and the cases it is of."""
    quantities = dict.fromkeys((*MODEL_COLUMNS, *BOARD_COLUMNS))
    absent = [
        (one.result.missing.get(quantity.metric, NOT_RECORDED), quantity.heading.partition(",")[0], one.label)
        for one in cases
        for quantity in quantities
        if quantity.metric not in one.result.metrics
    ]
    by_reason: dict[str, list[tuple[str, str]]] = {}
    for reason, what, label in absent:
        by_reason.setdefault(reason, []).append((what, label))
    return [
        f"Not measured here: {', '.join(dict.fromkeys(what for what, _ in pairs))} of "
        f"{listed([label for _, label in pairs])}: {reason.rstrip('.')}."
        for reason, pairs in by_reason.items()
    ]


def _grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def listed(labels: Sequence[str], most: int = 5) -> str:
    """Names in a sentence, each once; the first of many."""
    unique = list(dict.fromkeys(labels))
    more = f" and {len(unique) - most} more" if len(unique) > most else ""
    return ", ".join(isolated(label) for label in unique[:most]) + more
