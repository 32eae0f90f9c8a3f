"""The output that a timed run must reproduce: the same file and input, without graph optimizations.

Computed by an agent in a process of its own, so that a model that crashes or eats all memory takes nobody along.
"""

from __future__ import annotations

from harness.board.hold import Board
from harness.board.job import Material
from harness.board.link import Link
from harness.board.script import LOAD_TIMEOUT_S, SLACK_S
from harness.errors import AgentError, ModelError
from harness.model.backend import SCRIPTED
from harness.model.case import Case, Signature

SOURCE = "the unoptimized graph"


def reference_signature(board: Board, case: Case, material: Material) -> Signature | None:
    """None where the output is not finite or not numeric: it could prove nothing. ModelError where the model fails.

    material: of the artifact as it came. Whatever backend the case is for, onnxruntime computes its reference: a second
    opinion, and one that this machine has.
    """
    scripted = case.backend == SCRIPTED
    options = {"threads": case.settings.threads, "optimized": False, **(case.options if scripted else {})}
    backend = SCRIPTED if scripted else "onnxruntime"
    try:
        with Link(board.transport.talk([]), board.root) as link:
            link.hello()
            link.ask("load", LOAD_TIMEOUT_S, backend=backend, artifact=material.artifact, options=options)
            answer = link.ask("infer", SLACK_S, inputs=material.inputs)
    except AgentError as error:
        message = f"{case.variant} ({material.artifact}) cannot be run by {backend}: {error}"
        raise ModelError(f"{message}; check its operators, its opset and --shape") from None
    if not answer["finite"] or not answer["signature"]:
        return None
    return Signature(tuple(answer["signature"]), SOURCE)
