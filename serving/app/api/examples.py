"""An answer of each operation, for the OpenAPI description. The items are made up."""

from __future__ import annotations

from typing import Any, Final

PERSON: Final = {"id": "ada", "created": 1_700_000_000, "events": 2}
ERASED: Final = {"id": "ada", "events": 2, "exposures": 14, "outcomes": 1}
STORED: Final = {"created": 1, "repeated": 0, "ids": ["e-1001"]}
_ITEM: Final = {
    "id": "858",
    "title": "The Careless Voyage",
    "year": 2009,
    "columns": {"genres": ["Action", "Thriller"]},
    "rating_count": 131,
    "rating_mean": 3.9,
}
EVENT: Final = {
    "id": "e-1002",
    "kind": "rating",
    "item_id": "858",
    "value": 4.5,
    "time": 1_700_000_060,
    "title": "The Careless Voyage",
}
EVENTS: Final = {"items": [EVENT], "next": "WzE3MDAwMDAwNjAsMl0"}
_SCORED: Final = {**_ITEM, "score": 1.29, "predicted_rating": None, "reasons": []}
ITEMS: Final = {"items": [_SCORED], "source": "popular", "reason": None, "version": 1_700_000_000}
SIMILAR: Final = {**ITEMS, "source": "model"}
DETAILS: Final = {
    **_ITEM,
    "histogram": [{"value": 3.5, "count": 52}, {"value": 4.0, "count": 79}],
    "version": 1_700_000_000,
}
FOUND: Final = {
    "items": [_ITEM],
    "next": None,
    "total": 1,
    "facets": {"genres": [{"value": "Action", "count": 1}, {"value": "Thriller", "count": 1}]},
    "corrected": {"voyge": "voyage"},
    "version": 1_700_000_000,
}
RECOMMENDED: Final = {
    "items": [
        {
            **_ITEM,
            "score": 1.29,
            "predicted_rating": 4.3,
            "reasons": [{"item_id": "318", "title": "Summit of Steel", "weight": 0.86}],
        }
    ],
    "source": "model",
    "reason": None,
    "model": "marquee",
    "version": 1_700_000_000,
    "experiment": None,
    "variant": None,
}
FALLEN_BACK: Final = {
    **RECOMMENDED,
    "items": [_SCORED],
    "source": "popular",
    "reason": "the model server does not answer",
}
MODEL: Final = {
    "model": "marquee",
    "version": 1_700_000_000,
    "item_noun": "movie",
    "items": 500,
    "scale": {"low": 0.5, "high": 5.0, "step": 0.5},
    "event_kinds": ["rating", "like", "dislike", "view", "hide"],
    "columns": [
        {"name": "year", "kind": "number", "taste": False, "filters": True},
        {"name": "genres", "kind": "multi", "taste": True, "filters": True},
    ],
    "taste_values": ["Action", "Thriller"],
    "max_k": 100,
    "max_history": 4096,
    "limits": {"max_k": 100, "max_candidates": 1000},
    "trained": "2026-01-02T03:04:05+00:00",
    "metrics": {"recall@10": 0.134},
    "gates": [{"name": "recall@10 floor", "value": 0.134, "bound": 0.02, "ok": True}],
    "run": "20260102-030405-678",
}
EXPERIMENT: Final = {
    "id": "towers-2",
    "variants": [
        {"name": "control", "label": "", "weight": 9.0},
        {"name": "new", "label": "canary", "weight": 1.0},
    ],
    "started": 1_700_000_000,
    "stopped": None,
    "weighed": None,
}
LIVE: Final = {"status": "live", "model": None}
READY: Final = {"status": "ready", "model": "answering"}
METRICS: Final = 'marquee_app_answers_total{source="model",version="1700000000"} 53.0\n'


def answers(
    status: int, example: Any, media_type: str = "application/json", **others: Any
) -> dict[int | str, dict[str, Any]]:
    """For `responses` of an operation: what it answers, with more answers by name."""
    named = {"answer": example, **others}
    return {
        status: {"content": {media_type: {"examples": {name: {"value": one} for name, one in named.items()}}}}
    }
