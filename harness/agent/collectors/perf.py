"""Instructions and cycles of the measured process, from the processor's own counters by perf_event_open(2).

Owns the system call: no package and no perf binary is needed. Only user space is counted, so that a figure does not
depend on how much the kernel allows whom. All threads count: those alive at `start` each by a counter of its own, and
every later one by inheritance. Two counters fit into every processor's set; where others crowd them out for part of the
time, the value is NaN and not an extrapolation.
"""

import errno
import os
import platform
import struct
from collections import namedtuple

from . import NAN, Channel, options_of
from .files import listed, read_text, under

# linux/perf_event.h: type PERF_TYPE_HARDWARE, and its two generic counters.
HARDWARE, CYCLES, INSTRUCTIONS = 0, 0, 1
# Of the attribute's first version, which every kernel takes: type, size, config, sample_period, sample_type,
# read_format, flags, wakeup_events, bp_type, bp_addr.
_ATTRIBUTE = struct.Struct("=IIQQQQQIIQ")
_WITH_TIMES = 1 | 2  # PERF_FORMAT_TOTAL_TIME_ENABLED and _RUNNING: each reading is value, enabled, running
_READING = struct.Struct("=QQQ")
_INHERIT, _EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6
_CLOSE_ON_EXEC = 1 << 3
# The number of the call by platform.machine() (the kernel's syscall tables), and who speaks for 32-bit programs there.
_NARROW = {"aarch64": "armv7l", "x86_64": "i686"}
_CALLS = {"x86_64": 298, "aarch64": 241, "armv7l": 364, "armv6l": 364, "i686": 336, "riscv64": 241, "ppc64le": 319}
_CALLS["s390x"] = 331
_PARANOID = "proc/sys/kernel/perf_event_paranoid"
_SOURCES = "sys/bus/event_source/devices"
# How the counters are reached. open(kind, config, thread) -> descriptor; read(descriptor) -> bytes; close(descriptor).
System = namedtuple("System", "open read close")


def open_event(kind, config, thread):
    """A descriptor of a counter of a thread and of all that it will start. OSError says what is missing."""
    import ctypes

    machine = platform.machine()
    if struct.calcsize("P") == 4:  # a 32-bit system below a 64-bit kernel, as Raspberry Pi OS has it
        machine = _NARROW.get(machine, machine)
    number = _CALLS.get(machine)
    if number is None:
        raise OSError(errno.ENOSYS, "perf_event_open has no known number on {}".format(machine))
    flags = _INHERIT | _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR
    attribute = _ATTRIBUTE.pack(kind, _ATTRIBUTE.size, config, 0, 0, _WITH_TIMES, flags, 0, 0, 0)
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    arguments = [ctypes.c_long(one) for one in (thread, -1, -1, _CLOSE_ON_EXEC)]  # any core, no group
    descriptor = call(ctypes.c_long(number), ctypes.create_string_buffer(attribute, len(attribute)), *arguments)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor


def read_event(descriptor):
    """The bytes of one reading."""
    return os.read(descriptor, _READING.size)


KERNEL = System(open_event, read_event, os.close)


class PerfCollector:
    """Counted since `start`, over all threads of the target."""

    name = "perf"

    def __init__(self, place, system=KERNEL):
        options_of(self.name, place)
        self._root, self._target, self._system = place.root, place.target, system
        self._opened = []  # per channel, a descriptor per thread

    def why_unavailable(self):
        """None where both counters can be opened on the target."""
        try:
            self.start()
        except FileNotFoundError:
            return self._no_counters("this processor shows no such counter")
        except PermissionError as error:
            return self._forbidden(error)
        except ProcessLookupError:
            return "process {} is gone: measure one that runs".format(self._target)
        except OSError as error:
            return self._no_counters("perf_event_open fails ({})".format(error.strerror))
        finally:
            self.stop()
        return None

    def channels(self):
        """Always the same two."""
        return [Channel(name, "1", "counter", "process", "hardware counter") for name in ("instructions", "cycles")]

    def start(self):
        """Open a counter per thread."""
        threads = [int(name) for name in listed(under(self._root, "proc", str(self._target), "task"))]
        for config in (INSTRUCTIONS, CYCLES):
            descriptors = []
            self._opened.append(descriptors)
            for thread in threads or [self._target]:
                try:
                    descriptors.append(self._system.open(HARDWARE, config, thread))
                except ProcessLookupError:
                    if thread == self._target:
                        raise
                    # A thread that ended since it was listed has nothing left to count.

    def read(self):
        """One row of counts, of user space alone."""
        return [sum(self._count(descriptor) for descriptor in descriptors) for descriptors in self._opened]

    def stop(self):
        """Close the counters."""
        opened, self._opened = self._opened, []
        for descriptors in opened:
            for descriptor in descriptors:
                self._system.close(descriptor)

    def _count(self, descriptor):
        try:
            value, enabled, running = _READING.unpack(self._system.read(descriptor))
        except (OSError, struct.error):
            return NAN
        # Less running than enabled: the counter had to share its place, or runs on cores of another kind.
        return float(value) if running == enabled else NAN

    def _forbidden(self, error):
        level = read_text(under(self._root, _PARANOID)) or "unknown"
        return (
            "perf_event_open is refused ({}), with kernel.perf_event_paranoid at {}: sudo sysctl "
            "kernel.perf_event_paranoid=2 (in a container also allow the call perf_event_open)".format(
                error.strerror, level
            )
        )

    def _no_counters(self, what):
        sources = listed(under(self._root, _SOURCES))
        # One unit has the name cpu, or on ARM and hybrid processors a name like armv8_cortex_a57 or cpu_core.
        if any(name.startswith(("cpu", "armv", "apple_")) for name in sources):
            return "{}: update the kernel, or leave the collector perf out".format(what)
        return (
            "{}: {} lists no counters of a processor; a virtual machine needs its host to pass them on (vPMU), or "
            "leave the collector perf out".format(what, under(self._root, _SOURCES))
        )
