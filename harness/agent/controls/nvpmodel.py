"""What /etc/nvpmodel.conf of a Jetson says: its modes, and the files in which each one's cores and ceilings show.

Blocks "< PARAM TYPE=.. NAME=CPU_ONLINE >" name files by argument ("CORE_1 /sys/..."); blocks "< POWER_MODEL ID=1
NAME=15W >" give values ("CPU_ONLINE CORE_1 1", "GPU MAX_FREQ 612000000"). -1 stands for the highest of FREQ_TABLE;
newer kernels have their files under the same argument with _KNEXT. Reads files; starts nothing.
"""

import re
from collections import namedtuple

from ..collectors.files import number_in, read_text, under

# values: (parameter, argument) -> text
Mode = namedtuple("Mode", "id name values")
Conf = namedtuple("Conf", "modes files")

_BLOCK = re.compile(r"<\s*(\w+)\s+(.*?)\s*>\Z")
_ATTRIBUTE = re.compile(r"(\w+)\s*=\s*(\S+)")
_CLOCK = re.compile(r"CPU|GPU|GPC", re.ASCII)
_WORDS = {"0": "offline", "1": "online"}
_HIGHEST = -1
# A ceiling is moved to a step of the clock's table, and firmware may keep the topmost steps to itself: an Orin Nano
# shows 1510400 kHz for 1497600, a Nano 1428000 for a table that ends at 1479000. Modes lie further apart than this.
TOLERANCE = 0.05


def parse(text):
    """A Conf; what is no block and no line of one is passed over, as nvpmodel does with comments."""
    modes, files, paths, values = [], {}, {}, {}
    for line in map(str.strip, text.splitlines()):
        found, words = _BLOCK.match(line), line.split()
        if found:
            told, paths, values = dict(_ATTRIBUTE.findall(found.group(2))), {}, {}
            if found.group(1) == "PARAM" and "NAME" in told:
                paths = files.setdefault(told["NAME"], {})
            elif found.group(1) == "POWER_MODEL" and "NAME" in told and told.get("ID", "").isdigit():
                modes.append(Mode(int(told["ID"]), told["NAME"], values))
        elif not line.startswith("#") and len(words) == 2:
            paths[words[0]] = words[1]
        elif not line.startswith("#") and len(words) == 3:
            values[words[0], words[1]] = words[2]
    return Conf(modes, files)


def out_of_force(root, conf, mode, cores=True):
    """What sysfs shows otherwise than the mode has it, in words; None where nothing does, or can be read.

    cores False: without which of them are online.
    """
    seen = _cores_astray(root, conf, mode) if cores else []
    for (parameter, argument), value in sorted(mode.values.items()):
        if argument == "MAX_FREQ" and _CLOCK.match(parameter):
            ceiling, table, wanted = _ceiling(root, conf, parameter), _table(root, conf, parameter), number_in(value)
            if wanted == _HIGHEST:
                wanted = max(table, default=0.0)
            # An absent file is NaN, which is neither above nor below anything; 0 leaves a clock as it is.
            if wanted > 0 and abs(ceiling - wanted) > TOLERANCE * wanted and ceiling not in _around(wanted, table):
                seen.append("{} goes up to {:.0f}, not {:.0f}".format(parameter, ceiling, wanted))
    return "; ".join(seen) or None


def _cores_astray(root, conf, mode):
    seen = []
    for (parameter, argument), value in sorted(mode.values.items()):
        if parameter == "CPU_ONLINE":
            core = argument.replace("CORE_", "cpu")
            path = conf.files.get(parameter, {}).get(argument, "/sys/devices/system/cpu/{}/online".format(core))
            now = read_text(under(root, path.lstrip("/")))
            if now in _WORDS and now != value:
                seen.append("{} is {}, not {}".format(core, _WORDS[now], _WORDS.get(value, value)))
    return seen


def _around(wanted, table):
    """The steps of the table just below and above."""
    below = max((step for step in table if step <= wanted), default=None)
    above = min((step for step in table if step >= wanted), default=None)
    return below, above


def _ceiling(root, conf, parameter):
    return number_in(_text(root, conf, parameter, "MAX_FREQ"))


def _table(root, conf, parameter):
    steps = map(number_in, (_text(root, conf, parameter, "FREQ_TABLE") or "").split())
    return [step for step in steps if step == step]  # NaN equals nothing


def _text(root, conf, parameter, argument):
    for name in (argument + "_KNEXT", argument):
        path = conf.files.get(parameter, {}).get(name)
        text = read_text(under(root, path.lstrip("/"))) if path else None
        if text:
            return text
    return None
