"""Hand-made trials to exact summaries; what cannot be said is missing with the reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.analysis.places import NO_POWER
from harness.analysis.summaries import launch_values, summarise
from harness.model.case import Accuracy
from harness.model.metrics import REGISTRY
from harness.model.trial import Outputs, Phases, Record, Trial
from harness.model.verdict import Summary
from tests.support.host_side import CASE, column, facts, samples, trial

NAMES_OF_POWER = ("energy_per_inference_j", "net_energy_per_inference_j", "power_mean_w")


def summed(*trials: Trial, artifact=None):
    return summarise(Record(CASE, trials), artifact or facts())


def launches(*durations, **changes) -> list[Trial]:
    return [trial(values, launch=index, **changes) for index, values in enumerate(durations)]


def test_every_metric_is_measured_or_missing_with_its_reason() -> None:
    for trials in ([], launches([0.001] * 600)):
        metrics, missing = summed(*trials)
        assert set(metrics).isdisjoint(missing)
        assert set(metrics) | set(missing) == set(REGISTRY)
        assert all(missing.values())
        assert all(metrics[name].unit == REGISTRY[name].unit for name in metrics)


def test_the_point_is_the_median_of_the_launches_own_medians() -> None:
    """Launch k has 100 samples, 99 of k ms and one of 1 s: six medians 1..6 ms, so 3.5 ms within [1, 6]."""
    metrics, _ = summed(*launches(*[[k / 1000] * 99 + [1.0] for k in (4, 1, 6, 2, 5, 3)]))
    found = metrics["latency_p50_s"]
    assert found == Summary(
        "latency_p50_s", "s", 6, pytest.approx(0.0035), 0.001, 0.006,
        "median of 6 launches; 95 % order-statistic interval (covers 96.9%)",
    )  # fmt: skip
    assert metrics["latency_mean_s"].point == pytest.approx((99 * 3.5 / 1000 + 1) / 100)


def test_under_six_launches_there_is_a_point_and_no_interval() -> None:
    metrics, _ = summed(*launches(*[[k / 1000] * 10 for k in (1, 2, 3, 4, 5)]))
    found = metrics["latency_p50_s"]
    assert (found.n, found.point, found.low, found.high) == (5, 0.003, None, None)
    assert found.method == "median of 5 launches; no interval under 6 launches"


def test_a_launch_with_enough_samples_uses_its_own_quantile() -> None:
    values = [n / 1000 for n in range(1, 51)]  # 1..50 ms: p90 is the 45.1st
    metrics, missing = summed(*launches(*[values] * 6))
    assert metrics["latency_p90_s"].point == pytest.approx(0.0451)
    assert (metrics["latency_p90_s"].n, metrics["latency_p90_s"].low) == (6, metrics["latency_p90_s"].point)
    assert missing["latency_p99_s"] == "300 inferences; p99 needs 662"


def test_a_pooled_quantile_says_that_it_is_pooled() -> None:
    """49 samples in one launch are one too few for its own p90; 99 in the pool are enough."""
    metrics, _ = summed(*launches([0.001] * 49, [0.003] * 50))
    found = metrics["latency_p90_s"]
    assert (found.n, found.point, found.low, found.high) == (2, 0.003, None, None)
    assert found.method == "quantile of 99 inferences pooled over 2 launches; no interval"


def test_a_percentile_without_its_count_is_missing_with_the_count() -> None:
    metrics, missing = summed(*launches([0.001] * 31, [0.001] * 32))
    assert missing["latency_p90_s"] == "63 inferences; p90 needs 64"
    assert missing["latency_p99_s"] == "63 inferences; p99 needs 662"
    assert "latency_p50_s" in metrics
    assert summed(*launches([0.001] * 5))[1]["latency_p50_s"] == "5 inferences; p50 needs 11"


def test_throughput_counts_queries_over_the_steady_window_and_not_over_their_durations() -> None:
    window = Phases(steady_start_s=10.0, steady_end_s=12.5)
    metrics, _ = summed(*launches(*[[0.001] * 100] * 6, phases=window))
    assert metrics["throughput_per_s"].point == pytest.approx(100 / 2.5)
    assert metrics["throughput_per_s"].n == 6


def test_failed_and_other_trials_do_not_count() -> None:
    good = launches(*[[0.001] * 20] * 6)
    failed = trial([0.5] * 20, launch=6, status="failed", message="killed")
    observer = trial([0.5] * 20, mode="observer")
    empty = trial([], launch=7)
    metrics, _ = summed(*good, failed, observer, empty)
    assert (metrics["latency_p50_s"].n, metrics["latency_p50_s"].high) == (6, 0.001)


def test_nothing_measured_is_missing_and_not_zero() -> None:
    metrics, missing = summed(trial(status="failed", message="killed"))
    assert set(metrics) == {"model_size_bytes"}
    for name in ("latency_p50_s", "latency_p99_s", "latency_mean_s", "throughput_per_s"):
        assert missing[name] == "no launch of this case finished"
    assert missing["load_s"] == missing["memory_peak_bytes"] == "not recorded by the agent"


def test_load_first_inference_and_memory_are_medians_over_launches() -> None:
    def one(launch: int) -> Trial:
        phases = Phases(load_s=0.1 * launch, first_inference_s=0.01 * launch, steady_start_s=0.0, steady_end_s=1.0)
        memory = {
            "end_peak_rss_bytes": 1000.0 * launch,
            "before_load_pss_bytes": 500.0,
            "after_first_pss_bytes": 500.0 + 10 * launch,
        }
        return trial([0.001] * 20, launch=launch, phases=phases, memory=memory)

    metrics, _ = summed(*[one(launch) for launch in range(1, 8)])
    expected = {"load_s": 0.4, "first_inference_s": 0.04, "memory_peak_bytes": 4000.0, "memory_added_bytes": 40.0}
    assert {name: metrics[name].point for name in expected} == pytest.approx(expected)
    assert (metrics["memory_peak_bytes"].low, metrics["memory_peak_bytes"].high) == (1000.0, 7000.0)


def test_memory_that_one_launch_did_not_record_is_left_out_of_the_count() -> None:
    known = [trial([0.001] * 20, launch=n, memory={"end_peak_rss_bytes": 1000.0}) for n in range(3)]
    metrics, missing = summed(*known, trial([0.001] * 20, launch=3))
    assert metrics["memory_peak_bytes"].n == 3
    assert missing["memory_added_bytes"] == "not recorded by the agent"


def test_energy_is_missing_with_its_reason() -> None:
    _, missing = summed(*launches([0.001] * 20))
    assert {missing[name] for name in NAMES_OF_POWER} == {NO_POWER}


def test_counts_are_exact_or_missing() -> None:
    metrics, missing = summed(artifact=facts(parameters=272_474))
    assert metrics["model_size_bytes"] == Summary(
        "model_size_bytes", "B", 1, 1000.0, 1000.0, 1000.0, "exact, from the artifact"
    )
    assert metrics["parameters"].point == 272_474
    assert missing["macs"] == "cannot be counted here"
    _, missing = summed(artifact=facts(uncounted=("LSTM", "Einsum")))
    assert missing["macs"] == "no rule counts LSTM, Einsum"


PREDICTED = Outputs(top1=column([3, 8, 8, 0]), label=column([3, 8, 8, 1]))
KNOWN = Accuracy(9269, 10_000, "cifar10")


def test_accuracy_measured_here_comes_with_wilsons_interval() -> None:
    """Three of four right: (0.3006, 0.9544) by Wilson."""
    measured = trial([], mode="accuracy", outputs=PREDICTED)
    found = summed(measured, artifact=facts(accuracy=KNOWN))[0]["accuracy_top1"]
    assert (found.n, found.point) == (4, 0.75)
    assert (found.low, found.high) == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert found.method == "measured here on 4 test images, single view; Wilson 95 %"


def test_accuracy_from_the_lock_says_that_it_was_not_measured_here() -> None:
    found = summed(artifact=facts(accuracy=KNOWN))[0]["accuracy_top1"]
    assert (found.n, found.point) == (10_000, 0.9269)
    assert found.low < 0.9269 < found.high
    assert found.method == "recorded in the lock for exactly this artifact (10000 images); not measured here"


@pytest.mark.parametrize("changes", [{"status": "failed", "message": "x"}, {"outputs": Outputs()}])
def test_an_accuracy_trial_that_failed_or_saw_no_image_measures_nothing(changes) -> None:
    attempt = trial([], mode="accuracy", **{"outputs": PREDICTED, **changes})
    assert summed(attempt, artifact=facts(accuracy=KNOWN))[0]["accuracy_top1"].n == 10_000
    assert summed(attempt)[1]["accuracy_top1"] == "no labelled data is known for this model"


def test_the_artifacts_own_reason_for_a_missing_accuracy_is_kept() -> None:
    _, missing = summed(artifact=facts(accuracy_missing="random weights"))
    assert missing["accuracy_top1"] == "random weights"


def test_agreement_needs_a_parent_and_a_number_of_images() -> None:
    assert summed()[1]["agreement_top1"] == "has no parent to agree with"
    child = facts(parent="large")
    assert summed(artifact=child)[1]["agreement_top1"] == "not recorded when the artifact was built"
    uncounted = replace(child, agreement_with_parent=0.97)
    assert summed(artifact=uncounted)[1]["agreement_top1"] == "recorded without its number of images"
    found = summed(artifact=replace(uncounted, accuracy=KNOWN))[0]["agreement_top1"]
    assert (found.point, found.n) == (0.97, 10_000)
    assert found.method == "with large, recorded in the lock (10000 images); not measured here"


def test_without_a_steady_window_the_durations_stand_in_for_it() -> None:
    bare = replace(trial(), phases=Phases(), samples=samples([0.25] * 4))
    assert summed(bare)[0]["throughput_per_s"].point == pytest.approx(4.0)


def test_p95_and_p999_follow_the_rule_of_their_counts() -> None:
    values = [n / 1000 for n in range(1, 101)]  # p95 of 1..100 ms is the 95.05th
    metrics, missing = summed(*launches(*[values] * 6))
    assert metrics["latency_p95_s"].point == pytest.approx(0.09505)
    assert missing["latency_p999_s"] == "600 inferences; p99.9 needs 6636"
    long = [0.001] * 4990 + [0.002] * 10
    metrics, _ = summed(*launches(*[long] * 6))
    assert (metrics["latency_p999_s"].point, metrics["latency_p999_s"].low) == (0.002, 0.002)
    pooled, _ = summed(*launches(*[[0.001] * 1110] * 6))
    assert pooled["latency_p999_s"].low is None
    assert "pooled over 6 launches" in pooled["latency_p999_s"].method


def test_spread_jitter_and_effective_size_are_medians_over_launches() -> None:
    """Launch k goes k ms up and down about 10 ms: MAD k/2 * 1.4826 ms, steps of k ms, no inference to spare."""
    metrics, _ = summed(*launches(*[[0.010, 0.010 + k / 1000] * 50 for k in (1, 2, 3, 4, 5, 6)]))
    assert metrics["latency_mad_s"].point == pytest.approx(1.4826 * 3.5e-3 / 2)
    assert metrics["latency_jitter_s"].point == pytest.approx(3.5e-3)
    assert (metrics["latency_jitter_s"].low, metrics["latency_jitter_s"].high) == pytest.approx((1e-3, 6e-3))
    assert metrics["effective_sample_size"].point == 100
    sorted_ones, _ = summed(*launches(*[[0.001] * 200 + [0.002] * 200] * 6))
    assert sorted_ones["effective_sample_size"].point < 10


def test_launches_in_which_no_time_passed_have_no_throughput() -> None:
    metrics, missing = summed(*launches(*[[0.0] * 20] * 6))
    assert "throughput_per_s" not in metrics
    assert missing["throughput_per_s"] == "no time passed while it was measured"


def test_values_by_launch_are_those_behind_the_summary() -> None:
    trials = launches(*[[k / 1000] * 600 for k in (1, 2, 3)])
    found = launch_values(trials)
    assert found["latency_p50_s"] == [0.001, 0.002, 0.003]
    assert found["latency_p999_s"] == [None] * 3
    assert found["load_s"] == [None] * 3
