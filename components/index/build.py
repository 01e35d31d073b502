"""Towers, items and timelines into the two SavedModels."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

import contract
from components.common import progress
from components.common.features import Features
from components.index.carried import catalogue as catalogues
from components.index.carried.description import describe
from components.index.carried.extra_assets import write_extra_assets
from components.index.carried.item_map import item_map
from components.index.carried.rating_histograms import rating_histograms
from components.index.carried.shown_users import shown_users
from components.index.carried.warmup_requests import warmup_requests
from components.index.conditions.conditions import Conditions
from components.index.details import Details
from components.index.params import IndexParams
from components.index.retrieval import Retrieval
from components.index.search.approximate import ApproximateSearch, build_scann
from components.index.search.exact import ExactSearch
from components.index.search.scann_config import MIN_ITEMS
from components.index.search.selective import Search
from components.index.users.histories import Histories, dense, known_histories, neutral
from components.index.users.known_users import KnownUsers

_log = logging.getLogger(__name__)

_MOVIELENS = Features()

# The custom operations' namespace, which SavedModel wants to be told of.
_SCANN_NAMESPACE = "Scann"


@dataclasses.dataclass(frozen=True)
class Built:
    """A retrieval model before it is saved.

    Attributes:
      module: the signatures.
      catalogue: its items.
      embeddings: float32[N, D], of the items.
      histories: of the users given, whether or not the model keeps them.
      info: sizes, limits and search parameters (contract.INDEX_INFO).
    """

    module: Retrieval
    catalogue: catalogues.Catalogue
    embeddings: np.ndarray
    histories: Histories
    info: dict[str, Any]


def build_models(
    towers: Any,
    items: pa.Table,
    timelines: Mapping[str, pa.Table],
    params: IndexParams,
    model_dirs: Mapping[str, str],
    features: Features = _MOVIELENS,
    keep_users: bool = True,
    kind: str = "",
) -> None:
    """Builds and saves the retrieval models, each with its assets.extra.

    Args:
      towers, items, timelines, params, features, keep_users: as `assemble`.
      model_dirs: where to save each of contract.MODELS that is wanted.
      kind: of the model that was fitted, `model.kind` of the config.
    """
    made = assemble(towers, items, timelines, params, list(model_dirs), features, keep_users)
    first = next(iter(made.values()))
    ids = first.catalogue.table.column(contract.ITEM_ID)
    # The map is one core's work outside Python, and tracing the signatures another's inside it.
    with ThreadPoolExecutor(1, "item-map") as beside:
        drawn = beside.submit(item_map, ids, first.embeddings, params.map_items)
        for name, built in made.items():
            started = time.monotonic()
            tf.saved_model.save(
                built.module,
                model_dirs[name],
                signatures=built.module.functions(),
                options=tf.saved_model.SaveOptions(namespace_whitelist=[_SCANN_NAMESPACE]),
            )
            searched, seconds = built.info["search"]["kind"], time.monotonic() - started
            _log.info("%s: %d items, %s search, saved in %.1f s", name, len(ids), searched, seconds)
    tables = {contract.ITEM_MAP: drawn.result(), **_carried(timelines, params, features, keep_users)}
    for name, built in made.items():
        requests = warmup_requests(built.catalogue, name, features)
        known_users = built.info["known_users"]
        described = describe(name, kind, built.catalogue, built.module.columns, known_users, params, features)
        write_extra_assets(model_dirs[name], built.catalogue, built.info, described, requests, tables)


def _carried(
    timelines: Mapping[str, pa.Table], params: IndexParams, features: Features, everybody: bool
) -> dict[str, pa.Table]:
    """What an application shows beyond the catalogue and the map, by file."""
    tables = {}
    # Of a few users' timelines a histogram would say little, and of data without ratings nothing.
    if everybody and not features.implicit and contract.TRAIN in timelines:
        tables[contract.RATING_HISTOGRAMS] = rating_histograms(timelines[contract.TRAIN])
    if params.shown_users:
        tables[contract.SHOWN_USERS] = shown_users(timelines, params.shown_users)
    return tables


def assemble(
    towers: Any,
    items: pa.Table,
    timelines: Mapping[str, pa.Table],
    params: IndexParams,
    names: Sequence[str] = contract.MODELS,
    features: Features = _MOVIELENS,
    keep_users: bool = True,
) -> dict[str, Built]:
    """Puts the retrieval models together.

    Args:
      towers: loaded SavedModel with contract.TOWER_FUNCTIONS.
      items: contract.ITEM_FEATURES, in any order.
      timelines: by split, contract.TIMELINE_FEATURES; any of the splits.
      params: limits and search.
      names: of contract.MODELS, those wanted.
      features: what the columns of items and timelines mean.
      keep_users: whether the model may keep the users' histories, if they are not too many.

    Raises:
      catalogue.CatalogueError: the items or their embeddings make no index.
    """
    catalogue = catalogues.from_items(items)
    embeddings = catalogues.embed(
        catalogue,
        towers.embed_item,
        params.embed_block,
        lambda done: progress.report(done, len(catalogue), "items embedded"),
        features.item,
    )
    histories = known_histories(timelines, catalogue)
    with_users = keep_users and 0 < len(histories) <= params.max_known_users
    users = KnownUsers(histories) if with_users else None
    conditions = Conditions(catalogue.table, features.item)
    vectors = tf.Variable(embeddings, trainable=False, name="embeddings")
    exact = ExactSearch(vectors, conditions, params.block_scores)
    details = Details(catalogue, features.item, features.implicit)
    built = {}
    for name in names:
        search: Search = exact
        search_info: dict[str, Any] = {"kind": "exact"}
        if name == contract.MODEL and len(catalogue) >= max(params.exact_below, MIN_ITEMS):
            queries = sample_queries(towers, catalogue, histories, embeddings, params)
            tuned = build_scann(vectors, queries, params.recall_at, params.target_recall)
            search = ApproximateSearch(tuned.index, exact, conditions, params.filter_oversample)
            search_info = {
                "kind": "scann",
                "recall": tuned.recall,
                "recall_at": min(params.recall_at, len(catalogue)),
                **dataclasses.asdict(tuned.index.config),
            }
        info = {
            "model": name,
            "items": len(catalogue),
            "dimension": int(embeddings.shape[1]),
            "known_users": len(histories) if with_users else 0,
            "search": search_info,
            "features": features.model_dump(mode="json"),
            "params": params.model_dump(),
        }
        module = Retrieval(
            towers, catalogue, vectors, conditions, search, exact, users, details, params, features
        )
        built[name] = Built(module, catalogue, embeddings, histories, info)
    return built


def sample_queries(
    towers: Any,
    catalogue: catalogues.Catalogue,
    histories: Histories,
    embeddings: np.ndarray,
    params: IndexParams,
) -> np.ndarray:
    """float32[Q, D]: queries of users spread over all; without users, the items' own vectors."""
    count = min(params.recall_queries, len(histories))
    if not count:
        return embeddings[:: max(1, len(embeddings) // params.recall_queries)]
    users = np.linspace(0, len(histories) - 1, count).astype(np.int64)
    inputs = neutral(contract.SIGNATURES[contract.EMBED_QUERY], count)
    inputs.update(dense(histories, users, catalogue.ids, params.max_history))
    inputs[contract.USER_ID] = histories.user_ids[users]
    return np.asarray(towers.embed_query(**{name: tf.constant(value) for name, value in inputs.items()}))
