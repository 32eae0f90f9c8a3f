"""Scaling to shown units happens in one place."""

from __future__ import annotations

import json

import pytest

from harness.model.metrics import REGISTRY, show
from harness.places import builtin


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("latency_p50_s", 0.0010634, "1.06"),
        ("latency_p50_s", 0.31234, "312"),
        ("latency_p50_s", 12.3456, "12300"),
        ("latency_p99_s", 0.0000012, "0.00120"),
        ("latency_mean_s", 0.0, "0"),
        ("accuracy_top1", 0.93981, "93.98"),
        ("accuracy_top1", 1.0, "100.0"),
        ("memory_peak_bytes", 64 * 2**20, "64.0"),
        ("model_size_bytes", 1_102_344, "1.10"),
        ("parameters", 272_474, "0.272"),
        ("throughput_per_s", 943.396, "943"),
        ("energy_per_inference_j", 0.0021, "2.10"),
    ],
)
def test_values_are_shown_in_their_unit_with_their_digits(name: str, value: float, text: str) -> None:
    assert show(name, value) == text


def test_the_promised_names_are_registered() -> None:
    promised = """latency_p50_s latency_p90_s latency_p99_s latency_mean_s throughput_per_s load_s first_inference_s
    memory_peak_bytes energy_per_inference_j net_energy_per_inference_j power_mean_w accuracy_top1 agreement_top1
    model_size_bytes parameters macs latency_p95_s latency_p999_s latency_mad_s latency_jitter_s
    effective_sample_size"""
    assert set(promised.split()) <= set(REGISTRY)
    assert all(name == metric.name and metric.meaning and metric.label for name, metric in REGISTRY.items())


def test_every_name_fits_the_published_schema() -> None:
    schema = json.loads((builtin()["schema"] / "summary-1.schema.json").read_text())
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema["$defs"]["metricName"])
    assert all(validator.is_valid(name) for name in REGISTRY)
