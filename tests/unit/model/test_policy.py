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
        better = "lower"
        tolerance = 0
        limit = 1
        """
    )
    rules = (
        Rule("latency_p50_s", 0.03, 0.06, cells=("small-*",)),
        Rule("power_mean_w", 0.0, 1.0, better="lower"),
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
        ("alpha = 0", "gate.toml: alpha 0.0 must lie between 1e-06 and 0.5"),
        ("alpha = 1e-30", "gate.toml: alpha 1e-30 must lie between 1e-06 and 0.5: no gate of a few launches"),
        ("beta = 1e-7", "gate.toml: beta 1e-07 must lie between 1e-06 and 0.5"),
        ("confirm_alpha = 1e-9", "gate.toml: confirm_alpha 1e-09 must lie between"),
        (
            '[[rules]]\nmetric = "latency_p50_s"\nbetter = "higher"',
            "better = 'higher' would let every worse model pass",
        ),
        ('[[rules]]\nmetric = "throughput_per_s"\ntolerance=0\nlimit=1\nbetter = "lower"', "higher is better"),
        ('[[rules]]\nmetric = "latency_p50_s"\nlimit = 11', "limit 11 would let a change of 1100 % pass"),
        ('[[rules]]\nmetric = "accuracy_top1"\nlimit = 2', "limit 2 would let a change of 200 % pass"),
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


CELLS = ("steady (null)", "steady (onnxruntime)", "fast-int8 (null)")


@pytest.mark.parametrize("patterns", [("stedy",), ("steady", "stedy"), ("st*", "fats*")])
def test_a_pattern_that_names_no_cell_is_an_error(patterns: tuple[str, ...]) -> None:
    policy = Policy((Rule("load_s", 0.1, 0.2), Rule("latency_p50_s", 0.02, 0.05, cells=patterns)))
    with pytest.raises(UsageError, match=r"the rule for latency_p50_s names .*the nearest is (steady|fast-int8) \("):
        policies.check_cells(policy, CELLS)
    (note,) = policies.check_cells(policy, CELLS, narrowed=True)
    assert "only some variants were chosen" in note


def test_patterns_may_leave_out_what_stands_in_brackets() -> None:
    policy = Policy((Rule("load_s", 0.1, 0.2, cells=("steady", "fast-*", "* (onnx*)")),))
    assert policies.check_cells(policy, CELLS) == ()


def test_a_cell_whose_time_no_rule_is_about_is_told() -> None:
    policy = Policy((Rule("latency_p50_s", 0.02, 0.05, cells=("fast-*",)), Rule("load_s", 0.1, 0.2)))
    assert policies.untimed(policy, ["fast-int8", "steady"]) == (
        "steady: no rule of the policy is about its time, so it may have become slower by any amount",
    )
    assert policies.untimed(policies.DEFAULT, ["fast-int8", "steady"]) == ()


def test_margins_that_let_nearly_everything_pass_are_told() -> None:
    loud = policies.let_through(
        Policy((Rule("load_s", 0.1, 1.1), Rule("macs", 0.0, 1.0), Rule("accuracy_top1", 0.0, 0.5, cells=("a", "b"))))
    )
    assert loud == (
        "the policy lets load_s of all cells become worse by up to 110 %; a share was asked for: 0.05 is 5 %",
        "the policy lets accuracy_top1 of a, b become worse by up to 50 points; a share was asked for: 0.05 is 5 %",
    )
    assert policies.let_through(policies.DEFAULT) == ()


def test_a_least_change_moves_both_margins_where_it_is_the_wider() -> None:
    rule = Rule("memory_peak_bytes", 0.02, 0.05, least_change=1e6)
    assert policies.widened(rule, 1e9) == rule
    wide = policies.widened(rule, 1e7)
    assert (wide.tolerance, wide.limit) == (pytest.approx(0.1), pytest.approx(0.13))
    assert policies.widened(rule, None) == rule
