"""Takes the towers out of a pushed model."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

import tensorflow as tf
from tfx import types
from tfx.utils import path_utils

import contract
from components.common import storage
from components.common.step import StepExecutor
from components.pusher import versions

_log = logging.getLogger(__name__)

MODEL: Final = "model"
DESTINATION: Final = "destination"
FITTED_FOR: Final = "fitted_for"
NAME: Final = "name"
# Where the retrieval model keeps what it was built around.
_TOWERS: Final = "_towers"


class Executor(StepExecutor):
    """A pushed model holds its towers whole, so no artifact of the run that fitted them is needed."""

    def run(
        self,
        inputs: Mapping[str, types.Artifact],
        outputs: Mapping[str, types.Artifact],
        properties: Mapping[str, Any],
    ) -> None:
        """Writes the towers, the model's kind, the weights for a warm start and the log they were fitted to.

        Raises:
          ValueError: no version with these towers is left, or something else than the index built it.
        """
        destination, number = properties[DESTINATION], int(properties[FITTED_FOR])
        of_these = [
            version for version in versions.list_versions(destination) if version.fitted_for == number
        ]
        if not of_these:
            raise ValueError(
                f"no version below {destination} has the towers of version {number}: it was deleted or "
                "withdrawn meanwhile; refresh again"
            )
        source = versions.folder(destination, properties[NAME], of_these[-1].number)
        target = path_utils.serving_model_dir(outputs[MODEL].uri)
        with storage.on_this_machine(source) as folder:
            _save_towers(folder, target, source)
        extra, beside = (storage.join(path, contract.ASSETS_EXTRA) for path in (source, target))
        kind = json.loads(storage.read_text(storage.join(extra, contract.DESCRIPTION)))["kind"]
        storage.write_text(storage.join(beside, contract.KIND), kind)
        for name in (contract.WARM_START, contract.FITTED_LOG):
            if storage.exists(storage.join(extra, name)):
                storage.copy_file(storage.join(extra, name), storage.join(beside, name))
        # Always, so that the index knows these towers for fitted to another log than it reads.
        items = (
            contract.FITTED_ITEMS
            if contract.FITTED_ITEMS in storage.list_names(extra)
            else contract.CATALOGUE
        )
        storage.copy_file(storage.join(extra, items), storage.join(beside, contract.FITTED_ITEMS))
        _log.info("the towers of %s", source)


def _save_towers(folder: str, target: str, source: str) -> None:
    # Registers the op of the model around the towers, without which it does not load.
    import scann  # noqa: F401

    towers = getattr(tf.saved_model.load(folder), _TOWERS, None)
    missing = [name for name in contract.TOWER_FUNCTIONS if not hasattr(towers, name)]
    if missing:
        raise ValueError(
            f"the model at {source} has no towers with {', '.join(missing)}; expected one that Marquee's "
            "index built: train a model (`marquee run`)"
        )
    tf.saved_model.save(towers, target)
