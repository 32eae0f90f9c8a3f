"""What of a board's state can be set and put back: one line per control, name -> "module:Class", imported on first use.

A control is made from a `Machine` and has `name`; `why_unavailable(asked)`: None where it can be set, else "reason:
remedy", the remedy being the command that grants it; `read()`: the present value as JSON, None where nothing tells;
`set(asked)`: ask for it, raising OSError or ValueError; `differs(asked)`: None where what is in force is what was
asked, else what is in force instead, in words; `restore(found)`: put back what an earlier `read` returned.

Besides: `missing()`: None where the board has what it takes, whoever asks, else "reason: remedy"; `needs(asked)`:
commands it runs as root, for the grant (asked None: for any value); `astray(found)`: None where things are again as an
earlier `read` found them, else what is in force instead, in words; `moves`: other controls' values that setting this
one changes; `asked_too`: set by `setting` to the names of all controls that are asked for, of which a later one may
overrule this one. `differs` and `set` raise ValueError for a value that this board does not have, naming those it has.
`set` leaves a board as it was where it cannot be brought to what was asked; `restore` does nothing a second time.

Names and values are those of harness.model.device.State.
"""

from collections import namedtuple
from difflib import SequenceMatcher

TABLE = {
    "power_mode": ".controls.power_mode:PowerMode",
    "cores": ".controls.cores:Cores",
    "governor": ".controls.governor:Governor",
    "clocks": ".controls.clocks:Clocks",
    "fan": ".controls.fan:Fan",
}

# A power mode moves cores and ceilings, and locked clocks stand at a governor's ceiling: set in this order, put back
# in the reverse.
ORDER = ("power_mode", "cores", "governor", "clocks", "fan")

# root: replaces / for every file; folder: where a control may keep a file of its own until it is put back;
# run(command, timeout_s=20.0, as_root=True) -> (status, stdout, stderr): a program; write(path, text): a file that
# there is, below root. Both as root where the agent may: PermissionError where it may not, else OSError where it fails.
Machine = namedtuple("Machine", "root folder run write")


def nearest(asked, known):
    """The values a board has, those most like what was asked for first, as the end of a message."""
    likeness = {value: SequenceMatcher(None, str(asked).lower(), value.lower()).ratio() for value in known}
    return "it has {}".format(", ".join(sorted(known, key=lambda value: -likeness[value])) or "none")
