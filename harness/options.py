"""What the command line asked for, as one frozen value; built in `cli`, read by the stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from harness.model.power import Scope
from harness.model.site import LEASE_FOLDER

# Kinds of logs that `import` and --power-log read; harness.logs.reading.READERS has a reader for each.
LOG_KINDS = ("tegrastats", "vcgencmd", "nvml-csv", "meter-csv")

# Kinds of results that `import` and `compare` read; harness.foreign.reading.READERS has a reader for each.
RESULT_KINDS = ("pytest-benchmark", "trtexec", "openvino", "ort-perf", "loadgen")

# Where a total may be read; a rail is a part of one.
TOTAL_SCOPES: tuple[Scope, ...] = tuple(scope for scope in get_args(Scope) if scope != "rail")


@dataclass(frozen=True)
class PowerLog:
    """A log of another tool that is to be attached to a run.

    clock_offset_s: what its clock lacks to the board's. channel: the one that is the device's total, for a log that
    holds several; scope: where it is read, if not where that kind of log usually is.
    """

    path: Path
    kind: str = "meter-csv"
    clock_offset_s: float = 0.0
    scope: Scope | None = None
    channel: str | None = None


@dataclass(frozen=True)
class Options:
    """`data`: the data folder; `data_named`: the user named it, so its absence is an error and not a missing figure.

    devices: names, sites or files, at least one. host: the one board's address, or registry.HERE. sites: where their
    addresses are, None where there is no place for them; sites_named: as data_named. power_mode: None leaves the device
    file's. backends: empty means the suite's. until: measure until half p50's interval is this share of it;
    budget_total_s: wall time for that. sustain_s: how long each launch lasts at least. github_summary: where a step of
    GitHub Actions is summed up. leases: where the lease of this machine as a board lies, one for all of its logins.
    """

    command: tuple[str, ...]
    suite: str
    devices: tuple[str, ...]
    results: Path
    cache: Path
    data: Path
    data_named: bool = False
    host: str | None = None
    sites: Path | None = None
    sites_named: bool = False
    power_mode: str | None = None
    variants: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    quick: bool = False
    budget_s: float | None = None
    report: Path | None = None
    seed: int = 0
    json: str | None = None
    download: bool = False
    power_log: PowerLog | None = None
    github_summary: Path | None = None
    until: float | None = None
    budget_total_s: float | None = None
    sustain_s: float | None = None
    leases: Path = Path(LEASE_FOLDER)
