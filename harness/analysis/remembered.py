"""What was computed of a launch, kept while the launch is: several figures and checks ask for the same.

Trials are frozen, so nothing here can go stale; nothing reaches a disk, and what is kept goes when its trial does.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from harness.model.trial import Trial

T = TypeVar("T")


def of_trial(key: Callable[..., Hashable] = lambda: None) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """For a pure function of a trial: computed once for each trial and each `key` of the function's other arguments."""

    def remembering(function: Callable[..., T]) -> Callable[..., T]:
        # By identity: a trial holds tables and has no hash. At its end, before another can have its number, it goes.
        kept: dict[int, tuple[weakref.ref[Trial], dict[Hashable, T]]] = {}

        @functools.wraps(function)
        def remembered(trial: Trial, *others: Any) -> T:
            number = id(trial)
            if number not in kept:
                kept[number] = weakref.ref(trial, lambda _: kept.pop(number, None)), {}
            known, of = kept[number][1], key(*others)
            if of not in known:
                known[of] = function(trial, *others)
            return known[of]

        return remembered

    return remembering
