"""Setting a board's state as asked, looking what came of it, and putting it back. Knows the order, and no control.

Nothing is set that could not be put back: what is changed is read first, and told to `note` before it is changed, so
that whoever comes after a killed process can clean up. A control that fails leaves the others to be set all the same.
"""

from .. import tables
from . import ORDER, TABLE, Machine, rights

# A later control may move an earlier one's values back, as jetson_clocks of a Nano does with cores: once more then.
PASSES = 2


def machine(root, folder, sudo=()):
    """The Machine of this process. sudo: words before what needs root; by itself as `rights.escalation` finds them."""
    words = rights.escalation(root) if sudo == () else sudo
    return Machine(root, folder, rights.runner(words), rights.writer(root, words))


def apply(machine, asked, note):
    """Set what is asked (a State's values by name; None: left alone). Returns found, in_force and problems.

    found: what must be put back, value by control: that which was changed, and what a change moves along.
    in_force: value read back, by control asked for. problems: {"control", "asked", "in_force", "reason", "grant"} of
    each that is not in force; grant: the command that would give the right, "" where no right is missing.
    note(found) is called before each change, with all that was found so far. ValueError for a value that this board
    does not have, before anything is changed.
    """
    controls = _controls(machine, asked)
    there = [(control, value) for control, value in controls if control.missing() is None]
    for control, value in there:
        control.differs(value)
    found, failed = {}, {}
    for _ in range(PASSES):
        for control, value in there:
            if control.name not in failed and control.differs(value) is not None:
                try:
                    _set(machine, control, value, found, note)
                except (OSError, ValueError) as error:
                    failed[control.name] = error
    return {"found": found, "in_force": _values(controls), "problems": _problems(controls, failed)}


def verify(machine, asked):
    """As `apply` without changing anything: what is in force now, and what is not as asked any more."""
    controls = _controls(machine, asked)
    return {"in_force": _values(controls), "problems": _problems(controls, {})}


def restore(machine, found):
    """Put back what was found, in the reverse order, and look. Returns problems as `apply`; twice does nothing more."""
    controls = {name: _control(machine, name) for name in ORDER if name in found}
    failed = {}
    # Then forwards: a power mode, put back last, moves the cores and clocks that were put back before it.
    for name in ORDER[::-1] + PASSES * ORDER:
        if name in controls:
            try:
                controls[name].restore(found[name])
                failed.pop(name, None)
            except (OSError, ValueError) as error:
                failed[name] = error
    problems = []
    for name, control in controls.items():
        seen = _astray(control, found[name])
        if seen is not None or name in failed:
            problems.append(_problem(control, found[name], seen, failed.get(name)))
    return problems


def present(machine):
    """Of every control: {"value", "why_unavailable"}. Rights are tried by what changes nothing."""
    found = {}
    for name in ORDER:
        control = _control(machine, name)
        absent = control.missing() is not None
        found[name] = {
            "value": None if absent else control.read(),
            "why_unavailable": control.why_unavailable(None),
        }
    return found


def _control(machine, name):
    return tables.resolve(TABLE, "control", name)(machine)


def _controls(machine, asked):
    """(control, value) of what is asked for, in the order of setting."""
    named = {name: value for name, value in asked.items() if value is not None}
    unknown = sorted(set(named) - set(ORDER))
    if unknown:
        raise ValueError("no control is called {}; known: {}".format(", ".join(unknown), ", ".join(ORDER)))
    found = [(_control(machine, name), named[name]) for name in ORDER if name in named]
    for control, _ in found:
        control.asked_too = frozenset(named)
    return found


def _set(machine, control, value, found, note):
    before = {control.name: control.read()}
    if before[control.name] is None:
        raise OSError("what it is now cannot be read, so it could not be put back: it was left alone")
    for name in control.moves:
        moved = _control(machine, name)
        if moved.missing() is None:
            before[name] = moved.read()
    for name, now in before.items():
        if now is not None:
            found.setdefault(name, now)
    note(dict(found))
    control.set(value)


def _values(controls):
    """What is in force, by control; what nothing tells is left out."""
    values = {control.name: control.read() for control, _ in controls if control.missing() is None}
    return {name: value for name, value in values.items() if value is not None}


def _problems(controls, failed):
    problems = []
    for control, value in controls:
        absent = control.missing()
        seen = absent or control.differs(value)
        if seen is not None:
            error = failed.get(control.name, absent and OSError(absent))
            problems.append(_problem(control, value, None if absent else seen, error))
    return problems


def _problem(control, value, seen, error):
    reason = "something else set it again, or it took no effect" if error is None else str(error)
    grant = rights.granting(control.needs(value)) if isinstance(error, PermissionError) else ""
    return {"control": control.name, "asked": value, "in_force": seen, "reason": reason, "grant": grant}


def _astray(control, found):
    if control.missing() is not None:
        return "gone"
    try:
        return control.astray(found)
    except ValueError as error:
        return str(error)
