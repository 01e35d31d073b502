"""Requests of more rows than run together."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from support.models import tiny_models
from support.models.batches import Watched, ask, code_of, serve

import contract
from serving.model_server.execution.batching.batcher import Batcher
from serving.model_server.execution.runtime import Model
from serving.model_server.versions.servables import Servable
from serving.protocol.errors import Code, StatusError


def some_histories(rows: int) -> dict[str, np.ndarray]:
    return tiny_models.history_inputs(*[[f"{row % 99}", "7"] for row in range(rows)])


@pytest.mark.parametrize("enabled", [True, False])
def test_more_rows_than_the_bound_are_refused_before_anything_runs(histories: Model, enabled: bool) -> None:
    """A few hundred bytes could hold every thread for minutes: one value filled up to 524,288 rows."""
    watched = Watched(histories)
    rows = 524_288
    flood = {name: np.repeat(value, rows, 0) for name, value in some_histories(1).items()}
    # What does not go into a batch, since its inputs differ in their rows, is bounded as well.
    uneven = {**some_histories(1), contract.HISTORY_ITEM_IDS: flood[contract.HISTORY_ITEM_IDS]}

    async def body(batcher: Batcher, servable: Servable) -> None:
        for inputs in (flood, uneven):
            with pytest.raises(StatusError) as error:
                await ask(batcher, servable, inputs, signature=contract.SERVING_DEFAULT)
            assert error.value.code is Code.INVALID_ARGUMENT
            assert "at most 1024 rows are answered in one request (--max_request_rows), got 524288" in (
                error.value.message
            )

    serve(watched, body, enabled=enabled, explicit=False, max_request_rows=1024)
    assert watched.rows == []


def test_a_large_request_runs_in_parts_and_others_between_them(histories: Model) -> None:
    watched = Watched(histories)
    large, small = some_histories(50), some_histories(1)

    async def body(batcher: Batcher, servable: Servable) -> None:
        whole = ask(batcher, servable, large, signature=contract.SERVING_DEFAULT)
        await asyncio.sleep(0)
        await ask(batcher, servable, small, signature=contract.SERVING_DEFAULT)
        assert not whole.done()
        found = await whole
        alone = histories.run(contract.SERVING_DEFAULT, large, tuple(found))
        for name, value in found.items():
            assert value.tolist() == alone[name].tolist()

    serve(watched, body, max_batch_size=8, explicit=False, max_request_rows=1024)
    assert max(watched.rows) == 8
    assert sum(watched.rows) == 51


@pytest.mark.parametrize(
    ("before", "after"), [([2], [7]), ([7], [0, 3]), ([0], [1]), ([3], [0]), ([1, 9, 0], [5])]
)
def test_a_large_request_s_answer_is_as_wide_as_its_largest_k(
    tmp_path: Path, before: list[int], after: list[int]
) -> None:
    model = Model.load(str(tiny_models.results(tmp_path / "1")))
    default = tf.make_tensor_proto([tiny_models.DEFAULT_K], tf.int32)
    model.signatures[contract.SIMILAR].proto.defaults[contract.K].CopyFrom(default)
    k = np.array([before[row % len(before)] for row in range(128)] + after, np.int32)
    ids = np.array([str(row).encode() for row in range(len(k))], object)
    inputs = {contract.ITEM_ID: ids, contract.K: k}

    async def body(batcher: Batcher, servable: Servable) -> None:
        found = await ask(batcher, servable, inputs, signature=contract.SIMILAR)
        alone = model.run(contract.SIMILAR, inputs, tuple(found))
        for name, value in found.items():
            assert (value.dtype, value.tolist()) == (alone[name].dtype, alone[name].tolist())

    serve(model, body, explicit=False)
    model.close()


@pytest.mark.parametrize("how", ["deadline", "cancel"])
def test_what_is_left_of_a_large_request_is_not_begun_when_its_client_has_gone(
    histories: Model, how: str
) -> None:
    watched = Watched(histories)
    watched.open.clear()

    async def body(batcher: Batcher, servable: Servable) -> None:
        deadline = time.monotonic() + 0.3 if how == "deadline" else None
        task = ask(
            batcher, servable, some_histories(80), signature=contract.SERVING_DEFAULT, deadline=deadline
        )
        await asyncio.sleep(0.5)  # the first part runs
        if how == "cancel":
            task.cancel()
            await asyncio.sleep(0)
        watched.open.set()
        await asyncio.wait([task])
        assert task.cancelled() if how == "cancel" else code_of(task) is Code.DEADLINE_EXCEEDED

    serve(watched, body, max_batch_size=8, explicit=False, max_request_rows=1024)
    assert watched.rows == [8]
