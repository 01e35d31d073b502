"""Ids -> numbers, while the rows stream by."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def id_order(ids: pa.StringArray) -> pa.Array:
    """Positions that sort ids: whole numbers by value first, then the others by their bytes.

    Numbers of any length: without leading zeros, the longer one is the larger.
    """
    digits = pc.fill_null(pc.struct_field(pc.extract_regex(ids, "^0*(?P<digits>[0-9]+)$"), "digits"), "")
    keys = pa.table(
        {"other": pc.equal(digits, ""), "length": pc.utf8_length(digits), "digits": digits, "id": ids}
    )
    return pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names])


class Codes:
    """A number for each id, in the order in which they came.

    Memory grows with the ids, not with the rows.

    Args:
      known: ids that are there from the beginning.
      closed: whether there are no others; by default where some are known.
    """

    def __init__(self, known: pa.StringArray | None = None, closed: bool | None = None) -> None:
        self.closed = known is not None if closed is None else closed
        self._codes: dict[str, int] = (
            {} if known is None else {id_: i for i, id_ in enumerate(known.to_pylist())}
        )

    def __len__(self) -> int:
        return len(self._codes)

    def encode(self, column: pa.ChunkedArray) -> np.ndarray:
        """int32[rows]: the numbers of a dictionary column's ids; -1 for "" and for an unknown one."""
        return np.concatenate([self._encode(chunk) for chunk in column.chunks] or [np.zeros(0, np.int32)])

    def ids(self) -> pa.StringArray:
        """string[ids]: by their numbers."""
        return pa.array(list(self._codes), pa.string())

    def _encode(self, chunk: pa.DictionaryArray) -> np.ndarray:
        known = self._codes
        table = np.empty(len(chunk.dictionary), np.int32)
        for i, id_ in enumerate(chunk.dictionary.to_pylist()):
            code = known.get(id_, -1)
            if code < 0 and id_ and not self.closed:
                code = known[id_] = len(known)
            table[i] = code
        return table[chunk.indices.to_numpy()]


def positions(column: pa.ChunkedArray, ids: pa.StringArray) -> np.ndarray:
    """int32[rows]: the position in `ids` of each row of a dictionary column, -1 where it has none."""
    chunks = [
        pc.fill_null(pc.index_in(chunk.dictionary, ids), -1).to_numpy()[chunk.indices.to_numpy()]
        for chunk in column.chunks
    ]
    return np.concatenate(chunks) if chunks else np.zeros(0, np.int32)
