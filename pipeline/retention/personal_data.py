"""Where one person's data are: artifacts of runs that read them, and versions that those runs pushed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pyarrow.compute as pc
from ml_metadata.metadata_store import MetadataStore

import contract
from components.common import storage
from components.example_gen.records import read
from components.index.carried import fitted_log
from components.pusher import lifecycle, versions
from components.pusher.versions import Version
from pipeline.retention import artifacts as artifact_retention
from pipeline.runs import run_records

_TIMELINES = "timelines"  # output of example_gen


@dataclasses.dataclass(frozen=True)
class Found:
    """What holds a person's data, or was computed from them.

    Attributes:
      runs: ids of runs whose timelines have them, oldest first.
      unknown: ids of runs whose timelines are gone, so that it cannot be told.
      artifacts: URIs that are there, of these and the unknown runs.
      versions: pushed ones of these and the unknown runs, oldest first.
      withdrawn: numbers of those that were rolled back from or retired.
    """

    runs: tuple[str, ...]
    unknown: tuple[str, ...]
    artifacts: tuple[str, ...]
    versions: tuple[Version, ...]
    withdrawn: tuple[int, ...]


def find(store: MetadataStore, pipeline: str, serving_dir: str, user: str) -> Found:
    """Looks through the timelines of every run for a user's id."""
    seen: dict[str, bool | None] = {}
    runs: list[str] = []
    unknown: list[str] = []
    artifacts: set[str] = set()
    for run in run_records.runs(store, pipeline):
        node = run.node("example_gen")
        uris = [output.uri for output in node.outputs.get(_TIMELINES, ())] if node else []
        for uri in uris:
            if uri not in seen:
                seen[uri] = _holds(uri, user)
        known = [seen[uri] for uri in uris]
        if not known or not (None in known or True in known):
            continue
        (runs if True in known else unknown).append(run.run_id)
        artifacts |= {
            output.uri
            for each in run.nodes
            for outputs in each.outputs.values()
            for output in outputs
            if output.type not in artifact_retention.KEPT and storage.exists(output.uri)
        }
    affected = {*runs, *unknown}
    pushed = [v for v in versions.list_versions(serving_dir) if affected & _runs(v.record, v.path)]
    withdrawn = [
        number
        for number in lifecycle.withdrawn(serving_dir)
        if affected
        & _runs(
            lifecycle.withdrawn_record(serving_dir, number),
            lifecycle.withdrawn_folder(serving_dir, contract.MODEL, number),
        )
    ]
    return Found(tuple(runs), tuple(unknown), tuple(sorted(artifacts)), tuple(pushed), tuple(withdrawn))


def _runs(record: Mapping[str, Any], model_dir: str) -> set[Any]:
    """The runs whose log is in a version: its own, and of a refresh the one that fitted its towers."""
    carried = fitted_log.about(model_dir)
    return {record.get("run"), *([carried[0].run] if carried else [])}


def _holds(uri: str, user: str) -> bool | None:
    """Whether a user is in any split of the timelines; None if they are gone."""
    if not storage.exists(uri):
        return None
    for split in contract.SPLITS:
        if not storage.exists(read.split_uri(uri, split)):
            continue
        for table in read.timeline_batches(uri, split, [contract.USER_ID]):
            if pc.any(pc.equal(table.column(contract.USER_ID), user)).as_py():
                return True
    return False
