"""The names that the TensorRT backend uses, against the real bindings where they are installed, and against the fakes.

The bindings: pip install --no-deps tensorrt-cu12-bindings (or -cu13-bindings). Nothing of them is run.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from harness import agent
from tests.support import tensorrt_names
from tests.support.fake_tensorrt import GENERATIONS, World, make, public_names

SOURCES = "".join(path.read_text("utf-8") for path in (Path(agent.__file__).parent / "backends").glob("trt*.py"))
ALL = {*tensorrt_names.EVERY, *tensorrt_names.NAMED, *tensorrt_names.SINCE_10}
ALL |= {*tensorrt_names.UNTIL_10, *tensorrt_names.UNTIL_8}


@pytest.fixture(scope="module")
def bindings() -> tuple[bytes, str]:
    """Text and version of the bindings that are installed; importing them would need their libraries."""
    found = importlib.util.find_spec("tensorrt_bindings")
    if found is None or found.origin is None:
        pytest.skip("no bindings here: pip install --no-deps tensorrt-cu13-bindings")
    text = (Path(found.origin).parent / "__init__.py").read_text("utf-8")
    version = re.search(r'__version__ = "([\d.]+)', text)
    assert version is not None
    return (Path(found.origin).parent / "tensorrt.so").read_bytes(), version.group(1)


def test_every_name_is_in_the_bindings(bindings: tuple[bytes, str]) -> None:
    library, version = bindings
    assert tensorrt_names.lacking(library, tensorrt_names.of(version)) == []


def test_what_a_generation_lost_is_not_there(bindings: tuple[bytes, str]) -> None:
    library, version = bindings
    if int(version.partition(".")[0]) >= 10:
        assert tensorrt_names.present(library, tensorrt_names.UNTIL_8) == []
    if int(version.partition(".")[0]) >= 11:
        assert tensorrt_names.present(library, tensorrt_names.GONE_IN_11) == []


def test_the_rule_finds_what_is_missing() -> None:
    library = b"\0DEQUANTIZE\0set_shape\0\0"
    assert tensorrt_names.lacking(library, ("QUANTIZE", "set_shape", "shape", "set_shapes")) == ["set_shapes"]
    assert tensorrt_names.present(library, ("QUANTIZE", "DEQUANTIZE")) == ["DEQUANTIZE"]


@pytest.mark.parametrize("name", sorted(ALL))
def test_no_name_is_listed_that_the_sources_do_not_use(name: str) -> None:
    built = ("platform_has_fast_fp16", "platform_has_fast_int8", "FP16", "INT8", "set_calibration_profile")
    assert re.search(rf"\b{name}\b", SOURCES) or name in built


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_fakes_have_no_name_that_is_not_listed(generation: str) -> None:
    own = {"CONVOLUTION", "ONELINE", "LAYER_NAMES_ONLY", "OUTPUT", "WARNING", "ERROR", "INTERNAL_ERROR", "profiler"}
    own |= {"ParserError", "INetworkDefinition", "IBuilderConfig", "IOptimizationProfile", "ICudaEngine"}
    own |= {"IExecutionContext", "EngineInspector"}
    fakes = public_names(make(World(generation)))
    assert fakes - ALL - own == set()
    if generation == "11.4":
        assert fakes & set(tensorrt_names.GONE_IN_11) == set()
        assert "FP16" not in fakes
    if generation in ("10.3", "11.4"):
        assert fakes & set(tensorrt_names.UNTIL_8) == set()
