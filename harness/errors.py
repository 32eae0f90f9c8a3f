"""The exceptions a caller can expect, as one tree. Owns their exit codes; knows nothing of what raises them.

HarnessError                 anything said to a user on purpose; carries the exit code
|- UsageError           (2)  the command, a suite, a device file or a policy is wrong
|  |- UnknownName       (2)  a name that is not registered; says the nearest known ones
|  |- DeviceFileError   (2)  a device TOML with an unknown key or a wrong type
|  |- ModelError        (2)  a model file that is missing, truncated, not ONNX, or cannot be fed
|  '- DataError         (2)  a data set that is absent, altered or incomplete
|- StoreError           (2)  the results folder cannot be read or written
|  '- NewerSchema       (2)  written by a later version of the harness
|- ReachError           (2)  a board cannot be reached, lets nobody in, or cannot run the agent
|- BoardBusy            (2)  another run holds the board
|- BuildError           (2)  a variant could not be trained, exported or quantized
|- AgentError           (3)  the agent failed, died or broke the protocol; carries the remote traceback
|  '- LinkLost          (3)  nobody answers at the board's end any more
'- NothingMeasured      (3)  the run ended without one valid trial
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_DONE = 0
EXIT_REGRESSION = 1
EXIT_USAGE = 2
EXIT_NOTHING_VALID = 3


class HarnessError(Exception):
    """What happened, on which board, file or key, and what to do next."""

    exit_code = EXIT_USAGE


class UsageError(HarnessError):
    """The command or one of its input files is wrong."""


class UnknownName(UsageError):
    """A name that is not registered."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(f"no {kind} is called {name!r}; {suggest(name, self.known)}")


class DeviceFileError(UsageError):
    """A device TOML with an unknown key, a missing key or a value of the wrong type."""


class ModelError(UsageError):
    """A model file that cannot be read or fed."""


class DataError(UsageError):
    """A data set that is absent, altered or incomplete."""


class StoreError(HarnessError):
    """The results folder cannot be read or written."""


class NewerSchema(StoreError):
    """A file written by a later version of the harness than this one."""


class BuildError(HarnessError):
    """A variant could not be trained, exported or quantized."""


class AgentError(HarnessError):
    """The agent failed, died or broke the protocol. `status`: how its process ended, where it did."""

    exit_code = EXIT_NOTHING_VALID

    def __init__(self, kind: str, message: str, remote_traceback: str = "", status: int | None = None) -> None:
        self.kind, self.remote_traceback, self.status = kind, remote_traceback, status
        super().__init__(message)


class LinkLost(AgentError):
    """The link to the board broke, or the steward at its end is gone. What was finished there is kept there."""


class ReachError(HarnessError):
    """A board cannot be reached, lets nobody in, or cannot run the agent. `passing`: it may answer a little later."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        self.passing = passing
        super().__init__(message)


class BoardBusy(HarnessError):
    """Another run holds the board."""


class NothingMeasured(HarnessError):
    """The run ended without one valid trial."""

    exit_code = EXIT_NOTHING_VALID


def suggest(name: str, known: Iterable[str]) -> str:
    """The nearest known names first, then the rest, as the tail of a message."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}? Known: {', '.join(known)}"
    return f"known: {', '.join(known) or 'none'}"
