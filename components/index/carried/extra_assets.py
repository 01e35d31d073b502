"""What travels with a model in assets.extra, so that an application shows what the model knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

import contract
from components.common import storage
from components.index.carried.catalogue import Catalogue
from contract.description import Description

# Column of contract.POPULARITY beside the id: share of the train ratings.
SCORE = "score"


def write_extra_assets(
    model_dir: str,
    catalogue: Catalogue,
    info: Mapping[str, Any],
    description: Description,
    requests: Iterable[prediction_log_pb2.PredictionLog],
    tables: Mapping[str, pa.Table],
) -> None:
    """Writes what lies beside a SavedModel: warm-up, catalogue, popularity, INDEX_INFO, DESCRIPTION, tables.

    Args:
      model_dir: of the SavedModel.
      catalogue: its items, in row order.
      info: sizes, limits and search parameters.
      description: what a client may ask.
      requests: to replay before the model takes traffic.
      tables: further ones, by the names of their files.
    """
    folder = storage.join(model_dir, contract.ASSETS_EXTRA)
    tf.io.gfile.makedirs(folder)
    with tf.io.TFRecordWriter(storage.join(folder, contract.WARMUP_REQUESTS)) as writer:
        for request in requests:
            writer.write(request.SerializeToString(deterministic=True))
    storage.write_parquet(storage.join(folder, contract.CATALOGUE), catalogue.table)
    # The catalogue's order is popularity's.
    popularity = pa.table(
        {
            contract.ITEM_ID: catalogue.table.column(contract.ITEM_ID),
            SCORE: pa.array(catalogue.shares),
        }
    )
    storage.write_parquet(storage.join(folder, contract.POPULARITY), popularity)
    for name, table in tables.items():
        storage.write_parquet(storage.join(folder, name), table)
    for name, document in ((contract.INDEX_INFO, info), (contract.DESCRIPTION, description.to_dict())):
        storage.write_text(storage.join(folder, name), json.dumps(document, indent=2) + "\n")
