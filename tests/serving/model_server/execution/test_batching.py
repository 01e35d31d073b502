from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import numpy as np
import pytest
from support.models import tiny_models
from support.models.batches import Watched, ask, behind_a_closed_door, code_of, serve, x

import contract
from serving.model_server.execution.batching.batcher import Batcher
from serving.model_server.execution.batching.options import BatchingOptions
from serving.model_server.execution.runtime import Model
from serving.model_server.observe.metrics import Metrics
from serving.model_server.versions.servables import Servable
from serving.protocol.errors import Code


def test_what_queues_up_runs_together_and_each_gets_its_own(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        tasks = [ask(batcher, servable, x(*[[i, 0]] * (1 + i % 2))) for i in range(9)]
        await asyncio.sleep(0.01)
        watched.open.set()
        await asyncio.gather(first, *tasks)
        for i, task in enumerate(tasks):
            assert task.result()["y"].tolist() == [3 * i] * (1 + i % 2)

    serve(watched, body)
    assert watched.rows == [1, 13]


def test_a_lone_request_does_not_wait(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        for _ in range(3):
            assert (await ask(batcher, servable, x([7])))["y"].tolist() == [21]

    serve(watched, body)
    assert watched.rows == [1, 1, 1]


def test_histories_of_any_length_get_what_they_get_alone(histories: Model) -> None:
    rng = random.Random(3)
    requests = [
        tiny_models.history_inputs(*[[f"{rng.randrange(99)}"] * rng.randrange(1, 90)] * rng.randrange(1, 3))
        for _ in range(80)
    ]

    async def body(batcher: Batcher, servable: Servable) -> None:
        tasks = [ask(batcher, servable, r, signature=contract.SERVING_DEFAULT) for r in requests]
        for request, found in zip(requests, await asyncio.gather(*tasks), strict=True):
            alone = histories.run(contract.SERVING_DEFAULT, request, tuple(found))
            assert found[contract.SCORES].shape == alone[contract.SCORES].shape
            np.testing.assert_allclose(found[contract.SCORES], alone[contract.SCORES], rtol=1e-5)

    serve(histories, body, num_batch_threads=3)


def test_a_poisoned_request_fails_alone(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        tasks = [ask(batcher, servable, x([5000 if i == 11 else i])) for i in range(32)]
        await asyncio.sleep(0.01)
        watched.open.set()
        await asyncio.wait([first, *tasks])
        for i, task in enumerate(tasks):
            if i == 11:
                assert code_of(task) is Code.INVALID_ARGUMENT
                assert "x must be below 1000" in str(task.exception())
            else:
                assert task.result()["y"].tolist() == [3 * i]

    serve(watched, body)
    # The first, the batch of 32, then halves: two runs per level until the culprit is alone.
    assert len(watched.rows) == 2 + 2 * 5


def test_if_all_are_poisoned_the_runs_are_bounded(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        tasks = [ask(batcher, servable, x([5000])) for _ in range(16)]
        await asyncio.sleep(0.01)
        watched.open.set()
        await asyncio.wait([first, *tasks])
        assert {code_of(task) for task in tasks} == {Code.INVALID_ARGUMENT}

    serve(watched, body)
    assert len(watched.rows) <= 1 + 2 * 16


def test_a_full_queue_refuses_at_once(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        tasks = [ask(batcher, servable, x([i])) for i in range(8)]
        await asyncio.sleep(0)
        refused = ask(batcher, servable, x([1]))
        await asyncio.wait([refused])
        assert code_of(refused) is Code.UNAVAILABLE
        assert "The batch scheduling queue to which this task was submitted is full" in str(
            refused.exception()
        )
        # Another signature has a queue of its own.
        other = ask(batcher, servable, {"words": np.array([[b"two"]], object)}, signature="look_up")
        watched.open.set()
        await asyncio.gather(first, other, *tasks)

    serve(watched, body, max_batch_size=4, max_enqueued_batches=2)


def test_the_bound_on_requests_counts_those_that_run_alone_too(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        tasks = [ask(batcher, servable, x([i])) for i in range(3)]
        await asyncio.wait(tasks, timeout=0.01)
        assert [task.done() for task in tasks] == [False, False, True]
        assert code_of(tasks[2]) is Code.UNAVAILABLE
        watched.open.set()
        await asyncio.gather(first, *tasks[:2])

    serve(watched, body, enabled=False, max_queued_requests=2)
    assert watched.rows == [1, 1, 1]


def test_the_late_and_the_cancelled_cost_nothing(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        soon = time.monotonic() + 0.02
        late = [ask(batcher, servable, x([1]), deadline=soon) for _ in range(3)]
        cancelled = [ask(batcher, servable, x([2])) for _ in range(3)]
        kept = ask(batcher, servable, x([3]), deadline=time.monotonic() + 60)
        await asyncio.sleep(0.03)
        for task in cancelled:
            task.cancel()
        past = ask(batcher, servable, x([4]), deadline=time.monotonic() - 1)
        await asyncio.wait([past])
        watched.open.set()
        await asyncio.wait([first, *late, *cancelled, kept])
        assert [code_of(task) for task in (past, *late)] == [Code.DEADLINE_EXCEEDED] * 4
        assert all(task.cancelled() for task in cancelled)
        assert kept.result()["y"].tolist() == [9]

    serve(watched, body)
    assert watched.rows == [1, 1]


def test_the_dead_make_room_in_a_full_queue(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        gone = [ask(batcher, servable, x([1])) for _ in range(4)]
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        await asyncio.wait(gone)
        kept = ask(batcher, servable, x([2]))
        await asyncio.sleep(0)
        watched.open.set()
        await asyncio.gather(first, kept)

    serve(watched, body, max_batch_size=2, max_enqueued_batches=2)
    assert watched.rows == [1, 1]


def test_a_batch_is_padded_to_the_next_allowed_size(watched: Watched) -> None:
    metrics = Metrics()

    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        tasks = [ask(batcher, servable, x([i])) for i in range(5)]
        await asyncio.sleep(0)
        watched.open.set()
        found = await asyncio.gather(first, *tasks)
        assert [answer["y"].tolist() for answer in found[1:]] == [[3 * i] for i in range(5)]

    serve(watched, body, metrics, explicit=True, allowed_batch_sizes=(2, 8), max_batch_size=8)
    assert watched.rows == [2, 8]
    printed = metrics.render().decode()
    assert (
        ':tensorflow:serving:batching_session:padding_size_sum{thread_pool_name="batch_threads"} 4' in printed
    )


def test_no_batch_is_larger_than_allowed(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        tasks = [ask(batcher, servable, x(*[[i]] * 3)) for i in range(7)]
        await asyncio.sleep(0)
        watched.open.set()
        await asyncio.gather(first, *tasks)

    serve(watched, body, max_batch_size=8)
    assert watched.rows == [1, 6, 6, 6, 3]


def test_a_request_above_the_maximum(watched: Watched) -> None:
    large = x(*[[i] for i in range(10)])

    async def answered(batcher: Batcher, servable: Servable) -> None:
        found = await ask(batcher, servable, large)
        assert found["y"].tolist() == [3 * i for i in range(10)]

    async def refused(batcher: Batcher, servable: Servable) -> None:
        task = ask(batcher, servable, large)
        await asyncio.wait([task])
        assert code_of(task) is Code.INVALID_ARGUMENT
        assert "Task size 10 is larger than maximum input batch size 4" in str(task.exception())

    serve(watched, answered, max_batch_size=4, explicit=False)
    assert watched.rows == [10]
    serve(watched, refused, max_batch_size=4)
    cut = {"enable_large_batch_splitting": True, "max_execution_batch_size": 4}
    watched.rows.clear()
    serve(watched, answered, max_batch_size=16, **cut)
    assert watched.rows == [4, 4, 2] or sum(watched.rows) == 10
    assert max(watched.rows) == 4


def test_widths_of_other_models_are_padded_only_if_asked_for(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        tasks = [ask(batcher, servable, x([-i] * (1 + i % 2))) for i in range(1, 7)]
        await asyncio.sleep(0)
        watched.open.set()
        found = await asyncio.gather(first, *tasks)
        assert [answer["y"].tolist() for answer in found[1:]] == [[-3 * i] for i in range(1, 7)]

    serve(watched, body)
    assert watched.rows == [1, 3, 3]
    watched.rows.clear()
    serve(watched, body, pad_variable_length_inputs=True)
    assert watched.rows == [1, 6]


def test_a_part_that_fails_leaves_none_behind(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        cut = ask(batcher, servable, x(*[[5000 if i < 4 else i] for i in range(40)]))
        await asyncio.sleep(0)
        watched.open.set()
        await asyncio.wait([first, cut])
        assert code_of(cut) is Code.INVALID_ARGUMENT
        # The request is answered and holds the model no more: nothing of it may run from here on.
        assert not batcher._queues
        assert watched.rows == [1, 4]  # what was left of it was not begun

    options = {"max_batch_size": 64, "max_execution_batch_size": 4, "max_enqueued_batches": 100}
    serve(watched, body, enable_large_batch_splitting=True, **options)


def test_of_other_models_nobody_s_rows_are_mixed_unasked(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        tasks = [ask(batcher, servable, x([i])) for i in range(3)]
        await asyncio.sleep(0)
        watched.open.set()
        await asyncio.gather(first, *tasks)

    serve(watched, body, explicit=False)
    assert watched.rows == [1] * 4


def test_the_queue_length_is_of_now_and_of_all_signatures(watched: Watched) -> None:
    metrics = Metrics()

    def length() -> str:
        (line,) = [line for line in metrics.render().decode().splitlines() if "queue_length{" in line]
        return line.removeprefix("marquee:serving:queue_length")

    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        tasks = [ask(batcher, servable, x([i])) for i in range(3)]
        words = {"words": np.array([[b"two"]], object)}
        tasks += [ask(batcher, servable, words, signature="look_up") for _ in range(2)]
        await asyncio.sleep(0)
        assert length() == '{model_name="model"} 5'
        watched.open.set()
        await asyncio.gather(first, *tasks)
        assert length() == '{model_name="model"} 0'

    serve(watched, body, metrics)


def test_scalars_and_unknown_ranks_run_alone(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        tasks = [
            ask(batcher, servable, {"x": np.asarray(np.float32(i))}, signature=name)
            for i in range(4)
            for name in ("scalar", "any_rank")
        ]
        assert [float(found["y"]) for found in await asyncio.gather(*tasks)] == [0, 0, 3, 3, 6, 6, 9, 9]

    serve(watched, body)
    assert watched.rows == [0] * 8


def test_a_signature_that_does_not_answer_by_row_is_found_out(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        for expected in ([1, 3], [1, 1]):
            tasks = [
                ask(batcher, servable, {"x": np.array([i, i], np.float32)}, signature="deceitful")
                for i in range(2)
            ]
            await asyncio.sleep(0)
            watched.open.set()
            assert [found["total"].tolist() for found in await asyncio.gather(*tasks)] == [[0], [2]], expected
        await first

    serve(watched, body)
    # Tried together once; from then on everyone alone.
    assert watched.rows == [1, 4, 2, 2, 2, 2]


def test_a_batch_that_is_not_full_waits_for_the_timeout(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        tasks = [ask(batcher, servable, x([1]))]
        await asyncio.sleep(0.02)
        assert not watched.rows
        tasks += [ask(batcher, servable, x([2])) for _ in range(3)]
        await asyncio.gather(*tasks)  # full: it goes at once
        lone = ask(batcher, servable, x([3]))
        assert (await lone)["y"].tolist() == [9]

    serve(watched, body, max_batch_size=4, batch_timeout_micros=1_000_000, explicit=True)
    assert watched.rows == [4, 1]


def test_signatures_take_turns(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        first = await behind_a_closed_door(batcher, servable)
        order: list[str] = []
        tasks = [ask(batcher, servable, x([1], [1])) for _ in range(4)]
        words = {"words": np.array([[b"two"]] * 2, object)}
        tasks.append(ask(batcher, servable, words, signature="look_up"))
        for task, name in zip(tasks, "aaaab", strict=True):
            task.add_done_callback(lambda _, name=name: order.append(name))
        await asyncio.sleep(0)
        watched.open.set()
        await asyncio.gather(first, *tasks)
        assert "".join(order) == "abaaa"

    serve(watched, body, max_batch_size=2)


def test_turned_off_everyone_runs_alone(watched: Watched) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        await asyncio.gather(*[ask(batcher, servable, x([i])) for i in range(4)])

    serve(watched, body, enabled=False)
    assert watched.rows == [1] * 4


def test_a_fault_of_ours_hangs_nobody(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(batcher: Batcher, servable: Servable) -> None:
        monkeypatch.setattr(watched, "run", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await ask(batcher, servable, x([1]))
        monkeypatch.undo()
        assert (await ask(batcher, servable, x([1])))["y"].tolist() == [3]

    serve(watched, body)


def test_options_from_tensorflow_serving_s_flags() -> None:
    assert BatchingOptions.of(None, {}) == BatchingOptions()
    assert not BatchingOptions.of(False, {}).enabled
    given = BatchingOptions.of(True, {"max_batch_size": 16, "allowed_batch_sizes": (4, 16)}, 7)
    assert (given.explicit, given.max_batch_size, given.allowed_batch_sizes) == (True, 16, (4, 16))
    assert given.max_queued_requests == 7
    assert BatchingOptions.of(True, {}).max_batch_size == 1000
    cut = BatchingOptions(enable_large_batch_splitting=True, max_batch_size=8, max_execution_batch_size=4)
    assert cut.execution_rows == 4


def test_nothing_of_an_unloaded_model_is_kept(tmp_path: Path) -> None:
    async def run() -> int:
        batcher = Batcher(BatchingOptions())
        for number in range(3):
            model = Model.load(str(tiny_models.everything(tmp_path / str(number) / "1")))
            servable = Servable("model", number, model)
            await ask(batcher, servable, x([1]))
            model.close()
        del servable
        await asyncio.sleep(0)
        kept = len(batcher._lanes)
        batcher.close()
        return kept

    for number in range(3):
        (tmp_path / str(number)).mkdir()
    assert asyncio.run(run()) <= 1
