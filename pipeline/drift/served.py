"""What the served model makes of newer events, and what sampled requests show."""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

import contract
from components.common import storage
from pipeline.drift import comparators
from pipeline.drift.checks import Finding
from pipeline.drift.log import Log
from pipeline.drift.params import DriftParams

K: Final = 10
_HISTORY: Final = 200
# Users of the log before whose lists say how high scores are.
_USERS: Final = 500
_BATCH: Final = 256
_Z: Final = 1.96

# The inputs of a history, and the relevant items that came after it.
Asked = tuple[dict[str, list[Any]], set[bytes]]
Recommend = Callable[..., Mapping[str, Any]]


def recall(model_dir: str, tested: float, before: Log, now: Log, params: DriftParams) -> Finding:
    """Recall@10 of a model on the events after the log it was tested on; what came before is the history.

    Args:
      model_dir: of contract.MODEL_EXACT.
      tested: its Recall@10 on the test split.
    """
    name, bound = f"recall@{K} since", (1.0 - params.recall_drop) * tested
    asked = questions(before, now)
    if len(asked) < params.min_events / 10:
        why = (
            f"{len(asked)} users with a history and a relevant newer event, fewer than drift.min_events / 10"
        )
        return Finding(name, None, bound, drifted=False, why=why)
    values = recalls(lists(recommend_of(model_dir), asked, now.features.implicit), asked)
    mean, error = float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))
    why = f"of {len(values)} users, ± {_Z * error:.3f}; {tested:.4f} on the test split"
    return Finding(name, mean, bound, mean + _Z * error < bound, why)


def questions(before: Log, now: Log) -> list[Asked]:
    """Of each user who has both a history in `before` and relevant newer items."""
    newer = now.times > before.last
    names = (contract.HISTORY_ITEM_IDS, contract.HISTORY_RATINGS, contract.HISTORY_TIMESTAMPS)
    ends = np.cumsum(np.bincount(now.owner, minlength=len(now.users)))
    asked = []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        new = newer[start:end]
        cut = start + int(np.argmax(new)) if new.any() else end
        relevant = now.ratings[cut:end] >= contract.RELEVANT_RATING
        targets = set(now.items[cut:end][relevant]) - set(now.items[start:cut])
        if cut > start and targets:
            part = slice(max(start, cut - _HISTORY), cut)
            columns = (now.items[part], now.ratings[part], now.times[part])
            asked.append((dict(zip(names, map(list, columns), strict=True)), targets))
    return asked


def recalls(found: Iterable[Sequence[bytes]], asked: Sequence[Asked]) -> np.ndarray:
    """float64[U]: the share of each user's relevant items that is among the items found."""
    return np.array(
        [len(targets & set(items)) / len(targets) for (_, targets), items in zip(asked, found, strict=True)]
    )


@functools.lru_cache(maxsize=1)
def recommend_of(model_dir: str) -> Recommend:
    """The function of the signature contract.RECOMMEND of a saved model, which several checks ask."""
    import tensorflow as tf

    signatures: Mapping[str, Recommend] = tf.saved_model.load(model_dir).signatures
    return signatures[contract.RECOMMEND]


def answers(
    recommend: Recommend, asked: Sequence[dict[str, list[Any]]], implicit: bool, k: int = K
) -> Iterator[dict[str, np.ndarray]]:
    """What `recommend` answers to the inputs of some histories, k items each, some requests at a time."""
    import tensorflow as tf

    signature = contract.signatures(implicit)[contract.RECOMMEND]
    for start in range(0, len(asked), _BATCH):
        rows = [{**_as_weights(inputs, implicit), contract.K: k} for inputs in asked[start : start + _BATCH]]
        filled = signature.filled(rows)
        tensors = {each.name: tf.constant(filled[each.name], each.dtype) for each in signature.inputs}
        yield {name: value.numpy() for name, value in recommend(**tensors).items()}


def lists(recommend: Recommend, asked: Sequence[Asked], implicit: bool, k: int = K) -> Iterator[list[bytes]]:
    """The first k items that a model recommends to each user."""
    for answer in answers(recommend, [inputs for inputs, _ in asked], implicit, k):
        yield from answer[contract.ITEM_IDS][:, :k].tolist()


def _as_weights(inputs: dict[str, list[Any]], implicit: bool) -> dict[str, list[Any]]:
    if not implicit:
        return inputs
    weights = [contract.weight_of_rating(stars) for stars in inputs[contract.HISTORY_RATINGS]]
    others = {name: value for name, value in inputs.items() if name != contract.HISTORY_RATINGS}
    return {**others, contract.HISTORY_WEIGHTS: weights}


@dataclasses.dataclass(frozen=True)
class Sampled:
    """What the requests that the server sampled come to.

    Attributes:
      asked: item -> how often it stands in a history.
      served: item -> how often it was recommended.
      scores: float32, the first K of each answer to a request with a history.
    """

    asked: collections.Counter[bytes]
    served: collections.Counter[bytes]
    scores: np.ndarray


def sampled(paths: Collection[str]) -> Sampled:
    """Reads the PredictionLogs that the server wrote, once for all checks.

    Args:
      paths: TFRecord files.

    Raises:
      FileNotFoundError: a file is not there.
    """
    asked: collections.Counter[bytes] = collections.Counter()
    served: collections.Counter[bytes] = collections.Counter()
    found = [np.zeros(0, np.float32)]
    for inputs, outputs in _logged(paths):
        asked.update(_items(inputs, contract.HISTORY_ITEM_IDS))
        served.update(_items(outputs, contract.ITEM_IDS))
        # Requests without a history get the popular list, whose scores are of another kind.
        answered, history = outputs.get(contract.SCORES), inputs.get(contract.HISTORY_ITEM_IDS)
        if answered is not None and history is not None:
            has_history = (history != contract.PAD_ID).any(axis=1)
            if len(has_history) == len(answered):
                found.append(answered[has_history, :K].ravel())
    scores = np.concatenate(found)
    return Sampled(asked, served, scores[scores != contract.PAD_SCORE])


def requests(sample: Sampled, known: Collection[bytes], params: DriftParams) -> list[Finding]:
    """Of the sampled requests: histories and answers.

    Args:
      known: ids of the model's items.
    """
    asked, answers = sample.asked.total(), sample.served.total()
    names = ("unseen items asked", "one item's share of what was served")
    bounds = (params.unseen, params.served_share)
    if asked + answers < params.min_events:
        why = f"{asked + answers} items in the sampled requests, fewer than drift.min_events"
        return [Finding(name, None, bound, False, why) for name, bound in zip(names, bounds, strict=True)]
    unknown = sum(times for item, times in sample.asked.items() if item not in known)
    share = unknown / max(1, asked)
    most, times = sample.served.most_common(1)[0] if sample.served else (b"-", 0)
    top = times / max(1, answers)
    covered = f"{len(sample.served)} of {len(known)} items were served"
    return [
        Finding(names[0], share, bounds[0], share > bounds[0], f"of {asked} items in sampled histories"),
        Finding(names[1], top, bounds[1], top > bounds[1], f"{most.decode(errors='replace')}; {covered}"),
    ]


def scores(model_dir: str, sample: Sampled, before: Log, params: DriftParams) -> Finding:
    """The scores of the lists that were served, against those that the users of the log before get.

    A model that meets other people, or other histories than it was fitted to, is less sure of what it
    recommends.

    Args:
      model_dir: of contract.MODEL_EXACT.
    """
    name, bound, served = "scores served", params.jensen_shannon, sample.scores
    if len(served) < params.min_events:
        why = f"{len(served)} scores of requests with a history, fewer than drift.min_events"
        return Finding(name, None, bound, drifted=False, why=why)
    given = _histories(before)
    if not given:
        return Finding(name, None, bound, drifted=False, why="the log before has no history to ask with")
    implicit = before.features.implicit
    expected = np.concatenate(
        [each[contract.SCORES].ravel() for each in answers(recommend_of(model_dir), given, implicit)]
    )
    expected = expected[expected != contract.PAD_SCORE]
    compared = comparators.compare(
        {name: comparators.numbers(expected)}, {name: comparators.numbers(served)}
    )[name]
    old, new = compared.medians
    why = (
        f"median {old:.3g} of {len(given)} users of the log before, {new:.3g} of {len(served)} scores served"
    )
    value = compared.distance
    return Finding(name, value, bound, value is not None and value > bound, why)


def _histories(log: Log) -> list[dict[str, list[Any]]]:
    """What some users, spread over all, would ask with."""
    ends = np.cumsum(np.bincount(log.owner, minlength=len(log.users)))
    starts = np.concatenate([[0], ends[:-1]])
    full = np.flatnonzero(ends > starts)
    some = np.unique(np.linspace(0, len(full) - 1, _USERS).astype(int)) if len(full) else full
    columns = (log.items, log.ratings, log.times)
    return [
        {
            name: list(column[max(starts[user], ends[user] - _HISTORY) : ends[user]])
            for name, column in zip(contract.HISTORY_FEATURES, columns, strict=True)
        }
        for user in full[some]
    ]


def _items(tensors: Mapping[str, np.ndarray], name: str) -> list[bytes]:
    return [item for item in tensors.get(name, np.zeros(0)).ravel().tolist() if item != contract.PAD_ID]


def _logged(paths: Collection[str]) -> Iterator[tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]]:
    """Inputs and outputs of each recommendation."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    def arrays(tensors: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return {name: tf.make_ndarray(proto) for name, proto in tensors.items()}

    for path in paths:
        if not storage.exists(path):
            raise FileNotFoundError(path)
        for record in tf.compat.v1.io.tf_record_iterator(path):
            log = prediction_log_pb2.PredictionLog.FromString(record).predict_log
            if contract.ITEM_IDS in log.response.outputs:
                yield arrays(log.request.inputs), arrays(log.response.outputs)
