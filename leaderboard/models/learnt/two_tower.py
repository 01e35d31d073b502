"""Ours: the pipeline's own model, fitted and asked through the pipeline's own functions."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io
from tfx_bsl.tfxio import tf_example_record

import components.transform
import contract
from components.common import storage
from components.common.features import Features, own
from components.example_gen.records import write
from components.import_schema.own_features import add_features
from components.model.closed_form.models import ClosedForm
from components.model.params import ModelParams
from components.model.towers import two_tower as ours
from components.trainer import run
from components.trainer.inputs import catalogue, profiles
from components.trainer.loop import checkpoints
from components.trainer.params import TrainerParams
from components.transform.params import TransformParams
from components.transform.preprocessing import custom_config, preprocessing_fn
from leaderboard.model import Model
from leaderboard.models.learnt import neural
from leaderboard.split import Histories, Queries, Split

_SCHEMA = Path(components.transform.__file__).parent / "schemas" / "items.pbtxt"
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
        graph = _transform_graph(
            split.catalogue.table, custom_config(transform_params, features.item), features
        )
        transform = catalogue.ItemTransform(graph, features.item)
        items = catalogue.load(split.catalogue.table, transform)
        asked = np.flatnonzero((split.eval.history.lengths > 0) & (split.eval.targets.lengths > 0))
        # Row 0 of the profiles is of nobody.
        known = profiles.profiles(split.users, features.user, model_params.max_profile_values)
        rows = None if known is None else np.arange(1, len(split.user_ids) + 1, dtype=np.int32)
        train = dataclasses.replace(split.train, profiles=rows)
        histories = dataclasses.replace(
            split.eval.history.take(asked), profiles=rows if rows is None else rows[asked]
        )
        held_out = (histories, split.eval.targets.take(asked)) if len(asked) else None
        last_epoch = None if held_out else self.last_epoch or None
        kept = None
        if params.checkpoint_dir and self.fit_name:
            folder = storage.join(params.checkpoint_dir, self.fit_name)
            kept = checkpoints.Checkpoints(folder, params.checkpoint_steps)
        with tempfile.TemporaryDirectory(prefix="marquee-leaderboard-") as logs:
            model, self._result = run.fit_model(
                model_params, params, transform, items, train, held_out, logs, last_epoch,
                implicit=features.implicit, known=known, kept=kept,
            )  # fmt: skip
        if kept:
            kept.remove()
        self._ids = np.array(items.ids, object)
        self._windows = model_params.history_window, model_params.rating_window
        self._towers = run.servable(model, items, transform)
        self._items = model.embed_catalogue().numpy()
        solved = [model] if isinstance(model, ClosedForm) else []
        if isinstance(model, ours.TwoTower):
            solved = [part for part in (model.item_item, model.rating_factors) if part is not None]
        self._parameters = neural.size(model.trainable_variables) + sum(
            neural.size(part.variables) for part in solved
        )

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


# Folders of the graphs of this process, by what they were fitted on.
_graphs: dict[str, tempfile.TemporaryDirectory] = {}


def _transform_graph(items: pa.Table, config: dict[str, str], features: Features) -> str:
    """Transform's graph for a catalogue, analysed as the component does, once in a process."""
    examples = write.encode(items)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for example in examples:
        digest.update(example)
    key = digest.hexdigest()
    if key not in _graphs:
        folder = tempfile.TemporaryDirectory(prefix="marquee-leaderboard-")
        schema = text_format.Parse(_SCHEMA.read_text(), schema_pb2.Schema())
        add_features(schema, own(features.item))
        source = tf_example_record.TFExampleBeamRecord("inmem", ["leaderboard"], schema)
        with (
            tft_beam.Context(temp_dir=str(Path(folder.name) / "tmp")),
            beam.Pipeline(runner=FnApiRunner()) as pipeline,
        ):
            data = pipeline | beam.Create(examples, reshuffle=False) | source.BeamSource()
            graph = (data, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(
                functools.partial(preprocessing_fn, custom_config=config)
            )
            _ = graph | tft_beam.WriteTransformFn(str(Path(folder.name) / "graph"))
        raw = str(Path(folder.name) / "graph" / tft.TFTransformOutput.RAW_METADATA_DIR)
        metadata_io.write_metadata(dataset_metadata.DatasetMetadata(schema), raw)
        _graphs[key] = folder
    return str(Path(_graphs[key].name) / "graph")
