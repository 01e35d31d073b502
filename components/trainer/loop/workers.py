"""The processes of one fit: `tf.distribute.MultiWorkerMirroredStrategy` as TF_CONFIG says, or one alone.

Every worker reads the same data, makes the same batches in the same order and computes its
part of each (`PartOfBatches`); the model sees to it that the parts add up to the whole batch's loss
(components/model/towers/replicas.py). What is decided from a measurement, the chief decides for all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import cast

import numpy as np
import tensorflow as tf

from components.model.batches import Pairs, Sequences
from components.trainer.inputs import events

TF_CONFIG = "TF_CONFIG"


def join() -> tf.distribute.Strategy:
    """The strategy of the cluster in TF_CONFIG; the default one if it has one task or there is none.

    To be called before anything else of TensorFlow; waits for the other workers.

    Raises:
      ValueError: TF_CONFIG does not say what a worker must know.
    """
    text = os.environ.get(TF_CONFIG) or "{}"
    try:
        config = json.loads(text)
        tasks = {kind: len(addresses) for kind, addresses in config.get("cluster", {}).items()}
        if sum(tasks.values()) <= 1:
            return tf.distribute.get_strategy()
        kind, index = config["task"]["type"], int(config["task"]["index"])
        known = tasks.keys() <= {"chief", "worker"} and 0 <= index < tasks.get(kind, 0)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{TF_CONFIG} cannot be read ({error!r}); it is {text}") from error
    if not known or tasks.get("chief", 1) != 1:
        raise ValueError(
            f"{TF_CONFIG} must have tasks of the types chief (one at most) and worker, and this one among "
            f"them; it is {text}"
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


def number() -> int:
    """Of this worker; 0 is the chief's."""
    resolver = tf.distribute.get_strategy().cluster_resolver
    if resolver is None or not resolver.cluster_spec().jobs or resolver.task_type == "chief":
        return 0
    before = 1 if "chief" in resolver.cluster_spec().jobs else 0
    return before + int(resolver.task_id)


def count() -> int:
    """Workers of this fit."""
    resolver = tf.distribute.get_strategy().cluster_resolver
    if resolver is None:
        return 1
    spec = resolver.cluster_spec()
    return max(1, sum(spec.num_tasks(job) for job in spec.jobs))


def is_chief() -> bool:
    return number() == 0


class PartOfBatches:
    """Of each batch of `windows` the rows that fall to one worker: every `workers`-th one."""

    def __init__(self, windows: events.Windows, worker: int, workers: int) -> None:
        self._windows, self._worker, self._workers = windows, worker, workers

    def pairs(self, positions: tf.Tensor) -> Pairs:
        return self._windows.pairs(positions[self._worker :: self._workers])

    def sequences(self, last: tf.Tensor) -> Sequences:
        return self._windows.sequences(last[self._worker :: self._workers])


def own_part(windows: events.Windows) -> events.Windows:
    """What makes this worker's part of each batch; `windows` itself if it is alone."""
    if count() == 1:
        return windows
    return cast(events.Windows, PartOfBatches(windows, number(), count()))


def on_replicas(
    step: Callable[..., dict[str, tf.Tensor]],
) -> Callable[..., dict[str, tf.Tensor]]:
    """`step` on each replica; what it returns is added up over them.

    Raises:
      ValueError: a worker has several replicas (GPUs); each must be a worker of its own.
    """
    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync == 1:
        return step
    if strategy.num_replicas_in_sync != count():
        raise ValueError(
            f"{count()} workers have {strategy.num_replicas_in_sync} replicas: a worker may see one GPU at "
            "most; start a worker for each (CUDA_VISIBLE_DEVICES, or one GPU a pod)"
        )

    def run(*batch: Pairs | Sequences) -> dict[str, tf.Tensor]:
        parts = strategy.run(step, args=batch)
        return {name: strategy.reduce(tf.distribute.ReduceOp.SUM, x, None) for name, x in parts.items()}

    return run


def gathered(rows: np.ndarray) -> np.ndarray:
    """The rows of all workers' matrices, float64[n, m], n >= 1, the chief's first; waits for all of them."""
    if count() == 1:
        return rows
    found: np.ndarray = _gather(tf.constant(rows, tf.float64)).numpy()
    return found


@tf.function(autograph=False, input_signature=[tf.TensorSpec([None, None], tf.float64)])
def _gather(own: tf.Tensor) -> tf.Tensor:
    # An argument is on no device yet, as a gather wants it.
    return tf.distribute.get_strategy().run(
        lambda x: tf.distribute.get_replica_context().all_gather(tf.identity(x), axis=0), args=(own,)
    )


def of_chief(measure: Callable[[], dict[int, float]]) -> dict[int, float]:
    """What `measure` returns on the chief, on every worker: last bits may differ from machine to machine."""
    if count() == 1:
        return measure()
    # TensorFlow crashes where no worker has a row: each sends one without meaning.
    own = [(0, 0.0), *(measure().items() if is_chief() else ())]
    return {int(key): float(value) for key, value in gathered(np.array(own, np.float64)) if key}


def wait_for_all() -> None:
    """Returns when every worker has come here.

    Raises:
      tf.errors.OpError: one of them has gone.
    """
    gathered(np.zeros((1, 1)))
