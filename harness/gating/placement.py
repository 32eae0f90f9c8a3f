"""Where and in what a model's operators ran, as counts by place, from the runtime's own account. Judges nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.analysis.execution_checks import computes, kind_of
from harness.model.case import Case
from harness.model.codec import Json
from harness.model.trial import Trial

ELSEWHERE = "other kernels"


def of_trials(trials: Sequence[Trial]) -> dict[str, int] | None:
    """Of the first launch that has an account; launches differ in time, not in what they execute. None where none has.

    Kernels that multiply are told by provider and precision. Others compute in float next to integers as a rule: of
    those only the provider counts, and only where it is another one.
    """
    for trial in trials:
        kernels = trial.environment.facts.get("operators")
        if kernels:
            return _places(kernels, provider(trial.case, kernels))
    return None


def preferred(case: Case, places: Mapping[str, int] | None) -> str:
    """What a place must begin with to be where it should be: the provider asked first, of an int8 model with int8."""
    if not places:
        return ""
    most = max(places, key=lambda place: places[place])
    first = _asked(case) or most.rpartition(" ")[0]
    return f"{first} int8" if case.precision == "int8" else first


def provider(case: Case, kernels: Sequence[Mapping[str, Json]]) -> str:
    """The one asked first, else the one that runs most kernels."""
    counts: Counter[str] = Counter()
    for kernel in kernels:
        counts[str(kernel.get("provider") or "")] += round(float(kernel["count"]))
    return _asked(case) or max(counts, key=lambda name: counts[name])


def _places(kernels: Sequence[Mapping[str, Json]], first: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for kernel in kernels:
        where = str(kernel.get("provider") or "")
        if computes(kernel):
            place = f"{where} {kind_of(kernel) or 'unknown'}".strip()
        elif where != first:
            place = f"{where}: {ELSEWHERE}"
        else:
            continue
        found[place] += round(float(kernel["count"]))
    return dict(sorted(found.items()))


def _asked(case: Case) -> str:
    asked = case.options.get("providers") or []
    if not asked:
        return ""
    return str(asked[0]) if isinstance(asked[0], str) else str(asked[0][0])
