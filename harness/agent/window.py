"""How long a board is measured so that its power sensor has something to say. Pure; talks to nobody."""

# So many renewals of its value a power sensor gets over the steady part: 100 are needed, and periods wander.
UPDATE_PERIODS = 110


def power_window(stop, power, sensed):
    """(min_duration_s, idle_s): a steady part of over 100 update periods of the power sensor, and the idle time around.

    Edges cost about P * period / T of an energy: 100 periods keep that at 1 % (reference: hardware.md, section 7).
    Where no total can be read the rule's own minimum and 0 come back. stop: min_duration_s and budget_s; power:
    totals (collectors of each, in the order of preference), asked_s (how often each is asked) and idle_s; sensed: what
    the sensor process said at its start.
    """
    absent = sensed.get("unavailable", {})
    for collectors in power["totals"]:
        if sensed and not set(collectors) & set(absent):
            break
    else:
        return stop["min_duration_s"], 0.0
    longest_s = UPDATE_PERIODS * max(_period_s(name, power["asked_s"][name], sensed) for name in collectors)
    return min(max(stop["min_duration_s"], longest_s), stop["budget_s"]), power["idle_s"]


def _period_s(collector, asked_s, sensed):
    """How often a collector brings a new value: as it is asked, or as seldom as its sensor renews it.

    0 where the sensor was watched and renewed nothing: it is so slow that no usual run would do, and the analysis says
    so. One that was not watched (it is asked seldom, or tells by itself) is taken at its word.
    """
    renewed_s = sensed.get("update_period_s", {}).get(collector)
    if renewed_s is not None:
        return max(asked_s, renewed_s)
    return 0.0 if collector in sensed.get("read_s", {}) else asked_s
