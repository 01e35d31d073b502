"""An item described as a request writes it, brand=acme or price=20, as the towers' own inputs."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf

import contract
from components.index.conditions import refuse
from components.index.conditions.conditions import NUMBER
from contract import refusals

_ATTRIBUTE = r"^\s*([a-z][a-z0-9_]*)\s*=\s*(?s:(.*?))\s*$"


def read(attributes: tf.Tensor, inputs: Iterable[contract.Input]) -> dict[str, tf.Tensor]:
    """The values of `inputs`, neutral where nothing is said.

    What is no NAME=VALUE of one of them is INVALID_ARGUMENT, and so is a number that is not
    finite as the input's type; of an input of one value the last one said counts.

    Args:
      attributes: string[B, A]; "" is none.
      inputs: with and without columns, of strings and numbers.
    """
    items = list(inputs)
    name = tf.strings.regex_replace(attributes, _ATTRIBUTE, r"\1", replace_global=False)
    value = tf.strings.regex_replace(attributes, _ATTRIBUTE, r"\2", replace_global=False)
    known = tf.strings.regex_full_match(attributes, _ATTRIBUTE)
    known &= tf.reduce_any([name == item.name for item in items], axis=0)
    wrong = tf.boolean_mask(attributes, (attributes != contract.PAD_ID) & ~known)
    names = ", ".join(item.name for item in items)
    with tf.control_dependencies([refuse.any_of(wrong, refusals.ATTRIBUTE, names=names)]):
        value = tf.identity(value)
    return {item.name: _values(item, known & (name == item.name), value) for item in items}


def _values(item: contract.Input, mine: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """[B] or [B, A]: `value` (string[B, A]) where `mine`, else neutral."""
    if item.dtype == "string":
        filled = tf.where(mine, value, item.neutral)
    else:
        dtype = tf.as_dtype(item.dtype)
        # 1e50 has the form of a number, and is infinite as a float32; as an integer 18 digits fit.
        form = NUMBER if dtype.is_floating else r"[+-]?\d{1,18}"
        is_number = tf.strings.regex_full_match(value, form)
        number = tf.strings.to_number(tf.where(mine & is_number, value, "0"), dtype)
        good = is_number & tf.math.is_finite(number) if dtype.is_floating else is_number
        wrong = tf.boolean_mask(value, mine & ~good)
        with tf.control_dependencies([refuse.any_of(wrong, refusals.ATTRIBUTE_NUMBER, name=item.name)]):
            number = tf.identity(number)
        filled = tf.where(mine, number, tf.constant(item.neutral, dtype))
    if item.columns is not None:
        return filled
    # The last one said, by its position; one column more, neutral, for where there is none.
    nothing = tf.fill([tf.shape(filled)[0], 1], tf.constant(item.neutral, filled.dtype))
    position = tf.reduce_max(tf.where(mine, tf.range(1, tf.shape(mine)[1] + 1)[tf.newaxis], 0), axis=1)
    # The largest of no columns is the lowest number.
    return tf.gather(tf.concat([nothing, filled], axis=1), tf.maximum(position, 0), batch_dims=1)
