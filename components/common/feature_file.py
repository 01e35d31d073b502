"""What the columns of an Examples artifact mean, in a file beside its splits (contract.FEATURES)."""

from __future__ import annotations

import contract
from components.common import storage
from components.common.features import Features


def write(artifact_uri: str, features: Features) -> None:
    storage.write_text(storage.join(artifact_uri, contract.FEATURES), features.to_json() + "\n")


def read(artifact_uri: str) -> Features:
    """What `write` wrote; an artifact without it is of MovieLens's columns, with ratings."""
    path = storage.join(artifact_uri, contract.FEATURES)
    return Features.from_json(storage.read_text(path)) if storage.exists(path) else Features()
