"""What an ONNX file is: its inputs, opset, size, hash and cost, found without running it and without torch.

Owns reading a model safely. Weights kept beside the model (external data) are hashed and checked but never loaded,
so a model of any size is fine. Counting is harness.artifacts.onnx_cost's and onnx_composition's, running
onnx_session's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # its stubs are a separate package
from onnx import TensorProto

from harness.artifacts import onnx_composition, onnx_cost
from harness.artifacts.onnx_session import FEEDABLE, loads
from harness.errors import ModelError, suggest
from harness.model.case import ArtifactFacts, Part, TensorSpec, Variant

# First bytes of files that people hand over by mistake, and what to do about each.
_LOOKALIKES = (
    (b"\x89PNG", "a PNG image; give the model itself"),
    (b"\xff\xd8\xff", "a JPEG image; give the model itself"),
    (b"PK\x03\x04", "a zip archive, perhaps a PyTorch checkpoint; export it with torch.onnx.export first"),
    (b"\x89HDF", "an HDF5 file, perhaps Keras; convert it with tf2onnx first"),
    (b"version https://git-lfs", "a Git LFS pointer; run `git lfs pull` to fetch the model"),
)
_PROTOBUF_LIMIT_BYTES = 2**31
_OLD_IR_VERSION = 8  # read by every onnxruntime since 1.10, so that a probe with it tests the opset alone


@dataclass(frozen=True)
class OnnxFacts:
    """`inputs` with every dimension known; `files` relative to the model's folder, the model first; `size_bytes` of
    all of them. `sha256`: of the model, or over all files where there are several. `precision` is the declared one:
    fp32, fp16, bf16, int8 or mixed. `macs` per image, None where a shape is unknown; `uncounted` names operator
    types whose work is not in it. Parameters are trained values, batch norm folded or not. `composition`: what those
    `size_bytes` hold."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]
    opset: int
    files: tuple[str, ...]
    size_bytes: int
    sha256: str
    precision: str
    parameters: int
    macs: int | None
    uncounted: tuple[str, ...]
    metadata: Mapping[str, str]
    composition: tuple[Part, ...]


def inspect(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> OnnxFacts:
    """All facts of a model file. `shapes` gives dimensions that the model leaves free; a free first one is batch 1.

    Raises ModelError, naming the file, where it cannot be read, run by the installed onnxruntime, or fed.
    """
    model = read(path)
    files = (path.name, *_external_files(model, path))
    _check_runtime(model, path)
    inputs = _input_specs(model, path, shapes)
    batch = inputs[0].shape[0] if _has_batch(_fed(model)[0], inputs[0]) else 1
    cost = onnx_cost.count(model, {spec.name: spec.shape for spec in inputs}, batch)
    sizes = [(path.parent / name).stat().st_size for name in files]
    return OnnxFacts(
        inputs=inputs,
        outputs=tuple(value.name for value in model.graph.output),
        opset=onnx_cost.opset(model),
        files=files,
        size_bytes=sum(sizes),
        sha256=_hash_files(path.parent, files),
        precision=cost.precision,
        parameters=cost.parameters,
        macs=cost.macs,
        uncounted=cost.uncounted,
        metadata={item.key: item.value for item in model.metadata_props},
        composition=onnx_composition.composition(model, sizes[0], sum(sizes[1:])),
    )


def artifact_facts(variant: Variant, file: str, found: OnnxFacts) -> ArtifactFacts:
    """What a file alone tells of a variant's artifact; MACs that leave operators out are no count."""
    return ArtifactFacts(
        variant=variant.name,
        file=file,
        sha256=found.sha256,
        size_bytes=found.size_bytes,
        precision=found.precision,
        parent=variant.parent,
        parameters=found.parameters,
        macs=None if found.uncounted else found.macs,
        uncounted=found.uncounted,
    )


def read(path: Path) -> onnx.ModelProto:
    """The model without its external data. ModelError where the file is absent, damaged or something else."""
    if path.is_dir():
        raise ModelError(f"{path} is a folder; give the .onnx file inside it")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist; check the path of the model") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    if not content:
        raise ModelError(f"{path} is empty; export or copy the model again")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError:
        raise ModelError(_why_unreadable(path, content)) from None
    if not model.ir_version or not model.opset_import or not model.graph.node:
        raise ModelError(_why_unreadable(path, content))
    return model


def _why_unreadable(path: Path, content: bytes) -> str:
    for start, what in _LOOKALIKES:
        if content.startswith(start):
            return f"{path} is not an ONNX model but {what}"
    if len(content) >= _PROTOBUF_LIMIT_BYTES:
        return f"{path} is over protobuf's limit of 2 GiB; save it with its weights as external data"
    if content[0] == 0x08:  # field 1, ir_version: how every ONNX file starts
        return f"{path} is truncated or damaged ({len(content)} bytes); export or copy the model again"
    return f"{path} is not an ONNX model; give the .onnx file that an exporter wrote"


def _external_files(model: onnx.ModelProto, path: Path) -> tuple[str, ...]:
    """Relative names of the external-data files, sorted; each exists and lies in the model's folder."""
    names = set()
    for tensor in _tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        _check_inside(location, path, tensor.name)
        if not (path.parent / location).is_file():
            raise ModelError(
                f"{path} keeps its weights in {location!r}, which is not beside it; copy that file to {path.parent}"
            )
        names.add(location)
    return tuple(sorted(names))


def _check_inside(location: str, path: Path, tensor: str) -> None:
    """A model may not make the harness read, hash or send a file from elsewhere."""
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    named_outside = posix.is_absolute() or bool(windows.anchor) or ".." in (*posix.parts, *windows.parts)
    folder = path.parent.resolve()
    if not location or named_outside or not (folder / location).resolve().is_relative_to(folder):
        raise ModelError(
            f"{path} keeps the weights of {tensor!r} in {location!r}, which is outside its folder; refused. "
            "Save the model with its external data in one file beside it"
        )


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        yield from _node_tensors(function.node)


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Iterable[onnx.NodeProto]) -> Iterator[TensorProto]:
    for attribute in (attribute for node in nodes for attribute in node.attribute):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for graph in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            yield from _graph_tensors(graph)


def _hash_files(folder: Path, files: Sequence[str]) -> str:
    digests = []
    for name in files:
        with (folder / name).open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(files) == 1:
        return digests[0]
    listed = "".join(f"{name}\0{digest}\n" for name, digest in zip(files, digests, strict=True))
    return hashlib.sha256(listed.encode()).hexdigest()


def _fed(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs proper: before IR version 4 the weights were listed among them."""
    stored = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in stored]


def _input_specs(model: onnx.ModelProto, path: Path, shapes: Mapping[str, tuple[int, ...]]) -> tuple[TensorSpec, ...]:
    declared = _fed(model)
    if not declared:
        raise ModelError(f"{path} has no inputs, so there is nothing to feed it; export it with its input free")
    names = [value.name for value in declared]
    for name in shapes:
        if name not in names:
            raise ModelError(f"{path} has no input called {name!r}; {suggest(name, names)}")
    return tuple(_spec(value, path, shapes.get(value.name)) for value in declared)


def _spec(value: onnx.ValueInfoProto, path: Path, asked: tuple[int, ...] | None) -> TensorSpec:
    kind = value.type.WhichOneof("value") or "untyped"
    element = value.type.tensor_type.elem_type
    if kind != "tensor_type" or element not in FEEDABLE:
        found = TensorProto.DataType.Name(element).lower() if kind == "tensor_type" else kind.removesuffix("_type")
        raise ModelError(
            f"input {value.name!r} of {path} is of type {found}, which the harness cannot feed; "
            "export the model with a numeric tensor there"
        )
    known = _declared_shape(value)
    if asked is not None:
        return TensorSpec(value.name, FEEDABLE[element], _checked(asked, known, value.name, path))
    if known is None:
        raise ModelError(
            f"input {value.name!r} of {path} declares no shape; give one: --shape {value.name}=1,3,224,224"
        )
    filled = tuple(1 if i == 0 and size is None else size for i, size in enumerate(known))
    if None in filled:
        example = ",".join(str(size or 224) for size in filled)
        shown = ", ".join("?" if size is None else str(size) for size in known)
        raise ModelError(
            f"input {value.name!r} of {path} has unknown dimensions ({shown}); "
            f"give them, for example: --shape {value.name}={example}"
        )
    return TensorSpec(value.name, FEEDABLE[element], tuple(size for size in filled if size is not None))


def _declared_shape(value: onnx.ValueInfoProto) -> tuple[int | None, ...] | None:
    """None where even the rank is unknown; None for each free dimension."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(size.dim_value if size.dim_value > 0 else None for size in tensor.shape.dim)


def _has_batch(value: onnx.ValueInfoProto, spec: TensorSpec) -> bool:
    """Whether the first dimension counts images: it is free, or the input has an image's four dimensions."""
    known = _declared_shape(value)
    return bool(spec.shape) and (len(spec.shape) >= 4 or known is None or known[0] is None)


def _checked(asked: tuple[int, ...], known: tuple[int | None, ...] | None, name: str, path: Path) -> tuple[int, ...]:
    given = ",".join(map(str, asked))
    if any(size < 1 for size in asked):
        raise ModelError(f"--shape {name}={given}: every dimension of input {name!r} of {path} must be at least 1")
    if known is None:
        return asked
    shown = ",".join("?" if size is None else str(size) for size in known)
    if len(asked) != len(known):
        raise ModelError(
            f"--shape {name}={given} has {len(asked)} dimensions, "
            f"but input {name!r} of {path} has {len(known)} ({shown})"
        )
    if any(size not in (None, wanted) for size, wanted in zip(known, asked, strict=True)):
        raise ModelError(
            f"--shape {name}={given} contradicts the fixed shape of input {name!r} of {path} ({shown}); "
            "only the dimensions shown as ? are free"
        )
    return asked


def _check_runtime(model: onnx.ModelProto, path: Path) -> None:
    """The installed onnxruntime refuses newer opsets and file versions; say which it has before anything is sent."""
    import onnxruntime

    wanted = onnx_cost.opset(model)
    if not wanted or loads(wanted, model.ir_version):
        return
    if loads(wanted, _OLD_IR_VERSION):
        raise ModelError(
            f"{path} has IR version {model.ir_version}, newer than onnxruntime {onnxruntime.__version__} reads; "
            "install a newer onnxruntime, or export with an older onnx"
        )
    newest = next((opset for opset in range(min(wanted - 1, 99), 0, -1) if loads(opset, _OLD_IR_VERSION)), 0)
    raise ModelError(
        f"{path} needs opset {wanted}, but onnxruntime {onnxruntime.__version__} supports up to opset {newest}; "
        f"install a newer onnxruntime, or export with opset_version={newest}"
    )
