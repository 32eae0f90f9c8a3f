"""From a file to a Log, one reader per kind. Owns files and what is wrong with them; the decoders know the text.

Lines of tegrastats and vcgencmd may begin with seconds since 1970, as `tegrastats | ts %.s` writes them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from harness.agent.decoders import Reading, meter_csv, nvml_csv, tegrastats, vcgencmd
from harness.errors import UnknownName, UsageError
from harness.logs.log import Gathering, Log

# A line's number in the file, from 1, and its text.
Line = tuple[int, str]
Reader = Callable[[Iterator[Line], str, Gathering], None]

_EPOCH = re.compile(r"\s*(\d{10}(?:\.\d{1,9})?)\s+", re.ASCII)
# nvidia-smi reads one GPU after the other: a captured round of four took 7 ms. Nobody asks one GPU that often.
_ONE_ROUND_S = 0.02
_NVML_EXAMPLE = "nvidia-smi --query-gpu=index,timestamp,power.draw --format=csv --loop-ms=100"
_LOOK_BYTES = 8192


def read(kind: str, path: str | Path) -> Log:
    """The log at `path`. UsageError for a kind that is not known, and for a file that cannot be one of that kind."""
    if kind not in READERS:
        raise UnknownName("kind of log", kind, READERS)
    gathering, count = Gathering(kind, str(path)), 0

    lines = _lines(Path(path))
    first = next(lines, None)
    if first is None:
        raise UsageError(f"{path} is empty: name the file that {kind} was logged to")

    def counted() -> Iterator[Line]:
        nonlocal count
        for line in chain([first], lines):
            count += 1
            # Bytes that are no UTF-8 are told, even where a decoder has no use for the column they stand in.
            gathering.add_unknown(token for token in line[1].split() if "\ufffd" in token)
            yield line

    READERS[kind](counted(), str(path), gathering)
    return gathering.log(count)


def _lines(path: Path) -> Iterator[Line]:
    """Lines that are not blank. The file is opened once, so that it may be a pipe."""
    try:
        with path.open("rb") as source:
            start = source.peek(_LOOK_BYTES)[:_LOOK_BYTES]
            if start.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise UsageError(f"{path} is UTF-16: write it anew with `iconv -f UTF-16 -t UTF-8`")
            if b"\0" in start:
                raise UsageError(f"{path} is a binary file: name the text that the tool printed")
            for number, line in enumerate(source, 1):
                text = line.decode("utf-8-sig" if number == 1 else "utf-8", "replace").rstrip()
                if text.strip():
                    yield number, text
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}; name a log file") from None


def _read_tegrastats(lines: Iterator[Line], _source: str, into: Gathering) -> None:
    for _, line in lines:
        time_s, text = _stamped(line)
        found = tegrastats.decode(text)
        into.add_unknown(found.unknown)
        into.add(found.readings, tegrastats.stamp_s(text) if math.isnan(time_s) else time_s)


def _read_vcgencmd(lines: Iterator[Line], _source: str, into: Gathering) -> None:
    """pmic_read_adc answers in many lines, joined by name; it ends where a name comes again, or another answer.

    The sum of the rails is formed when all answers were read: one that was cut, as the first and the last of a log may
    be, lacks rails that others have, and then it has no sum.
    """
    answer: list[str] = []
    names: set[str] = set()
    began_s = math.nan
    powers: list[tuple[float, list[Reading]]] = []

    def finish() -> None:
        found = vcgencmd.decode("\n".join(answer))
        into.add_unknown(found.unknown)
        into.add(found.readings, began_s)
        if names:
            powers.append((began_s, [one for one in found.readings if one.unit == "W"]))
        answer.clear()
        names.clear()

    for _, line in lines:
        time_s, text = _stamped(line)
        name = vcgencmd.adc_name(text)
        if answer and (name is None or not names or name in names):
            finish()
        if not answer:
            began_s = time_s
        answer.append(text)
        if name is not None:
            names.add(name)
    finish()
    rails = list(dict.fromkeys(name for _, readings in powers for name in vcgencmd.rails(readings)))
    for time_s, readings in powers if rails else ():
        into.add([vcgencmd.rails_sum(readings, rails)], time_s)


def _stamped(line: str) -> tuple[float, str]:
    """Seconds since 1970 that stand before a line, NaN without, and the line behind them."""
    epoch = _EPOCH.match(line)
    return (float(epoch.group(1)), line[epoch.end() :]) if epoch else (math.nan, line)


def _read_nvml(lines: Iterator[Line], source: str, into: Gathering) -> None:
    columns: Any = None
    numbers: dict[Any, int] = {}
    last_s: dict[Any, float] = {}
    for number, line in lines:
        header = nvml_csv.read_header(line)
        if header is not None:
            columns = header
            into.add_unknown(column.title for column in header if column.role == "unknown")
            continue
        columns = columns or nvml_csv.guess_header(line)
        if columns is None:
            into.add_unknown([line])
            continue
        key, time_s = nvml_csv.identity(line, columns), nvml_csv.stamp_s(line, columns)
        if (key is None or key[0] == "model") and abs(time_s - last_s.get(key, math.nan)) < _ONE_ROUND_S:
            raise UsageError(
                f"{source}:{number}: less than {_ONE_ROUND_S * 1000:.0f} ms after the row before, and no column says "
                "of which GPU: log with index among the columns, or write a first column `index` (all 0 for one GPU)"
            )
        last_s[key] = time_s
        found = nvml_csv.decode(line, columns, _gpu(key, numbers))
        into.add_unknown(found.unknown)
        into.add(found.readings, time_s)
    if columns is None:
        raise UsageError(
            f"{source}: no header and no units, so no column can be told: write the header above the rows, or log "
            f"with `{_NVML_EXAMPLE}`"
        )


def _gpu(key: tuple[str, str] | None, numbers: dict[Any, int]) -> str:
    """gpu0, gpu1, ...: by the index column, else by the order in which ids or models appear; one GPU without either."""
    if key is not None and key[0] == "index":
        return f"gpu{key[1]}"
    return f"gpu{numbers.setdefault(key, len(numbers))}"


def _read_meter(lines: Iterator[Line], source: str, into: Gathering) -> None:
    header, before_s, rows = None, -math.inf, 0
    for number, line in lines:
        if line.lstrip().startswith("#"):
            continue
        if header is None:
            header = _meter_header(line, f"{source}:{number}")
            continue
        rows += 1
        wrong = None if "\ufffd" in line else meter_csv.complaint(line, header)
        if wrong:
            raise UsageError(f"{source}:{number}: {wrong}: correct the row or delete it")
        time_s, found = meter_csv.time_s(line, header), meter_csv.decode(line, header)
        if time_s < before_s:
            raise UsageError(
                f"{source}:{number}: the time goes back, from {before_s:.3f} to {time_s:.3f} s: sort the rows, or cut "
                "the file where the meter's clock was set"
            )
        before_s = max(before_s, time_s) if not math.isnan(time_s) else before_s
        into.add_unknown(found.unknown)
        into.add(found.readings, time_s)
    if not rows:
        raise UsageError(f"{source} holds no row of readings: name a log with a header, for example time_s,power_w")


def _meter_header(line: str, where: str) -> Any:
    header = meter_csv.read_header(line)
    roles = {column.role for column in header.columns} if header else set()
    if not roles >= {"time", "value"}:
        lacking = "column of times (time_s, time, timestamp)" if roles else "power_w, voltage_v, current_a or energy_j"
        raise UsageError(f"{where}: the header names no {lacking}: write one, for example time_s,power_w")
    return header


READERS: Mapping[str, Reader] = {
    "tegrastats": _read_tegrastats,
    "vcgencmd": _read_vcgencmd,
    "nvml-csv": _read_nvml,
    "meter-csv": _read_meter,
}
