"""A split's lists of events in a file that is read through the system's page cache.

The trainer needs any event at any time. Decoded once into 16 bytes each, one event beside the other,
a window of a history is one read, whatever of the file is in memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.common.event_lists import Events
from components.trainer.inputs import events

_EVENT = np.dtype([("row", "<i4"), ("rating", "<f4"), ("timestamp", "<i8")])


def write(
    timelines: Iterable[pa.Table], ids: Sequence[bytes], lists: Sequence[tuple[str, str, str]], folder: Path
) -> list[Events]:
    """Each of `lists` as maps of a file of its own.

    Args:
      timelines: some records at a time.
      ids: of the catalogue, in row order.
      lists: features (ids, ratings, timestamps).
      folder: where the files are made; they must outlive what is returned.

    Raises:
      ValueError: as `events.flatten`.
    """
    paths = [folder / names[0] for names in lists]
    lengths: list[list[np.ndarray]] = [[] for _ in lists]
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(path.open("xb")) for path in paths]
        for batch in timelines:
            for names, file, seen in zip(lists, files, lengths, strict=True):
                flat = events.flatten(batch, ids, names)
                block = np.empty(len(flat.rows), _EVENT)
                block["row"], block["rating"], block["timestamp"] = flat.rows, flat.ratings, flat.timestamps
                block.tofile(file)
                seen.append(np.diff(flat.offsets))
    return [_read(path, np.concatenate([[0], *seen])) for path, seen in zip(paths, lengths, strict=True)]


def _read(path: Path, lengths: np.ndarray) -> Events:
    # Nothing cannot be mapped.
    mapped = np.memmap(path, _EVENT, "r") if path.stat().st_size else np.zeros(0, _EVENT)
    flat = mapped.view(np.ndarray)
    return Events(flat["row"], flat["rating"], flat["timestamp"], np.cumsum(lengths, dtype=np.int64))
