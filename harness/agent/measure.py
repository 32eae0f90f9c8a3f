"""Warm-up and the timed loop. Owns when an inference starts and ends; knows no runtime, sensor or file.

Nothing in here allocates per inference, and garbage collection is off in the measured part.
"""

import gc
import time
from array import array
from contextlib import contextmanager

BLOCK_MIN_COUNT = 8
BLOCK_MIN_S = 0.02
# Of a slow model three inferences are a block: eight of them would take minutes on a board.
SLOW_BLOCK_COUNT = 3
SLOW_S = 0.08
# Where one inference is longer than a duet's block, 5 are one (statistics.md, 4.1, asks for 3 to 5), so that the first,
# which is slow after a switch, can be left out.
DUET_BLOCK_COUNT = 5
STEADY_BLOCKS = 3
# So many blocks are tried whatever they take; a slow model could not become steady in the time limit otherwise.
LEAST_BLOCKS = 5
# 16 bytes an inference: 64 MB at most, reached only by models under 10 microseconds.
CAPACITY_MAX = 4000000
STORAGE_FULL = "storage full"
# A block of a comparison ends at this many times its duration: 8 inferences of a slow model take longer than it.
BLOCK_BUDGET = 60


class Storage:
    """Preallocated columns for start and duration of up to `capacity` inferences, written once, front to back.

    device_of: where a session has one, a function that says how long its device took for the last step; asked between
    two inferences, never inside one.
    """

    def __init__(self, capacity, device_of=None):
        self.start_s = array("d", [0.0]) * capacity
        self.duration_s = array("d", [0.0]) * capacity
        self.device_of = device_of
        self.device_s = array("d", [0.0]) * (capacity if device_of else 0)
        self.capacity = capacity
        self.count = 0
        self.block_ends = []

    def end_block(self):
        """What was stored since the last call is one block."""
        self.block_ends.append(self.count)

    def grow(self):
        """Room for twice as many, up to the most that is allowed. It allocates: between blocks only."""
        more = array("d", [0.0]) * min(self.capacity, CAPACITY_MAX - self.capacity)
        self.start_s.extend(more)
        self.duration_s.extend(more)
        self.device_s.extend(more if self.device_of else ())
        self.capacity += len(more)

    def columns(self, prefix):
        """The filled part as named columns: start_s, duration_s, block, and device_s where there is one."""
        block, first = array("d"), 0
        for number, end in enumerate(self.block_ends or [self.count]):
            block.extend(array("d", [float(number)]) * (end - first))
            first = end
        found = [
            (prefix + ".start_s", self.start_s[: self.count]),
            (prefix + ".duration_s", self.duration_s[: self.count]),
            (prefix + ".block", block),
        ]
        return found + [(prefix + ".device_s", self.device_s[: self.count])] if self.device_of else found


def timed_loop(step, clock, storage, min_count, min_end, budget_end):
    """Issue queries back to back until both minima are met, the budget is spent or the storage is full.

    Returns the reason. min_end and budget_end are times on `clock`.
    """
    start_s, duration_s, capacity = storage.start_s, storage.duration_s, storage.capacity
    device_s, device_of = storage.device_s, storage.device_of
    count = storage.count
    reason = STORAGE_FULL
    while count < capacity:
        before = clock()
        step()
        after = clock()
        start_s[count] = before
        duration_s[count] = after - before
        if device_of is not None:
            device_s[count] = device_of()
        count += 1
        if after >= min_end and count >= min_count:
            reason = "minimum count and duration reached"
            break
        if after >= budget_end:
            reason = "budget spent"
            break
    storage.count = count
    return reason


def warm_up(step, clock, rule, first_s, device_of=None):
    """Run blocks until three successive block medians agree within the tolerance, or the time is up.

    Returns (storage, steady). Blocks hold at least 8 inferences and 20 ms, so that one interruption cannot move a
    median, or 3 inferences of a slow model; at least 5 blocks are tried. The rule is a dict with min_duration_s,
    max_duration_s, tolerance. Storage starts with room for inferences eight times as fast as the first and grows
    between blocks, as a first one may take a thousand times the rest.
    """
    storage = Storage(_capacity(rule["max_duration_s"], first_s / 8), device_of)
    begin = clock()
    medians, steady = [], False
    while storage.count < storage.capacity:
        first = storage.count
        least = SLOW_BLOCK_COUNT if (medians or [first_s])[-1] > SLOW_S else BLOCK_MIN_COUNT
        timed_loop(step, clock, storage, first + least, clock() + BLOCK_MIN_S, float("inf"))
        storage.end_block()
        medians.append(median(storage.duration_s[first : storage.count]))
        now = clock()
        recent = medians[-STEADY_BLOCKS:]
        agree = len(recent) == STEADY_BLOCKS and max(recent) <= min(recent) * (1 + rule["tolerance"])
        if agree and now - begin >= rule["min_duration_s"]:
            steady = True
            break
        if now - begin >= rule["max_duration_s"] and len(medians) >= LEAST_BLOCKS:
            break
        if 2 * storage.count > storage.capacity:
            storage.grow()
    return storage, steady


def steady_state(step, clock, rule, fastest_s, device_of=None):
    """The measured part. `fastest_s`: the shortest warm-up inference, from which the storage is sized.

    Returns (storage, reason, begin, end). The rule is a dict with min_count, min_duration_s, budget_s.
    """
    longest = min(rule["budget_s"], rule["min_duration_s"] + rule["min_count"] * fastest_s * 4)
    storage = Storage(max(rule["min_count"], _capacity(longest, fastest_s)), device_of)
    with collection_off():
        begin = clock()
        ends = begin + rule["min_duration_s"], begin + rule["budget_s"]
        reason = timed_loop(step, clock, storage, rule["min_count"], *ends)
        while reason == STORAGE_FULL and storage.capacity < CAPACITY_MAX:
            # The model became much faster than it was while warming up; the pause is between two queries.
            storage.grow()
            reason = timed_loop(step, clock, storage, rule["min_count"], *ends)
        end = clock()
    return storage, reason, begin, end


def alternating_blocks(step, clock, plan, switch):
    """Blocks of `block_s` under alternating conditions, for a comparison in one process.

    `plan`: a list of arms in order, `block_s` and the fastest inference; `switch(arm)` is called before each block.
    Returns the storage, one block per entry of the plan.
    """
    arms, block_s, fastest_s = plan
    storage = Storage(len(arms) * (BLOCK_MIN_COUNT + _capacity(block_s, fastest_s)))
    with collection_off():
        for arm in arms:
            switch(arm)
            begin = clock()
            timed_loop(
                step, clock, storage, storage.count + BLOCK_MIN_COUNT, begin + block_s, begin + BLOCK_BUDGET * block_s
            )
            storage.end_block()
    return storage


class Blocks:
    """Blocks of one side of a duet, each run when it is asked for; collection is off from the first to the last.

    A block holds at least 8 inferences, of slow models 5 or 3, and lasts at least block_s; nothing else ends it early.
    """

    def __init__(self, step, clock, plan, device_of=None):
        """plan: the number of blocks, block_s and the fastest inference; device_of: as of Storage."""
        blocks, block_s, fastest_s = plan
        self._step, self._clock, self._block_s = step, clock, block_s
        self._least = _least_of_duets(fastest_s, block_s)
        self._room = self._least + _capacity(block_s, fastest_s)
        self._storage = Storage(min(CAPACITY_MAX, blocks * self._room), device_of)
        self._begin = self._end = None
        self._collecting = gc.isenabled()
        gc.collect()
        gc.disable()

    def run(self):
        """One block. RuntimeError where it comes to no end within all the room that is allowed."""
        storage, first = self._storage, self._storage.count
        while storage.capacity - first < self._room and storage.capacity < CAPACITY_MAX:
            storage.grow()
        begin = self._clock()
        ends = first + self._least, begin + self._block_s, float("inf")
        while timed_loop(self._step, self._clock, storage, *ends) == STORAGE_FULL:
            if storage.capacity == CAPACITY_MAX:
                raise RuntimeError(_ENDLESS.format(len(storage.block_ends), storage.count - first, self._block_s))
            # The model became much faster than it was while warming up; the pause is between two queries.
            storage.grow()
        storage.end_block()
        self._end = self._clock()
        self._room = max(self._room, 2 * (storage.count - first))
        if self._begin is None:
            self._begin = begin

    def finish(self):
        """(storage, begin, end) of all blocks."""
        if self._collecting:
            gc.enable()
        return self._storage, self._begin, self._end


_ENDLESS = "block {0} did not last {2:g} s within {1} inferences, and no more can be kept: does its clock move?"


def idle(clock, duration_s):
    """Leave the loaded model alone for so long; returns (begin, end) on its clock."""
    begin = clock()
    if duration_s > 0:
        time.sleep(duration_s)
    return begin, clock()


@contextmanager
def collection_off():
    """No garbage collection inside; what was garbage before is collected first."""
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def median(values):
    """The middle value; of an even count, the mean of the two in the middle."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _least_of_duets(fastest_s, block_s):
    if fastest_s > SLOW_S:
        return SLOW_BLOCK_COUNT
    return DUET_BLOCK_COUNT if fastest_s > block_s else BLOCK_MIN_COUNT


def _capacity(duration_s, inference_s):
    # A tenth more than the fastest inference would need: steady inferences rarely beat the fastest warm one.
    return int(min(CAPACITY_MAX, 1.1 * duration_s / max(inference_s, 1e-7) + 64))
