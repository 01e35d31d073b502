"""What a candidate answers: to users of the test split, to people of whom little is known, of items alike."""

from __future__ import annotations

import collections
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import contract
from components.common import storage
from components.pusher.versions import SAVED_MODEL, Version
from pipeline.ask import user_timeline
from pipeline.ask.loaded import LoadedServable
from pipeline.ask.recommendation import reasons, scored
from pipeline.ask.titles import Item
from pipeline.ask.user_timeline import Timeline, UserEvents
from pipeline.runs.run_records import Run

USERS: Final = 500  # whose lists are looked at
_AMONG: Final = 20_000  # records that they are drawn from: reading them all may take minutes
_BATCH: Final = 50
_MAPPED: Final = 1000  # items of the map; more are one blot
_K: Final = 10
_SHOWN_USERS, _SHOWN_ITEMS, _SHOWN_HISTORY = 5, 5, 5
_SIGNATURES: Final = (contract.RECOMMEND, contract.SIMILAR, contract.EXPLAIN)
_SERVED: Final = "Format-Serving"  # folder of the SavedModel in TFX's Model artifact


def of_run(run: Run) -> dict[str, Any]:
    """Empty before there is an index or timelines."""
    path, uri = candidate(run), _timelines(run)
    if path is None or uri is None:
        return {}
    version = Version(0, path, None, None, pinned=False, record={"run": run.run_id})
    model = LoadedServable(version, contract.MODEL, _SIGNATURES)
    sample = user_timeline.some(uri, contract.TEST, USERS, _AMONG)
    width = model.limit("max_history") or 1
    lists = list(_lists(model, [timeline.history.newest(width).as_inputs() for _, timeline in sample]))
    popular = sorted(model.titles.by_id.values(), key=lambda item: (-item.rating_count, item.item_id))
    return {
        "noun": model.noun,
        "map": _map(model),
        "health": _health(lists, popular),
        "examples": _examples(model, sample, lists, width),
        "cold_start": _cold_start(model, popular),
        "similar": _similar(model, popular),
    }


def candidate(run: Run) -> str | None:
    """The SavedModel of contract.MODEL that the run pushed or refused, None if it made none or it is gone."""
    for name in ("final_index", "index"):
        node = run.node(name)
        for output in node.outputs.get("model", ()) if node else ():
            path = storage.join(output.uri, _SERVED)
            if storage.exists(storage.join(path, SAVED_MODEL)):
                return path
    return None


def _timelines(run: Run) -> str | None:
    node = run.node("example_gen")
    found = [x.uri for x in (node.outputs.get("timelines", ()) if node else ()) if storage.exists(x.uri)]
    return found[0] if found else None


def _lists(model: LoadedServable, rows: Sequence[dict[str, Any]]) -> Iterator[list[tuple[Item, float]]]:
    for start in range(0, len(rows), _BATCH):
        asked = [{**row, contract.K: _K} for row in rows[start : start + _BATCH]]
        answer = model.ask_all(contract.RECOMMEND, asked)
        for i in range(len(asked)):
            yield scored(model, {name: values[i] for name, values in answer.items()})


def _health(lists: Sequence[list[tuple[Item, float]]], popular: Sequence[Item]) -> dict[str, Any]:
    """
    Args:
      popular: the catalogue, most rated first.
    """
    shown = [item for found in lists for item, _ in found]
    if not shown:
        return {}
    rank = {item.item_id: place for place, item in enumerate(popular)}
    often = collections.Counter(item.item_id for item in shown)
    events = sum(item.rating_count for item in popular) or 1
    tenth = max(1, math.ceil(len(popular) / 10))
    return {
        "users": len(lists),
        "items": len(popular),
        "coverage": len(often) / len(popular),
        "cold": sum(item.rating_count == 0 for item in shown) / len(shown),
        "cold_in_catalogue": sum(item.rating_count == 0 for item in popular) / len(popular),
        "deciles": [
            {
                "recommended": sum(rank[item.item_id] // tenth == d for item in shown) / len(shown),
                "events": sum(item.rating_count for item in popular[d * tenth : (d + 1) * tenth]) / events,
            }
            for d in range(math.ceil(len(popular) / tenth))
        ],
        "scores": [round(score, 5) for found in lists for _, score in found],
        "most": [
            {"item": popular[rank[item_id]].label, "users": count / len(lists),
             "events": popular[rank[item_id]].rating_count}
            for item_id, count in often.most_common(_K)
        ],
    }  # fmt: skip


def _map(model: LoadedServable) -> list[dict[str, Any]]:
    """The places that the model carries of its most rated items, each in the group of its first taste."""
    assert model.files is not None
    return [
        {
            "item": model.item(item_id).label,
            "group": next(iter(model.tastes_of(model.item(item_id))), ""),
            "at": [round(x, 4), round(y, 4)],
        }
        for item_id, x, y in model.files.places(_MAPPED)
    ]


def _examples(
    model: LoadedServable,
    sample: Sequence[tuple[str, Timeline]],
    lists: Sequence[list[tuple[Item, float]]],
    width: int,
) -> list[dict[str, Any]]:
    """Five users from the shortest history to the longest, each with the reasons of the list."""
    by_length = sorted(range(len(sample)), key=lambda i: (len(sample[i][1].history), sample[i][0]))
    chosen = [by_length[i * (len(by_length) - 1) // (_SHOWN_USERS - 1)] for i in range(_SHOWN_USERS)]
    found = []
    for place in dict.fromkeys(chosen):
        user_id, timeline = sample[place]
        query = timeline.history.newest(width).as_inputs()
        items = [item for item, _ in lists[place]]
        why = reasons(model, query, items) if items else []
        liked = {
            item_id
            for item_id, rating in zip(timeline.targets.item_ids, timeline.targets.ratings, strict=True)
            if rating >= contract.RELEVANT_RATING
        }
        newest = timeline.history.newest(_SHOWN_HISTORY)
        found.append(
            {
                "user": user_id,
                "history": len(timeline.history),
                "newest": [model.item(item_id).label for item_id in reversed(newest.item_ids)],
                "liked": len(liked),
                "list": [
                    {"item": item.label, "score": score, "found": item.item_id in liked,
                     "because": [{"item": of.label, "weight": weight} for of, weight in because[:2]]}
                    for (item, score), because in zip(lists[place], why, strict=True)
                ],
            }
        )  # fmt: skip
    return found


def _cold_start(model: LoadedServable, popular: Sequence[Item]) -> list[dict[str, Any]]:
    """Lists of somebody of whom nothing is known, then of who likes one item."""
    asked = [item for item in _spread(popular) if item.rating_count][:_SHOWN_ITEMS]
    like = contract.MAX_RATING
    histories = [UserEvents(), *(UserEvents((item.item_id,), (like,), (0,)) for item in asked)]
    known = ["nothing", *(f"likes {item.label}" for item in asked)]
    return [
        {"known": words, "list": [item.label for item, _ in found[:_SHOWN_ITEMS]]}
        for words, found in zip(
            known, _lists(model, [history.as_inputs() for history in histories]), strict=True
        )
    ]


def _similar(model: LoadedServable, popular: Sequence[Item]) -> list[dict[str, Any]]:
    found = []
    for item in _spread(popular):
        near = scored(model, model.ask(contract.SIMILAR, item_id=item.item_id, k=_SHOWN_ITEMS))
        found.append(
            {
                "item": item.label,
                "events": item.rating_count,
                "list": [{"item": other.label, "score": score} for other, score in near],
            }
        )
    return found


def _spread(popular: Sequence[Item]) -> list[Item]:
    """The most popular item, the least, and some between, at even steps of the logarithm of the rank."""
    last = len(popular) - 1
    places = {round((last + 1) ** (i / (_SHOWN_ITEMS - 1)) - 1) for i in range(_SHOWN_ITEMS)}
    return [popular[min(place, last)] for place in sorted(places)]
