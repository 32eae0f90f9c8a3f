"""The firmware of a Raspberry Pi, asked as vcgencmd asks it: rails of a Pi 5's power chip, throttling, clock, heat.

The firmware's mailbox is asked directly where it can be opened: one system call in place of one process a question.
vcgencmd is the fallback. Older boards have no power chip to ask, so that they lack the rails alone. Asking costs the
firmware time: at 50 Hz it slowed a workload down, so that 10 Hz or less is a fit period.
"""

import os
import struct
import subprocess
import threading

from ..decoders import vcgencmd
from . import NAN, Channel, options_of
from .files import under

OPTIONS = ("command",)
# Power first: the reading is stamped as a whole. A second word is what the answer itself does not name.
COMMANDS = (
    ("pmic_read_adc", None),
    ("get_throttled", None),
    ("measure_clock arm", "arm"),
    ("measure_temp", None),
    ("measure_volts core", None),
)
RAILS = COMMANDS[0][0]
# The first is open to group video on systems that have it, and does nothing else; the second is older and may do more.
MAILBOXES = ("dev/vcio_gencmd", "dev/vcio")
PATIENCE_S = 2.0
INSTALL = "sudo apt install raspi-utils (older systems: libraspberrypi-bin)"
RIGHTS = "sudo usermod -aG video $USER, then log in again"


def load_ioctl():
    """fcntl.ioctl, imported late: only Unix has it."""
    import fcntl

    return fcntl.ioctl


class RaspberryCollector:
    """What this board's firmware answers. Option: command, the path of vcgencmd, which is then asked alone."""

    name = "raspberry"

    def __init__(self, place, load=load_ioctl):
        options = options_of(self.name, place, OPTIONS)
        self._root, self._program, self._load = place.root, options.get("command"), load
        self._asked, self._groups, self._lock = None, None, threading.Lock()

    def why_unavailable(self):
        """None where the firmware answers a question."""
        try:
            self.start()
        except OSError as error:
            return str(error)
        finally:
            self.stop()
        return None

    def channels(self):
        """Of each question that was answered, in order; pmic_power is the sum of all rails with current and voltage."""
        if self._groups is None:
            self.why_unavailable()
        return [channel for _, _, channels in self._groups or [] for channel in channels]

    def start(self):
        """Open the mailbox or find the program, and see what is answered. OSError: "reason: remedy"."""
        self._asked = self._open()
        groups, failures = [], []
        for command, name in COMMANDS:
            try:
                answer = self._asked.ask(command)
            except OSError as error:
                failures.append(str(error))
                continue
            found = vcgencmd.decode(answer, name).readings
            if found:
                groups.append((command, name, _channels(command, found)))
            else:
                failures.append("{} says {!r}".format(command, answer.strip()[:80]))
        if not groups:
            path = self._asked_of()
            self.stop()
            raise OSError("{} answers nothing that can be read ({}): {}".format(path, failures[0], RIGHTS))
        self._groups = groups

    def read(self):
        """One row; NaN for questions that fail."""
        row = []
        for command, name, channels in self._groups or []:
            try:
                with self._lock:
                    if self._asked is None:
                        raise OSError("raspberry is not started")
                    found = vcgencmd.decode(self._asked.ask(command), name).readings
            except OSError:
                found = []
            if command == RAILS:
                found = found + [vcgencmd.rails_sum(found, vcgencmd.rails(channels))]
            values = {one.name: one.value for one in found}
            row += [values.get(channel.name, NAN) for channel in channels]
        return row

    def facts(self):
        """How the firmware is asked."""
        return {"asked_through": self._asked_of()}

    def stop(self):
        """Close the mailbox."""
        with self._lock:
            asked, self._asked = self._asked, None
        if asked is not None:
            asked.close()

    def _open(self):
        refused = []
        mailboxes = [under(self._root, path) for path in MAILBOXES] if self._program is None else []
        for path in mailboxes:
            if os.path.exists(path):
                try:
                    return Mailbox(path, self._load())
                except OSError:
                    refused.append(path)
        program = self._program or under(self._root, "usr/bin/vcgencmd")
        if os.path.isfile(program) and os.access(program, os.X_OK):
            return Program(program)
        if refused:
            raise OSError("{} cannot be opened by this user: {}".format(refused[0], RIGHTS))
        missed = "no {}, and ".format(mailboxes[-1]) if mailboxes else ""
        raise OSError("{}no program {}: on a Raspberry Pi, {}".format(missed, program, INSTALL))

    def _asked_of(self):
        return self._asked.path if self._asked is not None else "the firmware"


class Mailbox:
    """The property mailbox of the firmware: the tag "general command" holds a command, and then its answer.

    Layout by raspberrypi/utils (vcgencmd.c): six words (size, code, tag, room, length, error), the text, an end word.
    """

    ROOM = 1024
    TAG, REQUEST_CODE, ANSWERED = 0x00030080, 0, 0x80000000
    # _IOWR(100, 0, char *)
    REQUEST = 3 << 30 | struct.calcsize("P") << 16 | 100 << 8

    def __init__(self, path, ioctl):
        self.path, self._ioctl = path, ioctl
        self._descriptor = os.open(path, os.O_RDONLY)

    def ask(self, command):
        """The answer. OSError where the firmware does not know the command."""
        size = 6 * 4 + self.ROOM + 4
        words = (size, self.REQUEST_CODE, self.TAG, self.ROOM, 0, 0)
        message = bytearray(struct.pack("=6I{}sI".format(self.ROOM), *words + (command.encode("ascii"), 0)))
        self._ioctl(self._descriptor, self.REQUEST, message, True)
        _, code, _, _, _, error = struct.unpack_from("=6I", message)
        text = bytes(message[24 : 24 + self.ROOM]).partition(b"\0")[0].decode("utf-8", "replace")
        if not code & self.ANSWERED or error:
            raise OSError("{} refuses {} ({})".format(self.path, command, text.strip() or hex(code)))
        return text

    def close(self):
        """Give the descriptor back."""
        os.close(self._descriptor)


class Program:
    """vcgencmd, a process a question."""

    def __init__(self, path):
        self.path = path

    def ask(self, command):
        """The answer. OSError where it fails, or takes more than two seconds."""
        try:
            said = subprocess.check_output(
                [self.path] + command.split(),
                stdin=subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE_S,
            )
        except subprocess.CalledProcessError as error:
            words = error.output.decode("utf-8", "replace").strip()[:80]
            raise OSError("{} {} fails with status {} ({})".format(self.path, command, error.returncode, words))
        except subprocess.TimeoutExpired:
            raise OSError("{} {} takes more than {:g} s".format(self.path, command, PATIENCE_S))
        return said.decode("utf-8", "replace")

    def close(self):
        """Nothing stays open."""


def _channels(command, readings):
    """Channels of an answer. Voltages of measure_volts are what the firmware asks for, not what the power chip saw."""
    if command != RAILS:
        return [Channel(one.name, one.unit, one.kind, "board", "firmware") for one in readings]
    found = [Channel(one.name, one.unit, one.kind, "rail", "board rail") for one in readings]
    if vcgencmd.rails(readings):
        found.append(Channel(vcgencmd.SUM, "W", "gauge", "PMIC rails", "board rail"))
    return found
