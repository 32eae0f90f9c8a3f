"""Policies from TOML: exact keys, default margins, names that are nearly right."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model import policy as policies
from harness.model.gate import Policy, Rule
from harness.model.metrics import REGISTRY


def parse(text: str) -> Policy:
    return policies.parse_policy(text, "gate.toml")


def test_an_empty_file_is_the_default_policy() -> None:
    assert parse("") == policies.DEFAULT
    assert all(rule.metric in REGISTRY for rule in policies.RULES)


def test_margins_are_those_of_the_study() -> None:
    margins = {rule.metric: (rule.tolerance, rule.limit) for rule in policies.RULES}
    assert margins["latency_p50_s"] == (0.02, 0.05)
    assert margins["latency_p90_s"] == (0.05, 0.12)
    assert margins["latency_p95_s"] == (0.10, 0.20)
    assert margins["memory_peak_bytes"] == (0.02, 0.05)
    assert margins["energy_per_inference_j"] == (0.03, 0.08)
    assert margins["load_s"] == (0.10, 0.25)
    assert "throughput_per_s" not in margins


def test_a_full_file() -> None:
    found = parse(
        """
        alpha = 0.005
        looks = [8, 12]
        confirm = 0
        inconclusive = "passes"
        budget_s = 60
        [[rules]]
        metric = "latency_p50_s"
        tolerance = 0.03
        limit = 0.06
        cells = ["small-*"]
        [[rules]]
        metric = "power_mean_w"
        better = "higher"
        tolerance = 0
        limit = 1
        """
    )
    rules = (
        Rule("latency_p50_s", 0.03, 0.06, cells=("small-*",)),
        Rule("power_mean_w", 0.0, 1.0, better="higher"),
    )
    assert found == Policy(rules, alpha=0.005, looks=(8, 12), confirm=0, inconclusive="passes", budget_s=60.0)


def test_a_rule_may_name_its_metric_alone_and_then_requires_it() -> None:
    (rule,) = parse('[[rules]]\nmetric = "memory_peak_bytes"\n').rules
    assert rule == Rule("memory_peak_bytes", 0.02, 0.05, least_change=2.0**20)
    assert rule.required


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("alpha = ", "gate.toml: not valid TOML"),
        ("alhpa = 0.01", "gate.toml: unknown key 'alhpa'; did you mean alpha"),
        ('alpha = "low"', "gate.toml: alpha: expected float, found 'low'"),
        ("alpha = 0", "gate.toml: alpha 0.0 must lie between 0 and 0.5"),
        ("beta = 0.9", "beta 0.9 must lie between"),
        ("looks = []", "looks [] must rise and begin at 3"),
        ("looks = [1, 6]", "looks [1, 6] must rise and begin at 3 launches"),
        ("looks = [6, 6]", "looks [6, 6] must rise"),
        ("confirm = 2", "confirm 2 must be 0 or at least 3"),
        ("budget_s = 0", "budget_s 0.0 must be above 0"),
        ("budget_s = nan", "budget_s nan must be above 0"),
        ("rules = []", "gate.toml: a policy needs at least one rule"),
        ("rules = 3", "rules: expected a list, found 3"),
        ("rules = [3]", "rules[0]: expected a table, found int"),
        ("[[rules]]\nlimit = 1", "rules[0]: the key 'metric' is missing"),
        ('[[rules]]\nmetric = "latency_p5_s"', "rules[0]: no metric is called 'latency_p5_s'; did you mean latency_p"),
        ('[[rules]]\nmetric = "latency_p50_s"\nmargin = 1', "rules[0]: unknown key 'margin'"),
        (
            '[[rules]]\nmetric = "latency_p50_s"\ntolerance = 0.1',
            "tolerance 0.1 must be 0 or more and below limit 0.05",
        ),
        ('[[rules]]\nmetric = "latency_p50_s"\nlimit = nan', "must be 0 or more and below limit nan"),
        ('[[rules]]\nmetric = "power_mean_w"', "rules[0]: the key 'tolerance' is missing"),
        ('[[rules]]\nmetric = "latency_p50_s"\nbetter = "up"', "better"),
        ('[[rules]]\nmetric = "load_s"\n[[rules]]\nmetric = "load_s"', "two rules for load_s of all cells; keep one"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert words in str(caught.value)


def test_files(tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text("alpha = 0.02\n", "utf-8")
    assert policies.load_policy(tmp_path / "gate.toml").alpha == 0.02
    with pytest.raises(UsageError, match=r"the policy .*none\.toml cannot be read"):
        policies.load_policy(tmp_path / "none.toml")


def test_the_first_rule_that_names_a_cell_judges_it() -> None:
    small, rest = Rule("load_s", 0.2, 0.4, cells=("small*",)), Rule("load_s", 0.1, 0.25)
    policy = Policy((small, rest, Rule("macs", 0.0, 0.1, cells=("other",))))
    assert policies.rules_of(policy, "small-int8") == (small,)
    assert policies.rules_of(policy, "large") == (rest,)


def test_a_least_change_moves_both_margins_where_it_is_the_wider() -> None:
    rule = Rule("memory_peak_bytes", 0.02, 0.05, least_change=1e6)
    assert policies.widened(rule, 1e9) == rule
    wide = policies.widened(rule, 1e7)
    assert (wide.tolerance, wide.limit) == (pytest.approx(0.1), pytest.approx(0.13))
    assert policies.widened(rule, None) == rule
