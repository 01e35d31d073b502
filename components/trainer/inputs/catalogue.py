"""The items as the model reads them: raw records through Transform's graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft

import contract
from components.common.dense_columns import item_inputs
from components.common.features import MOVIELENS, FeatureSpec, inputs
from components.model.features import Catalogue, ItemFeatures, Popularity
from components.model.signatures import Catalogued
from components.model.towers.encoders import Sizes

# The only taste where no feature is for tastes; no request can name it.
_NO_TASTE = b"\0"


class ItemTransform:
    """Transform's saved graph as a function over batch-first tensors padded with "".

    The same call makes the catalogue's features in training and a new item's
    in `embed_item`.

    Args:
      transform_graph: the artifact.
      specs: the features that the graph was made for.

    Attributes:
      layer: the Keras layer to track when the function is saved.
      specs: as given.
      own_inputs: what a call takes beyond the inputs of contract.EMBED_ITEM.
      vocabularies: in index order: "items", each feature's by its name, and
        "tastes", that of the feature that tastes are in.
    """

    def __init__(self, transform_graph: str, specs: Sequence[FeatureSpec] = MOVIELENS) -> None:
        output = tft.TFTransformOutput(transform_graph)
        self.layer = output.transform_features_layer()
        self._raw_spec = output.raw_feature_spec()
        self.specs = tuple(specs)
        self.own_inputs = inputs(self.specs)
        names = [contract.ITEM_VOCABULARY, *(spec.name for spec in self.specs if spec.kind != "number")]
        self.vocabularies = {name: list(output.vocabulary_by_name(name)) for name in names}
        self.taste = next((spec.name for spec in self.specs if spec.taste), None)
        self.vocabularies["tastes"] = self.vocabularies[self.taste] if self.taste else [_NO_TASTE]

    @property
    def items(self) -> list[bytes]:
        return self.vocabularies[contract.ITEM_VOCABULARY]

    @property
    def tastes(self) -> list[bytes]:
        return self.vocabularies["tastes"]

    @property
    def sizes(self) -> Sizes:
        words = {name: len(vocabulary) for name, vocabulary in self.vocabularies.items()}
        return Sizes(len(self.items), len(self.tastes), self.specs, words)

    def __call__(self, items: Mapping[str, tf.Tensor]) -> ItemFeatures:
        """Features of n items from the inputs of contract.EMBED_ITEM and `own_inputs`."""
        transformed = self.layer(
            {name: self._as_raw(name, value) for name, value in items.items() if name in self._raw_spec}
        )

        def single(name: str, dtype: tf.DType) -> tf.Tensor:
            value = transformed[name]
            dense = tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value
            return tf.cast(tf.reshape(dense, [-1]), dtype)

        def padded(name: str, dtype: tf.DType, pad: int) -> tf.Tensor:
            return tf.cast(_dense(transformed[name], pad), dtype)

        content = {}
        for spec in self.specs:
            if spec.kind == "number":
                for name in (contract.scaled(spec.name), contract.known(spec.name)):
                    content[name] = single(name, tf.float32)
                continue
            name = contract.indices(spec.name)
            content[name] = padded(name, tf.int32, -1)
            if spec.weighted:
                name = contract.weights(spec.name)
                content[name] = padded(name, tf.float32, 0)
        return ItemFeatures(
            item_index=single(contract.ITEM_INDEX, tf.int32),
            popularity_scaled=single(contract.POPULARITY_SCALED, tf.float32),
            content=content,
        )

    def _as_raw(self, name: str, value: tf.Tensor) -> Any:
        """`value` in the form in which the raw schema has the feature."""
        spec = self._raw_spec[name]
        if isinstance(spec, tf.io.FixedLenFeature):
            return tf.reshape(value, [-1, *spec.shape])
        matrix = value if value.shape.rank == 2 else value[:, tf.newaxis]
        nothing = contract.PAD_ID if matrix.dtype == tf.string else contract.UNKNOWN_NUMBER
        ragged = tf.ragged.boolean_mask(matrix, matrix != tf.constant(nothing, matrix.dtype))
        return ragged if isinstance(spec, tf.io.RaggedFeature) else ragged.to_sparse()


def _dense(value: Any, pad: int) -> tf.Tensor:
    if isinstance(value, tf.SparseTensor):
        return tf.sparse.to_dense(value, default_value=tf.cast(pad, value.dtype))
    if isinstance(value, tf.RaggedTensor):
        return value.to_tensor(default_value=tf.cast(pad, value.dtype))
    return value


@dataclasses.dataclass(frozen=True)
class Items:
    """The catalogue with its ids, in row order."""

    ids: list[bytes]
    catalogue: Catalogue

    def named(self, transform: ItemTransform) -> Catalogued:
        """What an exported model's requests name things by."""
        return Catalogued(self.ids, transform.tastes, transform, transform.layer, transform.own_inputs)


def load(items: pa.Table, transform: ItemTransform, block: int = 16_384) -> Items:
    """The catalogue from raw items (contract.ITEM_FEATURES and the own features' columns).

    Raises:
      ValueError: an item id occurs twice, or there are no items.
    """
    ids = [text.encode() for text in items[contract.ITEM_ID].to_pylist()]
    if not ids:
        raise ValueError("the items artifact is empty; expected at least one item")
    if len(set(ids)) != len(ids):
        raise ValueError(f"{len(ids) - len(set(ids))} item ids occur more than once in the items artifact")
    count = items[contract.RATING_COUNT].to_numpy().astype(np.int64)
    mean = items[contract.RATING_MEAN].to_numpy().astype(np.float32)
    first, *others = (
        transform(
            {
                name: tf.constant(value)
                for name, value in item_inputs(items.slice(start, block), transform.specs).items()
            }
        )
        for start in range(0, len(ids), block)
    )
    features = first.map(lambda *parts: _stack([np.asarray(part) for part in parts]), *others)
    tastes = (
        _multi_hot(features.content[contract.indices(transform.taste)], len(transform.tastes) + 1)
        if transform.taste
        else np.zeros((len(ids), len(transform.tastes) + 1), np.float32)
    )
    return Items(
        ids=ids,
        catalogue=Catalogue(
            features=features,
            genres=tastes,
            rating_count=count.astype(np.float32),
            rating_sum=(count * mean).astype(np.float32),
            popularity=Popularity.recover(count, np.asarray(features.popularity_scaled)),
        ),
    )


def _stack(parts: list[np.ndarray]) -> np.ndarray:
    """Concatenate along axis 0; narrower matrices are padded (-1 for indices, 0 for weights)."""
    if parts[0].ndim == 1:
        return np.concatenate(parts)
    width = max(part.shape[1] for part in parts)
    pad = -1 if np.issubdtype(parts[0].dtype, np.integer) else 0
    return np.concatenate(
        [np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=pad) for part in parts]
    )


def _multi_hot(indices: np.ndarray, width: int) -> np.ndarray:
    hot = np.zeros((len(indices), width), np.float32)
    item, column = np.nonzero(indices >= 0)
    hot[item, indices[item, column]] = 1.0
    return hot
