"""The real command line: scripted models gated against each other, from every kind of baseline to every exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.gating.gate import Request
from harness.gating.gate import gate as judge
from harness.model.gate import FEWEST_LAUNCHES, Policy, Rule
from harness.options import Options
from harness.store import store
from tests.support import gate_side
from tests.support.gate_side import gate, model, suite, within
from tests.support.host_side import runs_of, spawn, store_of
from tests.support.scripted_suite import write_device

# Launches of the first look.
FIRST = Policy.looks[0]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Suites beside each other: old, and what became of it."""
    folder = tmp_path_factory.mktemp("gate")
    suite(folder / "old", {"small": model()})
    suite(folder / "slow", {"small": model(1.10)})
    suite(folder / "crash", {"small": model(fail={"at": 60, "how": "kill"})})
    suite(folder / "nan", {"small": model(fail={"at": 3, "how": "nan"})})
    return folder


def sides(bench: Path, candidate: str) -> tuple[str | Path, ...]:
    return "--baseline", bench / "old/scripted.py", "--candidate", bench / candidate / "scripted.py"


class Quiet:
    """A watcher that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.seen: list[object] = []

    def __call__(self, progress: object) -> None:
        self.seen.append(progress)

    def tell(self, text: str) -> None:
        self.told.append(text)


def options(folder: Path) -> Options:
    """As the command line would make them; no lease of the machine's, which others may hold."""
    bench = str(write_device(folder))
    store, cache = store_of(folder), folder / "cache"
    return Options(("harness", "gate"), "smoke", (bench,), store, cache, cache / "data", leases=folder / "leases")


def test_the_same_model_passes_after_the_first_look(bench: Path) -> None:
    answer = gate(bench, *sides(bench, "old"), "--json", "-")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert (told["design"], told["outcome"]) == ("paired", "pass")
    (median,) = [one for one in told["decisions"] if one["metric"] == "latency_p50_s"]
    assert median["n"] == FIRST
    assert abs(median["change"]) < 0.005
    assert told["facts"]["launches"] == {"small": FIRST}


def test_a_reader_who_leaves_turns_no_regression_into_a_pass(bench: Path) -> None:
    """As `harness gate ... | true`."""
    given = (*sides(bench, "slow"), "--device", write_device(bench), "--policy", gate_side.policy(bench))
    process = spawn(bench, "gate", *given)
    process.stdout.close()
    _, said = process.communicate()
    assert process.returncode == 1, said


def test_ten_per_cent_slower_is_a_regression_that_fresh_launches_confirm(bench: Path) -> None:
    answer = gate(bench, *sides(bench, "slow"), "--json", "-", "--seed", "7")
    assert answer.code == 1, answer.err
    told = json.loads(answer.out)
    (median,) = [one for one in told["decisions"] if one["metric"] == "latency_p50_s"]
    assert median["outcome"] == "regression"
    assert median["confirmed"] is True
    assert median["change"] == pytest.approx(0.10, abs=0.01)
    assert told["facts"]["launches"] == {"small": FIRST + Policy.confirm}
    assert told["facts"]["seed"] == 7


def test_every_launch_is_stored_with_its_partner_and_its_order(bench: Path) -> None:
    answer = gate(bench, *sides(bench, "old"), "--json", "-")
    run = store.read(store_of(bench) / json.loads(answer.out)["facts"]["run"])
    assert run.damaged == ()
    assert run.finished_utc is not None
    assert {case.variant for case in run.run.plan.cases} == {"small", "small@baseline"}
    pairs: dict[str, list] = {}
    for trial in run.trials:
        assert trial.mode == "paired"
        pairs.setdefault(trial.environment.facts["pair"], []).append(trial)
    assert sorted(pairs) == [f"small {number}" for number in range(FIRST)]
    for one, other in pairs.values():
        assert {one.case.variant, other.case.variant} == {"small", "small@baseline"}
        assert one.arms == tuple("second" if arm == "first" else "first" for arm in other.arms)
        assert one.environment.facts["started_second"] is not other.environment.facts["started_second"]


def test_a_model_that_crashes_is_invalid_and_says_which(bench: Path) -> None:
    answer = gate(bench, *sides(bench, "crash"))
    assert answer.code == 3
    within(answer.out, ["invalid", "launch 1: the candidate failed:", "SIGKILL"])


def test_a_baseline_that_crashes_is_no_pass_either(bench: Path) -> None:
    answer = gate(bench, "--baseline", bench / "crash/scripted.py", "--candidate", bench / "old/scripted.py")
    assert answer.code == 3
    within(answer.out, ["invalid", "the baseline failed:"])


def test_an_output_that_is_not_finite_is_invalid(bench: Path) -> None:
    answer = gate(bench, *sides(bench, "nan"))
    assert answer.code == 3
    within(answer.out, ["invalid", "the candidate: the output of 1 of 1 trials holds NaN or infinity"])


def test_a_side_that_never_becomes_steady_is_invalid(tmp_path: Path) -> None:
    """Its inferences take longer and longer, by a third over a launch, beside a baseline that stands still."""
    suite(tmp_path / "old", {"small": model()})
    rising = [0.002 * (1 + 0.0015 * step) for step in range(400)]
    suite(tmp_path / "new", {"small": model(durations_s=rising)})
    answer = gate(tmp_path, *sides(tmp_path, "new"))
    assert answer.code == 3
    within(answer.out, ["invalid", "no steady state: from the first to the last third of a launch"])


def test_a_tail_alone_is_said_to_be_one(tmp_path: Path) -> None:
    """One inference of twenty takes twice as long: the median stands still, p99 and mean move."""
    steady = [0.0005 + 0.000001 * step for step in range(20)]
    suite(tmp_path / "old", {"small": model(durations_s=steady)})
    suite(tmp_path / "new", {"small": model(durations_s=[*steady[:19], 0.001])})
    rules = "".join(f'[[rules]]\nmetric = "{name}"\n' for name in ("latency_p50_s", "latency_mean_s"))
    answer = gate(tmp_path, *sides(tmp_path, "new"), "--json", "-", rules=rules)
    assert answer.code == 1, answer.err
    found = {one["metric"]: one for one in json.loads(answer.out)["decisions"]}
    assert found["latency_p50_s"]["outcome"] == "pass"
    assert found["latency_mean_s"]["outcome"] == "regression"
    assert found["latency_mean_s"]["tail_only"] is True


def test_cells_that_one_side_lacks_are_noted(tmp_path: Path) -> None:
    suite(tmp_path / "old", {"small": model(), "gone": model()})
    suite(tmp_path / "new", {"small": model(), "young": model()})
    answer = gate(tmp_path, *sides(tmp_path, "new"))
    assert answer.code == 0, answer.err
    within(answer.err, ["gone null single-stream is in the baseline alone", "young null single-stream is in the cand"])


def test_several_cells_share_the_error_and_the_slow_one_is_found(tmp_path: Path) -> None:
    suite(tmp_path / "old", {"small": model(), "large": model(2.0)})
    suite(tmp_path / "new", {"small": model(), "large": model(2.2)})
    answer = gate(tmp_path, *sides(tmp_path, "new"), "--json", "-")
    assert answer.code == 1, answer.err
    told = json.loads(answer.out)
    p50 = {one["cell"]: one for one in told["decisions"] if one["metric"] == "latency_p50_s"}
    assert (p50["small"]["outcome"], p50["large"]["outcome"]) == ("pass", "regression")
    assert told["facts"]["launches"] == {"small": FIRST, "large": FIRST + Policy.confirm}
    # Over 2 metrics, all looks and the confirmation, but never above alpha itself.
    shared = Policy.alpha / (2 * len(Policy.looks)) / Policy.confirm_alpha
    assert told["facts"]["levels"]["first"] == pytest.approx(min(Policy.alpha, shared))


def test_a_policy_for_one_cell_judges_that_one(tmp_path: Path) -> None:
    suite(tmp_path / "old", {"small": model(), "large": model(2.0)})
    suite(tmp_path / "new", {"small": model(), "large": model(2.2)})
    rules = f'{gate_side.P50_ALONE}cells = ["sm*"]\n'
    answer = gate(tmp_path, *sides(tmp_path, "new"), "--json", "-", rules=rules)
    assert answer.code == 0, answer.err
    judged_cells = {one["cell"] for one in json.loads(answer.out)["decisions"] if one["metric"] == "latency_p50_s"}
    assert judged_cells == {"small"}


def test_what_no_rule_could_judge_is_no_pass(bench: Path) -> None:
    """10 % slower, and the only rule is about an energy that nothing here measures; the file's size is the same."""
    rules = '[[rules]]\nmetric = "energy_per_inference_j"\nrequired = false\n'
    answer = gate(bench, *sides(bench, "slow"), rules=f"looks = [3]\n{rules}")
    assert answer.code == 3
    within(answer.out, ["invalid", "no rule of the policy came to a decision: energy_per_inference_j is not judged"])
    within(answer.err, ["small: no rule of the policy is about its time"])


def test_alarms_alone_that_stay_unclear_are_no_pass(tmp_path: Path) -> None:
    suite(tmp_path / "old", {"small": model(jitter=0.2)})
    alarms = f"{gate_side.P50_ALONE}only_alarms = true\nrequired = false\n"
    answer = gate(tmp_path, *sides(tmp_path, "old"), rules=f"looks = [3]\nalpha = 0.001\nbeta = 0.001\n{alarms}")
    assert answer.code == 3
    within(answer.out, ["no rule of the policy came to a decision: latency_p50_s is inconclusive, and may only alarm"])


def test_margins_that_let_nearly_everything_pass_are_said_in_every_output(bench: Path) -> None:
    files = bench / "junit.xml", bench / "gate.md"
    rules = f"looks = [3]\n{gate_side.P50_ALONE}limit = 2\n"
    answer = gate(bench, *sides(bench, "slow"), "--junit", files[0], "--markdown", files[1], rules=rules)
    for text in (answer.err, *(file.read_text() for file in files)):
        within(text, ["of all cells become worse by up to 200 %"])


def test_errors_too_rare_for_so_few_launches_give_a_sentence(tmp_path: Path) -> None:
    """As many digits as anyone could ask for, and no overflow."""
    suite(tmp_path / "old", {"small": model(jitter=0.2)})
    rules = f"looks = [3]\nconfirm = 0\nalpha = 1e-6\nbeta = 1e-6\n{gate_side.P50_ALONE}"
    answer = gate(tmp_path, *sides(tmp_path, "old"), rules=rules)
    assert answer.code == 3
    within(answer.out, ["no slowdown up to +1000.0 % is one that so few launches could show"])


def test_the_budget_ends_it_and_says_so(bench: Path, tmp_path: Path) -> None:
    """A clock that moves a second each time it is read: the fourth launch would not end in time."""
    ticks = iter(range(10_000))
    request = Request(
        str(bench / "old/scripted.py"), str(bench / "old/scripted.py"),
        policy=Policy((Rule("latency_p50_s", 0.02, 0.05),), budget_s=14.0),
    )  # fmt: skip
    watcher = Quiet()
    result = judge(request, options(tmp_path), watcher, clock=lambda: float(next(ticks)))
    assert FEWEST_LAUNCHES <= result.facts["launches"]["small"] < FIRST
    assert "measuring ended early: the budget of 14 s was spent" in result.notes


def test_an_inconclusive_gate_may_be_let_pass_and_that_is_said(tmp_path: Path) -> None:
    """Processes that differ by up to 20 %, and levels at which no chance of theirs tells anything."""
    suite(tmp_path / "old", {"small": model(jitter=0.2)})
    rules = f"looks = [6]\nalpha = 0.001\nbeta = 0.001\n{gate_side.P50_ALONE}"
    answer = gate(tmp_path, *sides(tmp_path, "old"), rules=rules)
    assert answer.code == 3
    within(answer.out, ["inconclusive"])
    answer = gate(tmp_path, *sides(tmp_path, "old"), rules=f'inconclusive = "passes"\n{rules}')
    assert answer.code == 0
    within(answer.err, ["the policy lets an inconclusive gate pass"])


def test_it_is_measured_on_each_device_and_judged_as_one(bench: Path, tmp_path: Path) -> None:
    """A second device file of this machine would be the same machine: that is refused."""
    answer = gate(bench, *sides(bench, "old"), "--device", "localhost")
    assert answer.code == 2
    within(answer.err, ["are one machine"])
    request = Request(str(bench / "old/scripted.py"), str(bench / "slow/scripted.py"))
    watcher = Quiet()
    result = judge(request, options(tmp_path), watcher)
    assert result.outcome == "regression"
    assert len(watcher.seen) == 2 * result.facts["launches"]["small"]
    assert runs_of(tmp_path)
