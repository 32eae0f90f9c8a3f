"""What the bytes of an ONNX file hold: stored values by operator and element type, the graph, notes, padding.

Owns the attribution alone; opens no file. Values are counted as they are stored; the graph is what is left of the
file, so that the parts add up to its size exactly. Values of subgraphs and functions are part of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import TensorProto

from harness.artifacts import onnx_cost
from harness.model.case import Part

# As variants call them; others go by ONNX's own name.
_NAMES = {"float": "fp32", "float16": "fp16", "bfloat16": "bf16", "double": "fp64"}
# Where a tensor's values lie when they are not raw bytes.
_TYPED = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
NOBODY = "unused"


def composition(model: onnx.ModelProto, model_bytes: int, beside_bytes: int = 0) -> tuple[Part, ...]:
    """The parts, the largest first; their sum is the size of the file, `model_bytes`, plus that of its external data.

    model: parsed without its external data, of which there are `beside_bytes`.
    """
    users = _users(model.graph)
    inside: dict[tuple[str, str], int] = {}
    beside: dict[tuple[str, str], int] = {}
    for name, tensor in onnx_cost.constants(model.graph).items():
        external = tensor.data_location == TensorProto.EXTERNAL
        found, size_bytes = (beside, _external_bytes(tensor)) if external else (inside, _stored_bytes(tensor))
        key = _operator(name, users), _dtype(tensor)
        found[key] = found.get(key, 0) + size_bytes
    if sum(beside.values()) > beside_bytes:  # tensors that share their bytes: which is whose cannot be said
        beside = {(NOBODY, ""): beside_bytes}
    metadata = sum(_field_bytes(item.ByteSize()) for item in model.metadata_props)
    keys = {*inside, *beside}
    values = [Part("values", inside.get(key, 0) + beside.get(key, 0), *key) for key in keys]
    rest = (
        Part("graph", model_bytes - metadata - sum(inside.values())),
        Part("metadata", metadata),
        Part("padding", beside_bytes - sum(beside.values())),
    )
    parts = [part for part in (*values, *rest) if part.size_bytes]
    return tuple(sorted(parts, key=lambda part: (-part.size_bytes, part.kind, part.operator, part.dtype)))


def _users(graph: onnx.GraphProto) -> dict[str, list[tuple[str, int, str]]]:
    """By value name: operator type, input number and first output of every node that takes it."""
    users: dict[str, list[tuple[str, int, str]]] = {}
    for node in graph.node:
        for slot, name in enumerate(node.input):
            users.setdefault(name, []).append((node.op_type, slot, node.output[0]))
    return users


def _operator(name: str, users: Mapping[str, list[tuple[str, int, str]]]) -> str:
    """The first operator that works on a constant; those that only pass their first input on are looked through."""
    seen, waiting = set(), [name]
    carrier = NOBODY
    while waiting:
        current = waiting.pop(0)
        for operator, slot, output in users.get(current, []):
            if operator not in onnx_cost.CARRIERS or slot:
                return operator
            carrier = operator
            if output not in seen:
                seen.add(output)
                waiting.append(output)
    return carrier


def _dtype(tensor: TensorProto) -> str:
    name = str(TensorProto.DataType.Name(tensor.data_type)).lower()
    return _NAMES.get(name, name)


def _stored_bytes(tensor: TensorProto) -> int:
    """Of the values alone: without the tensor's name and shape."""
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data)
    bare = TensorProto()
    bare.CopyFrom(tensor)
    for field in _TYPED:
        bare.ClearField(field)
    return int(tensor.ByteSize()) - int(bare.ByteSize())


def _external_bytes(tensor: TensorProto) -> int:
    """As the file says; 0 where it leaves the length out."""
    told = {entry.key: entry.value for entry in tensor.external_data}.get("length", "0")
    return int(told) if told.isdecimal() else 0


def _field_bytes(payload: int) -> int:
    """Of a message inside another one: a byte that names the field, the length in groups of seven bits, the message.

    Source: protobuf's encoding, https://protobuf.dev/programming-guides/encoding/ (field numbers below 16).
    """
    return 1 + max(1, -(-payload.bit_length() // 7)) + payload
