"""Puts the last pushed model into an artifact, or nothing if there is none."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfx import types
from tfx.utils import path_utils

import contract
from components.common import storage
from components.common.step import StepExecutor
from components.pusher import versions

_log = logging.getLogger(__name__)


class Executor(StepExecutor):
    """Emits one Model artifact, whatever was pushed.

    Always one, because an output list that is empty works on a laptop and fails
    on Kubeflow. An empty folder stands for "nothing pushed yet".
    """

    def run(
        self,
        inputs: Mapping[str, types.Artifact],
        outputs: Mapping[str, types.Artifact],
        properties: Mapping[str, Any],
    ) -> None:
        """Finds the newest complete version below `push_destination`.

        Where that was fitted on all events, the model of the same version that was
        tested stands in for it: the other one has seen the test split.
        """
        # The candidate is an input so that a new one is compared afresh.
        candidate = inputs["model"].uri
        baseline = outputs["baseline"]
        baseline.set_string_custom_property(versions.CANDIDATE_PROPERTY, candidate)
        version = versions.latest(properties["push_destination"])
        if version is None:
            _make_folder(baseline.uri)
            _log.info("Nothing was pushed to %s yet: no baseline.", properties["push_destination"])
            return
        source = version.unseen
        if source is None:
            # Any candidate would lose against it, until somebody deletes a model that is being served.
            _make_folder(baseline.uri)
            _log.warning(
                "Version %d was fitted on all events and the model that was tested is gone from %s: no "
                "baseline, because it has seen the answers of the test split.",
                version.number,
                versions.folder(properties["push_destination"], contract.MODEL_TESTED, version.number),
            )
            return
        # Retention may delete the version; a link keeps the content, and nobody
        # writes into a pushed model, so the copy cannot change either.
        storage.link_tree(source, path_utils.serving_model_dir(baseline.uri))
        baseline.set_string_custom_property(contract.VERSION_PROPERTY, str(version.number))
        _log.info("The baseline is %s.", source)


def _make_folder(uri: str) -> None:
    if storage.is_local(uri):
        Path(uri).mkdir(parents=True, exist_ok=True)
