"""The output that a timed run must reproduce: the same file and input, without graph optimizations.

Computed by an agent in a process of its own, so that a model that crashes or eats all memory takes nobody along.
"""

from __future__ import annotations

from harness.board.hold import Board
from harness.board.job import Material
from harness.board.link import Link
from harness.board.script import LOAD_TIMEOUT_S, SLACK_S
from harness.errors import AgentError, ModelError
from harness.model.case import Case, Signature

SOURCE = "the unoptimized graph"


def reference_signature(board: Board, case: Case, material: Material) -> Signature | None:
    """None where the output is not finite or not numeric: it could prove nothing. ModelError where the model fails."""
    options = {"threads": case.settings.threads, "optimized": False, **case.options}
    try:
        with Link(board.transport.talk([]), board.root) as link:
            link.hello()
            link.ask("load", LOAD_TIMEOUT_S, backend=case.backend, artifact=material.artifact, options=options)
            answer = link.ask("infer", SLACK_S, inputs=material.inputs)
    except AgentError as error:
        message = f"{case.variant} ({material.artifact}) cannot be run by {case.backend}: {error}"
        raise ModelError(f"{message}; check its operators, its opset and --shape") from None
    if not answer["finite"] or not answer["signature"]:
        return None
    return Signature(tuple(answer["signature"]), SOURCE)
