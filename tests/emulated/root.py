"""Makes the emulated board's disk: an arm64 Debian with Python, an SSH server, numpy and onnxruntime; kept in a folder.

Owns debootstrap, the kernel's entry for aarch64 programs, and the wheels; starts nothing that stays. Needs root, as
debootstrap does, and writes below its folder alone, but for the kernel's entry, which lasts until the next start.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

QEMU = "qemu-aarch64-static"
LOGIN = "board"
PACKAGES = "python3,openssh-server"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
REGISTRY = Path("/proc/sys/fs/binfmt_misc")
ENTRY = "edge-harness-aarch64"
# The head of a 64-bit little-endian ELF file for aarch64 (machine 183), executable or shared, whatever its ABI byte.
MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
WHEELS = "usr/local/lib/python{python}/dist-packages"
# All that a glibc of Debian 12 (2.36) can load; onnxruntime's are built for the newest of them.
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")


class CannotEmulate(Exception):
    """What is missing on this machine, and how to get it."""


@dataclass(frozen=True)
class Recipe:
    """What a root is made from; another recipe makes another root. versions: of the packages from the index."""

    versions: Mapping[str, str]
    suite: str = "bookworm"
    python: str = "3.11"
    mirror: str = ""

    @property
    def name(self) -> str:
        """Of the folder."""
        content = json.dumps({**asdict(self), "packages": PACKAGES, "login": LOGIN}, sort_keys=True)
        return f"{self.suite}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def made(cache: Path, recipe: Recipe, say: Callable[[str], None]) -> Path:
    """The root of that recipe, made unless it lies in the cache already; moved into place whole.

    CannotEmulate where this machine cannot; CalledProcessError where debootstrap or pip failed (they said why).
    """
    check_tools()
    register()
    root = cache / recipe.name
    if root.exists():
        return root
    cache.mkdir(parents=True, exist_ok=True)
    partial = cache / f"{recipe.name}.partial"
    if partial.exists():
        shutil.rmtree(partial)
    say(f"making {root}: a few minutes, about 150 MB from the mirror and the package index")
    _bootstrap(partial, recipe)
    _install(partial, recipe)
    inside(partial, "useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", LOGIN)
    partial.rename(root)
    return root


def check_tools() -> None:
    """CannotEmulate where a program or a right is missing."""
    if os.geteuid() != 0:
        raise CannotEmulate("debootstrap and chroot need root: run this as root, best in a container or a VM")
    packages = {
        "debootstrap": "debootstrap",
        QEMU: "qemu-user-static",
        "ssh": "openssh-client",
        "unshare": "util-linux",
    }
    missing = [package for program, package in packages.items() if shutil.which(program) is None]
    if missing:
        raise CannotEmulate(f"missing here: apt install {' '.join(missing)}")


def register() -> str:
    """See to it that the kernel runs aarch64 programs through qemu, even inside a root that has none.

    Returns the name of the entry that does. An entry of the distribution is left as it is.
    """
    if not (REGISTRY / "register").exists():
        mounting = subprocess.run(
            ["mount", "-t", "binfmt_misc", "none", str(REGISTRY)], capture_output=True, text=True, check=False
        )
        if mounting.returncode:
            advice = "a container wants --privileged; else on its host: apt install qemu-user-static binfmt-support"
            raise CannotEmulate(f"binfmt_misc cannot be mounted ({mounting.stderr.strip()}): {advice}")
    for entry in REGISTRY.iterdir():
        if entry.name not in {"register", "status"} and _serves(entry.read_text()):
            return entry.name
    # F: the kernel opens qemu now and keeps it, so that a root needs no copy.
    (REGISTRY / "register").write_bytes(f":{ENTRY}:M::{MAGIC}:{MASK}:{shutil.which(QEMU)}:F".encode())
    return ENTRY


def inside(root: Path, *command: str) -> None:
    """Run a program of the root in it, with the few variables that a login has."""
    _call(["chroot", str(root), *command], {"PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"})


def _serves(entry: str) -> bool:
    """Whether an enabled entry is for aarch64 and works inside a chroot."""
    lines = dict(line.partition(" ")[::2] for line in entry.splitlines())
    machine = lines.get("magic", "")[36:40]
    return "enabled" in lines and machine == "b700" and "F" in lines.get("flags:", "")


def _bootstrap(root: Path, recipe: Recipe) -> None:
    # The signatures are checked, or nothing is made: without the keyring debootstrap would only warn.
    options = ["--arch=arm64", "--variant=minbase", "--force-check-gpg", f"--include={PACKAGES}"]
    source = [recipe.mirror] if recipe.mirror else []
    _call(["debootstrap", *options, recipe.suite, str(root), *source], {**os.environ, "LC_ALL": "C.UTF-8"})


def _install(root: Path, recipe: Recipe) -> None:
    """Unpack wheels from outside: emulated, pip alone takes longer than all the rest."""
    wanted = [f"{name}=={version}" for name, version in sorted(recipe.versions.items())]
    target = root / WHEELS.format(python=recipe.python)
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    which = ["--implementation", "cp", "--python-version", recipe.python, "--only-binary=:all:", "--no-compile"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--root-user-action=ignore"]
    _call([*pip, "--target", str(target), *platforms, *which, *wanted], dict(os.environ))


def _call(command: Sequence[str], environment: Mapping[str, str]) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, env=dict(environment))
