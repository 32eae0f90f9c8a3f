"""Names that come twice on one line. A dict keyed by name would lose the first of them."""


def told_apart(readings):
    """The same readings; the second of a name is called NAME#2, the third NAME#3."""
    if len({one.name for one in readings}) == len(readings):
        return readings
    counts, found = {}, []
    for one in readings:
        count = counts[one.name] = counts.get(one.name, 0) + 1
        if count > 1:
            one = one._replace(name="{}#{}".format(one.name, count))
        found.append(one)
    return found
