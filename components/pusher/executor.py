"""Pushes a model that every check accepted."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.components.util import model_utils
from tfx.utils import path_utils

import contract
from components.common import disk, storage
from components.common.step import StepExecutor
from components.evaluator import report
from components.index.carried import fitted_log
from components.pusher import model_card, retention, versions
from components.pusher.params import PusherParams
from components.pusher.publish import publish
from components.pusher.versions import DESTINATION_PROPERTY, PUSHED_PROPERTY

_log = logging.getLogger(__name__)

# Custom property of an output that was not pushed: which check refused.
REFUSED_PROPERTY = "refused_by"

# Pushes that a push remembers: retention removes their folders sooner.
_REMEMBERED = 30

# Input by the name it is published under; the last one only after a final fit.
_INPUTS = {
    contract.MODEL: "model",
    contract.MODEL_EXACT: "model_exact",
    contract.MODEL_TESTED: "tested_model",
}
# For PUSHED.json, the claim and folders.
_RECORD_BYTES = 1 << 20


class Executor(StepExecutor):
    """Publishes both models if both blessings are good; see `publish`.

    The output says what happened: custom properties `pushed` (1 or 0),
    `pushed_destination`, `pushed_version`, or `refused_by`; and a copy of
    PUSHED.json. A refused model is a result, not an error.
    """

    def run(
        self,
        inputs: Mapping[str, types.Artifact],
        outputs: Mapping[str, types.Artifact],
        properties: Mapping[str, Any],
    ) -> None:
        """Pushes `model`, `model_exact` and, if given, `tested_model`.

        Raises:
          ValueError: an accepted model artifact holds no SavedModel.
          disk.DiskFullError: the destination has no room for it.
        """
        params = PusherParams.from_json(properties[contract.PARAMS])
        about = json.loads(properties[contract.ABOUT])
        destination = properties["destination"]
        pushed = outputs["pushed_model"]

        refused_by = [
            name
            for name, accepts in (
                ("blessing", model_utils.is_model_blessed),
                ("infra_blessing", model_utils.is_infra_validated),
            )
            if not accepts(inputs[name])
        ]
        if refused_by:
            _log.warning("Not pushed: refused by %s.", " and ".join(refused_by))
            pushed.set_int_custom_property(PUSHED_PROPERTY, 0)
            pushed.set_string_custom_property(REFUSED_PROPERTY, ", ".join(refused_by))
            return

        retention.sweep(destination, time.time())
        sources = {
            name: path_utils.serving_model_path(inputs[key].uri)
            for name, key in _INPUTS.items()
            if key in inputs
        }
        needed = sum(map(disk.tree_bytes, sources.values())) + _RECORD_BYTES
        retention.make_room(destination, needed, params.keep_versions)
        version = publish(
            sources=sources,
            destination=destination,
            record={**self._record(inputs, about), contract.EARLIER: _earlier(destination)},
            now=time.time(),
            beside=model_card.files(self._card(inputs, about, params)),
        )
        retention.apply(destination, params.keep_versions)
        pushed.set_int_custom_property(PUSHED_PROPERTY, 1)
        pushed.set_string_custom_property(DESTINATION_PROPERTY, version.path)
        pushed.set_string_custom_property(contract.VERSION_PROPERTY, str(version.number))
        storage.write_text(storage.join(pushed.uri, contract.PUSHED), json.dumps(version.record, indent=1))
        _log.info("Pushed %s", version.path)

    @property
    def _run_id(self) -> str:
        return (self._context.pipeline_run_id if self._context else None) or ""

    def _card(
        self, inputs: Mapping[str, types.Artifact], about: Mapping[str, Any], params: PusherParams
    ) -> dict[str, Any]:
        path = path_utils.serving_model_path(inputs["model"].uri)
        info = json.loads(storage.read_text(storage.join(path, contract.ASSETS_EXTRA, contract.INDEX_INFO)))
        return model_card.card(
            self._run_id,
            about,
            _is_refitted(inputs),
            info,
            report.read_metrics(inputs["evaluation"].uri),
            report.read_gates(inputs["blessing"].uri),
            params,
            _carried_users(path),
        )

    def _record(self, inputs: Mapping[str, types.Artifact], about: Mapping[str, Any]) -> dict[str, Any]:
        """Where the model comes from and why it was accepted."""
        metrics = json.loads(storage.read_text(storage.join(inputs["evaluation"].uri, contract.METRICS)))
        refitted = _is_refitted(inputs)
        return {
            "run": self._run_id,
            "description": _description(path_utils.serving_model_path(inputs["model"].uri)),
            contract.FINAL_FIT: contract.ALL if refitted else contract.TRAIN,
            **{key: about[key] for key in (contract.REFRESHES,) if key in about},
            **{key: inputs[key].uri for key in _INPUTS.values() if key in inputs},
            "metrics": metrics["candidate"]["overall"],
            "gates": json.loads(storage.read_text(storage.join(inputs["blessing"].uri, contract.GATES))),
        }


def _is_refitted(inputs: Mapping[str, types.Artifact]) -> bool:
    """Whether another model than this was tested: this one is its fit on all events."""
    return _INPUTS[contract.MODEL_TESTED] in inputs


def _carried_users(model_dir: str) -> int:
    carried = fitted_log.about(model_dir)
    return carried[1] if carried else 0


def _earlier(destination: str) -> list[dict[str, Any]]:
    """The pushes before this one, oldest first: what the last of them knew, and that one."""
    last = versions.latest(destination)
    if last is None:
        return []
    own = {key: last.record.get(key) for key in ("version", "time", "metrics")}
    return [*last.record.get(contract.EARLIER, []), own][-_REMEMBERED:]


def _description(model_dir: str) -> Any:
    """What the model says of itself; None of one that was not built by the index."""
    path = storage.join(model_dir, contract.ASSETS_EXTRA, contract.DESCRIPTION)
    return json.loads(storage.read_text(path)) if storage.exists(path) else None
