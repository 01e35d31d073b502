"""Queries such as people make: histories of the test split."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

import contract
from components.common import feature_file, storage
from components.example_gen.records import schemas
from components.example_gen.records.read import example_batches, split_uri


def of_test_split(
    timelines: str, count: int, longest: int | None = None, seed: int = 0
) -> list[predict_pb2.PredictRequest]:
    """Requests to `recommend`, each with a test user's history and id, for any model of the log.

    Args:
      timelines: with a test split; of a large one only the first few thousand users are read.
      count: how many, drawn with replacement where there are fewer users.
      longest: of a longer history only the newest events are sent, as by a client; None: all.
    """
    implicit = feature_file.read(timelines).implicit
    events = (contract.of_feedback(name, implicit) for name in contract.HISTORY_FEATURES)
    known = schemas.timelines_schema(implicit=implicit)
    wanted = pa.schema([known.field(name) for name in (contract.USER_ID, *events)])
    users = next(example_batches(split_uri(timelines, contract.TEST), wanted))
    rng = np.random.default_rng(seed)
    rows = rng.choice(users.num_rows, count, replace=users.num_rows < count)
    return [_request(row, longest) for row in users.take(rows).to_pylist()]


def longest_history(model_dir: str) -> int | None:
    """Most events that a request to the model may have; None if it does not say."""
    path = storage.join(model_dir, contract.ASSETS_EXTRA, contract.DESCRIPTION)
    if not storage.exists(path):
        return None
    limit = json.loads(storage.read_text(path)).get("limits", {}).get("max_history")
    return None if limit is None else int(limit)


def _request(row: dict[str, object], longest: int | None) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = contract.RECOMMEND
    for item in contract.signatures(contract.HISTORY_WEIGHTS in row)[contract.RECOMMEND].inputs:
        if item.name in row:
            value = row[item.name]
            given = value[-longest:] if isinstance(value, list) and longest else value
            request.inputs[item.name].CopyFrom(tf.make_tensor_proto([given], dtype=item.dtype))
    return request
