"""The hands of the controls: programs and files as root where the agent may, and the command that would grant it.

A password is never asked for: sudo runs with -n, without a terminal and without input. Knows no control.
"""

import os
import pwd
import re
import shlex
import subprocess

from ..collectors.files import under

# A program that ssh starts often lacks the sbin folders in its PATH.
FOLDERS = ("usr/sbin", "usr/bin", "sbin", "bin", "usr/local/sbin", "usr/local/bin")
SUDOERS = "/etc/sudoers.d/edge-harness"
# How sudo, in the language that LC_ALL=C gives it, says that it will not run a command.
_REFUSED = re.compile(r"^(sudo: .*|Sorry, user .*)$", re.MULTILINE)
# Taken literally in sudoers only after a backslash; among them the wildcards, which would also match blanks. Round
# brackets are literal without one, and refused with one (both tried with visudo 1.9.13).
_SPECIAL = re.compile(r"([,:=#!*?\[\]\s])")


def program(root, name):
    """The path of a program below root, or None."""
    for folder in FOLDERS:
        path = under(root, folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def escalation(root):
    """Words before a command that needs root: none for root itself and below another root; None where none help."""
    if os.geteuid() == 0 or root != "/":
        return []
    sudo = program(root, "sudo")
    return None if sudo is None else [sudo, "-n"]


def root_without_password(root):
    """Whether the agent is root, or may become it without being asked."""
    sudo = escalation(root)
    if not sudo:
        return sudo is not None and os.geteuid() == 0
    try:
        return runner(sudo)(["true"])[0] == 0
    except OSError:
        return False


def runner(sudo):
    """The `run` of a Machine. sudo: as of `escalation`."""

    def run(command, timeout_s=20.0, as_root=True):
        words = list(command)
        if not as_root or not sudo:
            if as_root and sudo is None:
                raise PermissionError("{} needs root, and there is no sudo".format(words[0]))
            return _answer(words, "", timeout_s)
        status, out, err = _answer(sudo + words, "", timeout_s)
        _check_refusal(status, err)
        return status, out, err

    return run


def writer(root, sudo):
    """The `write` of a Machine. sudo: as of `escalation`; below another root it is never used."""

    def write(path, text):
        inside = os.path.realpath(path)
        if root != "/" and not inside.startswith(os.path.realpath(root) + os.sep):
            raise ValueError("{} is not below {}".format(path, root))
        try:
            # Never created: what is not there is not there.
            descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
            try:
                os.write(descriptor, text.encode())
            finally:
                os.close(descriptor)
        except PermissionError as error:
            if sudo == []:  # root itself, as in a container, or a tree of files: no right would help
                raise OSError("{}: {}, even as root: is this a container?".format(path, error.strerror))
            if sudo is None:
                raise PermissionError("{} is root's to write, and there is no sudo".format(path))
            write_by_tee(sudo, root, path, text)

    return write


def write_by_tee(sudo, root, path, text):
    """Write a file as root. sudo: words before the command."""
    status, _, err = _answer(sudo + [tee(root), path], text, 20.0)
    _check_refusal(status, err)
    if status != 0:
        raise OSError("{} could not be written: {}".format(path, err.strip()))


def tee(root):
    """The program by which a file is written as root."""
    return program(root, "tee") or "/usr/bin/tee"


def granting(commands):
    """A command that lets this login run exactly these commands as root."""
    allowed = ", ".join(_literal(command) for command in commands)
    line = "{} ALL=(root) NOPASSWD: {}".format(_user(), allowed)
    # Added, not replaced: another control's grant is kept. A grant that stands there twice does no harm.
    return "echo {} | sudo tee -a {}".format(shlex.quote(line), SUDOERS)


def unavailable(control, asked, attempt):
    """`why_unavailable` of a control: it is missing, or `attempt`, which changes nothing, shows that it may not."""
    reason = control.missing()
    if reason is not None:
        return reason
    try:
        attempt()
    except PermissionError as error:
        return "{}: {}".format(error, granting(control.needs(asked)))
    except OSError as error:
        return "{}: see sudo dmesg".format(error)
    return None


def _answer(words, text, timeout_s):
    # A session of its own: no terminal to ask at, and a Ctrl-C of the host does not end it half way.
    process = subprocess.Popen(
        ["env", "LC_ALL=C"] + words,
        stdin=subprocess.PIPE if text else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(text.encode() or None, timeout_s)
    except subprocess.TimeoutExpired:
        _let_go(process)
        raise OSError("{} did not end within {:g} s".format(" ".join(words), timeout_s))
    return process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def _let_go(process):
    try:
        process.kill()
    except PermissionError:
        pass  # sudo belongs to root: it cannot be ended from here
    else:
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _check_refusal(status, err):
    refused = _REFUSED.search(err) if status != 0 else None
    if refused is not None:
        raise PermissionError(refused.group(1))


def _literal(command):
    words = [_SPECIAL.sub(r"\\\1", word) for word in command]
    # Without any argument sudoers would allow them all.
    return " ".join(words) if len(words) > 1 else '{} ""'.format(words[0])


def _user():
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return "#{}".format(os.getuid())
