"""CPU per query of a SavedModel that is called in this process: what no server can be cheaper than.

    python benchmarks/ceiling.py --model FOLDER --histories FILE

FILE is a pickled list of (ids, ratings, timestamps). Batches are what came one
after the other, padded to the longest, and beside that what a server could do
that chose its batches by length. Prints JSON: order -> batch size ->
microseconds of CPU and of time per query.
"""

from __future__ import annotations

import argparse
import itertools
import json
import pickle
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

History = tuple[list[bytes], list[float], list[int]]


def padded(histories: Sequence[History]) -> list[np.ndarray]:
    """Ids, ratings and timestamps [B, longest], with the contract's neutral values."""
    width = max(len(ids) for ids, _, _ in histories)
    pads: tuple[Any, ...] = (b"", 0.0, 0)
    types = (object, np.float32, np.int64)
    return [
        np.array([[*h[part], *[pad] * (width - len(h[part]))] for h in histories], dtype=dtype)
        for part, (pad, dtype) in enumerate(zip(pads, types, strict=True))
    ]


def cost(
    call: Callable[..., Any], histories: Sequence[History], size: int, seconds: float
) -> dict[str, float]:
    """Microseconds per query in batches of `size`, measured for about `seconds`."""
    starts = range(0, max(1, len(histories) - size + 1), size)
    batches = [padded(histories[start : start + size]) for start in starts]
    # In a random order, so that time that ends early has seen short and long ones.
    random.Random(1).shuffle(batches)
    for batch in batches[:3]:
        call(*batch)
    queries, cpu, began = 0, time.process_time(), time.perf_counter()
    for batch in itertools.cycle(batches):
        call(*batch)
        queries += len(batch[0])
        if time.perf_counter() - began > seconds:
            break
    cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    return {"cpu_microseconds": 1e6 * cpu / queries, "microseconds": 1e6 * wall / queries}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--histories", type=Path, required=True)
    parser.add_argument("--batches", default="1,8,16,32,64,128,256")
    parser.add_argument("--seconds", type=float, default=1.5, help="for each batch size")
    args = parser.parse_args()

    import scann  # noqa: F401 (registers its operations)
    import tensorflow as tf
    from tensorflow.core.protobuf import config_pb2

    histories: list[History] = pickle.loads(args.histories.read_bytes())
    # One thread: CPU and time are then the same, and nothing is lost to handing over.
    config = config_pb2.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=-1)
    session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
    with session.graph.as_default():
        meta = tf.compat.v1.saved_model.loader.load(session, ["serve"], args.model)
    signature = meta.signature_def["serving_default"]
    names = ("history_item_ids", "history_ratings", "history_timestamps")
    call = session._make_callable_from_options(
        config_pb2.CallableOptions(
            feed=[signature.inputs[name].name for name in names],
            fetch=[info.name for info in signature.outputs.values()],
        )
    )
    orders = {"as they came": histories, "by length": sorted(histories, key=lambda history: len(history[0]))}
    found = {
        order: {size: cost(call, put, size, args.seconds) for size in map(int, args.batches.split(","))}
        for order, put in orders.items()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
