"""Where a board is: the values of devices/sites.toml, which stays out of git. Knows no protocol."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass

from harness.errors import DeviceFileError, UsageError
from harness.model.codec import from_json

SCHEMA = 1
MAX_PORT = 65535
# A folder in the login's home, on the board's disk.
FOLDER = ".cache/edge-harness"
# Writable for every login of a board, and kept over a restart: a power mode outlives one, and must be put back.
LEASE_FOLDER = "/var/tmp/edge-harness"  # noqa: S108  # of the board; who may write in it is the lease's business


@dataclass(frozen=True)
class Site:
    """One board's address. `name` is what --device takes; `device` its registered kind, where the two differ.

    address: user@host, or a Host of the user's ssh configuration. port: 0 leaves it to that configuration, which is
    ssh_config where another file than the user's own is to be read. python: the interpreter that has the runtimes.
    folder: where files are kept on the board, below the login's home unless absolute. lease_folder: where the board's
    lease lies, the same for all its logins and so absolute.
    """

    name: str
    address: str
    device: str = ""
    port: int = 0
    python: str = "python3"
    folder: str = FOLDER
    lease_folder: str = LEASE_FOLDER
    ssh_config: str = ""

    def __post_init__(self) -> None:
        if not self.name or not self.name.isprintable() or "/" in self.name:
            raise UsageError(f"{self.name!r} cannot be a board's name: files are named after it; leave out / and such")
        _check_address(self.address)
        if not 0 <= self.port <= MAX_PORT:
            raise UsageError(f"port {self.port} is not 1 to {MAX_PORT}; 0 leaves it to ssh's configuration")
        if not self.python.strip() or not self.python.isprintable() or self.python.startswith("-"):
            raise UsageError(f"python {self.python!r} is not an interpreter on the board, such as python3")
        for name, folder in (("folder", self.folder), ("lease_folder", self.lease_folder)):
            if not folder or folder.startswith("-"):
                raise UsageError(f"{name} {folder!r} is not a folder on the board")
        # Nobody expands these there: ~ would become a folder of that name.
        if self.folder.startswith("~") and not self.folder.startswith("~/"):
            raise UsageError(f"folder {self.folder!r} cannot be found there; write ~/FOLDER, or the whole path")
        if not self.lease_folder.startswith("/"):
            raise UsageError(f"lease_folder {self.lease_folder!r} is another one for each login; write the whole path")


def _check_address(address: str) -> None:
    # Whatever else it is goes to ssh: a name of its configuration may look like anything but an option.
    if not re.fullmatch(r"[^\s-]\S*", address) or "@" in (address[0], address[-1]):
        raise UsageError(f"address {address!r} is not user@host")
    if re.search(r"^[^:]+:\d+$", address):
        host, _, port = address.partition(":")
        raise UsageError(f"address {address!r} holds a port; write {host} and, in sites.toml, port = {port}")
    if "[" in address or "]" in address:
        raise UsageError(
            f"address {address!r}: write an IPv6 address without its brackets, and a port in sites.toml (port = N)"
        )


def parse_sites(text: str, where: str) -> dict[str, Site]:
    """Sites by name from TOML text; `where` names the file. DeviceFileError on anything that is not exactly right."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DeviceFileError(f"{where}: not valid TOML: {error}") from None
    if table.pop("schema", None) != SCHEMA:
        raise DeviceFileError(f"{where}: it must begin with: schema = {SCHEMA}")
    try:
        return {
            name: from_json(Site, {"name": name, **_table(given, f"{where}: {name}")}, f"{where}: {name}")
            for name, given in table.items()
        }
    except UsageError as error:
        raise DeviceFileError(str(error)) from None


def _table(given: object, where: str) -> dict[str, object]:
    if not isinstance(given, dict):
        raise DeviceFileError(f"{where}: expected a table, such as [jetson-nano]")
    return given
