"""A gate's policy from TOML, and the default one. Owns the margins; judges nothing.

Margins are those of statistics.md, 4.6. An omitted tolerance or limit is the default of its metric; an omitted list of
rules is the default list.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from harness.errors import UnknownName, UsageError
from harness.model.codec import Json, from_json, to_json
from harness.model.gate import LEAST_CHANCE, MOST_CHANCE, Policy, Rule
from harness.model.metrics import REGISTRY

MEBIBYTE = 2.0**20
# tolerance / limit as in statistics.md, 4.6. Throughput is no rule beside latency: in a closed loop it is the same
# hypothesis. Mean, p95 and p99 find a slowdown of the tail alone; their noise (sigma of launches 0.4-2.4, 2-15 and
# 3-43 % there) forbids that a gate waits until they are cleared. What a machine cannot measure is not required of it.
RULES = (
    Rule("latency_p50_s", 0.02, 0.05),
    Rule("latency_p90_s", 0.05, 0.12),
    Rule("latency_p95_s", 0.10, 0.20, required=False, only_alarms=True),
    Rule("latency_mean_s", 0.02, 0.05, only_alarms=True),
    Rule("latency_p99_s", 0.25, 0.75, required=False, only_alarms=True),
    Rule("memory_peak_bytes", 0.02, 0.05, least_change=MEBIBYTE, required=False),
    Rule("energy_per_inference_j", 0.03, 0.08, required=False),
    Rule("load_s", 0.10, 0.25, required=False, only_alarms=True),
)
DEFAULT = Policy(RULES)
# Of predictions of the same images. Its margins are points, not relative: 0.005 is half a per cent of the images. It
# goes with the default rules where both sides were given images; it is none of them, as no launch has a value of it.
ACCURACY = Rule("accuracy_top1", 0.001, 0.005, required=False)
# Counted of a file: no noise, no family of tests. A rule's tolerance is how much more is accepted.
COUNTED = ("macs", "parameters", "model_size_bytes")
# What tells how fast inferences are.
TIMES = tuple(name for name in REGISTRY if name.startswith(("latency_", "throughput_")))
_BY_METRIC = {rule.metric: rule for rule in (*RULES, ACCURACY)}


def load_policy(path: Path) -> Policy:
    """A policy file. UsageError."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the policy {path} cannot be read: {error}") from None
    return parse_policy(text, str(path))


def parse_policy(text: str, where: str) -> Policy:
    """A policy from TOML text; `where` names the file. UsageError, and UnknownName for a metric that is not one."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: not valid TOML: {error}") from None
    rules = table.get("rules", to_json(RULES))
    if isinstance(rules, list):
        rules = [_completed(rule, f"{where}: rules[{i}]") for i, rule in enumerate(rules)]
    policy = from_json(Policy, {**table, "rules": rules}, where)
    for name in ("alpha", "beta", "confirm_alpha"):
        if getattr(policy, name) < LEAST_CHANCE:
            raise UsageError(
                f"{where}: {name} {getattr(policy, name)} must lie between {LEAST_CHANCE} and {MOST_CHANCE}: no gate "
                "of a few launches could be surer than that"
            )
    seen = [(rule.metric, rule.cells) for rule in policy.rules]
    for metric, cells in seen:
        if seen.count((metric, cells)) > 1:
            raise UsageError(f"{where}: two rules for {metric} of {', '.join(cells) or 'all cells'}; keep one")
    return policy


def rules_of(policy: Policy, cell: str) -> tuple[Rule, ...]:
    """The rules that judge a cell, one per metric: of several that name it, the first. A cell is called by its variant,
    with backend and scenario in brackets where it takes them to tell cells apart; a pattern may leave those out."""
    chosen: dict[str, Rule] = {}
    for rule in policy.rules:
        if not rule.cells or any(_names(pattern, cell) for pattern in rule.cells):
            chosen.setdefault(rule.metric, rule)
    return tuple(chosen.values())


def check_cells(policy: Policy, cells: Sequence[str], *, narrowed: bool = False) -> tuple[str, ...]:
    """UsageError for a pattern that names none of the cells: it was mistyped, or the rule is about nothing here.
    narrowed: the cells are a part that was chosen; what is about the others is then a note."""
    notes = []
    for rule in policy.rules:
        for pattern in rule.cells:
            if any(_names(pattern, cell) for cell in cells):
                continue
            said = f"the rule for {rule.metric} names {pattern!r}, and no cell here is called so"
            if not narrowed:
                near = difflib.get_close_matches(pattern.replace("*", ""), cells, n=1, cutoff=0.0)
                raise UsageError(f"{said}; the nearest is {''.join(near) or 'none'}; here: {', '.join(cells)}")
            notes.append(f"{said}: only some variants were chosen")
    return tuple(notes)


def untimed(policy: Policy, cells: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each cell whose inferences may take however long."""
    return tuple(
        f"{cell}: no rule of the policy is about its time, so it may have become slower by any amount"
        for cell in cells
        if not any(rule.metric in TIMES for rule in rules_of(policy, cell))
    )


def let_through(policy: Policy) -> tuple[str, ...]:
    """A sentence for each rule whose margins let nearly everything pass."""
    return tuple(
        f"the policy lets {rule.metric} of {', '.join(rule.cells) or 'all cells'} become worse by up to "
        f"{rule.limit * 100:g} {'points' if rule.scale < 1 else '%'}; a share was asked for: 0.05 is 5 %"
        for rule in policy.rules
        if rule.wide
    )


def of_launches(policy: Policy) -> tuple[Rule, ...]:
    """The rules on what a launch has a value of: all but accuracy and counts."""
    return tuple(rule for rule in policy.rules if rule.metric not in (ACCURACY.metric, *COUNTED))


def accuracy_rule(policy: Policy, cell: str) -> Rule | None:
    """The rule that judges a cell's accuracy, if any does."""
    named = {rule.metric: rule for rule in rules_of(policy, cell)}
    return named.get(ACCURACY.metric, ACCURACY if policy.rules == RULES else None)


def count_rules(policy: Policy, cell: str) -> dict[str, Rule]:
    """The rules that judge a cell's counts, by metric."""
    return {rule.metric: rule for rule in rules_of(policy, cell) if rule.metric in COUNTED}


def better(rule: Rule) -> str:
    """Which direction of the metric is better: the rule's own word, else the registry's."""
    return rule.better or REGISTRY[rule.metric].better


def widened(rule: Rule, baseline: float | None) -> Rule:
    """The rule with its least change as a share of the baseline: both margins move up where that is the wider."""
    if not rule.least_change or not baseline or baseline <= 0:
        return rule
    least = rule.least_change / baseline
    if least <= rule.tolerance:
        return rule
    return replace(rule, tolerance=least, limit=least + rule.limit - rule.tolerance)


def _names(pattern: str, cell: str) -> bool:
    """A pattern may leave out what stands in brackets behind the variant."""
    return fnmatchcase(cell, pattern) or fnmatchcase(cell.partition(" (")[0], pattern)


def _completed(rule: Json, where: str) -> Json:
    """A rule's table with the metric's default margins. What a file names is required, unless it says otherwise."""
    if not isinstance(rule, Mapping) or not isinstance(rule.get("metric"), str):
        return rule  # the codec says what is wrong
    metric = rule["metric"]
    if metric not in REGISTRY:
        try:
            raise UnknownName("metric", metric, REGISTRY)
        except UnknownName as error:
            raise UsageError(f"{where}: {error}") from None
    known = _BY_METRIC.get(metric)
    if known is None:
        return rule
    margins = {"tolerance": known.tolerance, "limit": known.limit, "least_change": known.least_change}
    return {**margins, **rule}
