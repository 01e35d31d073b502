"""What passes leave for each other in the work folder: tables, arrays and results, each file whole."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa

from components.common import storage

RESULTS: Final = "results"
TEMPORARY: Final = "temporary"


def write_table(path: str, table: pa.Table, work: str) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    _write(path, sink.getvalue().to_pybytes(), work)


def read_table(path: str) -> pa.Table:
    with storage.open_binary(path, "rb") as file:
        return pa.ipc.open_stream(pa.py_buffer(file.read())).read_all().combine_chunks()


def write_ids(path: str, ids: pa.StringArray, work: str) -> None:
    write_table(path, pa.table({"id": ids}), work)


@functools.lru_cache(maxsize=4)
def read_ids(path: str) -> pa.StringArray:
    """string[...]; a worker asks for the same again and again."""
    return column(read_table(path), "id")


def column(table: pa.Table, name: str) -> pa.Array:
    """One column of a table as one array, also if it has no rows."""
    chunks = table[name].chunks
    return pa.concat_arrays(chunks) if chunks else pa.array([], table.schema.field(name).type)


def write_array(path: str, array: np.ndarray, work: str) -> None:
    write_table(path, pa.table({"value": pa.array(array)}), work)


@functools.lru_cache(maxsize=4)
def read_array(path: str) -> np.ndarray:
    return column(read_table(path), "value").to_numpy(zero_copy_only=False)


def save_result(work: str, name: str, key: str, result: Any) -> None:
    """Keeps what a worker found; one that does the same again replaces it.

    Args:
      name: of the pass.
      key: of the element; results are read in its order.
    """
    _write(storage.join(work, RESULTS, name, key), pickle.dumps(result), work)


def results(work: str, name: str) -> Iterator[Any]:
    """What the workers of a pass found, one element after the other."""
    folder = storage.join(work, RESULTS, name)
    for key in storage.list_names(folder):
        with storage.open_binary(storage.join(folder, key), "rb") as file:
            yield pickle.loads(file.read())


def _write(path: str, content: bytes, work: str) -> None:
    with (
        storage.whole_file(path, storage.join(work, TEMPORARY)) as name,
        storage.open_binary(name, "wb") as file,
    ):
        file.write(content)
