"""Whether boards answer: each is asked over its own connection, all of them at once."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from harness.board.ssh import SshTransport
from harness.errors import ReachError
from harness.model.site import Site


def unreachable(sites: Collection[Site]) -> dict[str, str | None]:
    """By site: None where it answers and lets us in, else why not and what to do."""
    if not sites:
        return {}
    with ThreadPoolExecutor(len(sites)) as threads:
        answers = threads.map(_why_not, sites)
        return {site.name: answer for site, answer in zip(sites, answers, strict=True)}


def _why_not(site: Site) -> str | None:
    transport = SshTransport(site)
    try:
        # The first thing that every other verb asks of a board, too.
        return None if transport.folder else "it has no folder for the harness"
    except ReachError as error:
        return str(error)
    finally:
        transport.close()
