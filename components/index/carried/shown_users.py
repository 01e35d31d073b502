"""Some users with what is known of them, for an operator who wants to see what the model has learnt.

This is training data as it is: the config asks for it, and an application shows it only where it is told to.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

import contract


def shown_users(timelines: Mapping[str, pa.Table], limit: int) -> pa.Table:
    """Users spread over all of the test split: what came before the cut, and what was held out.

    Args:
      timelines: by split; without one of contract.TEST there is nobody.
      limit: most users.

    Returns:
      contract.USER_ID, HISTORY_FEATURES and TARGET_FEATURES; of a log without ratings with its weights.
    """
    test = timelines.get(contract.TEST)
    implicit = test is not None and contract.HISTORY_WEIGHTS in test.column_names
    features = (*contract.HISTORY_FEATURES, *contract.TARGET_FEATURES)
    columns = [contract.USER_ID, *(contract.of_feedback(name, implicit) for name in features)]
    if test is None or not limit:
        return pa.table({name: pa.array([], pa.string()) for name in columns})
    rows = np.unique(np.linspace(0, len(test) - 1, min(limit, len(test))).astype(np.int64))
    return test.select(columns).take(pa.array(rows))
