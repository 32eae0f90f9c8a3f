"""Trials as tidy pandas frames, for notebooks and tables. Owns the column names; computes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.errors import StoreError
from harness.model.trial import Samples, Trial
from harness.store import store

Column = NDArray[Any]
Columns = dict[str, Column]


@dataclass(frozen=True)
class Frames:
    """trials: one row per trial. samples: one per inference (phase, start_s, duration_s, block, device_s, which is NaN
    where the backend tells none). traces: one per reading. predictions: one per image (top1, label). All carry run,
    trial, variant, backend, scenario, mode, launch. damaged: what was left out."""

    trials: pd.DataFrame
    samples: pd.DataFrame
    traces: pd.DataFrame
    predictions: pd.DataFrame
    damaged: tuple[str, ...]


def load_frames(path: str | Path) -> Frames:
    """Frames of the trial, of the run or of all runs at `path`. StoreError if there is none that can be read."""
    trials, damaged = _read(Path(path))
    return Frames(
        pd.DataFrame([_trial_row(trial) for trial in trials]),
        _stack((trial, _sample_columns(trial)) for trial in trials),
        _stack((trial, _trace_columns(trial)) for trial in trials),
        _stack((trial, _prediction_columns(trial)) for trial in trials),
        damaged,
    )


def _read(path: Path) -> tuple[list[Trial], tuple[str, ...]]:
    """Trials and what was left out. A run that cannot be read is left out like a trial, unless it is the only one."""
    if (path / "trial.json").is_file():
        return [store.read_trial(path)], ()
    trials: list[Trial] = []
    damaged: list[str] = []
    folders = store.find_runs(path)
    for folder in folders:
        try:
            run = store.read(folder)
        except StoreError as error:
            if len(folders) == 1:
                raise
            damaged.append(str(error))
        else:
            trials += run.trials
            damaged += run.damaged
    return trials, tuple(damaged)


def _keys(trial: Trial) -> dict[str, object]:
    return {
        "run": trial.run,
        "trial": trial.id,
        "variant": trial.case.variant,
        "backend": trial.case.backend,
        "scenario": trial.case.scenario.name,
        "mode": trial.mode,
        "launch": trial.launch,
    }


def _trial_row(trial: Trial) -> dict[str, object]:
    return {
        **_keys(trial),
        "case": trial.case.id,
        "device": trial.case.device,
        "order": trial.order,
        "started_utc": trial.started_utc,
        "status": trial.status,
        "message": trial.message,
        "stop_reason": trial.stop_reason,
        **{name: getattr(trial.phases, name) for name in trial.phases.__dataclass_fields__},
        **trial.memory,
    }


def _stack(parts: Iterable[tuple[Trial, Columns]]) -> pd.DataFrame:
    """One frame of many; keys become categories, since a million repeated strings would fill the memory."""
    listed = list(parts)
    filled = [(trial, columns) for trial, columns in listed if _length(columns)]
    if not filled:  # no rows, but their names, so that a filter on them works
        return pd.DataFrame(columns=[name for trial, columns in listed[:1] for name in (*_keys(trial), *columns)])
    counts = [_length(columns) for _, columns in filled]
    keys = pd.DataFrame([_keys(trial) for trial, _ in filled])
    repeated: dict[str, object] = {}
    for name in keys.columns:
        if name == "launch":
            repeated[name] = keys[name].to_numpy().repeat(counts)
        else:
            codes, values = pd.factorize(keys[name])
            repeated[name] = pd.Categorical.from_codes(codes.repeat(counts), values)
    columns = {name: np.concatenate([columns[name] for _, columns in filled]) for name in filled[0][1]}
    return pd.DataFrame({**repeated, **columns})


def _length(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _sample_columns(trial: Trial) -> Columns:
    def joined(name: str) -> Column:
        return np.concatenate([_values(part, name) for part in (trial.warm_up, trial.samples)])

    phase = np.repeat(["warm-up", "steady"], [len(trial.warm_up), len(trial.samples)])
    device = joined("device_s")
    return {
        "phase": phase,
        "start_s": joined("start_s"),
        "duration_s": joined("duration_s"),
        "block": joined("block"),
        "device_s": device if len(device) else np.full(len(phase), np.nan),
    }


def _trace_columns(trial: Trial) -> Columns:
    counts = [len(trace.time_s) for trace in trial.traces]

    def repeated(name: str) -> Column:
        return np.repeat(np.array([getattr(trace.channel, name) for trace in trial.traces], object), counts)

    return {
        "collector": repeated("collector"),
        "channel": repeated("name"),
        "unit": repeated("unit"),
        "time_s": np.concatenate([np.asarray(trace.time_s) for trace in trial.traces] or [np.zeros(0)]),
        "value": np.concatenate([np.asarray(trace.value) for trace in trial.traces] or [np.zeros(0)]),
    }


def _prediction_columns(trial: Trial) -> Columns:
    top1 = np.asarray(trial.outputs.top1, np.int64)
    label = np.asarray(trial.outputs.label, np.int64)
    return {"image": np.arange(len(top1)), "top1": top1, "label": label}


def _values(part: Samples, name: str) -> Column:
    return np.asarray(getattr(part, name), np.float64)
