"""The state of the measured process: affinity and priority, set as asked and read back as in force.

Nothing outside the process is changed here, so there is nothing to restore.
"""

import os


def measured_cores(affinity):
    """Core numbers for an affinity setting: "last" allowed core, "none" (all allowed), or a list such as "2,3"."""
    allowed = sorted(os.sched_getaffinity(0))
    if affinity == "none":
        return allowed
    if affinity == "last":
        return allowed[-1:]
    try:
        return [int(part) for part in affinity.split(",")]
    except ValueError:
        raise ValueError('affinity {!r} is neither "last", "none" nor core numbers as in "2,3"'.format(affinity))


def apply(affinity, nice):
    """Pin this process and set its niceness. Returns what is in force and a list of what could not be set."""
    problems = []
    try:
        os.sched_setaffinity(0, measured_cores(affinity))
    except (OSError, ValueError) as error:
        problems.append("affinity {!r} refused: {}".format(affinity, error))
    if nice:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
        except OSError as error:
            problems.append("nice {} refused: {}; it needs root or CAP_SYS_NICE".format(nice, error))
    return in_force(), problems


def in_force():
    """Affinity and niceness as the kernel has them."""
    return {
        "affinity": ",".join(str(core) for core in sorted(os.sched_getaffinity(0))),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
    }


def other_cores(affinity):
    """Allowed cores that a process with that affinity leaves free, for the sensors; all allowed ones if it takes all.

    Call it before `apply`: afterwards only the measured cores are left to see.
    """
    allowed = set(os.sched_getaffinity(0))
    return sorted(allowed - set(measured_cores(affinity)) or allowed)
