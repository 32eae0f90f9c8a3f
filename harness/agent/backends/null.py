"""A scripted model: durations and failures from a JSON file, on a clock that only the script moves.

The demo without a runtime, and the tests' double: it goes through every line of the real path, costs no time, and
gives the same numbers on every machine. Script keys: `durations_s` (list, repeated), `first_s`, `output`
(list), `memory_bytes` (allocated while loading), `fail` ({"at": "load" | step number, "how": "raise" |
"kill" | "exit" | "nan" | "hang"}), `jitter` (a process takes up to this share longer or shorter, by its number:
without it two launches are the same to the last digit, and no gate believes such a clock).
"""

import hashlib
import json
import os
import signal
import time
from array import array


class Null:
    """Factory of scripted sessions; always usable."""

    name = "null"

    def why_unavailable(self):
        """Never: it needs nothing."""
        return

    def versions(self):
        """It runs on nothing."""
        return {}

    def load(self, artifact, options):
        """A session over the script `artifact`."""
        with open(artifact) as source:
            return NullSession(json.load(source))


class NullSession:
    """Moves its own clock by the scripted duration of each step."""

    def __init__(self, script):
        factor = _factor(script["jitter"]) if "jitter" in script else 1.0
        self._durations = [duration * factor for duration in script["durations_s"]]
        self._first = script.get("first_s")
        self._output = array("d", script.get("output", [0.0]))
        self._fail = script.get("fail", {})
        # Written to, as the kernel counts no page that nobody has touched.
        self._ballast = b"\1" * script.get("memory_bytes", 0)
        # On a grid of 2**-20 s: durations that are sums of coarser powers of two come out exact, whatever the uptime.
        self._now = int(time.perf_counter() * 2**20) / 2.0**20
        self._count = 0
        self._misbehave("load")

    def clock(self):
        """Scripted time, starting at the real one."""
        return self._now

    def input_names(self):
        """It takes none."""
        return []

    def bind(self, arrays):
        """Inputs do not matter here."""

    def step(self):
        """One scripted inference."""
        self._misbehave(self._count)
        duration = self._durations[self._count % len(self._durations)]
        if self._count == 0 and self._first is not None:
            duration = self._first
        self._now += duration
        self._count += 1

    def outputs(self):
        """The scripted output."""
        return [self._output]

    def facts(self):
        """Says that nothing real ran."""
        return {"providers": ["null"]}

    def close(self):
        """Nothing is held."""

    def _misbehave(self, at):
        if self._fail.get("at") != at:
            return
        how = self._fail["how"]
        if how == "raise":
            raise RuntimeError("scripted failure at {}".format(at))
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "exit":
            os._exit(self._fail.get("status", 7))
        if how == "hang":
            signal.pause()
        if how == "nan":
            self._output = array("d", [float("nan")] * len(self._output))


def _factor(jitter):
    """Of this process, spread evenly between 1 - jitter and 1 + jitter."""
    digest = hashlib.sha256(str(os.getpid()).encode()).digest()
    return 1.0 + jitter * (int.from_bytes(digest[:4], "big") / 2.0**31 - 1.0)
