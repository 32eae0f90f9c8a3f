"""Checks of what models run on: usable backends, execution providers, and versions against the board's oldest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest

from harness.doctor.check import Check
from harness.model.codec import Json
from harness.model.device import Device, Runtime

# onnxruntime's own name of what a backend runs on. A plain onnxruntime from PyPI has neither, whatever the board has.
PROVIDERS = {"onnxruntime-cuda": "CUDAExecutionProvider", "onnxruntime-tensorrt": "TensorrtExecutionProvider"}
# A package whose module goes by another name, and the backends that only this build of it can serve.
BUILDS = {"onnxruntime-gpu": ("onnxruntime", tuple(PROVIDERS))}


def backends(answer: Mapping[str, Json]) -> Iterator[Check]:
    """Each backend of the device's file: its versions, or why it cannot be used."""
    for name, found in sorted(answer["backends"].items()):
        text = ", ".join(f"{key} {value}" for key, value in found.items()) or "needs nothing"
        yield Check(f"backend {name}", "good", text)
    for name, reason in sorted(answer["backends_unavailable"].items()):
        what, _, fix = reason.partition("; ")
        yield Check(f"backend {name}", "missing", what, fix)


def providers(device: Device, answer: Mapping[str, Json]) -> Iterator[Check]:
    """Whether onnxruntime can use the GPU that the board has."""
    wanted = {PROVIDERS[name]: name for name in device.backends if name in PROVIDERS}
    if not wanted:
        return
    there = [provider for provider, name in wanted.items() if name in answer["backends"]]
    lacking = [provider for provider in wanted if provider not in there]
    if lacking:
        build = device.runtimes.get("onnxruntime-gpu")
        fix = build.install if build else "install a build of onnxruntime that was made for this board"
        yield Check("providers", "warning" if there else "missing", f"onnxruntime lacks {', '.join(lacking)}", fix)
    else:
        yield Check("providers", "good", ", ".join(there))


def versions(device: Device, answer: Mapping[str, Json]) -> Iterator[Check]:
    """Each runtime of the device's file against the oldest version that was made for this board."""
    for name, runtime in device.runtimes.items():
        yield _version(name, runtime, _installed(name, answer))


def _installed(name: str, answer: Mapping[str, Json]) -> str | None:
    if name == "python":
        return str(answer["facts"]["python"])
    module, of = BUILDS.get(name, (name, tuple(answer["backends"])))
    found = [answer["backends"].get(backend, {}).get(module) for backend in of]
    return next((str(version) for version in found if version is not None), None)


def _version(name: str, runtime: Runtime, found: str | None) -> Check:
    label = f"runtime {name}"
    if found is None:
        return Check(label, "missing", f"not found; from {runtime.oldest} on it suits this board", runtime.install)
    if _older(found, runtime.oldest):
        return Check(
            label, "warning", f"{found} is older than {runtime.oldest}, the oldest for this board", runtime.install
        )
    return Check(label, "good", f"{found}, {runtime.oldest} or later is wanted")


def _older(version: str, oldest: str) -> bool:
    """By their leading numbers: 10.3.0 is later than 8.6, and 2.5.0a0+872d is 2.5.0."""
    pairs = zip_longest(_numbers(version), _numbers(oldest), fillvalue=0)
    return next((one < other for one, other in pairs if one != other), False)


def _numbers(version: str) -> list[int]:
    match = re.match(r"\d+(\.\d+)*", version)
    return [int(part) for part in match.group(0).split(".")] if match else []
