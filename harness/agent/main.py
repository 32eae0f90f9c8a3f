"""The request loop: one JSON line in, one JSON line out, one trial per process. Owns the order of a trial's phases.

Run with a mode's name it is another process of the same archive: MODES. stdout is taken away first: whatever a library
prints goes to stderr and cannot corrupt the protocol. What not every trial needs is imported late: each process
compiles the archive anew, and a gate starts dozens of them.
"""

import json
import os
import signal
import sys
import time

from . import PROTOCOL, backends, facts, measure, outputs, scenarios, state, window, wire
from .collectors.process import memory_now
from .tables import resolve


def _sense(_launch, settings):
    from . import sensors

    return sensors.main(json.loads(settings))


def _guard(_launch, path, root):
    from . import guard

    return guard.main(path, root)


def _steward(launch, board):
    from . import steward

    return steward.main(launch, board)


def _keep(launch, *arguments):
    from . import kept

    return kept.main(launch, *arguments)


# Each takes the command that starts this archive, and its own arguments.
MODES = {"sensors": _sense, "steward": _steward, "guard": _guard, "kept": _keep}


def main(argv):
    """`agent MODE ARGUMENTS..` is a process of that kind; without a mode, serve requests from stdin until "bye"."""
    if len(argv) > 1:
        return MODES[argv[1]](_launch(argv[0]), *argv[2:])
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    agent = Agent(_launch(argv[0]))
    try:
        for line in sys.stdin:
            request = wire.decode(line)
            # A host that was killed cannot end a request that hangs; the alarm's default action can.
            signal.alarm(max(1, int(request["deadline_s"])))
            replies.write(wire.encode(dict(agent.answer(request), n=request.get("n"))) + "\n")
            replies.flush()
            signal.alarm(0)
            if request["do"] == "bye":
                break
    finally:
        agent.end()
    # At once: a runtime's modules take 25 ms to be taken down, and a gate's processes end by the dozen.
    sys.stderr.flush()
    os._exit(0)


class Agent:
    """What one trial holds between its requests: the sensor process and the session."""

    def __init__(self, launch):
        self._launch = launch
        self._root = "/"
        self._sensors = None
        self._sensed = {}
        self._session = None
        self._warm = self._blocks = None
        self._requests = {
            "hello": self.hello,
            "probe": self.probe,
            "examine": self.examine,
            "holder": self.holder,
            "prepare": self.prepare,
            "load": self.load,
            "infer": self.infer,
            "measure": self.measure,
            "observe": self.observe,
            "duet": self.duet,
            "block": self.block,
            "close": self.close,
            "profile": self.profile,
            "evaluate": self.evaluate,
            "bye": dict,
        }

    def answer(self, request):
        """The reply to a request; whatever it raises becomes data, for the host to decide on."""
        try:
            result = self._requests[request["do"]](**request.get("with", {}))
        except Exception as error:  # noqa: BLE001  # a remote error must reach the host whatever it is
            return {"ok": False, "error": wire.failure(error)}
        return {"ok": True, "result": result}

    def hello(self, protocol, root="/"):
        """Agree on the protocol; say what the machine is. `root` replaces / for every file that is read."""
        if protocol != PROTOCOL:
            raise ValueError("the host speaks protocol {}, this agent {}".format(protocol, PROTOCOL))
        self._root = root
        return {"protocol": PROTOCOL, "pid": os.getpid(), "facts": facts.machine_facts(root)}

    def probe(self, collectors, runtimes, options, period_s):
        """For doctor: which collectors and backends would work here, what they read and how often they renew it.

        Reasons for those that would not. `options`: by collector.
        """
        from . import sensors

        settings = {"names": collectors, "root": self._root, "target": os.getpid(), "options": options}
        found = dict(
            sensors.survey_all(dict(settings, period_s=period_s)),
            backends={},
            backends_unavailable={},
        )
        for name in runtimes:
            backend = resolve(backends.TABLE, "backend", name)()
            reason = backend.why_unavailable()
            if reason is None:
                found["backends"][name] = backend.versions()
            else:
                found["backends_unavailable"][name] = reason
        return found

    def examine(self, folder):
        """For doctor: rights, the present value of all that can be set, room on the disk of `folder`, and the time."""
        import shutil

        from .controls import rights, setting

        machine = setting.machine(self._root, folder)
        return {
            "rights": rights.root_without_password(self._root),
            "state": setting.present(machine),
            "disk_free_bytes": shutil.disk_usage(folder).free,
            "epoch_s": time.time(),
        }

    def holder(self, lease_folder):
        """Who has the board now, as of lease.holder: asked before anything that would disturb them."""
        from . import lease

        return {"holder": lease.holder(lease_folder, self._root)}

    def prepare(self, affinity, nice, sensor_settings):
        """Start the sensors on other cores, then pin this process. sensor_settings None: measure without sensors."""
        found = {}
        if sensor_settings is not None:
            from . import sensors

            settings = dict(sensor_settings, root=self._root, target=os.getpid(), cores=state.other_cores(affinity))
            self._sensors = sensors.SensorProcess(self._launch, settings)
        found["in_force"], found["problems"] = state.apply(affinity, nice)
        if self._sensors is not None:
            found["sensors"] = self._sensed = self._sensors.ready()
        found["state"] = facts.present_state(self._root)
        return found

    def load(self, backend, artifact, options, inputs=None):
        """Import the runtime, then make the session; the two are timed apart, with the memory around them.

        inputs: what the model is run on later; an engine that is built once is built for them, and before either.
        """
        begin = time.perf_counter()
        runtime = resolve(backends.TABLE, "backend", backend)()
        reason = runtime.why_unavailable()
        if reason is not None:
            raise RuntimeError("backend {} cannot be used: {}".format(backend, reason))
        imported = time.perf_counter()
        before = memory_now(self._root, os.getpid())
        if hasattr(runtime, "prepare"):  # neither building an engine nor checking it is part of what loading takes
            runtime.prepare(artifact, options, inputs)
        loading = time.perf_counter()
        self._session = runtime.load(artifact, options)
        return {
            "import_s": imported - begin,
            "load_s": time.perf_counter() - loading,
            "memory_before": before,
            "artifact_sha256": outputs.file_sha256(artifact),
            "versions": runtime.versions(),
            "facts": self._session.facts(),
        }

    def infer(self, inputs):
        """One inference, untimed: the signature of its output."""
        self._session.bind(outputs.load_inputs(inputs))
        self._session.step()
        signature, finite = outputs.signature(self._session.outputs())
        return {"signature": signature, "finite": finite}

    def measure(self, scenario, inputs, path, power):
        """First inference, idle, warm-up, steady state, idle. Columns go to `path`; the signature is of the last step.

        `power`: as of window.power_window, which decides how long the loaded model is measured, and left alone before
        and after, for what an idle board draws.
        """
        session, first = self._session, self._first_inference(inputs)
        min_duration_s, idle_s = window.power_window(scenario["stop"], power, self._sensed)
        scenario = dict(scenario, stop=dict(scenario["stop"], min_duration_s=min_duration_s))
        drive = resolve(scenarios.TABLE, "scenario", scenario["kind"])
        before = measure.idle(session.clock, idle_s)
        device_of = getattr(session, "device_s", None)
        run = drive(session.step, session.clock, scenario, first["first_inference_s"], device_of)
        memory = memory_now(self._root, os.getpid())
        after = measure.idle(session.clock, idle_s)
        wire.write_columns(path, run["warm_up"].columns("warm_up") + run["samples"].columns("samples"))
        reply = {
            "warm_up_count": run["warm_up"].count,
            "warm_up_s": sum(run["warm_up"].duration_s[: run["warm_up"].count]),
            "warm_up_steady": run["steady"],
            "stop_reason": run["reason"],
            "steady_start_s": run["begin"],
            "steady_end_s": run["end"],
            "memory_end": memory,
            "asked": {"steady_min_duration_s": min_duration_s, "idle_s": idle_s},
        }
        if idle_s > 0:
            reply.update(
                idle_before_start_s=before[0],
                idle_before_end_s=before[1],
                idle_after_start_s=after[0],
                idle_after_end_s=after[1],
            )
        return self._finish(dict(reply, **first))

    def observe(self, scenario, inputs, path, arms, block_s):
        """What the sensors cost: blocks with the polling "on" and "off", in the order of `arms`, in one process."""
        session, first = self._session, self._first_inference(inputs)
        warm, steady = measure.warm_up(session.step, session.clock, scenario["warm_up"], first["first_inference_s"])
        fastest = min(warm.duration_s[: warm.count])
        begin = session.clock()
        blocks = measure.alternating_blocks(session.step, session.clock, (arms, block_s, fastest), self._sensors.switch)
        reply = {
            "warm_up_steady": steady,
            "warm_up_count": warm.count,
            "stop_reason": "all blocks done",
            "steady_start_s": begin,
            "steady_end_s": session.clock(),
        }
        wire.write_columns(path, warm.columns("warm_up") + blocks.columns("samples"))
        return self._finish(dict(reply, **first))

    def duet(self, scenario, inputs, blocks, block_s):
        """One side of a duet, in turn with another process: first inference and warm-up. Blocks follow on demand."""
        session, first = self._session, self._first_inference(inputs)
        work = session.step, session.clock
        device_of = getattr(session, "device_s", None)
        warm, steady = measure.warm_up(*work, scenario["warm_up"], first["first_inference_s"], device_of)
        warm_s = warm.duration_s[: warm.count]
        self._warm, self._blocks = warm, measure.Blocks(*work, (blocks, block_s, min(warm_s)), device_of)
        return dict(first, warm_up_steady=steady, warm_up_count=warm.count, warm_up_s=sum(warm_s))

    def block(self):
        """The next block of a duet; nothing is done between blocks."""
        self._blocks.run()
        return {}

    def close(self, path):
        """The end of a duet. Columns go to `path`; a block's position in its pair is the host's to know."""
        memory = memory_now(self._root, os.getpid())
        storage, begin, end = self._blocks.finish()
        wire.write_columns(path, self._warm.columns("warm_up") + storage.columns("samples"))
        return self._finish(
            {"stop_reason": "all blocks done", "steady_start_s": begin, "steady_end_s": end, "memory_end": memory}
        )

    def _first_inference(self, inputs):
        session = self._session
        session.bind(outputs.load_inputs(inputs))
        begin = session.clock()
        session.step()
        return {
            "first_inference_s": session.clock() - begin,
            "memory_first": memory_now(self._root, os.getpid()),
        }

    def _finish(self, reply):
        signature, finite = outputs.signature(self._session.outputs())
        return dict(
            reply,
            signature=signature,
            finite=finite,
            state_end=facts.present_state(self._root),
            in_force_end=state.in_force(),
            sensors=self._sensors.stop() if self._sensors is not None else None,
        )

    def evaluate(self, images, batch, limit, path):
        """Accuracy mode: logits of the first `limit` images (uint8 NCHW .npy, fed as float32 in [0, 1])."""
        begin = time.perf_counter()
        columns, finite = outputs.predict(self._session, images, batch, limit)
        wire.write_columns(path, columns)
        return {"finite": finite, "evaluate_s": time.perf_counter() - begin}

    def profile(self, backend, artifact, options, inputs):
        """What the runtime executed, by its own account: operators with provider, precision, count and duration.

        Asked after everything was measured, of a second session: profiling slows the one it watches. None where the
        runtime keeps no account.
        """
        runtime = resolve(backends.TABLE, "backend", backend)()
        if not hasattr(runtime, "profile"):
            return {"operators": None}
        return {"operators": runtime.profile(artifact, options, outputs.load_inputs(inputs))}

    def end(self):
        """Leave nothing running."""
        if self._sensors is not None:
            self._sensors.kill()
        if self._session is not None:
            self._session.close()


def _launch(program):
    """The command that starts this same agent: the archive, or the package when run by `-m`."""
    if program.endswith(".py"):
        return [sys.executable, "-m", __package__]
    return [sys.executable, os.path.abspath(program)]
