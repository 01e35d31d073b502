"""REST bodies of predict to tensors and back, by TensorFlow Serving's rules.

Reading goes over whole lists at once; whatever is unusual in them is left to
`json_rules`, which follows TensorFlow Serving value by value and knows its texts.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tensorflow.core.framework import types_pb2 as types

from serving.model_server.api import json_rules, json_text
from serving.model_server.execution import checks
from serving.model_server.execution.runtime import Signature
from serving.protocol import dtypes
from serving.protocol.errors import invalid_argument

_FLOATS: dict[int, type] = {types.DT_FLOAT: np.float32, types.DT_DOUBLE: np.float64}
_INTEGERS: dict[int, type] = {
    types.DT_INT32: np.int32,
    types.DT_INT16: np.int16,
    types.DT_INT8: np.int8,
    types.DT_UINT8: np.uint8,
    types.DT_INT64: np.int64,
    types.DT_UINT32: np.uint32,
    types.DT_UINT64: np.uint64,
}
# Types that have a JSON form; of others TensorFlow Serving writes none.
_WRITABLE = {*_FLOATS, *_INTEGERS, types.DT_STRING, types.DT_BOOL}
_BYTES_SUFFIX = "_bytes"


@dataclasses.dataclass(frozen=True)
class PredictBody:
    """A predict request before its signature is known.

    Attributes:
      signature_name: "" is the default one.
      document: the whole object.
    """

    signature_name: str
    document: dict[str, Any]

    @property
    def row_format(self) -> bool:
        """Whether the request came as "instances" and the answer goes as "predictions"."""
        return "instances" in self.document

    def tensors(self, signature: Signature) -> dict[str, np.ndarray]:
        """The inputs as arrays of the signature's types.

        Raises:
          StatusError: INVALID_ARGUMENT with TensorFlow Serving's text, or
            UNIMPLEMENTED for a type without a JSON form.
        """
        wanted: Mapping[str, int] = {name: info.dtype for name, info in signature.inputs.items()}
        if not wanted:
            name = self.signature_name or "DEFAULT"
            raise invalid_argument(f"Failed to get input map for signature: {name}")
        json_rules.check_document(self.document)
        if self.row_format:
            instances = self.document["instances"]
            if signature.defaults:
                instances, wanted = _with_defaults(instances, wanted, signature)
            return _read_rows(instances, wanted) or json_rules.read_rows(instances, wanted)
        inputs = self.document["inputs"]
        if signature.contract is not None and type(inputs) is dict and not json_rules.is_base64(inputs):
            checks.check_our_names(signature, set(inputs))
        if signature.defaults and type(inputs) is dict and inputs:
            wanted = {
                name: dtype
                for name, dtype in wanted.items()
                if name in inputs or name not in signature.defaults
            }
        return _read_columns(inputs, wanted) or json_rules.read_columns(inputs, wanted)


def read_predict(body: bytes) -> PredictBody:
    """Parses a predict request.

    Raises:
      StatusError: INVALID_ARGUMENT with TensorFlow Serving's text.
    """
    document = json_text.parse(body)
    return PredictBody(json_rules.signature_name(document), document)


def write_outputs(outputs: Mapping[str, np.ndarray], row_format: bool) -> bytes:
    """The answer: {"predictions": [...]} or {"outputs": ...}.

    Raises:
      StatusError: INVALID_ARGUMENT if the outputs have no common first
        dimension (row format) or a type without a JSON form.
    """
    if not outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    writer = json_text.Writer()
    if row_format:
        _check_rows(outputs)
    values = {name: _writable(name, array, writer) for name, array in outputs.items()}
    document: Any
    if len(values) == 1:
        (document,) = values.values()
    elif row_format:
        names = list(values)
        document = [dict(zip(names, row, strict=True)) for row in zip(*values.values(), strict=True)]
    else:
        document = values
    return writer.dump({"predictions" if row_format else "outputs": document})


def _check_rows(outputs: Mapping[str, np.ndarray]) -> None:
    rows = -1
    for name, array in outputs.items():
        if not array.ndim:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if rows >= 0 and len(array) != rows:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {rows}"
            )
        rows = len(array)


def _writable(name: str, array: np.ndarray, writer: json_text.Writer) -> Any:
    """What the writer takes: an array of numbers, or nested lists."""
    dtype = dtypes.of_array(array)
    if dtype.number not in _WRITABLE:
        raise invalid_argument(f"Failed to write JSON value for tensor type: {dtype.name}")
    if dtype.number == types.DT_STRING:
        if name.endswith(_BYTES_SUFFIX):
            return _map(array.tolist(), _as_base64)
        try:
            return _map(array.tolist(), bytes.decode)
        except UnicodeDecodeError:
            return _map(array.tolist(), writer.text)
    if dtype.number in _FLOATS and not np.isfinite(array).all():
        return _map(_nested(array), writer.number)
    return np.ascontiguousarray(array) if array.ndim else array[()]


def _map(values: Any, convert: Callable[[Any], Any]) -> Any:
    """Nested lists with every value converted."""
    if type(values) is not list:
        return convert(values)
    if values and type(values[0]) is list:
        return [_map(row, convert) for row in values]
    return [convert(value) for value in values]


def _nested(array: np.ndarray) -> Any:
    """Nested lists of NumPy's floats, which are written with no more digits than they have."""
    return list(map(_nested, array)) if array.ndim else array[()]


def _as_base64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def _with_defaults(
    instances: list[Any], wanted: Mapping[str, int], signature: Signature
) -> tuple[list[Any], Mapping[str, int]]:
    """Rows that all give the same inputs, and these inputs with their types.

    TensorFlow Serving fills defaults in over gRPC alone. An input that no row gives is left
    to be filled in later. In a signature of the contract, whose defaults are neutral in any shape, a
    row without an input that another row gives gets the default in the form of that other's.
    """
    if set(map(type, instances)) != {dict}:
        return instances, wanted
    given = set().union(*instances)
    if signature.contract is not None:
        checks.check_our_names(signature, given, set(instances[0]).intersection(*instances))
    defaults = signature.defaults
    optional = wanted.keys() & defaults.keys()
    read = {name: dtype for name, dtype in wanted.items() if name in given or name not in optional}
    if signature.contract is None:
        # Nothing is known of other defaults: rows that are not alike, or say nothing, are refused.
        return instances, read or wanted
    if not read:  # rows that say nothing: one input stands for how many there are
        name = min(optional)
        read = {name: wanted[name]}
        nothing = _like(defaults[name].tolist(), defaults[name].flat[0])
        return [{name: nothing[0]} for _ in instances], read
    for name in sorted(optional & given):
        having = next(row[name] for row in instances if name in row)
        # A default of several values has a form of its own, which rows beside it would need too.
        if defaults[name].size == 1 and any(name not in row for row in instances):
            nothing = _like(having, defaults[name].flat[0])
            instances = [row if name in row else {**row, name: nothing} for row in instances]
    return instances, read


def _like(form: Any, value: Any) -> Any:
    """`value` in every place of nested lists."""
    if type(form) is list:
        return [_like(item, value) for item in form]
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value


def _read_rows(instances: list[Any], wanted: Mapping[str, int]) -> dict[str, np.ndarray] | None:
    """All instances at once; None if anything is unusual."""
    if len(wanted) == 1 and type(instances[0]) is not dict:
        ((name, dtype),) = wanted.items()
        column = _read(instances, dtype)
        return None if column is None else {name: column}
    if set(map(type, instances)) != {dict} or set(map(len, instances)) != {len(wanted)}:
        return None
    tensors = {}
    for name, dtype in wanted.items():
        try:
            values = [instance[name] for instance in instances]
        except KeyError:
            return None
        column = _read(values, dtype)
        if column is None:
            return None
        tensors[name] = column
    return tensors


def _read_columns(inputs: Any, wanted: Mapping[str, int]) -> dict[str, np.ndarray] | None:
    """All inputs at once; None if anything is unusual."""
    if type(inputs) is not dict:
        inputs = dict.fromkeys(wanted, inputs) if len(wanted) == 1 else {}
    tensors = {}
    for name, dtype in wanted.items():
        column = _read(inputs.get(name), dtype)
        if column is None:
            return None
        tensors[name] = column
    return tensors


def _read(value: Any, dtype: int) -> np.ndarray | None:
    """Nested lists of one depth and plain values of one type; None if it is not that."""
    if type(value) is not list:
        return None
    shape = [len(value)]
    while value and type(value[0]) is list:
        if set(map(type, value)) != {list}:
            return None
        widths = set(map(len, value))
        if len(widths) != 1 or len(shape) >= json_rules.MAX_RANK:
            return None
        shape.append(widths.pop())
        value = [item for row in value for item in row]
    kinds = set(map(type, value))
    if not kinds or 0 in shape:
        return None
    flat = _flat(value, kinds, dtype)
    return None if flat is None else flat.reshape(shape)


def _flat(values: list[Any], kinds: set[type], dtype: int) -> np.ndarray | None:
    if dtype in _FLOATS and kinds <= {float, int}:
        with np.errstate(over="ignore"):  # beyond the type's largest value lies infinity
            return np.array(values, np.float64).astype(_FLOATS[dtype])
    if dtype in _INTEGERS and kinds == {int}:
        try:
            return np.array(values, _INTEGERS[dtype])
        except OverflowError:
            return None
    if dtype == types.DT_STRING and kinds == {str}:
        strings = np.empty(len(values), object)
        strings[:] = [text.encode("utf-8", "surrogateescape") for text in values]
        return strings
    if dtype == types.DT_BOOL and kinds == {bool}:
        return np.array(values, np.bool_)
    return None
