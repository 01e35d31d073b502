"""Ours: the pipeline's own model, of any kind, fitted and served by the pipeline's own functions."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

import contract
from components.common import storage
from components.model.params import ModelParams
from components.model.signatures import Signatures
from components.trainer import fitting
from components.trainer.inputs import catalogue, profiles
from components.trainer.loop import checkpoints
from components.trainer.params import TrainerParams
from components.transform import in_process
from components.transform.params import TransformParams
from leaderboard.model import Model
from leaderboard.models.learnt import neural
from leaderboard.split import Histories, Queries, Split

_QUERIES_AT_ONCE = 64


@dataclasses.dataclass
class TwoTower(Model):
    """The two-tower as the trainer builds, fits and exports it.

    Items go through Transform's graph as in a run; what is read from the split instead of
    from artifacts are the timelines. Queries go through the exported functions themselves
    (`embed_query`, `rate`), so what is measured is what is served, by exact search.

    Attributes:
      model, trainer, transform: keys of the three config sections with values of their own.
      last_epoch: where the fit ends when nothing is held out; 0 = after all epochs.
    """

    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    trainer: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    transform: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    last_epoch: int = 0

    NAME: ClassVar[str] = "two_tower"
    RATES: ClassVar[bool] = True
    RANDOM: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "model.dropout": (None, 0.1, 0.3),
        "model.temperature": (None, 0.07, 0.15),
        "model.id_dropout": (None, 0.05, 0.2),
        "trainer.learning_rate": (None, 1e-3, 2e-3),
        "trainer.low_rating_weight": (None, 0.1, 1.0),
        "model.rating_factors_share": (None, 0.7),
        "model.rating_half_life": (None, 1000.0),
    }

    def fit(self, split: Split) -> None:
        model_params = ModelParams.model_validate(dict(self.model))
        params = TrainerParams.model_validate({**self.trainer, "seed": self.seed})
        if params.warm_start:
            raise ValueError(
                f"trainer.warm_start is {params.warm_start!r}; the leaderboard fits afresh, since earlier "
                "weights may have seen the test part: leave it empty"
            )
        neural.seeded(params.seed)
        features = split.features
        transform_params = TransformParams.model_validate(dict(self.transform))
        graph = in_process.analysed(split.catalogue.table, transform_params, features)
        transform = catalogue.ItemTransform(graph, features.item)
        items = catalogue.load(split.catalogue.table, transform)
        users = np.flatnonzero((split.eval.history.lengths > 0) & (split.eval.targets.lengths > 0))
        # Row 0 of the table of profiles is of nothing.
        known = profiles.profiles(split.users, features.user, model_params.max_profile_values)
        rows = None if known is None else np.arange(1, len(split.user_ids) + 1, dtype=np.int32)
        train = dataclasses.replace(split.train, profiles=rows)
        histories = dataclasses.replace(
            split.eval.history.take(users), profiles=rows if rows is None else rows[users]
        )
        held_out = (histories, split.eval.targets.take(users)) if len(users) else None
        last_epoch = None if held_out else self.last_epoch or None
        kept = None
        if params.checkpoint_dir and self.fit_name:
            folder = storage.join(params.checkpoint_dir, self.fit_name)
            kept = checkpoints.Checkpoints(folder, params.checkpoint_steps)
        with tempfile.TemporaryDirectory(prefix="marquee-leaderboard-") as logs:
            model, self._result = fitting.fit_model(
                model_params, params, transform, items, train, held_out, logs, last_epoch,
                implicit=features.implicit, known=known, kept=kept,
            )  # fmt: skip
        if kept:
            kept.remove()
        self._ids = np.array(items.ids, object)
        self._windows = model_params.history_window, model_params.rating_window
        self._towers = fitting.servable(model, items, transform)
        self._items = model.embed_catalogue().numpy()
        self._parameters = model.parameters

    @property
    def towers(self) -> Signatures:
        """Of the last fit, as they are exported."""
        return self._towers

    def score_many(self, queries: Queries) -> np.ndarray:
        return np.concatenate(
            [
                self._towers.embed_query(**inputs).numpy() @ self._items.T
                for inputs in self._inputs(queries, self._windows[0])
            ]
        )

    def predict_ratings(self, queries: Queries, asked: Histories) -> np.ndarray:
        stars = np.empty(len(asked.rows), np.float32)
        for i, inputs in enumerate(self._inputs(queries, max(self._windows))):
            lists = slice(i * _QUERIES_AT_ONCE, (i + 1) * _QUERIES_AT_ONCE)
            part = asked.take(np.arange(len(asked))[lists])
            inputs[contract.ITEM_IDS] = _dense(self._ids[part.rows], contract.PAD_ID, part)
            answer = self._towers.rate(**inputs).numpy()
            first = asked.offsets[i * _QUERIES_AT_ONCE]
            stars[first : first + len(part.rows)] = answer[part.owner, _places(part)]
        return stars

    def _inputs(self, queries: Queries, window: int) -> list[dict[str, tf.Tensor]]:
        """What the signatures take of some queries at a time; `window`: events that they read."""
        found = []
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            part = queries.take(np.arange(start, min(start + _QUERIES_AT_ONCE, len(queries))))
            # More than the window is cut off by the model; there is no need to build it first.
            history = part.history.where(part.history.ages < window)
            found.append(
                {
                    contract.HISTORY_ITEM_IDS: _dense(self._ids[history.rows], contract.PAD_ID, history),
                    contract.HISTORY_RATINGS: _dense(history.ratings, 0, history),
                    contract.HISTORY_TIMESTAMPS: _dense(history.timestamps, 0, history),
                    contract.USER_ID: tf.constant([id_.encode() for id_ in part.user_ids]),
                    contract.NOW: tf.constant(part.now, tf.int64),
                    contract.TASTE_GENRES: tf.zeros([len(part), 1], tf.string),
                    contract.TASTE_WEIGHTS: tf.zeros([len(part), 1]),
                }
            )
        return found

    def chosen(self) -> dict[str, Any]:
        return {"last_epoch": self._result.best_epoch}

    @property
    def parameters(self) -> int:
        return self._parameters


def _places(lists: Histories) -> np.ndarray:
    """int64[E]: each event's position in its list."""
    return np.arange(len(lists.rows)) - lists.offsets[:-1][lists.owner]


def _dense(values: np.ndarray, pad: Any, lists: Histories) -> tf.Tensor:
    """[B, longest, at least 1]: `values` of the lists' events, padded at the end."""
    matrix = np.full((len(lists), int(lists.lengths.max(initial=1))), pad, values.dtype)
    matrix[lists.owner, _places(lists)] = values
    return tf.constant(matrix)
