"""What a TensorRT engine executed, layer by layer: its profiler's times beside its inspector's types.

Where a version has no inspector (before 8.2), layers go by their names and their precision is not known.
"""

import json
import re

# After one inference that allocates.
PROFILED = 4
PROVIDER = "TensorRT"
# As inspectors print them: "Row major linear FP32", "Half", "Two wide channel vectorized row major Int8 format".
_KINDS = (
    ("int8", re.compile(r"int8", re.IGNORECASE)),
    ("fp16", re.compile(r"fp16|half", re.IGNORECASE)),
    ("bf16", re.compile(r"bf16|bfloat", re.IGNORECASE)),
    ("fp32", re.compile(r"fp32|float", re.IGNORECASE)),
)


def profile(trt, session):
    """Run the bound session a few times; [{"op", "provider", "precision", "count", "duration_s"}] of one inference.

    None where the profiler was told nothing.
    """
    times = _times(trt)
    session.step()
    session.context.profiler = times
    for _ in range(PROFILED):
        session.step()
    if not times.layers:
        return None
    return summed(times.layers, layer_types(trt, session), PROFILED)


def _times(trt):
    class Times(trt.IProfiler):
        def __init__(self):
            trt.IProfiler.__init__(self)
            self.layers = []

        def report_layer_time(self, layer_name, ms):
            self.layers.append((str(layer_name), float(ms) / 1e3))

    return Times()


def layer_types(trt, session):
    """(type, precision) by layer name; empty without an inspector."""
    if not hasattr(session.engine, "create_engine_inspector"):
        return {}
    inspector = session.engine.create_engine_inspector()
    inspector.execution_context = session.context
    found = {}
    for number in range(session.engine.num_layers):
        text = inspector.get_layer_information(number, trt.LayerInformationFormat.JSON)
        try:
            about = json.loads(text)
        except ValueError:
            continue
        if isinstance(about, dict) and "Name" in about:
            found[about["Name"]] = about.get("LayerType", ""), precision(about.get("Inputs", []))
    return found


def precision(tensors):
    """Of a layer's first input, which is what it computes in; empty where the inspector does not tell."""
    first = tensors[0] if tensors and isinstance(tensors[0], dict) else {}
    text = str(first.get("Format/Datatype", ""))
    return next((name for name, pattern in _KINDS if pattern.search(text)), "")


def summed(layers, types, runs):
    """Reported (name, seconds) of `runs` inferences by type and precision; an unknown type goes by the layer's name."""
    found = {}
    for name, duration_s in layers:
        op, kind = types.get(name, (name, ""))
        count, total_s = found.get((op or name, kind), (0, 0.0))
        found[op or name, kind] = count + 1, total_s + duration_s
    return [
        {"op": op, "provider": PROVIDER, "precision": kind, "count": count / float(runs), "duration_s": total_s / runs}
        for (op, kind), (count, total_s) in sorted(found.items(), key=lambda item: -item[1][1])
    ]
