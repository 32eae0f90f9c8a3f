"""Power, voltage and current of board rails, from the INA chips that the kernel shows.

Owns where these chips show their values, and the units of each place; which rail is a board's total is the business of
devices/*.toml. Two places, by kernel (Linux Documentation/hwmon/ina3221.rst and ina2xx.rst; hardware.md section 2):

    iio, 4.9 (L4T 32): rail_name_N, in_voltageN_input mV, in_currentN_input mA, in_powerN_input mW (not uW), N from 0
    hwmon, 5 and later: INA3221: inN_label, inN_input mV, currN_input mA and no power, N from 1;
                        INA226, INA219, INA238: in1_input mV, curr1_input mA, power1_input uW

The chips convert all the time and the files hold the last conversion: reading faster than they convert gives repeats,
which are left in.
"""

import os
import re
from collections import namedtuple

from . import NAN, Channel, options_of
from .files import (
    Reader,
    listed,
    natural,
    number_of,
    open_or_not,
    read_text,
    told_apart,
    under,
    why_none_reads,
)

# The x marks drivers of NVIDIA's kernel 4.9; ina2xx is a name that the mainline driver once gave to all of its kind.
_CHIP = re.compile(r"ina(?:3221|2\d\d|2xx)x?\Z", re.ASCII)
# in7 of the INA3221 adds up shunt voltages, whatever rails they belong to; NC: the input is not connected.
_NO_RAIL = re.compile(r"(?:NC|sum of shunt voltages)\Z", re.IGNORECASE)
_RAIL_NAME = re.compile(r"rail_name(?:_(\d+))?\Z", re.ASCII)
_IIO_FILES = ("in_power{}_input", "in_voltage{}_input", "in_current{}_input")
_BUSES, _MONITORS = "sys/bus/i2c/devices", "sys/class/hwmon"
# How a chip is set; read once, so that a record can tell how fast it converts. Units as the kernel gives them.
_SETTINGS = ("update_interval", "samples", "shunt_resistor", "shunt1_resistor", "shunt2_resistor", "shunt3_resistor")
# address: bus-address, as 1-0040; folders: where its values may be.
Chip = namedtuple("Chip", "kind address folders")
# Paths of its files, None for one that is not there; power_per_w: what the power file shows for one watt.
Rail = namedtuple("Rail", "name power voltage current power_per_w")
_UNITS = {"power": "W", "voltage": "V", "current": "A"}


class InaCollector:
    """All rails of all chips, in the order of their addresses; a rail's files are read back to back."""

    name = "ina"

    def __init__(self, place, reader=Reader):
        options_of(self.name, place)
        self._root, self._reader = place.root, reader
        self._chips = find_chips(place.root)
        self._rails = [rail for chip in self._chips for rail in find_rails(chip)]
        self._opened = []

    def why_unavailable(self):
        """None where one rail can be read."""
        if self._rails:
            return why_none_reads([path for rail in self._rails for path in _paths(rail) if path], self._reader)
        places = " and ".join(under(self._root, place) for place in (_BUSES, _MONITORS))
        if self._chips:
            seen = ", ".join("{} at {}".format(chip.kind, chip.address) for chip in self._chips)
            return "{} shows no rail in {}: load its driver (sudo modprobe ina3221, ina2xx or ina238)".format(
                seen, places
            )
        return (
            "no INA3221, INA226, INA219 or INA238 in {}: load its driver (sudo modprobe ina3221, ina2xx or ina238), in "
            "a container mount the host's /sys; a machine without such a chip needs another source".format(places)
        )

    def channels(self):
        """NAME_power, NAME_voltage and NAME_current of every rail, as far as it has them."""
        channels = []
        for rail, name in zip(self._rails, told_apart([rail.name for rail in self._rails])):
            for quantity in quantities(rail):
                # VDD_IN_power#2, as decoders call it: the number stands last.
                full = "{}_{}{}".format(rail.name, quantity, name[len(rail.name) :])
                channels.append(Channel(full, _UNITS[quantity], "gauge", "rail", "board rail"))
        return channels

    def start(self):
        """Open every file; one that will not open reads NaN."""
        self._opened = [
            (rail, [path and open_or_not(path, self._reader) for path in _paths(rail)]) for rail in self._rails
        ]

    def read(self):
        """One row in W, V and A."""
        row = []
        for rail, (power, voltage, current) in self._opened:
            # One straight after the other: nothing may happen between the two factors of a power.
            millivolts = number_of(voltage) if voltage else NAN
            milliamperes = number_of(current) if current else NAN
            if power:
                row.append(number_of(power) / rail.power_per_w)
            elif voltage and current:
                row.append(millivolts * milliamperes / 1e6)
            if voltage:
                row.append(millivolts / 1e3)
            if current:
                row.append(milliamperes / 1e3)
        return row

    def facts(self):
        """Kind, address and settings of every chip, as the kernel shows them."""
        found = []
        for chip in self._chips:
            settings = {name: read_text(os.path.join(folder, name)) for folder in chip.folders for name in _SETTINGS}
            told = {name: text for name, text in settings.items() if text is not None}
            found.append(dict(told, chip=chip.kind, address=chip.address))
        return {"chips": found}

    def stop(self):
        """Close every file."""
        opened, self._opened = self._opened, []
        for _, readers in opened:
            for reader in readers:
                if reader is not None:
                    reader.close()


def quantities(rail):
    """What can be told of a rail, in order; power needs its file, or both factors."""
    has_power = rail.power or (rail.voltage and rail.current)
    found = (("power", has_power), ("voltage", rail.voltage), ("current", rail.current))
    return [quantity for quantity, there in found if there]


def find_chips(root):
    """All chips below a root by address. Numbers of hwmonK and iio:deviceK change between boots: no name holds one."""
    chips = {}
    for kind, folder in _named(under(root, _BUSES)):
        chip = _chip_at(folder, kind, chips)
        monitors = os.path.join(folder, "hwmon")
        chip.folders.extend(os.path.join(folder, name) for name in listed(folder) if name.startswith("iio"))
        chip.folders.extend(os.path.join(monitors, name) for name in listed(monitors))
    for kind, folder in _named(under(root, _MONITORS)):
        device = os.path.join(folder, "device")
        chip = _chip_at(device if os.path.isdir(device) else folder, kind, chips)
        if not chip.folders:
            chip.folders.append(folder)
    return sorted(chips.values(), key=lambda chip: natural(chip.address))


def find_rails(chip):
    """The rails of a chip, from the first of its folders that has any: a second one would show the same ones again."""
    for folder in chip.folders:
        rails = _iio_rails(folder) or _hwmon_rails(folder, "{}_{}".format(chip.kind, chip.address))
        rails = [rail for rail in rails if quantities(rail)]
        if rails:
            return rails
    return []


def _named(folder):
    """(kind, folder) of all chips that a folder lists."""
    for entry in listed(folder):
        kind = read_text(os.path.join(folder, entry, "name")) or ""
        if _CHIP.match(kind):
            yield kind, os.path.join(folder, entry)


def _chip_at(folder, kind, chips):
    real = os.path.realpath(folder)
    return chips.setdefault(real, Chip(kind, os.path.basename(real), []))


def _iio_rails(folder):
    found = []
    for match in filter(None, map(_RAIL_NAME.match, listed(folder))):
        label = read_text(os.path.join(folder, match.group(0)))
        if label and not _NO_RAIL.match(label):
            # The INA230 family of that kernel has one rail, and no number behind rail_name.
            names = [text.format(match.group(1) or 0) for text in _IIO_FILES]
            found.append(_rail(label, folder, names, 1e3))
    return found


def _hwmon_rails(folder, own_name):
    if os.path.exists(os.path.join(folder, "power1_input")):
        # in0 is the shunt's voltage, in1 the bus's.
        label = read_text(os.path.join(folder, "label")) or own_name
        return [_rail(label, folder, ("power1_input", "in1_input", "curr1_input"), 1e6)]
    # Of the INA3221 only in1 to in3 are rails: in4 to in6 are shunt voltages, in7 is their sum.
    labels = {number: read_text(os.path.join(folder, "in{}_label".format(number))) for number in (1, 2, 3)}
    if not any(labels.values()):  # a breakout that nobody has described
        labels = {number: "{}_{}".format(own_name, number) for number in labels}
    return [
        _rail(label, folder, (None, "in{}_input".format(number), "curr{}_input".format(number)), None)
        for number, label in sorted(labels.items())
        if label and not _NO_RAIL.match(label)
    ]


def _rail(label, folder, names, power_per_w):
    paths = [os.path.join(folder, name) if name else None for name in names]
    power, voltage, current = [path if path and os.path.exists(path) else None for path in paths]
    # A channel's name holds no blank.
    return Rail("_".join(label.replace("\0", "").split()), power, voltage, current, power_per_w)


def _paths(rail):
    return rail.power, rail.voltage, rail.current
