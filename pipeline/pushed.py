"""Records of pushed versions that are gone, in whole or in part."""

from __future__ import annotations

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.pusher import versions

_PUSHED_MODEL = "PushedModel"  # TFX's artifact type


def forget_removed(store: MetadataStore) -> None:
    """Mark the record of each pushed version that lacks one of its two models as deleted.

    TFX's cache looks whether the Pusher's own artifact is there, not whether
    the version that it published is. A record that is not live is no cache
    hit, so the next run pushes again.
    """
    if _PUSHED_MODEL not in {kind.name for kind in store.get_artifact_types()}:
        return
    gone = []
    for artifact in store.get_artifacts_by_type(_PUSHED_MODEL):
        properties = {**artifact.properties, **artifact.custom_properties}
        path = (
            properties[versions.DESTINATION_PROPERTY].string_value
            if versions.DESTINATION_PROPERTY in properties
            else ""
        )
        if artifact.state == mlmd.Artifact.LIVE and path and not _is_whole(path):
            artifact.state = mlmd.Artifact.DELETED
            gone.append(artifact)
    if gone:
        store.put_artifacts(gone)


def _is_whole(path: str) -> bool:
    """Whether both models are there of the version at `<destination>/marquee/<version>`."""
    destination, _, number = path.rsplit("/", 2)
    return versions.has_both_models(destination, int(number))
