"""Suites, scripts and devices written to a folder: what a user would keep in files, for the null backend."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DURATIONS_S = (0.010, 0.012, 0.011, 0.013)
# The first inference is step 0; three blocks of 8 warm up; the 12 steady ones begin at step 25.
STEADY_COUNT = 12
FIRST_STEADY_STEP = 25
_SUITE = """\
from harness.model.case import Scenario, StopRule, Suite, Variant, WarmUp

SUITE = Suite(
    name={name!r},
    title={title!r},
    variants=({variants}),
    backends={backends!r},
    scenarios=(Scenario(warm_up=WarmUp(), stop=StopRule(min_count=12, min_duration_s=0.05, budget_s=5.0)),),
    launches={launches},
)
"""
_DEVICE = """\
schema = 1
name = "bench"
title = {title}
transport = "local"
backends = {backends}
collectors = {collectors}
sensor_period_s = 0.05
settings = {{ {settings} }}
"""


def script(**keys: Any) -> dict[str, Any]:
    """A script of the null backend: 10 to 13 ms, first inference 15 ms, three outputs.

    A first inference above 80 ms would make blocks of 3, and the medians of those differ in a cycle of 4.
    """
    return {"durations_s": DURATIONS_S, "first_s": 0.015, "output": [0.25, 0.5, 0.125], **keys}


def write_suite(
    folder: Path,
    scripts: Mapping[str, Mapping[str, Any]],
    *,
    launches: int = 2,
    name: str = "scripted",
    backends: Sequence[str] = ("null",),
) -> Path:
    """A suite of scripted models by variant name; the first is the parent of the others. Returns its .py file."""
    (folder / "scripts").mkdir(parents=True, exist_ok=True)
    lines, parent = [], None
    for index, (variant, keys) in enumerate(scripts.items()):
        file = f"scripts/{index}.json"
        (folder / file).write_text(json.dumps(keys))
        given = f"name={variant!r}, title={'Scripted ' + variant!r}, role='demo', precision='scripted'"
        lines.append(f"Variant({given}, file={file!r}, parent={parent!r}), ")
        parent = parent or variant
    text = _SUITE.format(
        name=name, title="Scripted", variants="".join(lines), backends=tuple(backends), launches=launches
    )
    path = folder / f"{name}.py"
    path.write_text(text)
    return path


def write_device(
    folder: Path,
    *,
    backends: Sequence[str] = ("onnxruntime", "null"),
    collectors: Sequence[str] = ("process",),
    title: str = "A bench",
    settings: str = "affinity = 'none'",
    more: str = "",
) -> Path:
    """A device file of this machine that reads no sensor whose value the neighbours decide; unpinned, as a machine of
    one core would be told that its sensors share it. Returns its .toml file."""
    path = folder / "bench.toml"
    listed = {"backends": json.dumps(list(backends)), "collectors": json.dumps(list(collectors))}
    path.write_text(_DEVICE.format(title=json.dumps(title), settings=settings, **listed) + more)
    return path
