"""Memory, context switches and page faults of the measured process, from /proc/PID. Cheap: two reads a sample.

PSS needs a walk over the page tables and would disturb the loop; the agent reads it itself between the phases.
"""

import re

from . import NAN, Channel, options_of
from .files import Reader, fields_after_name, read_text, under

_STATUS = re.compile(r"^(VmRSS|voluntary_ctxt_switches|nonvoluntary_ctxt_switches):\s+(\d+)", re.MULTILINE)
_CHANNELS = [
    Channel("rss", "B", "gauge", "process", "kernel counter"),
    Channel("voluntary_switches", "1", "counter", "process", "kernel counter"),
    Channel("involuntary_switches", "1", "counter", "process", "kernel counter"),
    Channel("minor_faults", "1", "counter", "process", "kernel counter"),
    Channel("major_faults", "1", "counter", "process", "kernel counter"),
]


class ProcessCollector:
    """Reads /proc/PID/status and /proc/PID/stat of the target."""

    name = "process"

    def __init__(self, place):
        options_of(self.name, place)
        self._status_path = under(place.root, "proc", str(place.target), "status")
        self._stat_path = under(place.root, "proc", str(place.target), "stat")
        self._status = self._stat = None

    def why_unavailable(self):
        """None where /proc shows the process."""
        if read_text(self._status_path) is None:
            return "{} cannot be read; is /proc mounted with hidepid?".format(self._status_path)
        return None

    def channels(self):
        """Always the same five."""
        return _CHANNELS

    def start(self):
        """Open both files."""
        self._status, self._stat = Reader(self._status_path), Reader(self._stat_path)

    def read(self):
        """One row."""
        found = dict(_STATUS.findall(self._status.read()))
        fields = fields_after_name(self._stat.read())
        # Fields 10 and 12 of the manual page, counted from 1; two went with the name.
        return [
            _number(found.get("VmRSS"), 1024.0),
            _number(found.get("voluntary_ctxt_switches"), 1.0),
            _number(found.get("nonvoluntary_ctxt_switches"), 1.0),
            float(fields[7]),
            float(fields[9]),
        ]

    def stop(self):
        """Close both files."""
        self._status.close()
        self._stat.close()


def memory_now(root, pid):
    """Peak RSS, RSS, its anonymous part and PSS in bytes; what the kernel does not offer is left out.

    RSS counts mapped file pages too, probably as the page cache happens to hold them: between four environments on one
    machine the same model was seen from 65.8 to 76.7 MiB, with an anonymous part of 30.2 to 31.0 MiB.
    """
    found = {}
    status = read_text(under(root, "proc", str(pid), "status")) or ""
    for key, name in (("VmHWM", "peak_rss_bytes"), ("VmRSS", "rss_bytes"), ("RssAnon", "anonymous_bytes")):
        match = re.search(r"^{}:\s+(\d+) kB".format(key), status, re.MULTILINE)
        if match:
            found[name] = int(match.group(1)) * 1024
    rollup = read_text(under(root, "proc", str(pid), "smaps_rollup")) or ""
    match = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    if match:
        found["pss_bytes"] = int(match.group(1)) * 1024
    return found


def _number(text, scale):
    return NAN if text is None else float(text) * scale
