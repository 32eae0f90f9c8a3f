"""Sessions, nothing else. `nox` alone runs lint, types and tests."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False
# uv installs ten times faster where it is at hand; nothing here needs it.
nox.options.default_venv_backend = "uv|virtualenv"
AXE = "axe-core@4.14.1"


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure and write the report: nox -s bench -- [SUITE] --device localhost ..."""
    session.install("-e", ".")
    session.run("harness", "run", "--report", "reports/site", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests that need neither torch nor a board."""
    session.install("-e", ".[dev]")
    session.run("pytest", "tests", "--ignore=tests/build", "--ignore=tests/overhead", *session.posargs)


@nox.session(default=False)
def accessible(session: nox.Session) -> None:
    """The report's pages in headless Chromium, judged by axe-core, which npm brings into the session's own folder."""
    if shutil.which("npm") is None:
        session.skip("npm is not installed; Debian's package is npm")
    folder = session.create_tmp()
    session.run("npm", "install", "--silent", "--no-save", "--prefix", folder, AXE, external=True)
    session.install("-e", ".[dev]")
    script = str(Path(folder).resolve() / "node_modules" / "axe-core" / "axe.min.js")
    session.run("pytest", "tests/flow/test_report_accessible.py", *session.posargs, env={"HARNESS_AXE": script})


@nox.session(default=False)
def tests_build(session: nox.Session) -> None:
    """Tests of training, export and quantization: they need torch."""
    session.install("-e", ".[build,prune,dev]")
    session.run("pytest", "tests/build", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, formatting, and the agent's oldest Python."""
    session.install("ruff>=0.17,<0.18", "vermin>=1.6")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("vermin", "-t=3.6-", "--no-tips", "--violations", "harness/agent")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types on the host side."""
    session.install("-e", ".[dev]", "nox")
    session.run("mypy")


@nox.session(default=False)
def agent36(session: nox.Session) -> None:
    """The packed agent on a real Python 3.6."""
    if not old_python("3.6"):
        session.skip("no Python 3.6 here; with pyenv: pyenv install 3.6.15")
    session.install("-e", ".[dev]")
    session.run("pytest", "tests/agent36", *session.posargs)


@nox.session(default=False)
def emulated_board(session: nox.Session) -> None:
    """The suite on an arm64 board that qemu plays, over SSH: nox -s emulated_board -- --data DIR (as root)"""
    session.install("-e", ".[dev]", "pip")
    session.run("python", "-m", "tests.emulated.run", *session.posargs)


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Kills at random moments of runs over a real SSH link: nox -s soak -- [KILLS] [SEED]"""
    session.install("-e", ".[dev]")
    session.run("python", "-m", "tests.soak", *session.posargs)


@nox.session(default=False)
def overhead(session: nox.Session) -> None:
    """What the harness itself costs, as ratios from one interleaved run. Run it on a quiet machine."""
    session.install("-e", ".[dev,overhead]")
    session.run("pytest", "tests/overhead", "-p", "no:randomly", "--benchmark-disable-gc", *session.posargs)
    session.run("python", "-m", "tests.overhead.fidelity")


@nox.session(default=False)
def gate(session: nox.Session) -> None:
    """The gate on this project: counts of the released models, scripted times, a slower script that must fail."""
    session.install("-e", ".")
    with tempfile.TemporaryDirectory() as folder:
        # Counts and scripted clocks are the same whoever else measures here: a lease, a store and a cache of its own.
        apart = ["--results", f"{folder}/store", "--cache", f"{folder}/cache"]
        env = {"HARNESS_LEASES": f"{folder}/leases"}
        blessed = "results/baselines/cifar10-counts.json"
        counted = ["suites/cifar10.py", "--design", "counted", "--baseline", blessed]
        session.run("harness", "gate", *counted, *apart, env=env)
        scripted = ["suites/smoke.py", "--policy", "tests/self_gate/scripted.toml", *apart]
        session.run("harness", "gate", "--baseline", as_committed("suites/smoke.py"), *scripted, env=env)
        # Nobody is to be told of this one: it has to fail.
        quiet: dict[str, str | None] = {**env, "GITHUB_ACTIONS": None, "GITHUB_STEP_SUMMARY": None}
        slower = ["--baseline", "suites/smoke.py", "--candidate", "tests/self_gate/slower.py", *scripted]
        session.run("harness", "gate", *slower, env=quiet, success_codes=[1])


@nox.session(default=False)
def gate_study(session: nox.Session) -> None:
    """Record launches for half an hour, and write docs/gate.md of them: nox -s gate_study -- [FOLDER] [MINUTES]"""
    session.install("-e", ".[dev]")
    folder = session.posargs[0] if session.posargs else str(Path(session.create_tmp()) / "launches")
    minutes = session.posargs[1] if len(session.posargs) > 1 else "25"
    session.run("python", "-m", "tests.study.collect", folder, "--minutes", minutes)
    session.run("python", "-m", "tests.study.gate_study", folder)


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Train, quantize and export: nox -s build -- [SUITE] [--variant V] [--data DIR]"""
    session.install("-e", ".[build,prune]")
    session.run("harness", "build", *session.posargs)


def as_committed(suite: str) -> str:
    """The suite as the last commit has it; as it lies here where no git is at hand, as in an unpacked archive."""
    known = ["git", "cat-file", "-e", f"HEAD:{suite}"]
    git = shutil.which("git") is not None and subprocess.run(known, capture_output=True, check=False).returncode == 0
    return "git:HEAD" if git else suite


def old_python(version: str) -> str | None:
    """An interpreter of that version that really starts (pyenv's shims exist for versions that do not)."""
    candidates = [shutil.which(f"python{version}")]
    candidates += [str(path) for path in Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
    for candidate in candidates:
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return None
