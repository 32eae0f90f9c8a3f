"""What a hurried reader takes away: one sentence for each case, held against its teacher, and one for the whole run.

A difference is claimed only where intervals separate, and with "about" where one of the two cases is doubtful in it;
what is not compared stands there as it was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.metrics import REGISTRY, show
from harness.model.verdict import CaseResult, Summary
from harness.report.accuracy import source_briefly
from harness.report.cases import NOT_RECORDED, TEACHERS, Named, Shown
from harness.report.comparison import CONTAINS_ZERO, OVERLAP, best, codes, comparable, doubt_between, rivals, touched
from harness.report.names import in_sentence

# From here on "times" reads better than "per cent".
CLEARLY = 1.5
LONGEST_REASON = 100


@dataclass(frozen=True)
class Spoken:
    """How a sentence speaks of a metric. less, more: than the reference; most: of the best one in it."""

    metric: str
    noun: str
    less: str
    more: str
    most: str
    before: str = ""
    after: str = ""


SPOKEN = (
    Spoken("accuracy_top1", "accuracy", "lower", "higher", "most accurate", before="top-1 "),
    Spoken("latency_p50_s", "p50 latency", "lower", "higher", "fastest", before="p50 "),
    Spoken(
        "energy_per_inference_j", "energy per inference", "less", "more", "least energy per inference",
        after=" per inference",
    ),
)  # fmt: skip


def sentence(one: Named, shown: Shown, in_all: int | None) -> str:
    """Accuracy with its origin, p50 and energy per inference against the teacher, and the verdict.

    in_all: how many images the data set has, where that is known.
    """
    teacher = shown.teacher(one)
    compared, alone = [], []
    for spoken in SPOKEN:
        claim = _claim(spoken, one, shown, in_all)
        if claim is not None:
            compared.append(claim)
        else:
            alone.append(_alone(spoken, one.result, in_all))
    parts = [f"{_joined(compared)} against {_held_against(teacher, one)}"] if compared and teacher is not None else []
    parts += [part for part in alone if part]
    return f"{', '.join(parts)}{_uncompared(one, teacher)}; {_verdict(one.result)}"


def headline(shown: Shown, counts: str, in_all: int | None) -> str:
    """How many cases of which verdict; and, where all were measured alike, which one is the best in what. counts: as
    the page counts them."""
    if len(shown.groups) != 1:  # several, or no case at all
        return f"{counts}."
    said = [_best(spoken, shown, in_all) for spoken in SPOKEN]
    return ". ".join([counts, *(_capital(one) for one in said if one)]) + "."


def called(reference: Named) -> str:
    """Whom the others are held against, by its role where it has that of a teacher. Measured alike as they are, its
    variant's name is enough."""
    role, name = reference.result.artifact.role, in_sentence(reference.result.case.variant)
    return f"the {role} {name}" if role in TEACHERS else name


def _held_against(teacher: Named, one: Named) -> str:
    """Of a doubtful teacher that it is, unless the sentence ends by saying so of its own case."""
    unsaid = teacher.result.verdict == "doubtful" and one.result.verdict == "valid"
    return f"{called(teacher)} (doubtful)" if unsaid else called(teacher)


def _best(spoken: Spoken, shown: Shown, in_all: int | None) -> str:
    cases = shown.cases
    if not any(spoken.metric in one.result.metrics for one in cases):
        reasons = {one.result.missing.get(spoken.metric, NOT_RECORDED) for one in cases}
        reason = min(reasons) if len(reasons) == 1 else ""
        # A long one stands under the table.
        return f"no {spoken.noun}" + (
            f" ({reason})" if 0 < len(reason) <= LONGEST_REASON else " (why: under the table)"
        )
    first = best(spoken.metric, cases, shown)
    if first is not None:
        value = ", ".join(_value(spoken, first.result, in_all))
        return f"{spoken.most}: {in_sentence(first.label)} ({spoken.before}{value})"
    several = len(rivals(spoken.metric, cases)) > 1
    return f"no clear best in {spoken.noun}" if several else ""


def _claim(spoken: Spoken, one: Named, shown: Shown, in_all: int | None) -> tuple[str, str] | None:
    """What is said of the difference in a metric, and of what; None where the two are not to be compared in it."""
    teacher = shown.teacher(one)
    if teacher is None or not comparable(one.result, teacher.result):
        return None
    mine, base = one.result.metrics.get(spoken.metric), teacher.result.metrics.get(spoken.metric)
    if mine is None or base is None or mine.point <= 0 or base.point <= 0:
        return None
    what = f"{spoken.noun} ({', '.join(_value(spoken, one.result, in_all))})"
    why = doubt_between(spoken.metric, one, teacher, shown)
    if why:
        return ("no clear difference in" if why in (OVERLAP, CONTAINS_ZERO) else why), what
    about = "about " if touched(spoken.metric, one, teacher) else ""
    return f"{about}{_size(mine, base)} {spoken.less if mine.point < base.point else spoken.more}", what


def _joined(claims: Sequence[tuple[str, str]]) -> str:
    """In a row; what the same is said of is named together."""
    of: dict[str, list[str]] = {}
    for said, what in claims:
        of.setdefault(said, []).append(what)
    return ", ".join(f"{said} {_listed(what)}" for said, what in of.items())


def _listed(what: Sequence[str]) -> str:
    return " and ".join([*([", ".join(what[:-1])] if what[:-1] else []), what[-1]])


def _size(mine: Summary, base: Summary) -> str:
    """Of a difference: percentage points of shares, times, or per cent."""
    if REGISTRY[mine.metric].shown_unit == "%":
        return f"{abs(mine.point - base.point) * 100:.2f} percentage points"
    times = max(mine.point, base.point) / min(mine.point, base.point)
    if times >= CLEARLY:
        return f"{times:.1f}×" if times < 10 else f"{times:.0f}×"
    percent = abs(mine.point / base.point - 1) * 100
    return f"{percent:.1f} %" if percent >= 0.1 else f"{percent:.2g} %"


def _alone(spoken: Spoken, result: CaseResult, in_all: int | None) -> str:
    """A metric by itself, or why there is none; of a missing energy the table speaks, as most boards have no sensor."""
    if spoken.metric in result.metrics:
        shown, *origin = _value(spoken, result, in_all)
        return f"{spoken.before}{shown}{spoken.after}" + "".join(f" ({one})" for one in origin)
    if spoken.metric == "energy_per_inference_j":
        return ""
    return f"no {spoken.noun} ({result.missing.get(spoken.metric, NOT_RECORDED)})"


def _value(spoken: Spoken, result: CaseResult, in_all: int | None) -> tuple[str, ...]:
    """The number with its unit; of an accuracy also where it comes from."""
    summary = result.metrics[spoken.metric]
    shown = f"{show(spoken.metric, summary.point)} {REGISTRY[spoken.metric].shown_unit}"
    return (shown, source_briefly(summary, in_all)) if spoken.metric == "accuracy_top1" else (shown,)


def _uncompared(one: Named, teacher: Named | None) -> str:
    """That a case is compared with nothing, as its teacher is invalid; of one that is so itself the verdict says it."""
    if teacher is None or one.result.verdict == "invalid" or teacher.result.verdict != "invalid":
        return ""
    return f"; not compared, as {called(teacher)} is {teacher.result.verdict}"


def _verdict(result: CaseResult) -> str:
    why = codes(result)
    return f"{result.verdict} ({why})" if why else result.verdict


def _capital(clause: str) -> str:
    return clause[:1].upper() + clause[1:]
