"""Newer events as questions to the served model, and sampled requests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

import contract
from components.common.features import Features
from pipeline.drift import served
from pipeline.drift.log import Log
from pipeline.drift.params import DriftParams

PARAMS = DriftParams.model_validate({"min_events": 4})


def log_of(*events: tuple[int, bytes, float, int]) -> Log:
    owner, items, ratings, times = (np.array(column) for column in zip(*events, strict=True))
    users = np.array([b"u", b"v"], object)
    return Log(users, owner, items.astype(object), ratings, times, pa.table({}), Features())


def test_what_came_before_is_the_history_and_relevant_newer_items_are_asked_for() -> None:
    before = log_of((0, b"a", 5.0, 1), (1, b"b", 3.0, 2))
    now = log_of(
        (0, b"a", 5.0, 1), (0, b"c", 4.5, 9), (0, b"d", 1.0, 9), (0, b"a", 5.0, 10), (1, b"b", 3.0, 2)
    )
    [(inputs, targets)] = served.questions(before, now)
    assert inputs[contract.HISTORY_ITEM_IDS] == [b"a"]
    assert targets == {b"c"}


def test_too_few_users_are_not_judged() -> None:
    log = log_of((0, b"a", 5.0, 1))
    found = served.recall("no folder is read", 0.2, log, log, PARAMS)
    assert (found.value, found.drifted) == (None, False)
    assert found.bound == pytest.approx(0.1)


class Fixed(tf.Module):
    """Answers every request with the items a and c, scored .9 and .8."""

    @tf.function(
        input_signature=[
            tf.TensorSpec(each.shape(None, None), each.dtype, each.name)
            for each in contract.SIGNATURES[contract.RECOMMEND].inputs
        ]
    )
    def recommend(self, *inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        count = tf.shape(inputs[0])[0]
        return {
            contract.ITEM_IDS: tf.repeat(tf.constant([[b"a", b"c"]]), count, axis=0),
            contract.SCORES: tf.repeat(tf.constant([[0.9, 0.8]]), count, axis=0),
        }


def test_recall_of_a_saved_model_on_newer_events(fixed: str) -> None:
    newer = ((0, b"c", 5.0, 9), (0, b"e", 5.0, 9), (1, b"a", 5.0, 9))
    now = log_of((0, b"x", 5.0, 1), *newer[:2], (1, b"x", 5.0, 1), newer[2])
    found = served.recall(fixed, 0.9, BEFORE, now, PARAMS)
    assert found.value == pytest.approx(0.75)  # half of u's, all of v's
    assert not found.drifted


def write_requests(
    path: Path, history: list[bytes], answer: list[bytes], scores: tuple[float, ...] = (), times: int = 1
) -> None:
    record = prediction_log_pb2.PredictionLog()
    log = record.predict_log
    log.request.inputs[contract.HISTORY_ITEM_IDS].CopyFrom(tf.make_tensor_proto([history]))
    log.response.outputs[contract.ITEM_IDS].CopyFrom(tf.make_tensor_proto([answer]))
    if scores:
        log.response.outputs[contract.SCORES].CopyFrom(tf.make_tensor_proto([scores], tf.float32))
    with tf.io.TFRecordWriter(str(path)) as writer:
        for _ in range(times):
            writer.write(record.SerializeToString())


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> str:
    model, folder = Fixed(), str(tmp_path_factory.mktemp("fixed"))
    tf.saved_model.save(model, folder, signatures={contract.RECOMMEND: model.recommend})
    return folder


BEFORE = log_of((0, b"x", 5.0, 1), (1, b"x", 5.0, 1))


@pytest.mark.parametrize(("answered", "drifted"), [((0.9, 0.8), False), ((0.2, 0.1), True)])
def test_scores_served_are_compared_with_those_of_the_log_before(
    fixed: str, tmp_path: Path, answered: tuple[float, float], drifted: bool
) -> None:
    path = tmp_path / "requests"
    # A pad is no score; the lists end with one.
    write_requests(path, [b"x", b""], [b"a", b"c", b""], (*answered, contract.PAD_SCORE), times=50)
    found = served.scores(fixed, served.sampled([str(path)]), BEFORE, PARAMS)
    assert found.value is not None
    assert found.drifted is drifted, found
    assert found.why.startswith("median 0.85 of 2 users of the log before") and "100 scores" in found.why


def test_requests_without_a_history_say_nothing_of_scores(fixed: str, tmp_path: Path) -> None:
    path = tmp_path / "requests"
    write_requests(path, [b"", b""], [b"a", b"c"], (0.5, 0.4), times=50)
    found = served.scores(fixed, served.sampled([str(path)]), BEFORE, PARAMS)
    assert (found.value, found.drifted) == (None, False)
    assert found.why == "0 scores of requests with a history, fewer than drift.min_events"


def test_sampled_requests_show_unseen_items_and_what_is_served_too_often(tmp_path: Path) -> None:
    path = tmp_path / "requests"
    write_requests(path, [b"a", b"new", b""], [b"a", b"a", b"c", b""])
    unseen, served_most = served.requests(served.sampled([str(path)]), {b"a", b"c", b"d"}, PARAMS)
    assert unseen.value == pytest.approx(0.5) and unseen.drifted
    assert served_most.value == pytest.approx(2 / 3) and served_most.drifted
    assert served_most.why == "a; 2 of 3 items were served"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        served.sampled([str(tmp_path / "nothing")])
