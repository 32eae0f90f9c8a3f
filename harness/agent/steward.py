"""Looks after the board for one host: its lease, its state, its calm, and its trials, each played in a fresh process.

One steward per run and link. It outlives the link: the trial under way is finished and kept, then the state is put
back. The guard does the latter where the steward itself is killed. It measures nothing and sleeps during a trial.
"""

import os
import shutil
import signal
import time
from contextlib import suppress

from . import PROTOCOL, facts, guard, lease, settling, trials, wire
from .child import Child, Gone
from .controls import setting
from .host import Host, Lost, Recalled

# While the last steward's trial is still measured here: the first looks are close, the later ones must not disturb it.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
# As a board goes down every process is told to end, in any order: so long after a failure it may still be said to us.
GOING_DOWN_S = 0.5


def main(launch, board):
    """Serve requests from stdin until the host leaves or is lost. `board`: the folder of all that is kept here."""
    host = Host(0, os.dup(1))
    os.dup2(2, 1)
    steward = Steward(launch, board, host)
    try:
        while True:
            request = host.next()
            try:
                reply = steward.answer(request)
            except Recalled:
                continue  # of a trial that was given up nobody wants the reply; the request to leave is the next one
            host.say(dict(reply, n=request.get("n")))
            if request["do"] == "leave":
                return 0
    except (Lost, Recalled):
        return 0
    finally:
        steward.leave()


class Steward:
    """What is held between requests."""

    def __init__(self, launch, board, host):
        self._launch, self._board, self._host = launch, board, host
        self._root, self._run = "/", None
        # What every trial is told to have run under: the state as asked and in force, and what was waited for.
        self._conditions = {"state": None, "settled": None}
        self._lease = self._guard = None

    def answer(self, request):
        """The reply to a request; whatever it raises becomes data, for the host to decide on."""
        known = (self.hello, self.take, self.control, self.settle, self.play, self.drop, self.leave)
        try:
            call = {one.__name__: one for one in known}[request["do"]]
            return {"ok": True, "result": call(**request.get("with", {}))}
        except (Recalled, Lost):
            raise
        except Exception as error:  # noqa: BLE001  # a remote error must reach the host whatever it is
            return {"ok": False, "error": wire.failure(error)}

    def hello(self, protocol, root="/"):
        """As of the agent: agree on the protocol, say what the machine is."""
        if protocol != PROTOCOL:
            raise ValueError("the host speaks protocol {}, this agent {}".format(protocol, PROTOCOL))
        self._root = root
        return {"protocol": PROTOCOL, "pid": os.getpid(), "facts": facts.machine_facts(root)}

    def take(self, run, who, lease_folder, wait_s):
        """Hold the board for a run. Busy where another run has it; the same run's last steward is waited for.

        That one may be in the middle of a trial, which it finishes and keeps; it is told that its host is here now.
        Returns {"told": what was put right, in words, "boot_id"}; {"waits_for": who has it still} after `wait_s`.
        """
        deadline, pause_s, seen = time.perf_counter() + wait_s, FIRST_PAUSE_S, None
        while True:
            try:
                self._lease, told = lease.take(lease_folder, self._root, run, who, self._board)
                break
            except lease.Busy as busy:
                if busy.holder["run"] != run:
                    raise
                if time.perf_counter() > deadline:
                    return {"waits_for": str(busy)}
                holder = busy.holder["holder"]
                if holder != seen:
                    seen = holder
                    with suppress(OSError):
                        os.kill(holder["pid"], signal.SIGUSR1)
            self._host.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._run = run
        self._guard = guard.start(self._launch, self._lease.path, self._root)
        return {"told": told, "boot_id": lease.boot_id(self._root)}

    def control(self, asked):
        """Set the board's state; as of controls.setting.apply."""
        machine = setting.machine(self._root, self._board)
        found = setting.apply(machine, asked, lambda found: self._lease.note(found=found))
        self._conditions["state"] = dict(found, asked=asked)
        return found

    def settle(self, rule, whole):
        """Wait until the board is calm; as of settling."""
        self._conditions["settled"] = settling.settle(rule, self._root, whole, time.perf_counter, self._host.wait)
        return self._conditions["settled"]

    def play(self, trial, script):
        """Play a trial's requests to fresh processes and keep what they answered; at once what was kept of it before.

        script: steps {"do", "with", "timeout_s"}; a step may have "arm", which of several processes it goes to (0),
        "expect": {key: value} of its result, and "may_fail". Only the one that is asked computes. "padding", of any
        step: so many bytes more of environment for all of them.
        Returns {"replies": [...], "died": None or {"kind", "text", "said", "arm"}, "folder", "files", "started_utc",
        "wall_s", "state", "settled"}: the last two what `control` and `settle` last returned. The processes run in the
        trial's folder, so that files of the script without a path lie there.
        """
        folder = trials.folder_of(self._board, self._run, trial)
        kept = trials.result_of(folder)
        if kept is not None:
            return kept
        trials.begin(folder)
        self._look_again()
        started_utc, began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), time.perf_counter()
        result = dict(self._conditions, replies=[], died=None, folder=folder, started_utc=started_utc)
        command, children = _padded(max(step.get("padding", 0) for step in script)) + self._launch, []
        try:
            for arm in range(1 + max(step.get("arm", 0) for step in script)):
                errors = open(os.path.join(folder, trials.errors_of(arm)), "w+b")  # noqa: SIM115  # the child closes it
                children.append(Child(command, errors, folder))
            self._lease.note(children=[lease.identity(child.pid, self._root) for child in children])
            result["died"] = _play(children, script, result["replies"], self._host)
            if result["died"] is not None or not all(reply["ok"] for reply in result["replies"]):
                self._host.heed(GOING_DOWN_S)
        except Recalled:
            for child in children:
                child.kill()
            trials.drop(folder)
            raise
        finally:
            for child in children:
                child.close()
            with suppress(OSError):  # a full disk; whoever reads of it later sees that these processes are no more
                self._lease.note(children=[])
        result.update(files=sorted(os.listdir(folder)), wall_s=time.perf_counter() - began)
        trials.finish(folder, result)
        return result

    def _look_again(self):
        """What was set may have been set again by another: what is in force is what it is before this trial."""
        state = self._conditions["state"]
        if state is not None:
            machine = setting.machine(self._root, self._board)
            self._conditions["state"] = dict(state, **setting.verify(machine, state["asked"]))

    def drop(self, trial=None):
        """Remove a trial that the host has stored; None: all of this run, which is over."""
        trials.drop(trials.folder_of(self._board, self._run, trial or ""))
        return {"disk_free_bytes": shutil.disk_usage(self._board).free}

    def leave(self):
        """Put everything back and let go of the board. What could not be put back, in words; twice does nothing."""
        told = []
        if self._lease is not None:
            told = lease.release(self._lease.path, self._root)
            self._lease = None
            if self._guard is not None:  # None where there was no memory left to start it
                self._guard.stdin.close()
                self._guard.wait()
        return {"told": told}


def _padded(size):
    """What to start a program with: a longer environment, and its stack lies elsewhere (statistics.md, 4.1)."""
    return ["env", "HARNESS_PADDING=" + "x" * size] if size else []


def _play(children, script, replies, host):
    """All steps in their order, to the first that fails. How a process died; None where none did."""
    for step in script:
        message = wire.request(step["do"], step["with"], step["timeout_s"])
        arm = step.get("arm", 0)
        child = children[arm]
        try:
            child.send(wire.encode(message))
            reply = wire.decode(child.receive(step["timeout_s"], host.meanwhile()))
        except Gone as gone:
            if not step.get("may_fail"):
                return {"kind": gone.kind, "text": gone.text, "said": gone.said, "arm": arm}
            error = {"type": gone.kind, "text": "the process " + gone.text, "traceback": gone.said}
            replies.append({"ok": False, "error": error, "do": step["do"], "arm": arm})
            return None
        if reply["ok"]:
            wrong = _unexpected(step.get("expect", {}), reply["result"])
            if wrong is not None:
                reply = {"ok": False, "error": {"type": "Unexpected", "text": wrong, "traceback": ""}}
        replies.append(dict(reply, do=step["do"], arm=arm))
        if not reply["ok"] and not step.get("may_fail"):
            return None
    return None


def _unexpected(expected, result):
    for key, value in sorted(expected.items()):
        if result.get(key) != value:
            return "{} is {}, expected {}".format(key, result.get(key), value)
    return None
