"""Fifty versions of a pushed model, one after the other under load: nothing fails, nothing piles up."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import psutil
import pytest
import tensorflow as tf
from support.servers.model_servers import start
from support.servers.swaps import Swapper

import contract
from serving.client import Client

SWAPS, SETTLED = 50, 5  # memory after the last is compared with memory after the first few
MARK = "b"  # ends every item id of the second source
CHECKPOINT = Path("variables") / "variables"
IDS = "_ids/.ATTRIBUTES/VARIABLE_VALUE"
K = 10


def with_marked_ids(source: Path, target: Path) -> Path:
    """The same model, answering with other item ids."""
    shutil.copytree(source, target)
    reader = tf.train.load_checkpoint(str(source / CHECKPOINT))
    tensors = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    tensors[IDS] = [item_id + MARK.encode() for item_id in tensors[IDS]]
    for path in target.glob(f"{CHECKPOINT}.*"):
        path.unlink()
    tf.raw_ops.SaveV2(
        prefix=str(target / CHECKPOINT),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[
            tf.constant(value, reader.get_variable_to_dtype_map()[name]) for name, value in tensors.items()
        ],
    )
    return target


@pytest.mark.nightly("serving/model_server")
@pytest.mark.timeout(3600)
def test_fifty_swaps_under_load(pushed_workspace, tmp_path):
    (pushed,) = pushed_workspace.pushed
    # Versions with an even number answer with the ids of the log, odd ones with marked ids.
    sources = [pushed, with_marked_ids(pushed, tmp_path / "marked")]
    base = tmp_path / "served" / contract.MODEL
    shutil.copytree(sources[0], base / "2")
    server = start(
        [sys.executable, "-m", "serving.model_server"],
        ["--host=127.0.0.1", f"--model_name={contract.MODEL}", f"--model_base_path={base}"],
        tmp_path,
    )
    process = psutil.Process(server.process.pid)
    swapper = Swapper(server, contract.MODEL, base)
    with Client(server.grpc) as client:
        history = client.recommend_user("1", K).ids
        plain = client.recommend(history, K)

    def ask(client: Client) -> int:
        """The version of the answer; over REST, which does not say, the newest that it may be of."""
        newest = swapper.newest
        oldest = swapper.oldest
        answer = client.recommend(history, K)
        marked = answer.ids[0].endswith(MARK)
        assert answer.ids == [item_id + MARK * marked for item_id in plain.ids], answer
        assert [item.score for item in answer] == pytest.approx([m.score for m in plain], abs=1e-5)
        if answer.version is not None:
            assert answer.version % 2 == marked, (answer.version, marked)
            return answer.version
        fitting = [v for v in range(oldest, max(newest, swapper.newest) + 1) if v % 2 == marked]
        assert fitting, f"ids of no version from {oldest} to {swapper.newest}"
        return fitting[-1]

    memory = {}
    try:
        with swapper.under_load(ask, clients=2) as load:
            for number in range(1, SWAPS + 1):
                version = 2 + number
                swapper.swap(sources[version % 2], version)
                memory[number] = process.memory_info().rss
                assert load.wrong == []
        assert load.wrong == []
        assert set(load.answers) >= set(range(3, 3 + SWAPS)), load.answers
        assert memory[SWAPS] <= 1.1 * memory[SETTLED], memory
    finally:
        assert server.stop() == 0, server.output
