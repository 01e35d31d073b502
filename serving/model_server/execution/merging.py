"""How requests to one signature become one, and its answer theirs again."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Protocol

import numpy as np

import contract
from serving.model_server.execution.runtime import Signature

Tensors = Mapping[str, np.ndarray]

# Columns whose number does not hang on an input's width: K results (the largest k of the
# request), D dimensions.
_FIXED = (None, "K", "D")


# Padded cells whose computation costs as much as one more run. Measured on one
# core: a run takes 550 us and 0.4 us per history event, padding or not.
_CELLS_PER_RUN = 1400


class NotRowwiseError(Exception):
    """An output has not one row per row of the inputs."""


class Merging(Protocol):
    """What the batcher needs to know of a signature."""

    def group(self, inputs: Tensors) -> Hashable:
        """Requests of equal groups may go together; None for one that has to go alone."""

    def parts(self, requests: Sequence[Tensors]) -> list[list[int]]:
        """Positions of the requests that should run together, by run: all in one if that is cheapest."""

    def merge(self, requests: Sequence[Tensors], padding: int) -> dict[str, np.ndarray]:
        """The rows of all requests of a group, then `padding` copies of the last one's first row."""

    def split(
        self, outputs: Tensors, requests: Sequence[Tensors], padding: int
    ) -> list[dict[str, np.ndarray]]:
        """Each request's rows, as if it had been alone.

        Raises:
          NotRowwiseError: they cannot be told apart.
        """

    def join(self, parts: Sequence[Tensors]) -> dict[str, np.ndarray]:
        """The answer to one request that ran in parts, from theirs.

        Raises:
          ValueError: they do not fit together.
        """


def of_signature(signature: Signature, explicit: bool, pad: bool) -> Merging | None:
    """The rule for a signature, or None if its requests always run alone.

    Args:
      signature: of any model.
      explicit: whether the operator turned batching on: then any signature is
        taken to be made for it, as TensorFlow Serving does. If not, only ours
        are: shapes do not tell whether a row's answer depends on other rows
        (a softmax over the candidates of one request, say).
      pad: whether requests of unequal widths are padded (see `Rowwise`).
    """
    ours = signature.contract
    if ours is not None:
        default_k = signature.defaults.get(contract.K)
        columns = None if default_k is None else int(default_k.flat[0])
        return Contract(ours, columns) if _widths_follow(ours) else None
    infos = [*signature.inputs.values(), *signature.outputs.values()]
    if not signature.inputs or any(info.shape == () for info in infos):
        return None
    return Rowwise(pad) if explicit else None


def _widths_follow(ours: contract.Signature) -> bool:
    """Whether every output's width is fixed or an input's: else a lone answer's width is unknown."""
    known = {*_FIXED, *(item.columns for item in ours.inputs)}
    return all(item.columns in known for item in ours.outputs)


def _check_rows(outputs: Tensors, rows: int) -> None:
    for name, value in outputs.items():
        if not value.ndim or len(value) != rows:
            raise NotRowwiseError(f"output {name} has the shape {list(value.shape)} for {rows} rows")


class Contract:
    """A signature of ours: short rows are padded with the neutral value, which changes nothing.

    An output as wide as an input ([B, M], or [B, M, L] as two) is cut to the width that its own
    request had, one as wide as the largest k ([B, K]) to its own request's.

    Args:
      signature: of the contract.
      default_k: what k = 0 means; None where the answer's width is fixed.
    """

    def __init__(self, signature: contract.Signature, default_k: int | None = None) -> None:
        self._default_k = default_k or 0
        self._by_k = [
            item.name for item in signature.outputs if item.columns == "K" and default_k is not None
        ]
        self._inputs = [(item.name, item.columns, item.neutral) for item in signature.inputs]
        self._first = signature.inputs[0].name
        # A letter of columns -> an input that has it.
        wide = {item.columns: item.name for item in reversed(signature.inputs) if item.columns}
        self._follows = {
            item.name: [wide[letter] for letter in (item.columns, item.depth) if letter in wide]
            for item in signature.outputs
            if item.columns in wide
        }
        # What a request's cost goes by: its history.
        self._widest = next((item.name for item in signature.inputs if item.columns), None)

    def group(self, inputs: Tensors) -> Hashable:
        # What the graph would refuse must not be mended by padding: it goes alone.
        rows = len(inputs[self._first]) if inputs[self._first].ndim else 0
        widths: dict[str, int] = {}
        for name, columns, _ in self._inputs:
            shape = inputs[name].shape
            if columns is None:
                if shape != (rows,):
                    return None
            elif len(shape) != 2 or shape[0] != rows or widths.setdefault(columns, shape[1]) != shape[1]:
                return None
        return True if rows else None

    def parts(self, requests: Sequence[Tensors]) -> list[list[int]]:
        everyone = list(range(len(requests)))
        if self._widest is None or len(requests) == 1:
            return [everyone]
        shapes = [request[self._widest].shape for request in requests]
        everyone.sort(key=lambda index: shapes[index][1], reverse=True)
        return _cut([shapes[index] for index in everyone], everyone)

    def merge(self, requests: Sequence[Tensors], padding: int) -> dict[str, np.ndarray]:
        merged = {}
        for name, columns, neutral in self._inputs:
            arrays = [request[name] for request in requests]
            if padding:
                arrays += [arrays[-1][:1]] * padding
            merged[name] = np.concatenate(arrays) if columns is None else _padded(arrays, neutral)
        return merged

    def split(
        self, outputs: Tensors, requests: Sequence[Tensors], padding: int
    ) -> list[dict[str, np.ndarray]]:
        _check_rows(outputs, sum([len(request[self._first]) for request in requests]) + padding)
        follows = self._follows
        parts = []
        start = 0
        for request in requests:
            stop = start + len(request[self._first])
            part = {name: value[start:stop] for name, value in outputs.items()}
            for name in follows.keys() & part.keys():
                part[name] = part[name][:, *[slice(request[of].shape[1]) for of in follows[name]]]
            if self._by_k:
                k = request[contract.K]
                columns = max(0, np.where(k == 0, self._default_k, k).max(initial=0))
                for name in part.keys() & self._by_k:
                    part[name] = part[name][:, :columns]
            parts.append(part)
            start = stop
        return parts

    def join(self, parts: Sequence[Tensors]) -> dict[str, np.ndarray]:
        # Each part is as wide as its own largest k.
        joined = {}
        for name in parts[0]:
            arrays = [part[name] for part in parts]
            if name in self._by_k:
                padding = contract.PAD_ID if arrays[0].dtype == object else contract.PAD_SCORE
                joined[name] = _padded(arrays, padding)
            else:
                joined[name] = np.concatenate(arrays)
        return joined


def _cut(shapes: Sequence[tuple[int, ...]], positions: list[int]) -> list[list[int]]:
    """Cuts requests, widest first, where the padding saved is worth a run, and both parts again."""
    left = sum([rows for rows, _ in shapes])
    widest = shapes[0][1]
    most, at = 0, 0
    for index, (rows, width) in enumerate(shapes):
        saved = left * (widest - width)
        if saved > most:
            most, at = saved, index
        left -= rows
    if most <= _CELLS_PER_RUN:
        return [positions]
    return _cut(shapes[:at], positions[:at]) + _cut(shapes[at:], positions[at:])


def _padded(arrays: Sequence[np.ndarray], neutral: bytes | float | int) -> np.ndarray:
    """[all rows, widest], short rows filled up."""
    width = max([array.shape[1] for array in arrays])
    rows = sum([len(array) for array in arrays])
    if rows * width == sum([array.size for array in arrays]):
        return np.concatenate(arrays)
    merged = np.full((rows, width), neutral, arrays[0].dtype)
    start = 0
    for array in arrays:
        stop = start + len(array)
        merged[start:stop, : array.shape[1]] = array
        start = stop
    return merged


class Rowwise:
    """Any other signature, by TensorFlow Serving's rule.

    Args:
      pad: requests of unequal inner sizes go together, each tensor filled up
        with its own first element. If not, only requests of equal sizes do.
    """

    def __init__(self, pad: bool) -> None:
        self._pad = pad

    def group(self, inputs: Tensors) -> Hashable:
        arrays = list(inputs.values())
        if any(not array.ndim for array in arrays):
            return None
        rows = len(arrays[0])
        if not rows or any(len(array) != rows for array in arrays):
            return None
        if self._pad and all(array.size for array in arrays):
            return tuple([array.ndim for array in arrays])
        return tuple([array.shape[1:] for array in arrays])

    def parts(self, requests: Sequence[Tensors]) -> list[list[int]]:
        return [list(range(len(requests)))]

    def merge(self, requests: Sequence[Tensors], padding: int) -> dict[str, np.ndarray]:
        merged = {}
        for name in requests[0]:
            arrays = [request[name] for request in requests]
            if padding:
                arrays += [arrays[-1][:1]] * padding
            inner = tuple(np.max([array.shape[1:] for array in arrays], axis=0).astype(int))
            merged[name] = np.concatenate([_filled_up(array, inner) for array in arrays])
        return merged

    def split(
        self, outputs: Tensors, requests: Sequence[Tensors], padding: int
    ) -> list[dict[str, np.ndarray]]:
        sizes = [len(next(iter(request.values()))) for request in requests]
        _check_rows(outputs, sum(sizes) + padding)
        stops = np.cumsum(sizes)
        return [
            {name: value[stop - size : stop] for name, value in outputs.items()}
            for size, stop in zip(sizes, stops, strict=True)
        ]

    def join(self, parts: Sequence[Tensors]) -> dict[str, np.ndarray]:
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _filled_up(array: np.ndarray, inner: tuple[int, ...]) -> np.ndarray:
    if array.shape[1:] == inner:
        return array
    full = np.full((len(array), *inner), array.flat[0], array.dtype)
    full[tuple(slice(size) for size in array.shape)] = array
    return full
