"""Checks of the launches themselves: failed, restless, short, few, disagreeing, damaged on disk."""

from __future__ import annotations

from collections.abc import Iterator

from harness.analysis import stats
from harness.analysis.context import Context
from harness.analysis.summaries import durations
from harness.model.verdict import Finding

LAUNCHES_FOR_INTERVAL = 6
# Two launches of one case on a machine at rest differ by less; more means that something else took part.
LAUNCH_SPREAD = 0.10


def failed_trials(context: Context) -> Iterator[Finding]:
    """Launches that did not finish."""
    failed = [trial for trial in context.record.trials if trial.status == "failed"]
    if failed:
        yield Finding(
            "trial_failed",
            "doubt" if context.timed else "invalid",
            f"{len(failed)} of {len(context.record.trials)} trials failed; first: {failed[0].message.splitlines()[0]}",
            "read the whole message in the trial's trial.json; a model that the runtime refuses stays refused",
        )
    elif not context.timed and any(trial.mode == "paired" for trial in context.record.trials):
        yield Finding(
            "nothing_measured",
            "invalid",
            "this case was measured in duets alone, which tell how it compares and not how long it takes",
            "see what `harness gate` said of them; `harness run` measures it by itself",
        )
    elif not context.timed:
        yield Finding("nothing_measured", "invalid", "no launch of this case finished", "run the same command again")


def not_steady(context: Context) -> Iterator[Finding]:
    """Warm-up that ended by its time limit."""
    restless = [trial for trial in context.timed if trial.phases.warm_up_steady is False]
    if restless:
        share = f"{len(restless)} of {len(context.timed)} launches"
        most = len(restless) * 2 > len(context.timed)
        yield Finding(
            "no_steady_state",
            "doubt" if most else "note",
            f"{share} did not reach a steady latency within the warm-up's time limit",
            "close other programs; see `harness doctor`",
        )


def budget_spent(context: Context) -> Iterator[Finding]:
    """Launches that stopped before both minima were reached."""
    short = [trial for trial in context.timed if not trial.stop_reason.startswith("minimum")]
    if short:
        yield Finding(
            "too_short",
            "doubt",
            f"{len(short)} launches stopped early ({short[0].stop_reason}) with {len(short[0].samples)} inferences",
            "give them longer with --budget SECONDS",
        )


def few_launches(context: Context) -> Iterator[Finding]:
    """Too few fresh processes for an interval."""
    count = len(context.timed)
    if 0 < count < LAUNCHES_FOR_INTERVAL:
        yield Finding(
            "few_launches",
            "doubt",
            f"{count} launches; an interval needs {LAUNCHES_FOR_INTERVAL}",
            "a first look: run without --quick, or finish the interrupted run, before you rely on it",
        )


def launches_disagree(context: Context) -> Iterator[Finding]:
    """Fresh processes with different medians."""
    medians = [stats.quantile(durations(trial), 0.5) for trial in context.timed if len(trial.samples)]
    if len(medians) > 1 and max(medians) > min(medians) * (1 + LAUNCH_SPREAD):
        yield Finding(
            "launches_disagree",
            "doubt",
            f"medians of the launches range from {min(medians) * 1e3:.4g} to {max(medians) * 1e3:.4g} ms",
            "something else took part: other load, heat or clocks; repeat on a quiet machine",
        )


def damaged_files(context: Context) -> Iterator[Finding]:
    """Trials that lie in the store and cannot be read."""
    if context.record.damaged:
        yield Finding(
            "trials_damaged",
            "doubt",
            f"{len(context.record.damaged)} trial folders were left out: {context.record.damaged[0]}",
            "remove the named folder and give the same command again",
        )
