"""What a machine is known by, and what is only the case's or the day's."""

from __future__ import annotations

from harness.analysis.fingerprint import differing, fingerprint
from harness.model.baseline import Fingerprint
from harness.model.trial import Environment
from tests.support.host_side import trial

FACTS = {
    "cpu": "A processor", "machine": "x86_64", "cores": 4, "memory_bytes": 8.1 * 2**30, "kernel": "6.1",
    "hypervisor": True, "instruction_sets": ["avx2"], "boot_id": "one", "versions": {"onnxruntime": "1.23.2"},
}  # fmt: skip


def launch(**changes: object):
    return trial(environment=Environment({}, {"providers": ["CPUExecutionProvider"]}, {**FACTS, **changes}))


def test_machine_and_software_are_told_apart() -> None:
    found = fingerprint([launch(), launch()])
    assert found.machine["board"] == "x86_64 A processor"
    assert found.machine["number of cores"] == "4"
    assert found.machine["memory"] == "8 GiB"
    assert found.machine["instruction sets"] == '["avx2"]'
    assert found.software["kernel"] == "6.1"
    assert found.software["runtime"] == "null, onnxruntime 1.23.2"
    assert not {"boot", "threads", "options of the runtime"} & {*found.machine, *found.software}


def test_a_boot_changes_nothing_and_a_kernel_does() -> None:
    assert differing(fingerprint([launch()]), fingerprint([launch(boot_id="two")])) == ()
    found = differing(fingerprint([launch()]), fingerprint([launch(kernel="6.2", cores=8)]))
    assert found == ("number of cores: 4 in the baseline, 8 now", "kernel: 6.1 in the baseline, 6.2 now")


def test_what_only_one_side_told_is_not_known_to_be_the_same() -> None:
    assert differing(Fingerprint({"board": "a"}, {}), Fingerprint({}, {"kernel": "6.1"})) == (
        "machine: not known now", "software: not known in the baseline",
    )  # fmt: skip
    more = Fingerprint({"board": "a", "memory": "8 GiB"}), Fingerprint({"board": "a", "boost": "on"})
    assert differing(*more) == (
        "memory: 8 GiB in the baseline, not known now", "boost: not known in the baseline, on now",
    )  # fmt: skip
