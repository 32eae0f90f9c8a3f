"""Starts the emulated board: its SSH server in a root of its own, with its own processes and devices; ends all of it.

What runs there sees the machine's /sys read-only, as facts tell the emulation by it, and nothing else of this machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from harness.model.site import Site
from tests.emulated.root import LOGIN, PATH, CannotEmulate
from tests.support import sshd

# In the root; made anew at every start.
SETTINGS = "etc/edge-harness"
# What of the processor stands in /proc/cpuinfo, by qemu's name of it (Linux's own words on such boards: a Raspberry
# Pi 5 and 4). qemu 7.2 shows the host's: importing onnxruntime 1.31 with that ends in a segmentation fault.
PROCESSORS = {
    "cortex-a76": {
        "Features": "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp "
        "cpuid asimdrdm lrcpc dcpop asimddp",
        "CPU implementer": "0x41",
        "CPU architecture": "8",
        "CPU variant": "0x4",
        "CPU part": "0xd0b",
        "CPU revision": "1",
    },
    "cortex-a72": {
        "Features": "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid",
        "CPU implementer": "0x41",
        "CPU architecture": "8",
        "CPU variant": "0x0",
        "CPU part": "0xd08",
        "CPU revision": "3",
    },
}
# Runs as the first process of its own process and mount namespaces: with it all that is mounted and runs goes.
START = """
set -e
root=$1
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount --bind "$root/etc/edge-harness/cpuinfo" "$root/proc/cpuinfo"
mount --bind /sys "$root/sys"
mount -o remount,bind,ro "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir "$root/run/sshd"
exec chroot "$root" /usr/sbin/sshd -D -e -f /etc/edge-harness/sshd_config
"""


@contextlib.contextmanager
def running(root: Path, folder: Path, processor: str = "cortex-a76") -> Iterator[Site]:
    """The board of that root as a site; keys and the client's files lie in `folder`. CannotEmulate if it fails.

    What an earlier run left on it is removed first: it starts as a board that never saw the harness.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = sshd.free_port()
    _settings(root, folder, port, processor)
    log = folder / "sshd.log"
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    environment = {"PATH": PATH, "QEMU_CPU": processor}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*namespaces, "sh", "-c", START, "sh", str(root)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
    try:
        ready = f"listening on 127.0.0.1 port {port}"
        if not sshd.wait_for(process.pid, lambda: ready in log.read_text(errors="replace")):
            raise CannotEmulate(f"the board's sshd did not start: {log.read_text(errors='replace').strip()}")
        config = sshd.write_client_files(folder, root / SETTINGS / "host_key.pub", port, LOGIN)
        yield Site("emulated-aarch64", sshd.HOST, ssh_config=str(config))
    finally:
        # The first process of the namespace: none of the others outlives it.
        sshd.end_processes(pid for pid, (parent, _) in sshd.processes().items() if parent == process.pid)
        process.wait()


def _settings(root: Path, folder: Path, port: int, processor: str) -> None:
    """Fresh keys and settings; no trace of earlier runs."""
    settings = root / SETTINGS
    for old in (settings, root / "home" / LOGIN / ".cache", root / "var/tmp/edge-harness"):
        shutil.rmtree(old, ignore_errors=True)
    settings.mkdir(parents=True)
    for path in (folder / "user_key", folder / "user_key.pub"):
        path.unlink(missing_ok=True)
    sshd.make_key(folder / "user_key")
    sshd.make_key(settings / "host_key")
    shutil.copyfile(folder / "user_key.pub", settings / "authorized_keys")
    shown = [
        {"processor": str(core), "BogoMIPS": "100.00", **PROCESSORS[processor]} for core in range(os.cpu_count() or 1)
    ]
    cores = ["".join(f"{name}\t: {value}\n" for name, value in core.items()) for core in shown]
    (settings / "cpuinfo").write_text("\n".join(cores) + "\n")
    lines = [
        "ListenAddress 127.0.0.1",
        f"Port {port}",
        f"HostKey /{SETTINGS}/host_key",
        f"AuthorizedKeysFile /{SETTINGS}/authorized_keys",
        "PidFile none",
        "UsePAM no",
        "PasswordAuthentication no",
        "UseDNS no",
        "PrintMotd no",
        f"SetEnv QEMU_CPU={processor}",
    ]
    (settings / "sshd_config").write_text("\n".join(lines) + "\n")
