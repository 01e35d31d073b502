"""Requests that a server replays before a model takes traffic. Nobody's: made of the catalogue alone.

They lie beside the model on every disk that it is copied to, in the clear. What warms a graph is the
shape of a request, so no history, id or time of a person is in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

import contract
from components.common.dense_columns import dense_strings
from components.common.features import Features, FeatureSpec
from components.example_gen.records.schemas import timelines_schema
from components.example_gen.records.write import encode
from components.index.carried.catalogue import Catalogue
from components.index.users.histories import neutral

# A graph's first run in each shape is the slow one; servers batch up to some size.
_BATCH_SIZES = (1, 2, 8)
_EVENTS = 20  # of a history
_FIRST = 1_000_000_000  # Unix seconds of its first event; the others follow day by day
_DAY = 86_400
# In the form of a person's id, and that of nobody who is known.
_NOBODY = b"warm-up"
_ASKED = 3  # items in a request of `rate`, `explain` and `details`
# Of an event, in a timeline's history and among its targets.
_TARGETS = (
    *zip(contract.HISTORY_FEATURES, contract.TARGET_FEATURES, strict=True),
    (contract.HISTORY_WEIGHTS, contract.TARGET_WEIGHTS),
)

Arrays = dict[str, np.ndarray]

_MOVIELENS = Features()


def warmup_requests(
    catalogue: Catalogue,
    model: str,
    features: Features = _MOVIELENS,
) -> Iterator[prediction_log_pb2.PredictionLog]:
    """Yields about 40 requests: every signature, in several batch sizes, each search's branches.

    Args:
      catalogue: what to ask for, and what the histories hold.
      model: name in the requests, one of contract.MODELS.
      features: what the columns mean.
    """
    conditions = np.array(_conditions(catalogue, features.item), object)
    for signature in contract.signatures(features.implicit).values():
        for batch in _BATCH_SIZES:
            inputs = neutral(signature, batch)
            _fill(inputs, signature, catalogue, features.implicit)
            yield _log(model, signature, inputs)
            # Beside the search itself exact `recommend` is the same functions; nobody waits for it.
            if contract.DIVERSITY in inputs and signature.name != contract.RECOMMEND_EXACT:
                yield _log(model, signature, {**inputs, **_filtered(catalogue, batch)})
                yield _log(model, signature, {**inputs, **_wished(catalogue, features.item, batch)})
                if len(conditions):
                    yield _log(model, signature, {**inputs, contract.WHERE: np.tile(conditions, (batch, 1))})


def _fill(inputs: Arrays, signature: contract.Signature, catalogue: Catalogue, implicit: bool) -> None:
    """Puts histories, items and timelines in place of the neutral values."""
    batch = len(next(iter(inputs.values())))
    items = catalogue.ids[np.arange(batch) % len(catalogue)]
    if contract.HISTORY_ITEM_IDS in inputs:
        inputs.update(_histories(catalogue, batch, implicit))
    if contract.USER_ID in inputs:
        inputs[contract.USER_ID] = np.full(batch, _NOBODY, object)
    if contract.ITEM_IDS in inputs:
        inputs[contract.ITEM_IDS] = np.tile(catalogue.ids[:_ASKED], (batch, 1))
    if contract.COLUMNS in inputs:
        columns = np.array([contract.ITEM_ID, contract.RATING_COUNT], object)  # every catalogue has them
        inputs[contract.COLUMNS] = np.tile(columns, (batch, 1))
    if contract.ITEM_ID in inputs:
        inputs[contract.ITEM_ID] = items
    if signature.name == contract.EVALUATE:
        inputs[contract.EXAMPLES] = _examples(catalogue, batch, implicit)


def _histories(catalogue: Catalogue, batch: int, implicit: bool) -> Arrays:
    """Popular items in the catalogue's order, each row from another one on, a day between two events."""
    places = np.arange(batch)[:, np.newaxis] + np.arange(min(_EVENTS, len(catalogue)))
    values = (places % 3 + 1) / 4 if implicit else places % 3 + 3
    return {
        contract.HISTORY_ITEM_IDS: catalogue.ids[places % len(catalogue)],
        contract.of_feedback(contract.HISTORY_RATINGS, implicit): values.astype(np.float32),
        contract.HISTORY_TIMESTAMPS: _FIRST + _DAY * places.astype(np.int64),
    }


def _filtered(catalogue: Catalogue, batch: int) -> Arrays:
    """A filter that few items pass (exact search), an exclusion and some diversity."""
    genres = dense_strings(catalogue.table.column(contract.GENRES))
    genre = next(iter(genres[genres != contract.PAD_ID]), contract.PAD_ID)
    return {
        contract.FILTER_GENRES: np.full((batch, 1), genre, dtype=object),
        contract.EXCLUDE: np.full((batch, 1), catalogue.ids[0], dtype=object),
        contract.YEAR_MIN: np.full(batch, 1900, np.int32),
        contract.DIVERSITY: np.full(batch, 0.3, np.float32),
    }


def _wished(catalogue: Catalogue, specs: Sequence[FeatureSpec], batch: int) -> Arrays:
    """One of two candidates of each value, the second with a boost."""
    columns = [spec.name for spec in specs if spec.filters and spec.kind != "number"]
    named = [catalogue.ids[0], catalogue.ids[-1]]
    return {
        contract.CANDIDATES: np.tile(np.array(named, object), (batch, 1)),
        contract.BOOST_ITEM_IDS: np.tile(np.array(named[1:], object), (batch, 1)),
        contract.BOOSTS: np.full((batch, 1), 0.1, np.float32),
        contract.AT_MOST: np.tile(
            np.array([f"{name}=1" for name in columns[:1]] or [""], object), (batch, 1)
        ),
    }


def _conditions(catalogue: Catalogue, specs: Sequence[FeatureSpec]) -> list[str]:
    """One on each column that filters, as the most popular item that has it meets it."""
    result = []
    for spec in specs:
        for value in catalogue.table.column(spec.name).to_pylist() if spec.filters else ():
            first = next(iter(value), None) if isinstance(value, list) else value or None
            if first is not None:
                result.append(f"{spec.name}={first}" if spec.kind != "number" else f"{spec.name}<={first}")
                break
    return result


def _examples(catalogue: Catalogue, batch: int, implicit: bool) -> np.ndarray:
    """object[batch] of serialized timelines, whose targets are the last events."""
    made, schema = _histories(catalogue, batch, implicit), timelines_schema(implicit=implicit)
    empty = {item.name: [] if pa.types.is_large_list(item.type) else "" for item in schema}
    records = []
    for row in range(batch):
        events = {name: values[row].tolist() for name, values in made.items()}
        targets = {target: events[history][-1:] for history, target in _TARGETS if history in events}
        records.append({**empty, **events, **targets, contract.USER_ID: _NOBODY})
    return np.array(encode(pa.Table.from_pylist(records, schema)), dtype=object)


def _log(model: str, signature: contract.Signature, inputs: Arrays) -> prediction_log_pb2.PredictionLog:
    request = predict_pb2.PredictRequest(
        model_spec=model_pb2.ModelSpec(name=model, signature_name=signature.name)
    )
    for item in signature.inputs:
        request.inputs[item.name].CopyFrom(tf.make_tensor_proto(inputs[item.name], dtype=item.dtype))
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
