"""An arm64 board that this machine plays: a Debian root under qemu's user-mode emulation, with its own SSH server.

Run through `nox -s emulated_board`, never part of the tests: making the root needs root, a Debian mirror and minutes.
"""
