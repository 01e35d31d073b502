"""What the model sees of an item: a graph over raw `items`, fitted once on the whole catalogue.

The stock TFX Transform runs `preprocessing_fn` by its import path. The same
graph is part of the serving models, where it must work on items that came after
training, and on fewer inputs: it reads ITEM_ID, RATING_COUNT and the features
of the config alone (MovieLens's are GENRES, TAGS and YEAR: a title says nothing
by itself, and a mean of few ratings mostly noise). Every input is known in train
(see example_gen.records.item_records).

B items in a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

import contract
from components.common.features import MOVIELENS, Features, FeatureSpec, own
from components.transform.params import TransformParams


def custom_config(params: TransformParams, specs: Sequence[FeatureSpec] = MOVIELENS) -> dict[str, str]:
    """What the Transform component takes as `custom_config` to give it to `preprocessing_fn`.

    The component serializes the dict as JSON and hands it back, parsed, under the
    keyword `custom_config`; the knobs travel in it as they do to every other room.
    """
    return {
        contract.PARAMS: params.to_json(),
        contract.FEATURES: Features(item=tuple(specs)).to_json(),
    }


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, str]) -> dict[str, Any]:
    """Raw features of items -> features of the item tower.

    Args:
      inputs: contract.ITEM_FEATURES, [B, 1] each, GENRES and TAGS sparse [B, ...];
        of the config's own features texts [B, 1], the others sparse [B, ...].
      custom_config: of the function of that name.

    Returns:
      The contract's transformed features: [B, 1] each, the lists sparse. An index
      of a vocabulary of V entries is 0 to V - 1, and V where it holds no such
      entry. (TensorFlow Transform gives a vocabulary that would be empty a
      placeholder as its only entry, so V is at least 1.)
    """
    params = TransformParams.from_json(custom_config[contract.PARAMS])
    specs = Features.from_json(custom_config[contract.FEATURES]).item
    rating_count = tf.cast(inputs[contract.RATING_COUNT], tf.float32)
    result = {
        contract.ITEM_INDEX: tft.compute_and_apply_vocabulary(
            inputs[contract.ITEM_ID],
            weights=rating_count,
            frequency_threshold=params.min_ratings,
            num_oov_buckets=1,
            vocab_filename=contract.ITEM_VOCABULARY,
        ),
        # Rating counts span four orders of magnitude; their logarithm is close to normal.
        contract.POPULARITY_SCALED: tft.scale_to_z_score(tf.math.log1p(rating_count)),
    }
    for spec in specs:
        result |= _transformed(spec, inputs[spec.name], params)
    return result


def _transformed(spec: FeatureSpec, raw: Any, params: TransformParams) -> dict[str, Any]:
    """One feature's part of `preprocessing_fn`'s result."""
    name = spec.name
    if spec.kind == "number":
        scaled, known = _number(raw, spec.log)
        return {contract.scaled(name): scaled, contract.known(name): known}
    if spec.weighted:
        words = _words(raw) if spec.kind == "text" else raw
        indices, weights = _weighted(words, name, params)
        return {contract.indices(name): indices, contract.weights(name): weights}
    # MovieLens has twenty genres; a shop may have a million brands.
    limit = {"top_k": params.max_values} if own([spec]) else {}
    return {
        contract.indices(name): tft.compute_and_apply_vocabulary(
            raw, num_oov_buckets=1, vocab_filename=name, **limit
        )
    }


def _weighted(
    tags: tf.SparseTensor, name: str, params: TransformParams
) -> tuple[tf.SparseTensor, tf.SparseTensor]:
    """(vocabulary rows, TF-IDF weights) of each item's known tags (or words); unknown ones are dropped.

    The weight of a tag is 1 / (the item's known tags) * (1 + ln((items + 1) / (items
    with the tag + 1))): smoothed TF-IDF (Salton and Buckley, "Term-weighting
    approaches in automatic text retrieval", 1988). It equals tft.tfidf, which cannot
    be used: it counts unknown tags as the last one and fails on a vocabulary of one.
    """
    indices = tft.compute_and_apply_vocabulary(
        tags,
        top_k=params.max_tags,
        frequency_threshold=params.min_tag_items,
        default_value=-1,
        vocab_filename=name,
    )
    size = tft.get_num_buckets_for_transformed_feature(indices)
    known = tft.sparse_tensor_left_align(tf.sparse.retain(indices, indices.values >= 0))
    rows, num_items = known.indices[:, 0], known.dense_shape[0]
    ones = tf.ones_like(known.values, tf.float32)

    # 1 where an item has a tag, [B, size]. Sparse also because its static shape is
    # unknown: while analysing, `size` is a placeholder whose default shape inference
    # would take for the truth.
    has_tag = tf.SparseTensor(tf.stack([rows, known.values], axis=1), ones, [num_items, size])
    items_with_tag = tf.reshape(tft.sum(has_tag, reduce_instance_dims=False), [-1])
    items = tft.sum(tf.cast(num_items, tf.float32))
    inverse_frequency = 1.0 + tf.math.log((items + 1.0) / (items_with_tag + 1.0))

    tags_of_item = tf.math.unsorted_segment_sum(ones, rows, num_items)
    weights = tf.gather(inverse_frequency, known.values) / tf.gather(tags_of_item, rows)
    return known, known.with_values(weights)


def _words(texts: tf.Tensor) -> tf.SparseTensor:
    """The words of texts [B, 1], lower case, each once in a text, as a sparse [B, ...]."""
    plain = tf.strings.regex_replace(tf.strings.lower(texts, "utf-8"), r"[^\p{L}\p{N}]+", " ")
    words = tf.strings.split(tf.reshape(tf.strings.strip(plain), [-1]))
    rows, values = words.value_rowids(), words.values
    _, number = tf.unique(tf.strings.join([tf.strings.as_string(rows), values], " "))
    position = tf.range(tf.size(values))
    first = tf.math.unsorted_segment_min(position, number, tf.size(values))
    new = words.with_values(tf.gather(first, number) == position)
    return tf.ragged.boolean_mask(words, new).to_sparse()


def _number(raw: Any, log: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """([B, 1] z-score over the items that have a number, [B, 1] 1 where there is one).

    0 for the others, and if all numbers are equal. A dense 0 is none (a year).
    """
    if not isinstance(raw, tf.SparseTensor):
        raw = tf.sparse.from_dense(raw)  # which leaves out the zeros
    values = tf.cast(raw.values, tf.float32)
    if log:
        values = tf.sign(values) * tf.math.log1p(tf.abs(values))
    some = tf.SparseTensor(raw.indices, values, raw.dense_shape)
    mean, deviation = tft.mean(some), tf.sqrt(tft.var(some))

    def column(flat: tf.Tensor) -> tf.Tensor:
        return tf.math.unsorted_segment_sum(flat, raw.indices[:, 0], raw.dense_shape[0])[:, tf.newaxis]

    known = column(tf.ones_like(values))
    scaled = tf.math.divide_no_nan(column(values) - mean, deviation)
    return tf.where(known > 0, scaled, tf.zeros_like(scaled)), known
