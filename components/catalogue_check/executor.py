"""Compares a catalogue with that of a pushed version."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from typing import Any, Final

from tfx import types

import contract
from components.common import feature_file, storage
from components.common.features import Features
from components.common.step import StepExecutor
from components.example_gen.errors import DataError
from components.example_gen.records.read import read_items
from components.pusher import versions

_log = logging.getLogger(__name__)

ITEMS: Final = "items"
REPORT: Final = "report"
MODEL_DIR: Final = "model_dir"
ALLOW_REMOVALS: Final = "allow_removals"
_NAMED: Final = 10  # items that an error lists


class Executor(StepExecutor):
    """Reads the version's catalogue and columns, and nothing of its graph."""

    def run(
        self,
        inputs: Mapping[str, types.Artifact],
        outputs: Mapping[str, types.Artifact],
        properties: Mapping[str, Any],
    ) -> None:
        """Writes contract.CATALOGUE_CHANGES.

        Raises:
          DataError: items would be lost that nobody said may go, or the columns differ.
        """
        source = properties[MODEL_DIR]
        extra = storage.join(source, contract.ASSETS_EXTRA)
        info = json.loads(storage.read_text(storage.join(extra, contract.INDEX_INFO)))
        uri = inputs[ITEMS].uri
        check_columns(Features.model_validate(info["features"]), feature_file.read(uri), source)
        before = versions.item_ids(source)
        now = read_items(uri).column(contract.ITEM_ID).to_pylist()
        check_removals(before, now, bool(properties[ALLOW_REMOVALS]), source)
        changes = {
            "items": len(now),
            "new": len(set(now) - set(before)),
            "removed": len(set(before) - set(now)),
        }
        _log.info("the catalogue against %s: %s", source, changes)
        path = storage.join(outputs[REPORT].uri, contract.CATALOGUE_CHANGES)
        storage.write_text(path, json.dumps(changes))


def check_columns(before: Features, now: Features, source: str) -> None:
    """Raises DataError if the towers were fitted to other columns than the data has."""

    def read(features: Features) -> dict[str, Any]:
        columns = {
            f"{whose} column {spec.name}": spec.model_dump(exclude={"column"})
            for whose in ("item", "user")
            for spec in getattr(features, whose)
        }
        return {"feedback": features.feedback, **columns}

    old, new = read(before), read(now)
    differ = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if differ:
        raise DataError(
            "features",
            f"the towers of {source} were fitted to other columns than example_gen reads now; these differ: "
            f"{', '.join(differ)}. A refresh fits nothing: train (`marquee run`), or use the config that "
            "the version was made with",
        )


def check_removals(before: Collection[str], now: Collection[str], allowed: bool, source: str) -> None:
    """Raises DataError if items of `before` are not in `now`, unless that is allowed."""
    lost = sorted(set(before) - set(now))
    if not lost or allowed:
        return
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    raise DataError(
        "catalogue",
        f"{len(lost)} of the {len(before)} items of {source} are not in the new data: "
        f"{', '.join(lost[:_NAMED])}{more}; expected all of them. If they shall no longer be recommended, "
        "--allow-removals says so; if not, the data are not whole",
    )
