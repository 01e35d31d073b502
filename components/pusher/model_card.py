"""The model card of a pushed version: what it is for, what it was measured at, what it holds.

The sections are those of Mitchell et al., 2019, "Model cards for model reporting", then the personal
data held and how to make the model again. Pure: what a run knows goes in, a document comes out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import contract
from components.common.metrics import names
from components.evaluator.gates import Gate
from components.evaluator.metrics.paired import Z
from components.evaluator.report import ModelMetrics, Report
from components.pusher.params import PusherParams

_TEMPLATE: Final = Path(__file__).with_name("model_card.md.j2")
_SHOWN: Final = (
    names.RECALL_10, names.RECALL_100, names.NDCG_10, names.COVERAGE_10, names.NOVELTY_10, names.RMSE,
    names.POPULARITY_RECALL_10, names.RECALL_OVER_POPULARITY_10, names.RECENT_POPULARITY_RECALL_10,
    names.RECALL_MINUS_RECENT_POPULARITY_10, names.COLD_RECALL_10, names.COLD_RECALL_100,
)  # fmt: skip
_NOT_STATED: Final = "not stated; `{}` of the config says it"
_SPLITS: Final[Mapping[contract.SplitRule, str]] = {
    "user_time": "of each user's events in time order, the last tenth is test and the tenth before eval",
    "leave_last_out": "each user's last event is test, the one before eval",
    "global_time": "one date ends train, a second one begins test, for all users",
    "random": "a tenth of each user's events, drawn, is test and a tenth eval",
}


def card(
    run: str,
    about: Mapping[str, Any],
    refitted: bool,
    info: Mapping[str, Any],
    report: Report,
    gates: Sequence[Gate],
    params: PusherParams,
    carried_users: int = 0,
) -> dict[str, Any]:
    """The document.

    Args:
      run: id of the run that pushes it.
      about: `name` of the pipeline, `kind` of model, rule of the `split`; of a refresh contract.REFRESHES.
      refitted: whether the model is the tested one's fit on all events.
      info: contract.INDEX_INFO of the model.
      report: of the tested model.
      gates: what it was held against.
      params: what only its owner knows.
      carried_users: of contract.FITTED_LOG in the model.
    """
    split, features = about["split"], info["features"]
    return {
        "model_details": {
            "name": about["name"],
            "run": run,
            "kind": about["kind"],
            "items": info["items"],
            "dimension": info["dimension"],
            "search": info["search"]["kind"],
            "fitted_on": _fitted_on(about, refitted),
            "contact": params.contact or _NOT_STATED.format("pusher.contact"),
        },
        "intended_use": {"for": params.intended_use, "not_for": params.not_for},
        "factors": {
            "history": "how many events are known of the user, in buckets",
            "cold": "whether the user goes on to like an item without an event in train",
            "not_measured": "groups of people: the log says nothing of age, gender or origin"
            if not features["user"]
            else "differences between groups of people, though the log has columns of users: "
            + ", ".join(spec["name"] for spec in features["user"]),
        },
        "training_data": {
            "licence": params.data_licence or _NOT_STATED.format("pusher.data_licence"),
            "feedback": features["feedback"],
            "item_features": [spec["name"] for spec in features["item"]],
            "user_features": [spec["name"] for spec in features["user"]],
        },
        "evaluation_data": {"split": split, "rule": _SPLITS[split], "users": _users(report.candidate)},
        "metrics": _figures(report.candidate.overall, report.candidate.errors),
        "quantitative_analyses": [
            {
                "slice": feature.removeprefix("slice_"),
                "value": value,
                "users": metrics.get(names.USERS),
                **_figures(metrics, report.candidate.slice_errors.get(feature, {}).get(value, {})),
            }
            for feature, values in report.candidate.slices.items()
            for value, metrics in values.items()
        ],
        "compared_with": report.baseline_version or None,
        "gates": [
            {"gate": gate.name, "value": _finite(gate.value), "bound": _finite(gate.bound), "ok": gate.ok}
            for gate in gates
        ],
        "personal_data": {
            "histories": info["known_users"],
            "what": "ids of users and the items of their events, in the graph's tables"
            if info["known_users"]
            else "no user's id" + ("" if carried_users else " or history"),
            "user_columns": [spec["name"] for spec in features["user"]],
            "drift_histories": carried_users,
        },
        # Not the config itself: a key that decides nothing about the model would be a new push.
        "reproduce": {"report": f"reports/{run}.json", "key": "lineage"},
    }


def markdown(document: Mapping[str, Any]) -> str:
    """The card for people."""
    import jinja2

    # Markdown, in which nothing has to be escaped for HTML.
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    environment.filters["figure"] = _figure
    return environment.from_string(_TEMPLATE.read_text()).render(document)


def files(document: Mapping[str, Any]) -> dict[str, bytes]:
    """Content by path within the version's folder."""
    return {
        f"{contract.ASSETS_EXTRA}/{contract.MODEL_CARD}": markdown(document).encode(),
        f"{contract.ASSETS_EXTRA}/{contract.MODEL_CARD_JSON}": json.dumps(
            document, indent=1, allow_nan=False
        ).encode(),
    }


def _fitted_on(about: Mapping[str, Any], refitted: bool) -> str:
    words = "all events, with as many epochs as the tested model" if refitted else "train"
    fitted = about.get(contract.REFRESHES)
    return f"{words}, for version {fitted}; the catalogue is newer" if fitted else words


def _users(model: ModelMetrics) -> float | None:
    return _finite(model.overall.get(names.USERS))


def _figures(values: Mapping[str, float], errors: Mapping[str, float]) -> dict[str, Any]:
    """Value and the half length of its 95 % interval, by metric."""
    return {
        name: {"value": _finite(values[name]), "error": _finite(Z * errors[name]) if name in errors else None}
        for name in _SHOWN
        if name in values
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _figure(found: Mapping[str, Any] | None) -> str:
    if found is None or found["value"] is None:
        return "-"
    return f"{found['value']:.4g}" + (f" ± {found['error']:.2g}" if found["error"] is not None else "")
