"""Timed queries: whose they are, when they are sent, and what a slow or a broken model comes to."""

from __future__ import annotations

import concurrent.futures
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from support.models import contract_model
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

import contract
from components.common import feature_file, storage
from components.common.features import Features
from components.example_gen.records import schemas, write
from components.example_gen.records.read import split_uri
from components.serving_check import answers, queries
from components.serving_check.check import Trial, check
from components.serving_check.latency import NoAnswerError, measure
from components.serving_check.latency_gate import BLOCKS
from components.serving_check.params import ServingCheckParams
from components.serving_check.server import place

USERS = 3


def timelines(folder: Path, implicit: bool = False) -> str:
    """User u has u + 1 events: items u/0, u/1 ..."""
    histories = [range(user + 1) for user in range(USERS)]
    columns: dict[str, list[Any]] = {
        contract.USER_ID: [f"u{user}" for user in range(USERS)],
        contract.HISTORY_ITEM_IDS: [[f"{len(h) - 1}/{i}" for i in h] for h in histories],
        contract.of_feedback(contract.HISTORY_RATINGS, implicit): [[0.5] * len(h) for h in histories],
        contract.HISTORY_TIMESTAMPS: [[100 + i for i in h] for h in histories],
    }
    schema = schemas.timelines_schema(implicit=implicit)
    table = pa.table(columns, schema=pa.schema([schema.field(name) for name in columns]))
    Path(split_uri(str(folder), contract.TEST)).mkdir(parents=True)
    write.write_shard(split_uri(str(folder), contract.TEST), 0, 1, table)
    feature_file.write(str(folder), Features(feedback="implicit" if implicit else "explicit"))
    return str(folder)


@pytest.mark.parametrize("implicit", [False, True])
def test_queries_are_histories_of_the_test_split(tmp_path: Path, implicit: bool) -> None:
    asked = queries.of_test_split(timelines(tmp_path, implicit), 20, longest=2)
    assert len(asked) == 20
    seen = set()
    for request in asked:
        assert request.model_spec.signature_name == contract.RECOMMEND
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        values = contract.of_feedback(contract.HISTORY_RATINGS, implicit)
        assert set(inputs) == {
            contract.USER_ID, contract.HISTORY_ITEM_IDS, contract.HISTORY_TIMESTAMPS, values,
        }  # fmt: skip
        user = int(inputs[contract.USER_ID][0].decode()[1:])
        newest = range(user + 1)[-2:]
        assert inputs[contract.HISTORY_ITEM_IDS].tolist() == [[f"{user}/{i}".encode() for i in newest]]
        assert inputs[contract.HISTORY_TIMESTAMPS].tolist() == [[100 + i for i in newest]]
        assert inputs[values].dtype == np.float32
        seen.add(user)
    assert seen == set(range(USERS))


class Recorder(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers when `act` returns, one query after the other."""

    def __init__(self, act: Callable[[str], None]) -> None:
        self.asked: list[tuple[str, int]] = []
        self._act = act

    def Predict(  # noqa: N802 (gRPC's name)
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        self.asked.append((request.model_spec.name, int(request.model_spec.version.value)))
        try:
            self._act(request.model_spec.name)
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return predict_pb2.PredictResponse()


@contextlib.contextmanager
def server(folder: Path, recorder: Recorder) -> Iterator[grpc.Channel]:
    running = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(recorder, running)
    address = f"unix:{folder / 'socket'}"
    running.add_insecure_port(address)
    running.start()
    try:
        with grpc.insecure_channel(address) as channel:
            yield channel
    finally:
        running.stop(None)


def numbered(count: int) -> list[predict_pb2.PredictRequest]:
    made = [predict_pb2.PredictRequest() for _ in range(count)]
    for number, request in enumerate(made):
        request.model_spec.version.value = number
    return made


def test_blocks_of_the_models_alternate_on_the_same_queries(tmp_path: Path) -> None:
    recorder = Recorder(lambda model: time.sleep(0.01 if model == "b" else 0))
    with server(tmp_path, recorder) as channel:
        found = measure(channel, ["a", "b"], numbered(2 * BLOCKS), 200.0, lambda: 60.0)
    blocks = [
        (recorder.asked[i][0], sorted(n for _, n in recorder.asked[i : i + 2])) for i in range(0, 24, 2)
    ]
    first = [("a", [0, 1]), ("b", [0, 1])]  # asked once more than they count
    assert blocks[:4] == [*first, *first]
    assert blocks[4:6] == [("b", [2, 3]), ("a", [2, 3])]
    assert blocks[6:8] == [("a", [4, 5]), ("b", [4, 5])]
    assert [len(found[model]) for model in "ab"] == [BLOCKS, BLOCKS]
    assert min(map(np.min, found["b"])) >= 10
    assert min(map(np.min, found["a"])) > 0


def test_a_stall_counts_in_all_queries_that_are_due_in_it(tmp_path: Path) -> None:
    """A closed loop would send the second query after the first one's answer, and see one slow query."""
    stalls = iter([0.0] * 10 + [0.4])
    recorder = Recorder(lambda model: time.sleep(next(stalls, 0.0)))
    with server(tmp_path, recorder) as channel:
        found = measure(channel, ["a"], numbered(10 * BLOCKS), 1000.0, lambda: 60.0)["a"]
    assert (found[0] > 250).all()


def test_a_query_that_fails_is_put_down_to_its_model(tmp_path: Path) -> None:
    def act(model: str) -> None:
        if model == "b":
            raise ValueError("no such input")

    with (
        server(tmp_path, Recorder(act)) as channel,
        pytest.raises(NoAnswerError, match="INVALID_ARGUMENT: no such input") as caught,
    ):
        measure(channel, ["a", "b"], numbered(BLOCKS), 500.0, lambda: 60.0)
    assert caught.value.model == "b"


def slow(name: str, outputs: contract_model.Outputs) -> contract_model.Outputs:
    """`recommend` after some ten milliseconds of arithmetic."""
    if name != contract.RECOMMEND:
        return outputs
    rows = tf.shape(outputs[contract.SCORES])[0]
    x = tf.random.stateless_uniform([600, 600], tf.stack([rows, rows]))
    for _ in range(10):
        x = tf.matmul(x, x) / 1000.0
    return {**outputs, contract.SCORES: outputs[contract.SCORES] + 0.0 * tf.reduce_max(x)}


def test_a_candidate_slower_than_the_pushed_model_is_refused(tmp_path: Path) -> None:
    params = ServingCheckParams(latency_queries=BLOCKS, latency_rate=40.0, latency_floor_ms=1.0)
    examples = timelines(tmp_path / "examples")
    fast, other = contract_model.save(tmp_path / "fast"), contract_model.save(tmp_path / "slow", slow)
    [found] = check({contract.MODEL: other}, 900.0, trial=Trial(examples, params, fast, "17", ""))
    assert found.latency is not None
    assert found.latency.ratios["p50"] > 2
    assert found.latency.queries == 2 * BLOCKS, "what would refuse is measured twice"
    assert not found.ok
    assert found.reason.startswith("p50 latency: ")
    assert "of version 17" in found.reason
    assert [gate.name for gate in found.gates] == ["p50 latency", "p99 latency"]


def test_a_model_that_is_asked_one_signature_is_warmed_up_for_that_one(tmp_path: Path) -> None:
    model_dir = contract_model.save(tmp_path / "model")
    before = list(answers.read_requests(model_dir))
    place(model_dir, tmp_path / "served" / "1", contract.RECOMMEND)
    kept = list(answers.read_requests(str(tmp_path / "served" / "1")))
    assert kept == [each for each in before if each.model_spec.signature_name == contract.RECOMMEND] != []
    assert list(answers.read_requests(model_dir)) == before, "the pushed version is as it was"
    assert set(storage.list_files(str(tmp_path / "served" / "1"))) == set(storage.list_files(model_dir))


def test_a_pushed_model_that_does_not_answer_is_nothing_to_compare_with(tmp_path: Path) -> None:
    params = ServingCheckParams(latency_queries=BLOCKS, latency_rate=100.0)
    examples = timelines(tmp_path / "examples")
    good = contract_model.save(tmp_path / "good")
    pushed = contract_model.save(tmp_path / "pushed", without=contract.RECOMMEND, unasked=contract.RECOMMEND)
    [found] = check({contract.MODEL: good}, 900.0, trial=Trial(examples, params, pushed, "17", ""))
    assert (found.ok, found.reason) == (True, "")
    assert found.latency is not None
    assert found.latency.no_comparison.startswith("version 17 does not answer: ")
    assert found.latency.candidate["p50"] > 0
