"""The same for every board of a command: what goes wrong with one is said at once, and the others have their turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.errors import EXIT_DONE, EXIT_USAGE, HarnessError
from harness.registry import Target


def each(pairs: Iterable[tuple[Target, Callable[[], int]]]) -> int:
    """Do it for every target; returns the highest exit code. What the only one raises is left to the caller."""
    from harness import console

    pairs = list(pairs)
    if len(pairs) == 1:
        return pairs[0][1]()
    code = EXIT_DONE
    for target, do in pairs:
        try:
            code = max(code, do())
        except HarnessError as error:
            console.message(said(target.name, str(error)))
            code = max(code, error.exit_code)
        except BrokenPipeError:  # the reader of the output went: nobody wants the rest
            raise
        except OSError as error:
            console.message(said(target.name, f"{error.filename or ''}: {error.strerror or error}"))
            code = max(code, EXIT_USAGE)
    return code


def said(name: str, text: str) -> str:
    """A message about a board, with its name unless it begins with it."""
    named = text.startswith((f"{name}: ", f"{name} "))
    return f"harness: {text if named else f'{name}: {text}'}"
