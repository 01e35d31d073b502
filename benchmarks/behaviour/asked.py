"""A pushed SavedModel, asked through its signatures as a server asks it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import tensorflow as tf

import contract
from components.common import storage
from components.common.dense_columns import byte_strings, item_inputs
from components.common.features import MOVIELENS, FeatureSpec
from leaderboard.split import Catalogue, Queries

# What a request gives, by input name; what it leaves out is neutral.
Request = dict[str, Any]
_AT_ONCE: Final = 64


class Asked:
    """One SavedModel and the items that it knows, in rows.

    Args:
      model_dir: of any of the pushed models.
      catalogue: what it carries (`log.read`).
      specs: the features of its items.
    """

    def __init__(
        self, model_dir: str, catalogue: Catalogue, specs: Sequence[FeatureSpec] = MOVIELENS
    ) -> None:
        self._specs = specs
        info = json.loads(
            storage.read_text(storage.join(model_dir, contract.ASSETS_EXTRA, contract.INDEX_INFO))
        )
        if info["model"] != contract.MODEL_EXACT:
            import scann  # noqa: F401  registers its operations
        self.limits: dict[str, int] = info["params"]
        self.catalogue = catalogue
        self._loaded = tf.saved_model.load(model_dir)
        self._ids = byte_strings(catalogue.table[contract.ITEM_ID])
        self._rows = {id_: row for row, id_ in enumerate(self._ids)}

    def ask(self, signature: str, requests: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """The outputs of `signature`, one row a request, some requests at a time."""
        found = [
            self._batch(signature, requests[i : i + _AT_ONCE]) for i in range(0, len(requests), _AT_ONCE)
        ]
        return {
            item.name: np.concatenate([part[item.name] for part in found])
            for item in contract.SIGNATURES[signature].outputs
        }

    def _batch(self, signature: str, requests: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        wanted = contract.SIGNATURES[signature]
        filled = wanted.filled(requests)
        inputs = {item.name: tf.constant(filled[item.name], item.dtype) for item in wanted.inputs}
        return {name: value.numpy() for name, value in self._loaded.signatures[signature](**inputs).items()}

    def requests(self, queries: Queries) -> list[Request]:
        """Each query's history, user and time as inputs."""
        history, found = queries.history, []
        for i, (user, now) in enumerate(zip(queries.user_ids, queries.now.tolist(), strict=True)):
            span = slice(history.offsets[i], history.offsets[i + 1])
            found.append(
                {
                    contract.HISTORY_ITEM_IDS: self.names(history.rows[span]),
                    contract.HISTORY_RATINGS: history.ratings[span].tolist(),
                    contract.HISTORY_TIMESTAMPS: history.timestamps[span].tolist(),
                    contract.USER_ID: user.encode(),
                    contract.NOW: now,
                }
            )
        return found

    def names(self, rows: np.ndarray) -> list[bytes]:
        """The items' ids."""
        names: list[bytes] = self._ids[rows].tolist()
        return names

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """int64 of the same shape: catalogue rows, -1 for a pad."""
        flat = [self._rows[id_] if id_ else -1 for id_ in ids.ravel()]
        return np.array(flat, np.int64).reshape(ids.shape)

    def recommended(self, requests: Sequence[Request], k: int) -> np.ndarray:
        """int64[B, k]: rows of what `recommend` answers, best first, -1 past the end."""
        answer = self.ask(contract.RECOMMEND, [{**request, contract.K: k} for request in requests])
        return self.rows(answer[contract.ITEM_IDS][:, :k])

    def queries(self, requests: Sequence[Request]) -> np.ndarray:
        """float32[B, D]: what `embed_query` makes of requests."""
        return self.ask(contract.EMBED_QUERY, requests)[contract.EMBEDDING]

    def items(self, rows: np.ndarray, **instead: Any) -> np.ndarray:
        """float32[n, D]: what `embed_item` makes of catalogue rows.

        Args:
          rows: int[n].
          **instead: a value that stands for every item's own, by input name.
        """
        given = item_inputs(self.catalogue.table.take(rows), self._specs)
        for name, value in instead.items():
            one = (value or [contract.PAD_ID]) if given[name].ndim == 2 else value
            given[name] = np.array([one] * len(rows), given[name].dtype)
        embed = self._loaded.signatures[contract.EMBED_ITEM]
        types = embed.structured_input_signature[1]

        def block(start: int) -> np.ndarray:
            part = {name: values[start : start + _AT_ONCE] for name, values in given.items()}
            inputs = {name: tf.constant(values, types[name].dtype) for name, values in part.items()}
            vectors: np.ndarray = embed(**inputs)[contract.EMBEDDING].numpy()
            return vectors

        return np.concatenate([block(start) for start in range(0, len(rows), _AT_ONCE)])

    def unknown_id(self) -> bytes:
        """An id that no item of the catalogue has."""
        return b"not among " + b"".join(sorted(self._ids, key=len)[-1:])
