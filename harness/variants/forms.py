"""An artifact in another form, from the same weights: plain ONNX for old runtimes, a program for torch.

Owns which artifact has which form; imports torch only for its own. Where files lie is harness.artifacts.forms'.
"""

from __future__ import annotations

from pathlib import Path

from harness.artifacts import forms
from harness.errors import BuildError
from harness.model.backend import ONNX_FORMS, Form
from harness.model.case import ArtifactFacts
from harness.variants.graphs import plain


def make(cache: Path, facts: ArtifactFacts, source: Path, form: Form) -> forms.Made:
    """The artifact `facts` at `source` in that form, from the cache where it was made before.

    BuildError where the artifact has no such form, or the file differs from it.
    """
    found = forms.find(cache, facts.sha256, form)
    if found is not None:
        return found
    reason = why_not(facts, form)
    if reason is not None:
        raise BuildError(f"{facts.variant} {reason}")
    if form == "onnx-tensorrt" and plain.quantizes_unsigned(source):
        raise BuildError(
            "its quantizers are uint8, as CPUs want them, and TensorRT reads symmetric int8 alone: quantize it with "
            'QuantizeStatic(profile="trt")'
        )
    if form in ONNX_FORMS:
        return forms.keep(cache, facts.sha256, form, lambda path: plain.write(source, path))
    try:
        from harness.variants.graphs import program
    except ImportError as error:
        raise BuildError(
            f"{facts.variant}: making a torch program needs the extra: pip install 'edge-harness[build]' ({error})"
        ) from error
    return forms.keep(cache, facts.sha256, form, lambda path: program.export(source, path))


def why_not(facts: ArtifactFacts, form: Form) -> str | None:
    """Why an artifact can never have that form, as words to be put behind its name; None where it can."""
    if form not in ONNX_FORMS and facts.precision != "fp32":
        return f"is {facts.precision}, and only fp32 files are made into torch programs; measure it with onnxruntime"
    return None
