"""Artifacts of old runs go, so that a disk with a run a day does not fill.

What the newest runs made or took from the cache stays, and with it every cache
entry that the next run could hit: an artifact is marked as deleted in ML Metadata
first, so no run takes half of one for whole. Pushed versions are copies and need
nothing here.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection
from typing import Final

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.common import disk, storage
from pipeline.runs import run_records

_log = logging.getLogger(__name__)

# Small, of nobody, and what `marquee status` and `marquee gates` tell of old runs.
KEPT: Final = frozenset(
    ("ModelEvaluation", "ModelBlessing", "InfraBlessing", "PushedModel", "Schema", "ExampleAnomalies")
)


@dataclasses.dataclass(frozen=True)
class Freed:
    """What was deleted; bytes of local files alone."""

    artifacts: int
    bytes: int


def apply(store: MetadataStore, pipeline: str, root: str, keep_runs: int) -> Freed:
    """Deletes the artifacts that only runs before the newest `keep_runs` made or reused.

    Args:
      store: of the runs.
      pipeline: name of the pipeline in it.
      root: artifacts folder; nothing outside it is deleted.
      keep_runs: at least 1.
    """
    runs = run_records.runs(store, pipeline)
    needed = {output.uri for run in runs[-keep_runs:] for output in _outputs(run)}
    old = {
        output.uri
        for run in runs[:-keep_runs]
        for output in _outputs(run)
        if output.type not in KEPT and output.uri not in needed and output.uri.startswith(f"{root}/")
    }
    return delete(store, old)


def delete(store: MetadataStore, uris: Collection[str], strict: bool = False) -> Freed:
    """Deletes artifacts; no run takes one for whole any more, whatever interrupts this.

    Args:
      strict: as of `storage.remove_tree`.
    """
    found = [a for uri in sorted(uris) for a in store.get_artifacts_by_uri(uri)]
    live = [artifact for artifact in found if artifact.state == mlmd.Artifact.LIVE]
    for artifact in live:
        artifact.state = mlmd.Artifact.DELETED
    if live:
        store.put_artifacts(live)
    count = freed = 0
    for uri in sorted(uris):
        if storage.exists(uri):
            size = disk.tree_bytes(uri) if storage.is_local(uri) else 0
            storage.remove_tree(uri, strict)
            _log.info("deleted %s (%s)", uri, disk.size_text(size))
            count, freed = count + 1, freed + size
    return Freed(count, freed)


def _outputs(run: run_records.Run) -> list[run_records.Output]:
    return [output for node in run.nodes for found in node.outputs.values() for output in found]
