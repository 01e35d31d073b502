"""What a run came to: gates, serving check, push."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import contract
from components.common import storage
from components.evaluator import report
from components.evaluator.gates import Gate
from components.serving_check.report import REFUSED_BY_GATES, read_infra_blessing, read_latency
from pipeline.runs.run_records import NodeRun, Output, State
from pipeline.terminal.table import table

# Before the names of a final fit's gates.
FINAL = "final: "

_HEADER = ("gate", "value", "bound", "verdict", "why")
_OK, _REFUSED = "ok", "refused"  # as in report.rows


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Read from the artifacts of a run's components.

    Attributes:
      gates: of the evaluator, empty if it did not run; then those of a final fit,
        their names after FINAL, unless the evaluator refused and there was no such fit.
      report: metrics of the tested candidate, None likewise.
      served: whether the serving check passed; None if it did not run.
      served_why: why it did not pass, "" if it did.
      latency: what it says of latency, empty if that was not measured.
      pushed: where the model was published, "" if it was not.
      refused: whether any component said no.
      catalogue: of a refresh, numbers of `items`, of `new` and of `removed` ones; else empty.
    """

    gates: Sequence[Gate]
    report: report.Report | None
    served: bool | None
    served_why: str
    pushed: str
    refused: bool
    catalogue: Mapping[str, int] = dataclasses.field(default_factory=dict)
    latency: Sequence[Gate] = ()

    @property
    def metrics(self) -> dict[str, float]:
        """Overall metrics of the tested candidate by name; empty if the evaluator did not run."""
        return self.report.candidate.overall if self.report else {}


def verdict(nodes: Iterable[NodeRun]) -> Verdict:
    nodes = list(nodes)
    evaluation = _artifact(nodes, "ModelEvaluation", contract.METRICS)
    infra = _artifact(nodes, "InfraBlessing")
    served, why = read_infra_blessing(infra.uri) if infra else (None, "")
    push = _artifact(nodes, "PushedModel")
    changes = _artifact(nodes, "File", contract.CATALOGUE_CHANGES)
    return Verdict(
        gates=_gates(nodes),
        report=report.read_metrics(evaluation.uri) if evaluation else None,
        served=served,
        served_why=why,
        pushed=str(push.properties.get("pushed_destination", "")) if push and not push.refused else "",
        refused=any(node.state is State.REFUSED for node in nodes),
        catalogue=json.loads(storage.read_text(storage.join(changes.uri, contract.CATALOGUE_CHANGES)))
        if changes
        else {},
        latency=read_latency(infra.uri) if infra else (),
    )


def run_state(nodes: Sequence[NodeRun], found: Verdict, running: bool = False) -> str:
    """How a run ended, a word; `found` is its verdict."""
    states = {node.state for node in nodes}
    if running:
        return "running"
    if State.FAILED in states:
        return "failed"
    if found.refused:
        return "refused"
    if State.UNFINISHED in states or not found.pushed:
        return "unfinished"  # killed or interrupted; the next run goes on from what it finished
    return "unchanged" if all(node.cached for node in nodes) else "pushed"


def gates_table(found: Verdict) -> str:
    return table(_HEADER, gate_rows(found))


def gates_line(found: Verdict) -> str:
    """`gates_table` in a few words: "6 ok", "refused: popularity", "-" before the gates."""
    rows = gate_rows(found)
    refused = [name for name, *_, word, _ in rows if word == _REFUSED]
    if refused:
        return f"refused: {', '.join(refused)}"
    return f"{sum(word == _OK for *_, word, _ in rows)} ok" if rows else "-"


def gate_rows(found: Verdict) -> list[tuple[str, str, str, str, str]]:
    """Gate, value, bound, verdict, why; latency and the serving check last, if it ran."""
    rows = list(report.rows([*found.gates, *found.latency]))
    if found.served is not None:
        skipped = found.served_why == REFUSED_BY_GATES
        word = _OK if found.served else "not run" if skipped else _REFUSED
        rows.append(("serving check", "-", "-", word, found.served_why or "both models load and answer"))
    return rows


def as_json(found: Verdict) -> dict[str, Any]:
    return {
        "gates": [dataclasses.asdict(gate) for gate in found.gates],
        "serving_check": None if found.served is None else {"ok": found.served, "why": found.served_why},
        "latency": [dataclasses.asdict(gate) for gate in found.latency],
        "metrics": found.metrics,
        "pushed": found.pushed or None,
        "refused": found.refused,
        **({"catalogue": found.catalogue} if found.catalogue else {}),
    }


def _gates(nodes: Iterable[NodeRun]) -> Sequence[Gate]:
    """Of the tested model and then, if that was accepted, of its final fit."""
    judged = [
        report.read_gates(blessing.uri) for blessing in _artifacts(nodes, "ModelBlessing", contract.GATES)
    ]
    if not judged:
        return ()
    tested, *final = judged
    if not all(gate.ok for gate in tested):
        return tested
    return [
        *tested,
        *(dataclasses.replace(gate, name=f"{FINAL}{gate.name}") for gates in final for gate in gates),
    ]


def _artifact(nodes: Iterable[NodeRun], kind: str, file: str = "") -> Output | None:
    return next(_artifacts(nodes, kind, file), None)


def _artifacts(nodes: Iterable[NodeRun], kind: str, file: str = "") -> Iterator[Output]:
    """The artifacts of that type (that hold `file`), in the order in which they were made."""
    for node in nodes:
        for artifacts in node.outputs.values():
            for artifact in artifacts:
                if artifact.type == kind and (not file or storage.exists(storage.join(artifact.uri, file))):
                    yield artifact
