"""A log whose rows name a row of another table by its key: an order's user, a session's time."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclasses.dataclass(frozen=True)
class Keyed:
    """The other table, in memory.

    Attributes:
      keys: string[rows], each once.
      columns: its cells by what they mean to the log, text.
    """

    keys: pa.StringArray
    columns: pa.Table

    def beside(self, keys: pa.Array) -> tuple[pa.Table, np.ndarray]:
        """The columns for rows of these keys, and bool[rows]: which of them have a row here.

        Args:
          keys: text, without blanks around it.
        """
        # Here: the config is read, by `parse`, where no table is.
        import pyarrow.compute as pc

        at = pc.index_in(keys, self.keys)
        return self.columns.take(at), at.is_valid().to_numpy(zero_copy_only=False)


def parse(text: str) -> tuple[str, str]:
    """The columns of the log and of the other table: "order_id", or "order = id".

    Raises:
      ValueError: it is neither.
    """
    names = [name.strip() for name in text.split("=")]
    if not 1 <= len(names) <= 2 or not all(names):
        raise ValueError(f"join_on is {text!r}, expected a column of both tables, or LOG_COLUMN = COLUMN")
    return names[0], names[-1]
