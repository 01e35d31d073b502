"""What a request may ask for, checked in the graph before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

import contract
from components.common.tensors import apart, specs_of
from components.index.conditions import refuse
from components.index.params import IndexParams
from contract import refusals

Tensors = Mapping[str, tf.Tensor]

# What an id stands for, by input: the limit on how many of them a row may hold.
_COUNTED = {
    contract.HISTORY_ITEM_IDS: ("max_history", "history events"),
    contract.EXCLUDE: ("max_exclude", "excluded items"),
    contract.CANDIDATES: ("max_candidates", "candidates"),
    contract.BOOST_ITEM_IDS: ("max_boosts", "boosted items"),
    contract.AT_MOST: ("max_genres", "counts"),
    contract.TASTE_GENRES: ("max_genres", "taste genres"),
    contract.ITEM_IDS: ("max_items", "items"),
    contract.WHERE: ("max_genres", "conditions"),
    contract.FILTER_GENRES: ("max_genres", "genres to filter by"),
    contract.ATTRIBUTES: ("max_attributes", "attributes"),
}
_SAME_SHAPE = (
    (contract.HISTORY_ITEM_IDS, contract.HISTORY_RATINGS),
    (contract.HISTORY_ITEM_IDS, contract.HISTORY_WEIGHTS),
    (contract.HISTORY_ITEM_IDS, contract.HISTORY_TIMESTAMPS),
    (contract.TASTE_GENRES, contract.TASTE_WEIGHTS),
    (contract.BOOST_ITEM_IDS, contract.BOOSTS),
)
_NOT_NEGATIVE = (
    contract.TASTE_WEIGHTS,
    contract.YEAR_MIN,
    contract.YEAR_MAX,
    contract.RATING_COUNT,
)


class Limits(tf.Module):
    """The checks of a signature's inputs.

    What few requests need (neutral rows in the shape of the others, the words of a refusal) is traced
    once for all graphs that check by it, and stands in a SavedModel once.

    Args:
      signature: see there.
      params: the limits.
    """

    def __init__(self, signature: contract.Signature, params: IndexParams) -> None:
        super().__init__(name="limits")
        self._inputs = signature.inputs
        self._names = [item.name for item in signature.inputs]
        self._params = params
        limits = {name: getattr(params, limit) for name, (limit, _) in _COUNTED.items()}
        self._counted = {name: limit for name, limit in limits.items() if name in self._names}
        # The first input of each letter of columns decides how wide the others of its letter are.
        first: dict[str, str] = {}
        for item in signature.inputs:
            if item.columns:
                first.setdefault(item.columns, item.name)
        self._followed = {
            item.name: first[item.columns]
            for item in signature.inputs
            if item.columns and first[item.columns] != item.name
        }
        self._required = [item.name for item in signature.inputs if item.required]
        specs = [specs_of(signature.inputs)]
        self._in_shape = apart(self._shaped, specs)
        self._refuse = apart(self._refused, specs)

    def __call__(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        """The inputs, usable only once every check has passed.

        A failed check is INVALID_ARGUMENT with the limit and what came. Padding is
        not counted: a server that batches requests pads them to the widest.

        Args:
          inputs: one tensor per input of the signature; of one that is not required, one row and
            one column of its neutral value are taken for every row of the batch, and for every
            column of the input it goes with, and one row of COLUMNS for every row: so a default
            fits any request.
        """
        sizes = _Sizes(self._inputs, inputs)
        inputs = self._fitted(inputs, sizes)
        fine = [tf.reduce_all(ok) for ok in _good(inputs, self._params).values()]
        if self._counted:
            # Comparing strings is slow, and padding makes many: only where there are columns enough to
            # break it.
            fine.append(tf.reduce_all(sizes.widths(self._counted) <= list(self._counted.values())))
        if not fine:
            return {name: tf.identity(inputs[name]) for name in self._names}
        given = [inputs[name] for name in self._names]
        # What a request is refused with is put together only for one that may be.
        check = tf.cond(tf.reduce_all(fine), lambda: tf.constant(True), lambda: self._refuse(given))
        with tf.control_dependencies([check]):
            return {name: tf.identity(inputs[name]) for name in self._names}

    def _refused(self, given: Sequence[tf.Tensor]) -> tf.Tensor:
        inputs = dict(zip(self._names, given, strict=True))
        checks = [
            _at_most(inputs[name], name, *_COUNTED[name], limit) for name, limit in self._counted.items()
        ]
        good = _good(inputs, self._params)
        checks += [_within(ok, inputs[name], name, self._params) for name, ok in good.items()]
        with tf.control_dependencies(checks):
            return tf.constant(True)

    def _fitted(self, inputs: Tensors, sizes: _Sizes) -> dict[str, tf.Tensor]:
        """The inputs, with neutral rows of optional ones in the shape of the others.

        What is of another shape even then is INVALID_ARGUMENT.
        """
        names = self._names
        if len(names) == 1:
            return dict(inputs)
        fits = tf.reduce_all(sizes.rows(names) == sizes.rows([(self._required or names)[0]] * len(names)))
        if self._followed:
            fits &= tf.reduce_all(sizes.widths(self._followed) == sizes.widths(self._followed.values()))
        given = [inputs[name] for name in names]
        found = tf.cond(fits, lambda: given, lambda: self._in_shape(given))
        return dict(zip(names, found, strict=True))

    def _shaped(self, given: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        inputs = dict(zip(self._names, given, strict=True))
        sizes = _Sizes(self._inputs, inputs)
        of = self._required[:1]
        batch = sizes.rows(of)[0] if of else tf.reduce_max(sizes.rows(self._names))
        found = {item.name: self._shape(item, inputs, batch) for item in self._inputs}
        checks = [_same_batch(found)]
        checks += [_same_shape(found, a, b) for a, b in _SAME_SHAPE if a in found and b in found]
        with tf.control_dependencies(checks):
            return [tf.identity(found[name]) for name in self._names]

    def _shape(self, item: contract.Input, inputs: Tensors, batch: tf.Tensor) -> tf.Tensor:
        value = inputs[item.name]
        if item.required:
            return value
        shape = [batch]
        if item.columns:
            followed = self._followed.get(item.name)
            shape.append(1 if followed is None else tf.shape(inputs[followed])[1])
        if item.name == contract.COLUMNS:
            return tf.tile(value, [tf.where(tf.shape(value)[0] == 1, batch, 1), 1])
        is_nothing = value == tf.constant(item.neutral, value.dtype)
        if item.name == contract.K:
            is_nothing |= value == self._params.default_k  # its default, which says the same
        one = tf.reduce_all(tf.shape(value) == 1)
        # Repeated rather than chosen by a condition: a branch for every input is most of a small graph.
        return tf.tile(value, tf.where(one & tf.reduce_all(is_nothing), shape, 1))


class _Sizes:
    """The sizes of a request's inputs, one tensor for all."""

    def __init__(self, items: Sequence[contract.Input], inputs: Tensors) -> None:
        self._places: dict[str, int] = {}
        end = 0
        for item in items:
            self._places[item.name] = end
            end += len(item.shape(0))
        self._all = tf.concat([tf.shape(inputs[name]) for name in self._places], axis=0)

    def rows(self, names: Iterable[str]) -> tf.Tensor:
        """int32[X]: the first dimensions of some inputs."""
        return tf.gather(self._all, [self._places[name] for name in names])

    def widths(self, names: Iterable[str]) -> tf.Tensor:
        """int32[X]: the second ones."""
        return tf.gather(self._all, [self._places[name] + 1 for name in names])


def _good(inputs: Tensors, params: IndexParams) -> dict[str, tf.Tensor]:
    """Of each input whose values have bounds, which are within them."""
    good = {}
    for name in _NOT_NEGATIVE:
        if name in inputs:
            good[name] = inputs[name] >= 0
            if inputs[name].dtype.is_floating:
                good[name] &= tf.math.is_finite(inputs[name])
    for name, (low, high) in _bounds(params).items():
        if name in inputs:
            # NaN is on neither side of a bound, so the good values are named, not the bad.
            good[name] = (inputs[name] >= low) & (inputs[name] <= high)
    if contract.HISTORY_RATINGS in good:
        good[contract.HISTORY_RATINGS] |= inputs[contract.HISTORY_RATINGS] == 0
    return good


def _bounds(params: IndexParams) -> dict[str, tuple[float, float]]:
    return {
        contract.K: (0, params.max_k),
        contract.HISTORY_RATINGS: (contract.MIN_RATING, contract.MAX_RATING),
        contract.HISTORY_WEIGHTS: (0.0, 1.0),
        contract.DIVERSITY: (0.0, 1.0),
        contract.BOOSTS: (-params.max_boost, params.max_boost),
    }


def _same_batch(inputs: Tensors) -> tf.Operation:
    names = sorted(inputs)
    sizes = tf.stack([tf.shape(inputs[name])[0] for name in names])
    # Told with their names: a tensor of sizes would be cut after three.
    got = [part for row, name in enumerate(names) for part in (f"{name}:", sizes[row])]
    return refuse.unless(tf.reduce_all(sizes == sizes[0]), refusals.ROWS, *got, names=", ".join(names))


def _same_shape(inputs: Tensors, first: str, second: str) -> tf.Operation:
    a, b = tf.shape(inputs[first]), tf.shape(inputs[second])
    return refuse.unless(tf.reduce_all(a == b), refusals.SAME_SHAPE, a, "and", b, first=first, second=second)


def _at_most(ids: tf.Tensor, name: str, limit: str, what: str, value: int) -> tf.Operation:
    count = tf.reduce_max(tf.reduce_sum(tf.cast(ids != contract.PAD_ID, tf.int32), axis=1))
    words = {"name": name, "limit": limit, "most": value, "what": what}
    return refuse.unless(count <= value, refusals.AT_MOST, count, **words)


def _within(good: tf.Tensor, values: tf.Tensor, name: str, params: IndexParams) -> tf.Operation:
    wrong = tf.boolean_mask(values, ~good)
    refusal = refusals.NOT_NEGATIVE
    words: dict[str, object] = {"name": name, "what": "not negative"}
    if name == contract.K:
        refusal, words = refusals.K, {"default_k": params.default_k, "max_k": params.max_k}
    elif name == contract.HISTORY_RATINGS:
        refusal, words = refusals.RATINGS, {}
    elif name == contract.HISTORY_WEIGHTS:
        refusal, words = refusals.WEIGHTS, {}
    elif name in _bounds(params):
        least, most = _bounds(params)[name]
        refusal, words = refusals.BETWEEN, {"name": name, "least": f"{least:g}", "most": f"{most:g}"}
    elif values.dtype.is_floating:
        words["what"] = "finite and not negative"
    return refuse.unless(tf.reduce_all(good), refusal, wrong, **words)
