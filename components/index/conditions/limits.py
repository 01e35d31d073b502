"""What a request may ask for, checked in the graph before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

import contract
from components.index.conditions import refuse
from components.index.params import IndexParams
from contract import refusals

Tensors = Mapping[str, tf.Tensor]

# What an id stands for, by input: the limit on how many of them a row may hold.
_COUNTED = {
    contract.HISTORY_ITEM_IDS: ("max_history", "history events"),
    contract.EXCLUDE: ("max_exclude", "excluded items"),
    contract.TASTE_GENRES: ("max_genres", "taste genres"),
    contract.ITEM_IDS: ("max_items", "items"),
    contract.WHERE: ("max_genres", "conditions"),
    contract.ATTRIBUTES: ("max_attributes", "attributes"),
}
_SAME_SHAPE = (
    (contract.HISTORY_ITEM_IDS, contract.HISTORY_RATINGS),
    (contract.HISTORY_ITEM_IDS, contract.HISTORY_WEIGHTS),
    (contract.HISTORY_ITEM_IDS, contract.HISTORY_TIMESTAMPS),
    (contract.TASTE_GENRES, contract.TASTE_WEIGHTS),
)
_NOT_NEGATIVE = (
    contract.HISTORY_RATINGS,
    contract.TASTE_WEIGHTS,
    contract.YEAR_MIN,
    contract.YEAR_MAX,
    contract.RATING_COUNT,
)


def checked(signature: contract.Signature, inputs: Tensors, params: IndexParams) -> dict[str, tf.Tensor]:
    """The inputs, usable only once every check has passed.

    A failed check is INVALID_ARGUMENT with the limit and what came. Padding is
    not counted: a server that batches requests pads them to the widest.

    Args:
      signature: of the request.
      inputs: one tensor per input of the signature; of one that is not required, one row and
        one column of its neutral value are taken for every row of the batch, and for every
        column of the input it goes with, and one row of COLUMNS for every row: so a default
        fits any request.
      params: the limits.
    """
    inputs = _fitted(signature, inputs, params)
    checks = [_same_batch(inputs)]
    checks += [_same_shape(inputs, a, b) for a, b in _SAME_SHAPE if a in inputs and b in inputs]
    for name, (limit, what) in _COUNTED.items():
        if name in inputs:
            checks.append(_at_most(inputs[name], name, what, limit, getattr(params, limit)))
    if contract.FILTER_GENRES in inputs:
        genres = inputs[contract.FILTER_GENRES]
        checks.append(
            _at_most(genres, contract.FILTER_GENRES, "genres to filter by", "max_genres", params.max_genres)
        )
    checks += [_not_negative(inputs[name], name) for name in _NOT_NEGATIVE if name in inputs]
    if contract.K in inputs:
        k, limits = inputs[contract.K], {"default_k": params.default_k, "max_k": params.max_k}
        checks.append(_between(k, 0, params.max_k, refusals.K, **limits))
    if contract.HISTORY_WEIGHTS in inputs:
        checks.append(_between(inputs[contract.HISTORY_WEIGHTS], 0.0, 1.0, refusals.WEIGHTS))
    if contract.DIVERSITY in inputs:
        words = {"name": contract.DIVERSITY, "least": 0, "most": 1}
        checks.append(_between(inputs[contract.DIVERSITY], 0.0, 1.0, refusals.BETWEEN, **words))
    with tf.control_dependencies(checks):
        return {item.name: tf.identity(inputs[item.name]) for item in signature.inputs}


def _fitted(signature: contract.Signature, inputs: Tensors, params: IndexParams) -> dict[str, tf.Tensor]:
    """The inputs, with neutral rows of optional ones in the shape of the others."""
    optional = [item for item in signature.inputs if not item.required]
    if not optional:
        return dict(inputs)
    # The first input of each letter of columns decides how wide the others of its letter are.
    first: dict[str, str] = {}
    for item in signature.inputs:
        if item.columns:
            first.setdefault(item.columns, item.name)
    batches = [tf.shape(inputs[item.name])[0] for item in signature.inputs]
    required = [rows for item, rows in zip(signature.inputs, batches, strict=True) if item.required]
    batch = required[0] if required else tf.reduce_max(tf.stack(batches))
    # Per optional input with columns that follow another's: the width it has and the one it needs.
    followed = [item for item in optional if item.columns and first[item.columns] != item.name]
    widths = [tf.shape(inputs[item.name])[1] for item in followed]
    needed = [tf.shape(inputs[first[item.columns]])[1] for item in followed if item.columns]
    fits = tf.reduce_all(tf.stack([*batches, *widths]) == tf.stack([*[batch] * len(batches), *needed]))

    def fit(item: contract.Input) -> tf.Tensor:
        value = inputs[item.name]
        if item.name == contract.COLUMNS:
            return tf.cond(tf.shape(value)[0] == 1, lambda: tf.repeat(value, batch, axis=0), lambda: value)
        nothing = tf.constant(item.neutral, value.dtype)
        is_nothing = value == nothing
        if item.name == contract.K:
            is_nothing |= value == params.default_k  # its default, which says the same
        shape = [batch]
        if item.columns:
            shape.append(needed[followed.index(item)] if item in followed else 1)
        one = tf.reduce_all(tf.shape(value) == 1)
        return tf.cond(one & tf.reduce_all(is_nothing), lambda: tf.fill(shape, nothing), lambda: value)

    given = [inputs[item.name] for item in optional]
    found = tf.cond(fits, lambda: given, lambda: [fit(item) for item in optional])
    return {**inputs, **{item.name: value for item, value in zip(optional, found, strict=True)}}


def _same_batch(inputs: Tensors) -> tf.Operation:
    names = sorted(inputs)
    sizes = tf.stack([tf.shape(inputs[name])[0] for name in names])
    # Told with their names: a tensor of sizes would be cut after three.
    got = [part for row, name in enumerate(names) for part in (f"{name}:", sizes[row])]
    return refuse.unless(tf.reduce_all(sizes == sizes[0]), refusals.ROWS, *got, names=", ".join(names))


def _same_shape(inputs: Tensors, first: str, second: str) -> tf.Operation:
    a, b = tf.shape(inputs[first]), tf.shape(inputs[second])
    return refuse.unless(tf.reduce_all(a == b), refusals.SAME_SHAPE, a, "and", b, first=first, second=second)


def _at_most(ids: tf.Tensor, name: str, what: str, limit: str, value: int) -> tf.Operation:
    words = {"name": name, "limit": limit, "most": value, "what": what}

    def counted() -> tf.Tensor:
        count = tf.reduce_sum(tf.cast(ids != contract.PAD_ID, tf.int32), axis=1)
        good = tf.reduce_all(count <= value)
        with tf.control_dependencies([refuse.unless(good, refusals.AT_MOST, tf.reduce_max(count), **words)]):
            return tf.identity(good)

    # Comparing strings is slow, and padding makes many: only where there are columns enough to break it.
    return tf.cond(tf.shape(ids)[1] > value, counted, lambda: tf.constant(True)).op


def _not_negative(values: tf.Tensor, name: str) -> tf.Operation:
    if values.dtype.is_floating:
        good = tf.math.is_finite(values) & (values >= 0)
        what = "finite and not negative"
    else:
        good = values >= 0
        what = "not negative"
    wrong = tf.boolean_mask(values, ~good)
    return refuse.unless(tf.reduce_all(good), refusals.NOT_NEGATIVE, wrong, name=name, what=what)


def _between(
    values: tf.Tensor, low: float, high: float, refusal: refusals.Refusal, **words: object
) -> tf.Operation:
    # NaN is on neither side of a bound, so the good values are named, not the bad.
    good = (values >= low) & (values <= high)
    return refuse.unless(tf.reduce_all(good), refusal, tf.boolean_mask(values, ~good), **words)
