"""Suites and devices by name or path."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from harness import places, registry
from harness.errors import DeviceFileError, StoreError, UnknownName, UsageError
from harness.model.site import Site
from harness.options import Options
from tests.support.scripted_suite import script, write_device, write_suite


def test_every_registered_device_and_suite_can_be_read() -> None:
    assert "localhost" in registry.device_names()
    assert {registry.DEFAULT_SUITE, "smoke"} <= set(registry.suite_names())
    for name in registry.device_names():
        assert registry.load_device(name).name == name
    for name in registry.suite_names():
        suite, folder = registry.load_suite(name)
        assert (suite.name, folder) == (name, places.builtin()["suites"] / name)
        assert len({variant.name for variant in suite.variants}) == len(suite.variants)
        parents = {variant.parent for variant in suite.variants} - {None}
        assert parents <= {variant.name for variant in suite.variants}


def test_a_device_and_a_suite_by_path(tmp_path: Path) -> None:
    assert registry.load_device(str(write_device(tmp_path))).title == "A bench"
    suite, folder = registry.load_suite(str(write_suite(tmp_path, {"a": script()})))
    assert [variant.name for variant in suite.variants] == ["a"]
    assert folder == tmp_path / "scripted"


def test_unknown_names_say_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no device is called 'localhst'; did you mean localhost\?"):
        registry.load_device("localhst")
    with pytest.raises(UnknownName, match=r"no suite is called 'smke'; did you mean smoke\? Known: .*cifar10"):
        registry.load_suite("smke")
    with pytest.raises(UnknownName, match=r"no device is called '\.\./devices/localhost'"):
        registry.load_device("../devices/localhost")


def test_files_that_are_absent_or_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceFileError, match=r"absent\.toml cannot be read"):
        registry.load_device(str(tmp_path / "absent.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(DeviceFileError, match=r"binary\.toml cannot be read"):
        registry.load_device(str(tmp_path / "binary.toml"))
    with pytest.raises(UsageError, match=r"there is no suite file .*absent\.py"):
        registry.load_suite(str(tmp_path / "absent.py"))


def test_what_a_suite_raises_is_told_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("1 / 0")
    with pytest.raises(UsageError, match=r"mine\.py does not load: ZeroDivisionError: division by zero"):
        registry.load_suite(str(path))
    path.write_text("raise SystemExit(1)")  # whose code would be a regression's
    with pytest.raises(UsageError, match=r"mine\.py does not load: SystemExit: 1"):
        registry.load_suite(str(path))
    path.write_text("NOT_A_SUITE = 1")
    with pytest.raises(UsageError, match=r"mine\.py defines no SUITE; give it one, as suites/smoke\.py shows"):
        registry.load_suite(str(path))


def test_a_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = places.writable(tmp_path / "a" / "b", "--results")
    assert list(folder.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write to .*file.*; name another with --cache"):
        places.writable(tmp_path / "file" / "b", "--cache")


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with places.held(tmp_path, "unused"), pytest.raises(StoreError, match="it is taken"):
        places.held(tmp_path, "it is taken").__enter__()
    with places.held(tmp_path, "unused"):
        pass
    with pytest.raises(StoreError, match=r"cannot write to .*absent: No such file"):
        places.held(tmp_path / "absent", "unused").__enter__()


def test_the_built_in_inputs_are_there() -> None:
    for kind, name in (
        ("suites", "smoke.py"),
        ("devices", "localhost.toml"),
        ("templates", "report.html.j2"),
        ("schema", "trial-1.schema.json"),
    ):
        assert (places.builtin()[kind] / name).is_file()


SITES = """\
schema = 1
[jetson-nano]
address = "me@192.0.2.1"
[lab-nano]
address = "lab"
device = "jetson-nano"
port = 2222
python = "/opt/venv/bin/python"
"""


def options(tmp_path: Path, *devices: str, sites: str | None = SITES, **more: Any) -> Options:
    """With a file of sites, unless None."""
    path = tmp_path / "sites.toml"
    if sites is not None:
        path.write_text(sites)
    return Options(("harness",), "smoke", devices, tmp_path, tmp_path, tmp_path, sites=path, **more)


def test_a_device_without_a_site_is_this_machine(tmp_path: Path) -> None:
    assert registry.targets(options(tmp_path, "localhost")) == (registry.this_machine(),)
    device = write_device(tmp_path)
    (target,) = registry.targets(options(tmp_path, str(device)))
    assert (target.name, target.site) == ("bench", None)


def test_a_registered_device_is_at_the_site_of_its_name(tmp_path: Path) -> None:
    (target,) = registry.targets(options(tmp_path, "jetson-nano"))
    site = Site("jetson-nano", "me@192.0.2.1")
    assert target == registry.Target(registry.load_device("jetson-nano"), site, "jetson-nano.toml")


def test_a_site_of_a_kind_is_a_device_of_its_own(tmp_path: Path) -> None:
    """Its runs must not pass for those of another board of the kind."""
    first, second = registry.targets(options(tmp_path, "jetson-nano", "lab-nano"))
    site = Site("lab-nano", "lab", "jetson-nano", 2222, "/opt/venv/bin/python")
    assert (second.name, second.site) == ("lab-nano", site)
    assert second.device.title == "NVIDIA Jetson Nano (lab-nano)"
    assert dataclasses.replace(second.device, name=first.name, title=first.device.title) == first.device


def test_a_machine_without_a_file_of_its_own_is_measured_as_this_one_under_its_own_name(tmp_path: Path) -> None:
    sites = 'schema = 1\n[server]\naddress = "me@server"\ndevice = "localhost"\n'
    (target,) = registry.targets(options(tmp_path, "server", sites=sites))
    assert (target.name, target.device.title, target.site) == (
        "server",
        "server",
        Site("server", "me@server", "localhost"),
    )


def test_the_device_file_of_a_site_lies_beside_the_sites(tmp_path: Path) -> None:
    path = write_device(tmp_path)
    path.write_text(path.read_text().replace("settings =", 'identity = ["*"]\nsettings ='))
    sites = 'schema = 1\n[mine]\naddress = "mine"\ndevice = "bench.toml"\n'
    (target,) = registry.targets(options(tmp_path, "mine", sites=sites))
    assert (target.name, target.device.title) == ("mine", "A bench (mine)")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jetson-nano", Site("jetson-nano", "you@192.0.2.9")),
        ("jetson-tx2", Site("jetson-tx2", "you@192.0.2.9")),
        ("x86-rapl", Site("x86-rapl", "you@192.0.2.9")),
        ("lab-nano", Site("lab-nano", "you@192.0.2.9", "jetson-nano", 0, "/opt/venv/bin/python")),
    ],
)
def test_an_address_on_the_command_line_replaces_that_of_the_site(tmp_path: Path, name: str, expected: Site) -> None:
    (target,) = registry.targets(options(tmp_path, name, host="you@192.0.2.9"))
    assert target.site == expected


def test_the_harness_may_run_on_the_board_itself(tmp_path: Path) -> None:
    (target,) = registry.targets(options(tmp_path, "jetson-nano", host=registry.HERE))
    assert target == registry.Target(registry.load_device("jetson-nano"), None, "jetson-nano.toml")


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("", "address '' is not user@host"),
        ("-oProxyCommand=x", "address '-oProxyCommand=x' is not user@host"),
        ("me@ here", "address 'me@ here' is not user@host"),
        ("me@", "address 'me@' is not user@host"),
        ("me@here:2222", "address 'me@here:2222' holds a port; write me@here and, in sites.toml, port = 2222"),
        ("me@[2001:db8::1]", r"address 'me@\[2001:db8::1\]': write an IPv6 address without its brackets"),
        ("me@[2001:db8::1]:22", r"and a port in sites.toml \(port = N\)"),
    ],
)
def test_an_address_that_is_none_is_refused(tmp_path: Path, host: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        registry.targets(options(tmp_path, "jetson-nano", host=host))


def test_a_board_without_an_address_says_how_to_give_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        registry.targets(options(tmp_path, "jetson-tx2"))
    said = str(caught.value)
    assert said.startswith("jetson-tx2 has no address: give it with --host user@address; or copy ")
    assert f"sites.toml.example to {tmp_path / 'sites.toml'} and enter it there" in said
    assert said.endswith("or, where the harness runs on the board itself, --host local")
    nowhere = dataclasses.replace(options(tmp_path, "jetson-tx2", sites=None), sites=None)
    with pytest.raises(UsageError, match=r"or name a file with --sites; or, where"):
        registry.targets(nowhere)


def test_what_is_not_to_be_reached_needs_no_address(tmp_path: Path) -> None:
    """And two that would be one machine are two plans."""
    found = registry.targets(options(tmp_path, "jetson-tx2", "jetson-tx1", "jetson-nano"), reached=False)
    assert [target.name for target in found] == ["jetson-tx2", "jetson-tx1", "jetson-nano"]
    assert [target.site for target in found] == [None, None, Site("jetson-nano", "me@192.0.2.1")]


def test_sites_of_its_kind_are_named(tmp_path: Path) -> None:
    sites = SITES.replace('[jetson-nano]\naddress = "me@192.0.2.1"\n', "")
    with pytest.raises(UsageError, match="jetson-nano has no address of its own; sites of its kind: --device lab-nano"):
        registry.targets(options(tmp_path, "jetson-nano", sites=sites))


def test_a_name_that_is_neither_device_nor_site_says_the_nearest_of_both(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"no device is called 'lab-nono'; did you mean lab-nano"):
        registry.targets(options(tmp_path, "lab-nono"))


def test_this_machine_has_no_address(tmp_path: Path) -> None:
    """Nothing would tell another machine's numbers from its own."""
    with pytest.raises(UsageError, match="localhost is this machine, and has no address; leave out --host"):
        registry.targets(options(tmp_path, "localhost", host="me@192.0.2.1"))


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        (("jetson-nano", "jetson-nano"), "--device jetson-nano and --device jetson-nano are one machine"),
        (("localhost", "x86-rapl"), "--device localhost and --device x86-rapl are one machine; measure one after"),
        (("jetson-nano", "again"), "--device jetson-nano and --device again are one machine"),
    ],
)
def test_no_machine_is_measured_twice_at_once(tmp_path: Path, devices: tuple[str, ...], said: str) -> None:
    sites = SITES + '[again]\naddress = "me@192.0.2.1"\ndevice = "jetson-nano"\n'
    with pytest.raises(UsageError, match=said):
        registry.targets(options(tmp_path, *devices, sites=sites))


def test_a_power_mode_replaces_the_files(tmp_path: Path) -> None:
    (target,) = registry.targets(options(tmp_path, "jetson-nano", power_mode="5W"))
    assert target.device.state.power_mode == "5W"
    (free,) = registry.targets(options(tmp_path, "jetson-tx1", power_mode="MINE", host="me@x"))
    assert free.device.state.power_mode == "MINE"  # which lists none


def test_a_power_mode_that_the_device_does_not_list_is_refused(tmp_path: Path) -> None:
    said = (
        r"no power mode of jetson-nano is called 'MAX'; did you mean MAXN\? Known: 5W, MAXN; .* copy of the device file"
    )
    with pytest.raises(UsageError, match=said):
        registry.targets(options(tmp_path, "jetson-nano", power_mode="MAX"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"sites\.toml: it must begin with: schema = 1"),
        ("schema = 2\n", r"sites\.toml: it must begin with: schema = 1"),
        ("schema = ", r"sites\.toml: not valid TOML"),
        ("schema = 1\nnano = 5\n", r"sites\.toml: nano: expected a table, such as \[jetson-nano\]"),
        ("schema = 1\n[a]\n", r"sites\.toml: a: the key 'address' is missing"),
        ("schema = 1\n[a]\nadress = 'x'\n", r"sites\.toml: a: unknown key 'adress'; did you mean address"),
        ("schema = 1\n[a]\naddress = '-x'\n", r"sites\.toml: a: address '-x' is not user@host"),
        ("schema = 1\n[a]\naddress = 'x'\nport = 70000\n", r"sites\.toml: a: port 70000 is not 1 to 65535"),
        ("schema = 1\n[a]\naddress = 'x'\nfolder = ''\n", r"sites\.toml: a: folder '' is not a folder"),
        ("schema = 1\n[a]\naddress = 'x'\nlease_folder = '-x'\n", r"sites\.toml: a: lease_folder '-x' is not a folder"),
        ("schema = 1\n[a]\naddress = 'x'\nlease_folder = '~/x'\n", "lease_folder '~/x' is another one for each login"),
        ("schema = 1\n[a]\naddress = 'x'\nlease_folder = 'x'\n", "another one for each login; write the whole path"),
        (
            "schema = 1\n[a]\naddress = 'x'\nfolder = '~you/x'\n",
            "folder '~you/x' cannot be found there; write ~/FOLDER",
        ),
        ("schema = 1\n[a]\naddress = 'x'\npython = ''\n", "a: python '' is not an interpreter on the board"),
        ("schema = 1\n['a/b']\naddress = 'x'\n", "'a/b' cannot be a board's name: files are named after it"),
        ('schema = 1\n["a\\u001b"]\naddress = "x"\n', r"'a\\x1b' cannot be a board's name"),
        ("schema = 1\n[localhost]\naddress = 'x'\n", "localhost is this machine, and has no address; give the other"),
        (
            "schema = 1\n[jetson-nano]\naddress = 'x'\ndevice = 'jetson-tx2'\n",
            "jetson-nano: a jetson-tx2 under the name of a registered device; rename it",
        ),
    ],
)
def test_a_file_of_sites_that_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DeviceFileError, match=said):
        registry.targets(options(tmp_path, "jetson-nano", sites=text))
    assert registry.targets(options(tmp_path, "localhost", sites=text)) == (registry.this_machine(),)


def test_a_file_of_sites_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DeviceFileError, match=r"sites\.toml cannot be read: .*No such file"):
        registry.targets(options(tmp_path, "localhost", sites=None, sites_named=True))
    assert registry.load_sites(options(tmp_path, "localhost", sites=None)) == {}


def test_the_sites_are_the_checkouts_or_the_users(tmp_path: Path) -> None:
    """The first that is there; else where one would be put."""
    own = places.builtin()["devices"] / registry.SITES_FILE
    mine = tmp_path / registry.SITES_FILE
    assert registry.sites_path(None) == own
    assert registry.sites_path(tmp_path) == own
    mine.write_text(SITES)
    assert registry.sites_path(tmp_path) == (own if own.is_file() else mine)


def test_the_file_of_sites_is_no_device() -> None:
    assert "sites" not in registry.device_names()


def test_the_example_of_sites_can_be_copied(tmp_path: Path) -> None:
    example = (places.builtin()["devices"] / f"{registry.SITES_FILE}.example").read_text()
    sites = registry.load_sites(options(tmp_path, "localhost", sites=example))
    assert sites["jetson-nano"] == Site("jetson-nano", "me@192.0.2.10")
    assert sites["nano-in-the-lab"] == Site("nano-in-the-lab", "me@192.0.2.11", "jetson-nano", 22)
