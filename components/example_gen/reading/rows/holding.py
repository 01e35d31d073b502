"""For which rows a condition holds."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.reading.cells import mask
from components.example_gen.reading.rows.conditions import DATE, NUMBER, Condition

_ORDER: Final = {"<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal}


def holds(condition: Condition, cells: pa.StringArray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """bool[rows]: where it holds, and where cells cannot be compared.

    Args:
      cells: without blanks around them.
      missing: bool[rows], where nothing is said.
    """
    nothing = np.zeros(len(cells), bool)
    if condition.operator == "missing":
        return missing ^ condition.negated, nothing
    if condition.operator == "in":
        found = pc.is_in(cells, pa.array(condition.values))
        numbers = [float(value) for value in condition.values if re.match(NUMBER, value)]
        if numbers and not condition.quoted:
            found = pc.or_(found, pc.is_in(_numbers(cells), pa.array(numbers)))
        return (mask(found) & ~missing) ^ condition.negated, nothing
    value: str | float = condition.values[0]
    if re.match(NUMBER, condition.values[0]):
        fits, compared, value = mask(pc.match_substring_regex(cells, NUMBER)), _numbers(cells), float(value)
    else:
        fits, compared = mask(pc.match_substring_regex(cells, DATE)), cells
    found = mask(_ORDER[condition.operator](compared, pa.scalar(value, compared.type)))
    return found & fits & ~missing, ~fits & ~missing


def _numbers(cells: pa.StringArray) -> pa.DoubleArray:
    """Null where a cell is none."""
    number = pc.match_substring_regex(cells, NUMBER)
    return pc.if_else(number, cells, pa.scalar(None, pa.string())).cast(pa.float64())
