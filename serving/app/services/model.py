"""The version that answers, and what may be asked of it."""

from __future__ import annotations

from serving.app.link.calls import Calls
from serving.app.link.versions import Versions
from serving.app.results import ModelDescription
from serving.app.services import histories


class ModelService:
    def __init__(self, calls: Calls, versions: Versions) -> None:
        self._calls = calls
        self._versions = versions

    @property
    def answering(self) -> bool:
        """Whether the last look at the model server succeeded and the breaker is closed."""
        return not self._versions.problem and not self._calls.open

    def describe(self) -> ModelDescription:
        """Raises NotReadyError while no version has been seen."""
        snapshot = self._versions.current()
        taste = snapshot.taste_column
        pushed = snapshot.pushed
        return ModelDescription(
            model=snapshot.model,
            version=snapshot.version,
            item_noun=snapshot.item_noun,
            items=len(snapshot.catalogue),
            scale=snapshot.scale,
            event_kinds=histories.event_kinds(snapshot),
            columns=list(snapshot.catalogue.columns),
            taste_values=list(snapshot.catalogue.values.get(taste, ())) if taste else [],
            max_k=snapshot.limit("max_k"),
            max_history=snapshot.limit("max_history"),
            limits=dict(snapshot.limits),
            trained=pushed.get("time"),
            metrics=dict(pushed.get("metrics", {})),
            gates=list(pushed.get("gates", ())),
            run=pushed.get("run"),
        )
