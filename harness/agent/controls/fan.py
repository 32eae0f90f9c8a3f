"""The fan of a board, held at a duty, and what else would steer it: nvfancontrol, the driver, the kernel's governor.

Only fans whose driver is the kernel's pwm-fan, or NVIDIA's older one: a desktop's fans cool more than what is measured.
Whoever steers is stopped before the duty is set, and started again when it is put back. A zone of the kernel is taken
out of its governor's hands only where it steers nothing but fans: others hold clocks back when it gets too hot.
"""

import os
import re

from ..collectors.files import listed, number_in, read_text, under
from . import rights

FULL = 255.0  # of every pwm file
SERVICE = "nvfancontrol"
_OLD = "sys/devices/pwm-fan"  # L4T 32 and before
_HWMON = re.compile(r"pwm[-_]?fan\Z")
_DUTY = re.compile(r"pwm\d+\Z", re.ASCII)
_BOUND = re.compile(r"cdev\d+\Z", re.ASCII)
NEAR_PERCENT = 1.0


class Fan:
    """Value: duty in percent. Read as {"percent", "pwm": of each fan, 0 to 255, "steered": by whom, by itself}."""

    name = "fan"
    moves = ()

    def __init__(self, machine):
        self._machine = machine
        self.asked_too = frozenset()

    def missing(self):
        """None where there is a fan."""
        if self._fans():
            return None
        return "no fan that can be set: none is fitted or its driver (pwm-fan) is not loaded; take fan out of the state"

    def why_unavailable(self, asked):
        """None where it can be set; tried by writing the present duty again."""

        def attempt():
            path = self._fans()[0]
            self._machine.write(path, read_text(path))

        return rights.unavailable(self, asked, attempt)

    def needs(self, asked):
        """Each fan, whatever steers one now, and the service in both directions."""
        root = self._machine.root
        zones = [self._policy(one) for one in self._steered() if one.startswith("thermal_zone")]
        own = [self._own()] if read_text(self._own()) is not None else []
        service = rights.program(root, "systemctl")
        uses = [[service, verb, SERVICE] for verb in ("stop", "start")] if service else []
        return [[rights.tee(root), path] for path in self._fans() + own + zones] + uses

    def read(self):
        """Duty and who steers it."""
        pwm = self._pwm()
        if not pwm:
            return None
        return {"percent": round(max(pwm) * 100 / FULL), "pwm": pwm, "steered": self._steered()}

    def set(self, asked):
        """Stop whoever steers, then set every fan. Where that fails, they are started again."""
        self._check(asked)
        before = self.read()
        try:
            for one in before["steered"]:
                self._steer(one, False)
            for path in self._fans():
                self._machine.write(path, str(round(asked * FULL / 100)))
        except OSError:
            self.restore(before)
            raise

    def differs(self, asked):
        """None where every fan has the duty and nobody steers."""
        self._check(asked)
        near = all(abs(pwm * 100 / FULL - asked) <= NEAR_PERCENT for pwm in self._pwm())
        return None if near and not self._steered() else _words(self.read())

    def restore(self, found):
        """Duties first, then those who steered."""
        if self.astray(found) is None:
            return
        now = self._steered()
        for one in now:
            if one not in found["steered"]:
                self._steer(one, False)
        for path, pwm in zip(self._fans(), found["pwm"]):
            self._machine.write(path, str(pwm))
        for one in found["steered"]:
            if one not in now:
                self._steer(one, True)

    def astray(self, found):
        """None where it is as found; a duty that is steered is nobody's to compare."""
        now = self.read()
        if now is None:
            return "no fan"
        same = now["steered"] == found["steered"] and (now["steered"] or now["pwm"] == found["pwm"])
        return None if same else _words(now)

    def _fans(self):
        root = self._machine.root
        old = under(root, _OLD, "target_pwm")
        if os.path.exists(old):
            return [old]
        found = []
        for folder in listed(under(root, "sys/class/hwmon")):
            folder = under(root, "sys/class/hwmon", folder)
            if _HWMON.match(read_text(os.path.join(folder, "name")) or ""):
                found += [os.path.join(folder, name) for name in listed(folder) if _DUTY.match(name)]
        return found

    def _pwm(self):
        duties = [number_in(read_text(path)) for path in self._fans()]
        return [int(duty) for duty in duties if duty == duty]  # NaN equals nothing

    def _own(self):
        return under(self._machine.root, _OLD, "temp_control")

    def _steered(self):
        """Who steers: "nvfancontrol", "temp_control", or a zone with its governor, "thermal_zone0:step_wise"."""
        root, found = self._machine.root, []
        for process in listed(under(root, "proc")):
            if process.isdigit() and read_text(under(root, "proc", process, "comm")) == SERVICE:
                found = [SERVICE]
        if read_text(self._own()) == "1":
            found.append("temp_control")
        zones = under(root, "sys/class/thermal")
        for zone in listed(zones):
            policy = read_text(under(zones, zone, "policy"))
            if policy and policy != "user_space" and self._cools_by_fans_alone(under(zones, zone)):
                found.append("{}:{}".format(zone, policy))
        return found

    def _cools_by_fans_alone(self, zone):
        kinds = [read_text(os.path.join(zone, name, "type")) or "" for name in listed(zone) if _BOUND.match(name)]
        free = "user_space" in (read_text(os.path.join(zone, "available_policies")) or "").split()
        return bool(kinds) and all("fan" in kind for kind in kinds) and free

    def _policy(self, one):
        return under(self._machine.root, "sys/class/thermal", one.partition(":")[0], "policy")

    def _steer(self, one, on):
        if one == SERVICE:
            service = rights.program(self._machine.root, "systemctl")
            if service is None:
                raise OSError(
                    "{} steers the fan, and there is no systemctl to stop it: stop it by hand".format(SERVICE)
                )
            status, _, err = self._machine.run([service, "start" if on else "stop", SERVICE])
            if status != 0:
                raise OSError("systemctl {} {}: {}".format("start" if on else "stop", SERVICE, err.strip()))
        elif one == "temp_control":
            self._machine.write(self._own(), "1" if on else "0")
        else:
            self._machine.write(self._policy(one), one.partition(":")[2] if on else "user_space")

    def _check(self, asked):
        if isinstance(asked, bool) or not isinstance(asked, (int, float)) or not 0 <= asked <= 100:
            raise ValueError("fan {!r} is no duty from 0 to 100 percent".format(asked))


def _words(found):
    if found is None:
        return "no fan"
    by = " steered by {}".format(", ".join(found["steered"])) if found["steered"] else ""
    return "{} %{}".format(found["percent"], by)
