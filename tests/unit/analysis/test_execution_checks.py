"""Each check of what really executed fires on one hand-made record and is silent on another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from harness.analysis import execution_checks
from harness.analysis.context import Context
from harness.model.trial import Environment, Phases, Record, Trial
from tests.support.host_side import CASE, DEVICE, STEADY_START_S, facts, only, trial

WINDOW = Phases(warm_up_steady=True, steady_start_s=STEADY_START_S, steady_end_s=STEADY_START_S + 2)
CPU, CUDA, TRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


def launch(number: int = 0, in_force: Mapping[str, object] | None = None, **told: object) -> Trial:
    return trial([0.001] * 20, phases=WINDOW, launch=number, environment=Environment({}, dict(in_force or {}), told))


def context(*trials: Trial, precision: str = "fp32", providers: list[object] | None = None) -> Context:
    options = {} if providers is None else {"providers": providers}
    return Context(Record(replace(CASE, precision=precision, options=options), trials), facts(), DEVICE, None)


def kernel(op: str, precision: str, count: float = 1, provider: str = CPU, duration_s: float = 0.001) -> dict:
    return {"op": op, "provider": provider, "precision": precision, "count": count, "duration_s": duration_s}


def test_every_check_is_tested_here() -> None:
    names = {name for name in globals() if name.startswith("test_")}
    for check in execution_checks.CHECKS:
        assert {f"test_{check.__name__}_fires", f"test_{check.__name__}_is_silent"} <= names


def test_emulated_cpu_fires() -> None:
    found = only(execution_checks.emulated_cpu, context(launch(), launch(1, emulated="aarch64 on x86")))
    assert (found.code, found.severity) == ("emulated_cpu", "invalid")
    assert found.evidence == "this processor is emulated (aarch64 on x86): its times are the emulator's"


def test_emulated_cpu_is_silent() -> None:
    assert list(execution_checks.emulated_cpu(context(launch(), launch(1, emulated=None)))) == []


@pytest.mark.parametrize("asked", [CUDA, [CUDA, {"device_id": 0}]])
def test_provider_fallback_fires(asked: object) -> None:
    ran = {"providers": [CPU]}
    found = only(execution_checks.provider_fallback, context(launch(in_force=ran), providers=[asked, CPU]))
    assert (found.code, found.severity) == ("provider_fallback", "invalid")
    assert found.evidence == f"{CUDA} was asked for, and 1 of 1 launches ran on {CPU}"


@pytest.mark.parametrize(("there_s", "severity", "share"), [(0.0, "invalid", "100%"), (0.9, "doubt", "10%")])
def test_a_session_that_has_the_provider_and_does_not_use_it_fell_back_too(
    there_s: float, severity: str, share: str
) -> None:
    kernels = [kernel("Resize", "float", 2, CPU, 1 - there_s), kernel("Conv", "float", 9, CUDA, there_s)]
    ran = launch(in_force={"providers": [CUDA, CPU]}, operators=kernels)
    found = only(execution_checks.provider_fallback, context(ran, providers=[CUDA]))
    assert found.severity == severity
    assert found.evidence == f"{share} of the time was spent on other providers than {CUDA}: Resize on {CPU}"


def test_provider_fallback_is_silent() -> None:
    both = {"providers": [CUDA, CPU]}
    nearly_all = [kernel("Resize", "float", 2, CPU, 0.04), kernel("Conv", "float", 9, CUDA, 0.96)]
    for seen in (
        context(launch(in_force={"providers": [CPU]})),  # nothing was asked for
        context(launch(in_force=both), providers=[CUDA, CPU]),
        context(launch(), providers=[CUDA]),  # the backend does not tell
        context(launch(in_force=both, operators=nearly_all), providers=[CUDA]),
    ):
        assert list(execution_checks.provider_fallback(seen)) == []


INT8 = [kernel("QLinearConv", "uint8", 20), kernel("MatMulIntegerToFloat", "uint8"), kernel("QuantizeLinear", "float")]


@pytest.mark.parametrize(
    ("declared", "kernels", "severity", "said"),
    [
        ("int8", [kernel("Conv", "float", 20), kernel("Gemm", "float")], "invalid", "100% of the multiplying kernels"),
        (
            "int8",
            [*INT8, kernel("Conv", "float", 2)],
            "invalid",
            "9% of the multiplying kernels ran otherwise: Conv in",
        ),
        ("int8", [*INT8, kernel("Conv", "float", 1)], "doubt", "5% of the multiplying kernels ran otherwise"),
        ("fp16", [kernel("Conv", "float", 20)], "doubt", "declared fp16, but 100%"),
        ("fp32", [kernel("FusedConv", "float16", 3), kernel("MatMul", "float", 1)], "doubt", "75%"),
        # As TensorRT's inspectors name them.
        ("fp16", [kernel("CaskConvolution", "fp32", 1), kernel("gemm", "fp16", 3)], "doubt", "25%"),
        ("int8", [kernel("CaskConvolution", "fp32", 9), kernel("MatrixMultiply", "int8")], "invalid", "90%"),
        ("fp32", INT8, "doubt", "MatMulIntegerToFloat in int8, QLinearConv in int8"),
    ],
)
def test_precision_differs_fires(declared: str, kernels: list[dict], severity: str, said: str) -> None:
    found = only(execution_checks.precision_differs, context(launch(operators=kernels), launch(1), precision=declared))
    assert (found.code, found.severity) == ("precision_differs", severity)
    assert said in found.evidence


@pytest.mark.parametrize(
    ("declared", "kernels"),
    [
        ("int8", INT8),
        ("int8", [kernel("DynamicQuantizeMatMul", "float", 4)]),  # it quantizes inside
        ("fp32", [kernel("Conv", "float", 20), kernel("Gather", "int64"), kernel("Softmax", "float16")]),
        ("fp16", [kernel("Conv", "float16", 20), kernel("Cast", "float", 2)]),
        ("mixed", [kernel("Conv", "float", 20)]),
        ("scripted", [kernel("Conv", "float", 20)]),
        ("fp32", [kernel("Conv", "a type of tomorrow", 20)]),
        ("fp16", [kernel("CaskConvolution", "fp16", 20), kernel("Reformat", "fp32", 2)]),
        ("fp32", [kernel("conv1 + relu1", "", 20)]),  # an old TensorRT names layers, and no types
        ("int8", []),
    ],
)
def test_precision_differs_is_silent(declared: str, kernels: list[dict]) -> None:
    seen = context(launch(operators=kernels), precision=declared)
    assert list(execution_checks.precision_differs(seen)) == []


def test_without_an_account_of_the_runtime_nothing_is_claimed() -> None:
    seen = context(launch(operators_missing="no profile"), precision="int8", providers=[CUDA])
    assert list(execution_checks.precision_differs(seen)) == []
