"""How queries arrive. One function per scenario: name -> "module:function"; each knows load and never a model."""

from . import measure

TABLE = {"single-stream": ".scenarios:single_stream"}


def single_stream(step, clock, scenario, first_s, device_of=None):
    """MLPerf's single-stream: the next query is issued when the last one has ended.

    `first_s`: how long the first inference took; `device_of`: as of measure.Storage. Returns a dict: warm_up and
    samples (storages), steady (bool), reason, begin, end.
    """
    warm, steady = measure.warm_up(step, clock, scenario["warm_up"], first_s, device_of)
    fastest = min(warm.duration_s[: warm.count])
    samples, reason, begin, end = measure.steady_state(step, clock, scenario["stop"], fastest, device_of)
    return {
        "warm_up": warm,
        "steady": steady,
        "samples": samples,
        "reason": reason,
        "begin": begin,
        "end": end,
    }
