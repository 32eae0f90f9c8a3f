"""Columns and replies of an agent as the model's values. Asks nobody anything."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import TypeAlias

from harness.model.codec import Json
from harness.model.trial import Channel, Outputs, Samples, Trace, no_values

Column: TypeAlias = "array[float]"  # as harness.agent.wire reads them


def samples(columns: Mapping[str, Column], prefix: str) -> Samples:
    """Inferences of one phase; empty where there was none."""
    if f"{prefix}.start_s" not in columns:
        return Samples()
    start_s, duration_s, block = (columns[f"{prefix}.{name}"] for name in ("start_s", "duration_s", "block"))
    return Samples(start_s, duration_s, block, columns.get(f"{prefix}.device_s", no_values()))


def traces(channels: list[dict[str, Json]], columns: Mapping[str, Column]) -> tuple[Trace, ...]:
    """Channels, as the agent lists them, with their columns."""
    return tuple(
        Trace(
            Channel(**channel),
            columns[f"time:{channel['collector']}"],
            columns[f"{channel['collector']}:{channel['name']}"],
        )
        for channel in channels
    )


def outputs(reply: Mapping[str, Json], columns: Mapping[str, Column], labels: Column) -> Outputs:
    """What the model answered, next to the true labels."""
    signature = tuple(float("nan") if value is None else value for value in reply.get("signature", ()))
    top1 = columns.get("top1", no_values())
    logits = columns.get("logits", no_values())
    return Outputs(signature, reply.get("finite", True), top1, labels[: len(top1)], logits)
