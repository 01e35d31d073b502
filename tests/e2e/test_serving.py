"""A really pushed model on the server, asked as training asked it, and by TFX's own client."""

from __future__ import annotations

import asyncio
import re
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from support.servers.model_servers import Server, start

import contract
from serving.client import AsyncClient, Client

USERS = 1000
SHOWN = 1e-5  # how far scores may be apart once requests share a batch

Row = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def requests(pushed_workspace) -> list[dict[str, Any]]:
    """What 1,000 test users send: the sample's 250, each at four points of their history."""
    from components.example_gen.records.read import read_timelines

    uri = str(pushed_workspace.artifact("example_gen", "timelines"))
    columns = read_timelines(uri, contract.TEST).select(contract.HISTORY_FEATURES).to_pylist()
    users = []
    for row in columns:
        for share in (1.0, 0.75, 0.5, 0.25):
            events = max(1, int(share * len(row[contract.HISTORY_ITEM_IDS])))
            users.append({name: values[:events] for name, values in row.items()})
    assert len(users) >= USERS
    return [contract.SIGNATURES[contract.SERVING_DEFAULT].filled([user]) for user in users[:USERS]]


@pytest.fixture(scope="module", params=contract.MODELS)
def expected(request, pushed_workspace, requests) -> tuple[str, list[Row]]:
    """A model's name and its own answers, loaded as a SavedModel in this process."""
    import scann  # noqa: F401  registers ScaNN's operations

    model = request.param
    (version,) = pushed_workspace.pushed
    path = version.parents[1] / model / version.name
    answer = tf.saved_model.load(str(path)).signatures[contract.SERVING_DEFAULT]
    dtypes = {item.name: item.dtype for item in contract.SIGNATURES[contract.SERVING_DEFAULT].inputs}
    rows = []
    for inputs in requests:
        outputs = answer(**{name: tf.constant(value, dtypes[name]) for name, value in inputs.items()})
        rows.append({name: value.numpy() for name, value in outputs.items()})
    return model, rows


def serve(workspace, folder: Path, *flags: str) -> Server:
    (version,) = workspace.pushed
    config = "\n".join(
        f'config {{ name: "{name}" base_path: "{version.parents[1] / name}" model_platform: "tensorflow" }}'
        for name in contract.MODELS
    )
    (folder / "models.config").write_text(f"model_config_list {{ {config} }}")
    return start(
        [sys.executable, "-m", "serving.model_server"],
        [
            "--host=127.0.0.1",
            f"--model_config_file={folder / 'models.config'}",
            "--enable_model_warmup=false",
            *flags,
        ],
        folder,
    )


@pytest.fixture(scope="module")
def unbatched(pushed_workspace, tmp_path_factory) -> Iterator[Server]:
    server = serve(pushed_workspace, tmp_path_factory.mktemp("unbatched"), "--enable_batching=false")
    yield server
    assert server.stop() == 0, server.output


@pytest.fixture(scope="module")
def batched(pushed_workspace, tmp_path_factory) -> Iterator[Server]:
    server = serve(pushed_workspace, tmp_path_factory.mktemp("batched"))
    yield server
    assert server.stop() == 0, server.output


def ask(address: str, model: str, requests: list[dict[str, Any]], at_once: int) -> list[Row]:
    """The answers of a server, `at_once` requests under way at any time."""

    async def run() -> list[Row]:
        limit = asyncio.Semaphore(at_once)
        async with AsyncClient(address, model=model, timeout_s=120) as client:

            async def one(inputs: dict[str, Any]) -> Row:
                async with limit:
                    return dict((await client.predict(contract.SERVING_DEFAULT, inputs)).outputs)

            return list(await asyncio.gather(*map(one, requests)))

    return asyncio.run(run())


def test_without_batching_the_answers_are_the_models_bit_for_bit(unbatched, expected, requests):
    model, rows = expected
    # REST says a float in as many digits as it takes to read the same float again.
    for address, count in ((unbatched.grpc, USERS), (f"http://{unbatched.rest}", USERS // 5)):
        answers = ask(address, model, requests[:count], at_once=4)
        for answer, row in zip(answers, rows, strict=False):
            assert answer[contract.ITEM_IDS].tolist() == row[contract.ITEM_IDS].tolist()
            assert answer[contract.SCORES].dtype == np.float32
            assert answer[contract.SCORES].tobytes() == row[contract.SCORES].tobytes()


def test_in_batches_they_are_the_same_but_for_rounding(batched, expected, requests):
    model, rows = expected
    before = _runs(batched)
    answers = ask(batched.grpc, model, requests, at_once=64)
    odd = []
    for answer, row in zip(answers, rows, strict=True):
        scores, got = row[contract.SCORES][0], answer[contract.SCORES][0]
        ids, found = (x[contract.ITEM_IDS][0].tolist() for x in (row, answer))
        if np.abs(got - scores).max() > SHOWN:
            odd.append((ids, found))
            # Another item was found; those that both found have the same scores.
            for place, item_id in enumerate(found):
                if item_id in ids:
                    assert abs(scores[ids.index(item_id)] - got[place]) <= SHOWN
            continue
        for place, item_id in enumerate(found):
            if item_id != ids[place]:  # a tie: with whom it changes places, or who is just past the end
                tied = scores[ids.index(item_id)] if item_id in ids else scores[-1]
                assert abs(tied - scores[place]) <= SHOWN
    # Which leaf ScaNN looks into may hang on the rounding of a product with a whole batch.
    assert len(odd) <= (0 if model == contract.MODEL_EXACT else len(rows) // 200), odd
    assert _runs(batched) - before < 0.7 * len(rows), "there were no batches to speak of"


def _runs(server: Server) -> float:
    """How many batches ran so far."""
    with urllib.request.urlopen(f"http://{server.rest}/monitoring/prometheus/metrics") as response:
        metrics = response.read().decode()
    name = ":tensorflow:serving:batching_session:wrapped_run_count"
    return sum(float(count) for count in re.findall(rf"^{name}\S* (\S+)$", metrics, re.MULTILINE))


def test_tfxs_own_client_accepts_the_server(batched, pushed_workspace):
    """The infra validator's: it waits for the model, makes requests of the examples, sends them."""
    from tfx.components.infra_validator import error_types, request_builder
    from tfx.components.infra_validator.model_server_clients import tensorflow_serving_client
    from tfx.components.util import examples_utils
    from tfx.proto import example_gen_pb2, infra_validator_pb2
    from tfx.types import artifact_utils, standard_artifacts

    examples = standard_artifacts.Examples()
    examples.uri = str(pushed_workspace.artifact("example_gen", "timelines"))
    examples.split_names = artifact_utils.encode_split_names(list(contract.SPLITS))
    examples_utils.set_payload_format(examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
    examples.set_string_custom_property("file_format", "tfrecords_gzip")
    model = standard_artifacts.Model()
    model.uri = str(pushed_workspace.artifact("index", "model"))
    spec = infra_validator_pb2.RequestSpec(split_name=contract.TEST, num_examples=20)
    spec.tensorflow_serving.signature_names.append(contract.EVALUATE)
    requests = request_builder.build_requests(contract.MODEL, model, examples, spec)
    assert len(requests) == 20

    client = tensorflow_serving_client.TensorFlowServingClient(batched.grpc, contract.MODEL)
    client.WaitUntilModelLoaded(time.time() + 60, polling_interval_sec=1)
    client.SendRequests(requests)
    requests[0].inputs["examples"].CopyFrom(tf.make_tensor_proto([b"no example"]))
    with pytest.raises(error_types.ValidationFailed, match="failed to respond"):
        client.SendRequests(requests[:1])
    unknown = tensorflow_serving_client.TensorFlowServingClient(batched.grpc, "unknown")
    with pytest.raises(error_types.DeadlineExceeded):
        unknown.WaitUntilModelLoaded(time.time() + 1, polling_interval_sec=1)


def test_the_command_line_asks_the_server(batched, pushed_workspace):
    command = ("recommend", "--user", "3", "--k", "10", "--json")
    here = pushed_workspace.command(*command, "--model", contract.MODEL).json()
    there = pushed_workspace.command(*command, "--server", f"http://{batched.rest}")
    assert (there.code, there.err) == (0, "")
    assert [item["item_id"] for item in there.json()["results"]] == [
        item["item_id"] for item in here["results"]
    ]
    with Client(batched.grpc) as client:
        [status] = client.status()
    assert there.json()["version"] == here["version"] == status.version
