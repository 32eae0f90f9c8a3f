"""From decisions to the outcome of the whole with the sentence that carries it. Measures and judges nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, EXIT_REGRESSION
from harness.model.gate import Decision, GateResult, Outcome, Policy, gravest


def concluded(
    decisions: Sequence[Decision], light: Collection[tuple[str, str]], otherwise: Sequence[str] = ()
) -> tuple[Outcome, str]:
    """light: (cell, metric) of those that hold nothing up by being inconclusive. otherwise: why nothing was judged."""
    found = [one for one in decisions if one.outcome != "inconclusive" or (one.cell, one.metric) not in light]
    outcome = gravest(one.outcome for one in found)
    if not found:
        return outcome, "; ".join(otherwise) or "nothing was measured"
    if outcome == "pass":
        return outcome, f"none of {len(found)} metrics is worse by its limit"
    of_it = [one for one in found if one.outcome == outcome]
    more = f" (and {len(of_it) - 1} more)" if len(of_it) > 1 else ""
    return outcome, f"{of_it[0].cell}: {of_it[0].reason}{more}"


def exit_code(result: GateResult, policy: Policy) -> int:
    """0 pass or improvement, 1 regression, 3 inconclusive or invalid; inconclusive is 0 where the policy says so."""
    if result.outcome in ("pass", "improvement"):
        return EXIT_DONE
    if result.outcome == "regression":
        return EXIT_REGRESSION
    passes = result.outcome == "inconclusive" and policy.inconclusive == "passes"
    return EXIT_DONE if passes else EXIT_NOTHING_VALID
