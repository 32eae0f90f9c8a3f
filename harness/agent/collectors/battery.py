"""What a laptop draws from its battery, from power_supply; only while it discharges.

Owns the files of power_supply and their signs. The gauge in the battery measures current and voltage at its own
terminals (a board rail: no counter, and no model): all that the laptop draws, its screen included. While the battery
is charged the figure is the charger's, and says nothing of what the laptop draws. Units: uW, uV and uA (Linux
Documentation/ABI/testing/sysfs-class-power). Gauges renew their value every second or more seldom.
"""

import os
from collections import namedtuple

from . import NAN, Channel, options_of
from .files import Reader, listed, number_of, open_or_not, read_text, under, why_none_reads

_SUPPLIES = "sys/class/power_supply"
# Some drivers count what flows out as negative, others as positive.
Battery = namedtuple("Battery", "name status power voltage current")


class BatteryCollector:
    """NAME_power, NAME_voltage and NAME_current of every battery of the machine itself."""

    name = "battery"

    def __init__(self, place, reader=Reader):
        options_of(self.name, place)
        self._folder, self._reader = under(place.root, _SUPPLIES), reader
        self._batteries = find_batteries(self._folder)
        self._opened = []

    def why_unavailable(self):
        """None where a battery discharges and its power can be read."""
        if not self._batteries:
            return "no battery with a gauge in {}: a machine without one needs another source".format(self._folder)
        states = {battery.name: read_text(battery.status) or "unknown" for battery in self._batteries}
        if "Discharging" not in states.values():
            told = ", ".join("{} is {}".format(name, state) for name, state in sorted(states.items()))
            return "{}, so its figure would be the charger's: unplug the charger".format(told)
        return why_none_reads([battery.power or battery.current for battery in self._batteries], self._reader)

    def channels(self):
        """Power, voltage and current of each battery; NaN where its gauge does not tell one of them."""
        channels = []
        for battery in self._batteries:
            for quantity, unit in (("power", "W"), ("voltage", "V"), ("current", "A")):
                channels.append(Channel("{}_{}".format(battery.name, quantity), unit, "gauge", "battery", "board rail"))
        return channels

    def start(self):
        """Open every file."""
        self._opened = [
            [path and open_or_not(path, self._reader) for path in battery[1:]] for battery in self._batteries
        ]

    def read(self):
        """One row in W, V and A, out of the battery being positive.

        While one is charged its power and current are NaN; one that rests while another discharges reads as it is.
        """
        states = [_state(files[0]) for files in self._opened]
        on_battery = "Discharging" in states
        row = []
        for state, (_, power, voltage, current) in zip(states, self._opened):
            volts = number_of(voltage) / 1e6 if voltage else NAN
            if not on_battery or state == "Charging":
                row += [NAN, volts, NAN]
                continue
            amperes = abs(number_of(current)) / 1e6 if current else NAN
            row += [abs(number_of(power)) / 1e6 if power else volts * amperes, volts, amperes]
        return row

    def stop(self):
        """Close every file."""
        opened, self._opened = self._opened, []
        for files in opened:
            for reader in files:
                if reader is not None:
                    reader.close()


def find_batteries(folder):
    """The machine's own batteries that tell power, or voltage and current; those of a mouse have the scope Device."""
    found = []
    for entry in listed(folder):
        own = read_text(os.path.join(folder, entry, "scope")) != "Device"
        if read_text(os.path.join(folder, entry, "type")) == "Battery" and own:
            paths = [os.path.join(folder, entry, name) for name in ("power_now", "voltage_now", "current_now")]
            power, voltage, current = [path if os.path.exists(path) else None for path in paths]
            if power or (voltage and current):
                found.append(Battery(entry, os.path.join(folder, entry, "status"), power, voltage, current))
    return found


def _state(reader):
    try:
        return reader.read().strip()
    except OSError:
        return "Unknown"
