"""Checks of what really executed: an emulated processor, another provider than asked, another precision than declared.

`facts["operators"]` is the runtime's own account of one inference (harness.agent.backends): kernels with provider,
precision, count and duration. The agent asks one launch per case for it, after everything was timed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.analysis.context import Context
from harness.model.codec import Json
from harness.model.verdict import Finding

# So much may run elsewhere (a first layer, a tail of shapes) before the label is wrong.
TOLERATED = 0.05
# Kernels that multiply and accumulate: their precision is a model's precision. Others (Reshape, Softmax, quantizers)
# compute in float next to integers as a rule.
_COMPUTES = re.compile(r".*(Conv|Gemm|MatMul|MatrixMultiply|Attention|LSTM|GRU).*", re.IGNORECASE)
# onnxruntime's kernels that take floats, quantize them inside and multiply integers.
_QUANTIZES_INSIDE = "DynamicQuantize"
# Element types as runtimes print them. uint8 activations are what int8 models compute in.
KINDS = {
    "float": "fp32", "float32": "fp32", "fp32": "fp32", "tf32": "tf32", "double": "fp64", "float64": "fp64",
    "float16": "fp16", "fp16": "fp16", "half": "fp16", "bfloat16": "bf16", "bf16": "bf16",
    "int8": "int8", "uint8": "int8", "int32": "int8",
}  # fmt: skip
FLOATING = ("fp64", "fp32", "tf32", "bf16", "fp16")


def emulated_cpu(context: Context) -> Iterator[Finding]:
    """A processor that another one plays."""
    told = {str(text) for trial in context.timed if (text := trial.environment.facts.get("emulated"))}
    if told:
        yield Finding(
            "emulated_cpu",
            "invalid",
            f"this processor is emulated ({', '.join(sorted(told))}): its times are the emulator's",
            "measure on the board itself; an emulated run shows only that the model works",
        )


def provider_fallback(context: Context) -> Iterator[Finding]:
    """Sessions that did not get the provider asked first, or whose kernels ran on another one."""
    wanted = _first_provider(context)
    if wanted is None:
        return
    in_force = [trial.environment.in_force.get("providers") for trial in context.timed]
    without = [list(map(str, one)) for one in in_force if one is not None and wanted not in map(str, one)]
    if without:
        yield Finding(
            "provider_fallback",
            "invalid",
            f"{wanted} was asked for, and {len(without)} of {len(context.timed)} launches ran on "
            f"{', '.join(without[0]) or 'no provider'}",
            f"install a runtime with {wanted} on the board, or ask for the provider that is there",
        )
        return
    kernels = [one for one in _operators(context) if one.get("provider")]
    spent_s = sum(float(one["duration_s"]) for one in kernels)
    there_s = sum(float(one["duration_s"]) for one in kernels if one["provider"] == wanted)
    if spent_s > 0 and there_s < (1 - TOLERATED) * spent_s:
        yield Finding(
            "provider_fallback",
            "doubt" if there_s > spent_s / 2 else "invalid",
            f"{1 - there_s / spent_s:.0%} of the time was spent on other providers than {wanted}: "
            f"{_slowest(kernels, wanted)}",
            "see which operators the provider lacks; export the model for it, or declare what really runs",
        )


def precision_differs(context: Context) -> Iterator[Finding]:
    """Kernels that computed in another precision than the variant declares. Integers that turn out to be floats are
    invalid: the variant's whole claim is gone; another float is a doubt."""
    declared = context.record.case.precision
    kernels = [one for one in _operators(context) if computes(one)]
    known = [(one, kind) for one in kernels if (kind := kind_of(one))]
    total = sum(float(one["count"]) for one, _ in known)
    others = [(one, kind) for one, kind in known if kind != declared]
    if declared not in ("int8", *FLOATING) or not others or total <= 0:
        return
    share = sum(float(one["count"]) for one, _ in others) / total
    seen = ", ".join(sorted({f"{one['op']} in {kind}" for one, kind in others}))
    broken = declared == "int8" and share >= TOLERATED
    yield Finding(
        "precision_differs",
        "invalid" if broken else "doubt",
        f"declared {declared}, but {share:.0%} of the multiplying kernels ran otherwise: {seen}",
        "the runtime dequantized or converted: check operator support and graph optimizations, or declare what runs",
    )


CHECKS: Sequence[Callable[[Context], Iterator[Finding]]] = (emulated_cpu, provider_fallback, precision_differs)


def _first_provider(context: Context) -> str | None:
    """Of options["providers"], whose entries are names or [name, options]."""
    asked = context.record.case.options.get("providers") or []
    if not asked:
        return None
    return str(asked[0]) if isinstance(asked[0], str) else str(asked[0][0])


def _operators(context: Context) -> list[Mapping[str, Json]]:
    """The account of the first launch that has one; launches differ in time, not in what they execute."""
    for trial in context.timed:
        if trial.environment.facts.get("operators"):
            return list(trial.environment.facts["operators"])
    return []


def computes(kernel: Mapping[str, Json]) -> bool:
    """Whether a kernel multiplies and accumulates."""
    return _COMPUTES.fullmatch(str(kernel["op"])) is not None


def kind_of(kernel: Mapping[str, Json]) -> str | None:
    """The precision that a kernel computes in, in the words of a variant; None for what is not known here."""
    return "int8" if str(kernel["op"]).startswith(_QUANTIZES_INSIDE) else KINDS.get(str(kernel["precision"]).lower())


def _slowest(kernels: Sequence[Mapping[str, Json]], wanted: str) -> str:
    elsewhere = sorted((one for one in kernels if one["provider"] != wanted), key=lambda one: -float(one["duration_s"]))
    return ", ".join(f"{one['op']} on {one['provider']}" for one in elsewhere[:3])
