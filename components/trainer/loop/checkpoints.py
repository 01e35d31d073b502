"""What a fit needs to go on where it was interrupted, on storage that all its workers see."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from components.common import storage
from components.trainer.loop import workers

_log = logging.getLogger(__name__)


def key(*parts: Any) -> str:
    """A name for the fit that all of `parts` determine: texts, numbers, arrays, and sequences of them."""
    digest = hashlib.sha256()
    for part in _flat(parts):
        if isinstance(part, np.ndarray) and part.dtype != object:
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
        elif part is None or isinstance(part, str | bytes | int | float):
            text = repr(part).encode()
            digest.update(b"%d:%b" % (len(text), text))
        else:
            raise TypeError(f"{type(part)} cannot be part of a key; expected texts, numbers and arrays")
    return digest.hexdigest()[:16]


def _flat(parts: Iterable[Any]) -> Iterable[Any]:
    for part in parts:
        if isinstance(part, list | tuple):
            yield len(part)
            yield from _flat(part)
        else:
            yield part


class _Facts(tf.train.experimental.PythonState):
    """Numbers, texts and arrays among a checkpoint's variables."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: dict[str, Any] = {}
        self.arrays: list[np.ndarray] = []

    def serialize(self) -> bytes:
        buffer = io.BytesIO()
        text = np.frombuffer(json.dumps(self.facts).encode(), np.uint8)
        np.savez(buffer, text, *self.arrays)
        return buffer.getvalue()

    def deserialize(self, value: bytes) -> None:
        saved = np.load(io.BytesIO(value))
        text, *self.arrays = (saved[f"arr_{i}"] for i in range(len(saved.files)))
        self.facts = json.loads(text.tobytes())


class Checkpoints:
    """The two newest checkpoints of one fit. The chief writes them, every worker reads them.

    Args:
      folder: of this fit alone, see `key`.
      every: steps from one checkpoint to the next within an epoch; 0: at its end only.
    """

    def __init__(self, folder: str, every: int = 0) -> None:
        self.folder = folder
        self.every = every
        self._facts = _Facts()

    def attach(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        """To be called once, by all workers, before anything else."""
        # Until they exist they cannot be restored.
        optimizer.build(model.trainable_variables)
        checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, facts=self._facts)
        # All workers make the variable that it counts with; later only the chief saves.
        _ = checkpoint.save_counter
        self._manager = tf.train.CheckpointManager(checkpoint, self.folder, max_to_keep=2)

    def restore(self) -> tuple[dict[str, Any], list[np.ndarray]] | None:
        """Set model and optimizer to the last checkpoint; returns what was saved beside them.

        None: there is no checkpoint.

        Raises:
          ValueError: the workers see different checkpoints.
        """
        found = self._manager.latest_checkpoint
        number = int(found.rpartition("-")[2]) if found else 0
        seen = workers.gathered(np.array([[number]], np.float64))[:, 0]
        if len(set(seen)) > 1:
            raise ValueError(
                f"the workers see different checkpoints below {self.folder}: {seen.astype(int).tolist()} "
                "(0: none); it must be a folder that all of them see"
            )
        if found is None:
            return None
        self._manager.checkpoint.restore(found).assert_existing_objects_matched()
        _log.info("going on from checkpoint %s", found)
        return self._facts.facts, self._facts.arrays

    def save(self, facts: dict[str, Any], arrays: Sequence[np.ndarray]) -> None:
        if workers.is_chief():
            self._facts.facts, self._facts.arrays = facts, list(arrays)
            before = set(storage.list_names(self.folder))
            try:
                _log.info("checkpoint %s", self._manager.save())
            except BaseException:
                # Half a checkpoint, on a disk that is full for instance.
                for name in set(storage.list_names(self.folder)) - before:
                    path = storage.join(self.folder, name)
                    (storage.remove_tree if storage.is_folder(path) else storage.remove_file)(path)
                raise

    def remove(self) -> None:
        """The fit is done and what came of it is written."""
        if workers.is_chief():
            storage.remove_tree(self.folder)
