"""Suites, devices and sites by name or path. Owns finding and reading them, and which device is to be reached where;
connects to none."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import places
from harness.errors import DeviceFileError, UnknownName, UsageError
from harness.model.case import Suite
from harness.model.device import Device, parse_device, with_power_mode
from harness.model.site import Site, parse_sites
from harness.options import Options

DEFAULT_SUITE = "cifar10"
DEFAULT_DEVICE = "localhost"
# As an address: the harness itself runs on the board.
HERE = "local"
SITES_FILE = "sites.toml"


@dataclass(frozen=True)
class Target:
    """A device and where it is; no site: this machine. A site of another name than its device's gives it that name.

    file: the device's file, for messages.
    """

    device: Device
    site: Site | None
    file: str = ""

    @property
    def name(self) -> str:
        """As it was named."""
        return self.device.name


def this_machine() -> Target:
    """Where the harness itself runs, as a device."""
    return Target(load_device(DEFAULT_DEVICE), None, f"{DEFAULT_DEVICE}.toml")


def device_names() -> list[str]:
    """Registered boards."""
    files = places.builtin()["devices"].glob("*.toml")
    return sorted(path.stem for path in files if path.name != SITES_FILE)


def load_device(name: str) -> Device:
    """A board by its registered name or by the path of a TOML. UnknownName, DeviceFileError."""
    path = Path(name) if name.endswith(".toml") else places.builtin()["devices"] / f"{name}.toml"
    if not name.endswith(".toml") and name not in device_names():
        raise UnknownName("device", name, device_names())
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeviceFileError(f"{path} cannot be read: {error}") from None
    return parse_device(text, str(path))


def sites_path(configuration: Path | None) -> Path | None:
    """The file of sites that is there, of the checkout's and the user's; the place for one where none is there.

    None where there is no place for one: an installed copy, and a user without a home.
    """
    kept = places.checkout()
    candidates = [kept / "devices" / SITES_FILE] if kept else []
    candidates += [configuration / SITES_FILE] if configuration else []
    return next((path for path in candidates if path.is_file()), candidates[0] if candidates else None)


def load_sites(options: Options) -> dict[str, Site]:
    """Sites by name; none where no file is there. DeviceFileError where it is wrong, or was named and is not there."""
    path = options.sites
    if path is None or not (path.is_file() or options.sites_named):
        return {}
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeviceFileError(f"{path} cannot be read: {error}") from None
    sites = parse_sites(text, str(path))
    for name, site in sites.items():
        if name == DEFAULT_DEVICE:
            fix = f'give the other machine a name of its own, with device = "{DEFAULT_DEVICE}"'
            raise DeviceFileError(f"{path}: {name} is this machine, and has no address; {fix}")
        if site.device and site.device != name and name in device_names():
            raise DeviceFileError(f"{path}: {name}: a {site.device} under the name of a registered device; rename it")
    return sites


def targets(options: Options, *, reached: bool = True) -> tuple[Target, ...]:
    """The devices that were named, each with its site and with the power mode that was asked for.

    UnknownName for what is neither a device nor a site; UsageError for a board without an address, and for two that
    are one: of neither where the boards are not to be `reached`.
    """
    # What measures this machine has no need of a file that others may have broken.
    sites = {} if set(options.devices) == {DEFAULT_DEVICE} and not options.sites_named else load_sites(options)
    found = tuple(_target(name, options, sites, reached=reached) for name in options.devices)
    if reached:
        _check_apart(found)
    return found


def _target(name: str, options: Options, sites: Mapping[str, Site], *, reached: bool) -> Target:
    site = sites.get(name)
    kind = (site.device or name) if site else name
    if not site and not name.endswith(".toml") and name not in device_names():
        raise UnknownName("device", name, {*device_names(), *sites})
    if site and kind.endswith(".toml") and options.sites:
        kind = str(options.sites.parent / kind)
    device = load_device(kind)
    site = _address(device, site or sites.get(device.name), options, sites, reached=reached)
    if site and site.name != device.name:
        # Two boards of a kind are two devices: their runs must not be taken for one another's.
        title = site.name if kind == DEFAULT_DEVICE else f"{device.title} ({site.name})"
        device = dataclasses.replace(device, name=site.name, title=title)
    if options.power_mode is not None:
        device = with_power_mode(device, options.power_mode)
    return Target(device, site, kind if kind.endswith(".toml") else f"{kind}.toml")


def _address(
    device: Device, site: Site | None, options: Options, sites: Mapping[str, Site], *, reached: bool
) -> Site | None:
    if options.host == HERE:
        return None
    if options.host is None and site is None:
        if device.transport == "local" or not reached:
            return None
        raise UsageError(_how_to_address(device, options, sites))
    if not device.identity and device.transport == "local" and (site is None or site.name == device.name):
        # Nothing would tell another machine's numbers from this one's.
        raise UsageError(f"{device.name} is this machine, and has no address; leave out --host, or name another device")
    if options.host is None:
        return site
    return dataclasses.replace(site, address=options.host, port=0) if site else Site(device.name, options.host)


def _how_to_address(device: Device, options: Options, sites: Mapping[str, Site]) -> str:
    like = ", ".join(f"--device {name}" for name, site in sites.items() if site.device == device.name)
    if like:
        return f"{device.name} has no address of its own; sites of its kind: {like}"
    example = places.builtin()["devices"] / f"{SITES_FILE}.example"
    kept = f"copy {example} to {options.sites} and enter it there" if options.sites else "name a file with --sites"
    return (
        f"{device.name} has no address: give it with --host user@address; or {kept}; "
        f"or, where the harness runs on the board itself, --host {HERE}"
    )


def _check_apart(found: tuple[Target, ...]) -> None:
    """Two runs on one machine would measure each other."""
    names: dict[tuple[str, int, str], str] = {}
    for target in found:
        site = target.site
        # One name may be two machines, of two ssh configurations.
        place = (site.address, site.port, site.ssh_config) if site else (HERE, 0, "")
        if place in names:
            both = f"--device {names[place]} and --device {target.device.name}"
            raise UsageError(f"{both} are one machine; measure one after the other")
        names[place] = target.device.name


def suite_names() -> list[str]:
    """Built-in suites."""
    return sorted(path.stem for path in places.builtin()["suites"].glob("*.py"))


def suite_path(name: str) -> Path:
    """The Python file of a suite, by name or path. UnknownName."""
    if name.endswith(".py"):
        if not Path(name).is_file():
            raise UsageError(f"there is no suite file {name}")
        return Path(name)
    if name not in suite_names():
        raise UnknownName("suite", name, suite_names())
    return places.builtin()["suites"] / f"{name}.py"


def load_suite(name: str) -> tuple[Suite, Path]:
    """A suite and the folder its artifacts lie in (named like the file, beside it). UsageError if it defines none."""
    path = suite_path(name)
    spec = importlib.util.spec_from_file_location(f"_suite_{path.stem}", path)
    assert spec is not None  # noqa: S101  # a path that ends in .py always has a spec
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # of a suite that exits, its own code would be taken for ours
        raise UsageError(f"{path} does not load: {type(error).__name__}: {error}") from error
    suite = getattr(module, "SUITE", None)
    if not isinstance(suite, Suite):
        raise UsageError(f"{path} defines no SUITE; give it one, as suites/smoke.py shows")
    return suite, path.parent / path.stem
