"""Records in ML Metadata made stale by what has been pushed since.

TFX's cache looks at a component's inputs and whether its outputs are there,
not at the folder that models are published in. A record marked as deleted is
no cache hit, so the next run makes it anew.
"""

from __future__ import annotations

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

import contract
from components.pusher import lifecycle, versions

# TFX's artifact types.
_PUSHED_MODEL = "PushedModel"
_MODEL = "Model"


def invalidate_stale(store: MetadataStore, destination: str) -> None:
    """Mark as deleted the records of pushed versions that are gone and of baselines that were superseded.

    A version is gone when it lacks one of its two models. A baseline is superseded
    when another version than the one it holds is the newest at `destination`,
    unless that version is the very candidate it was compared with: a model must
    never be pushed over one that it was not compared with.
    """
    latest = versions.latest(destination)
    stale = [artifact for artifact in _live(store, _PUSHED_MODEL) if _is_gone(artifact)] + [
        artifact for artifact in _live(store, _MODEL) if _is_superseded(artifact, latest)
    ]
    for artifact in stale:
        artifact.state = mlmd.Artifact.DELETED
    if stale:
        store.put_artifacts(stale)


def _live(store: MetadataStore, kind: str) -> list[mlmd.Artifact]:
    if kind not in {known.name for known in store.get_artifact_types()}:
        return []
    return [x for x in store.get_artifacts_by_type(kind) if x.state == mlmd.Artifact.LIVE]


def _property(artifact: mlmd.Artifact, name: str) -> str:
    """The text of a property, "" if there is none."""
    for properties in (artifact.custom_properties, artifact.properties):
        if name in properties:
            return str(properties[name].string_value)
    return ""


def _is_gone(artifact: mlmd.Artifact) -> bool:
    path = _property(artifact, versions.DESTINATION_PROPERTY)
    return bool(path) and not _is_whole(path) and not is_withdrawn(path)


def is_withdrawn(path: str) -> bool:
    """Whether the version at `<destination>/marquee/<version>` was rolled back from or retired.

    It is still there: the run that pushed it must not push it a second time.
    """
    destination, _, number = path.rsplit("/", 2)
    return int(number) in lifecycle.withdrawn(destination)


def _is_superseded(artifact: mlmd.Artifact, latest: versions.Version | None) -> bool:
    candidate = _property(artifact, versions.CANDIDATE_PROPERTY)
    if not candidate:  # not a baseline
        return False
    if latest is not None and candidate in latest.record.values():
        return False
    return _property(artifact, contract.VERSION_PROPERTY) != (str(latest.number) if latest else "")


def _is_whole(path: str) -> bool:
    """Whether both models are there of the version at `<destination>/marquee/<version>`."""
    destination, _, number = path.rsplit("/", 2)
    return versions.has_both_models(destination, int(number))
