"""Models that do more work than a base model, by an amount that is chosen and then measured; and one that does so only
now and then. Real work, no scaled numbers: a residual bottleneck of two 1x1 convolutions before the global pool.

Knows onnx and onnxruntime; nothing of the harness, of duets or of statistics.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

POOL = "GlobalAveragePool"
# Outputs must stay what they are to many digits, and no number may become a denormal, which would cost time by itself.
WEIGHT = 1e-4
TAIL_SHARE = 0.05
LEAST_HIDDEN = 4


def more_work(base: Path, target: Path, hidden: int) -> Path:
    """The base with a residual bottleneck of `hidden` channels before its global pool."""
    model, pool = _opened(base)
    channels = _channels(model, pool.input[0])
    nodes, weights = _bottleneck(pool.input[0], "more_work", (channels, hidden))
    pool.input[0] = "more_work"
    return _saved(model, pool, nodes, weights, target)


def sometimes_more_work(base: Path, target: Path, hidden: int, share: float) -> Path:
    """The base with such a bottleneck in a branch that a random number takes in `share` of the inferences.

    With a share of 0 it never is: the baseline of the same plumbing, so that only the tail differs.
    """
    model, pool = _opened(base)
    source = pool.input[0]
    channels = _channels(model, source)
    nodes, weights = _bottleneck(source, "more", (channels, hidden))
    same = [helper.make_node("Identity", [source], ["same"])]
    branches = {
        "then_branch": helper.make_graph(nodes, "more_work", [], [_float("more")], weights),
        "else_branch": helper.make_graph(same, "as_it_is", [], [_float("same")]),
    }
    # Without a seed the runtime draws anew in every process. It draws from [0, 1).
    drawn = [
        helper.make_node("RandomUniform", [], ["drawn"], shape=[1], low=0.0, high=1.0, dtype=TensorProto.FLOAT),
        helper.make_node("Less", ["drawn", "share"], ["taken"]),
        helper.make_node("If", ["taken"], ["sometimes"], **branches),
    ]
    pool.input[0] = "sometimes"
    return _saved(model, pool, drawn, [numpy_helper.from_array(np.array([share], np.float32), "share")], target)


def fitted_hidden(make: Callable[[int], Path], base: Path, ratios: Sequence[float], seconds: float = 1.0) -> list[int]:
    """How many hidden channels make it so many times as slow, by the floor of its latency: a line through some sizes.

    A single size would be known to a per cent or two only, as the layout of a process moves its floor by as much. And
    in one process a model runs with what it needs at hand: duets of it differ by more, see tests.study.collect.
    """
    grid = [round(size) for size in np.geomspace(LEAST_HIDDEN * 8, _upper(max(ratios)), 6)]
    found = [floor_ratio(base, make(size), seconds) for size in grid]
    slope, offset = np.polyfit(grid, found, 1)
    if slope <= 0:
        raise RuntimeError(f"more channels took no more time ({dict(zip(grid, found, strict=True))}): too noisy now")
    return [max(LEAST_HIDDEN, round(float((ratio - offset) / slope))) for ratio in ratios]


def _upper(ratio: float) -> int:
    """Channels around which the line is to be right: a tenth more time takes some hundred."""
    return 512 if ratio < 1.5 else 4096


def floor_ratio(base: Path, other: Path, seconds: float) -> float:
    """Of the tenth percentiles of latency, in turns of 20 inferences in one process."""
    runs = [_runner(path) for path in (base, other)]
    times: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for run, own in zip(runs, times, strict=True):
            run()
            for _ in range(20):
                begin = time.perf_counter()
                run()
                own.append(time.perf_counter() - begin)
    before, after = (float(np.quantile(own, 0.1)) for own in times)
    return after / before


def _runner(path: Path) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(0)
    shapes = {one.name: [n if isinstance(n, int) else 1 for n in one.shape] for one in session.get_inputs()}
    feed = {name: generator.random(shape, np.float32) for name, shape in shapes.items()}
    return lambda: session.run(None, feed)


def _opened(base: Path) -> tuple[ModelProto, NodeProto]:
    model = onnx.load(base)
    return model, next(node for node in model.graph.node if node.op_type == POOL)


def _channels(model: ModelProto, name: str) -> int:
    inferred = onnx.shape_inference.infer_shapes(model)
    found = next(value for value in inferred.graph.value_info if value.name == name)
    return int(found.type.tensor_type.shape.dim[1].dim_value)


def _bottleneck(source: str, target: str, sizes: tuple[int, int]) -> tuple[list[NodeProto], list[TensorProto]]:
    channels, hidden = sizes
    generator = np.random.default_rng(hidden)
    shapes = {"narrow": (hidden, channels, 1, 1), "wide": (channels, hidden, 1, 1)}
    arrays = {name: (WEIGHT * generator.uniform(0.5, 1.0, shape)).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Conv", [source, "narrow"], ["narrowed"], name="narrow"),
        helper.make_node("Conv", ["narrowed", "wide"], ["widened"], name="wide"),
        helper.make_node("Add", [source, "widened"], [target], name="residual"),
    ]
    return nodes, [numpy_helper.from_array(array, name) for name, array in arrays.items()]


def _float(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


def _saved(
    model: ModelProto, before: NodeProto, nodes: list[NodeProto], weights: list[TensorProto], target: Path
) -> Path:
    place = list(model.graph.node).index(before)
    for offset, node in enumerate(nodes):
        model.graph.node.insert(place + offset, node)
    model.graph.initializer.extend(weights)
    onnx.checker.check_model(model)
    target.write_bytes(model.SerializeToString())
    return target
