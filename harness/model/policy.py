"""A gate's policy from TOML, and the default one. Owns the margins; judges nothing.

Margins are those of statistics.md, 4.6. An omitted tolerance or limit is the default of its metric; an omitted list of
rules is the default list.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from harness.errors import UnknownName, UsageError
from harness.model.codec import Json, from_json, to_json
from harness.model.gate import Policy, Rule
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
    seen = [(rule.metric, rule.cells) for rule in policy.rules]
    for metric, cells in seen:
        if seen.count((metric, cells)) > 1:
            raise UsageError(f"{where}: two rules for {metric} of {', '.join(cells) or 'all cells'}; keep one")
    return policy


def rules_of(policy: Policy, cell: str) -> tuple[Rule, ...]:
    """The rules that judge a cell, one per metric: of several that name it, the first. A cell is called by its variant,
    with backend and scenario in brackets where it takes them to tell cells apart; a pattern may leave those out."""
    chosen: dict[str, Rule] = {}
    names = (cell, cell.partition(" (")[0])
    for rule in policy.rules:
        if not rule.cells or any(fnmatchcase(name, pattern) for pattern in rule.cells for name in names):
            chosen.setdefault(rule.metric, rule)
    return tuple(chosen.values())


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
