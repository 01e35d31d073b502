"""What a run came to: gates, serving check, push."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from components import contract, storage
from components.evaluator import report
from components.evaluator.gates import Gate
from components.serving_check.report import REFUSED_BY_GATES, read_infra_blessing
from pipeline.runs import NodeRun, Output, State
from pipeline.table import table

_HEADER = ("gate", "value", "bound", "verdict", "why")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Read from the artifacts of a run's components.

    Attributes:
      gates: of the evaluator, empty if it did not run.
      metrics: overall metrics of the candidate by name, empty likewise.
      served: whether the serving check passed; None if it did not run.
      served_why: why it did not pass, "" if it did.
      pushed: where the model was published, "" if it was not.
      refused: whether any component said no.
    """

    gates: Sequence[Gate]
    metrics: dict[str, float]
    served: bool | None
    served_why: str
    pushed: str
    refused: bool


def verdict(nodes: Iterable[NodeRun]) -> Verdict:
    nodes = list(nodes)
    blessing = _artifact(nodes, "ModelBlessing", contract.GATES)
    evaluation = _artifact(nodes, "ModelEvaluation", contract.METRICS)
    infra = _artifact(nodes, "InfraBlessing")
    served, why = read_infra_blessing(infra.uri) if infra else (None, "")
    push = _artifact(nodes, "PushedModel")
    return Verdict(
        gates=report.read_gates(blessing.uri) if blessing else (),
        metrics=report.read_metrics(evaluation.uri).candidate.overall if evaluation else {},
        served=served,
        served_why=why,
        pushed=str(push.properties.get("pushed_destination", "")) if push and not push.refused else "",
        refused=any(node.state is State.REFUSED for node in nodes),
    )


def gates_table(found: Verdict) -> str:
    rows = list(report.rows(found.gates))
    if found.served is not None:
        skipped = found.served_why == REFUSED_BY_GATES
        word = "ok" if found.served else "not run" if skipped else "refused"
        rows.append(("serving check", "-", "-", word, found.served_why or "both models load and answer"))
    return table(_HEADER, rows)


def as_json(found: Verdict) -> dict[str, Any]:
    return {
        "gates": [dataclasses.asdict(gate) for gate in found.gates],
        "serving_check": None if found.served is None else {"ok": found.served, "why": found.served_why},
        "metrics": found.metrics,
        "pushed": found.pushed or None,
        "refused": found.refused,
    }


def _artifact(nodes: Iterable[NodeRun], kind: str, file: str = "") -> Output | None:
    """The first artifact of that type (that holds `file`)."""
    for node in nodes:
        for artifacts in node.outputs.values():
            for artifact in artifacts:
                if artifact.type == kind and (not file or storage.exists(storage.join(artifact.uri, file))):
                    return artifact
    return None
