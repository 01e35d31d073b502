"""TensorFlow Serving's rules for JSON tensors, value by value, with its texts.

Slow and exact: it reads what the fast way in `json_tensors` passes over, and
says what is wrong with it.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorflow.core.framework import types_pb2 as types

from serving.model_server.api import json_text
from serving.protocol import dtypes, tensors
from serving.protocol.errors import Code, StatusError, invalid_argument

MAX_RANK = tensors.MAX_RANK
_INT32 = (-(2**31), 2**31 - 1)
_INTEGER_RANGE = {
    types.DT_INT32: _INT32,
    types.DT_INT16: _INT32,
    types.DT_INT8: _INT32,
    types.DT_UINT8: _INT32,
    types.DT_INT64: (-(2**63), 2**63 - 1),
    types.DT_UINT32: (0, 2**32 - 1),
    types.DT_UINT64: (0, 2**64 - 1),
}
# Largest value; what lies beyond it becomes infinite.
FLOAT_LIMITS = {
    types.DT_FLOAT: float(np.finfo(np.float32).max),
    types.DT_DOUBLE: float(np.finfo(np.float64).max),
}


def signature_name(document: dict[str, Any]) -> str:
    """The signature a request asks for; "" if it does not say.

    Raises:
      StatusError: INVALID_ARGUMENT if it is no string.
    """
    name = document.get("signature_name", "")
    if type(name) is not str:
        raise json_text.format_error(
            document, "not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def check_document(document: dict[str, Any]) -> None:
    """Refuses a predict request that has not exactly one of "instances" and "inputs"."""
    if "instances" not in document:
        if "inputs" not in document:
            raise invalid_argument("Missing 'inputs' or 'instances' key")
        return
    if "inputs" in document:
        raise json_text.format_error(
            document,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        )
    if type(document["instances"]) is not list:
        raise json_text.format_error(document, "Expecting 'instances' to be an list/array")
    if not document["instances"]:
        raise json_text.format_error(document, "No values in 'instances' array")


def read_rows(instances: list[Any], wanted: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The inputs of a request in row format.

    Args:
      instances: at least one value, list or object per row.
      wanted: type number of every input by name.

    Returns:
      [rows, ...] per input.

    Raises:
      StatusError: the first thing that is wrong.
    """
    if type(instances[0]) is not dict and len(wanted) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors required "
            "as per tensorinfo_map"
        )
    columns: dict[str, _Column] = {}
    objects = _is_named(instances[0])
    for index, instance in enumerate(instances):
        if objects:
            if not _is_named(instance):
                raise invalid_argument(f"Expecting object but got list at item {index} of input list")
            for name, item in instance.items():
                try:
                    _add(columns, wanted, name, item)
                except StatusError as error:
                    raise _failed(f"element: {index} key: {name}", error) from error
            if set(instance) != set(wanted):
                raise invalid_argument(
                    f"Failed to process element: {index} of 'instances' list. JSON object: "
                    f"{json_text.quote(instance)} keys must be equal to: {','.join(sorted(wanted))}"
                )
        else:
            if _is_named(instance):
                raise invalid_argument(f"Expecting value/list but got object at item {index} of input list")
            try:
                _add(columns, wanted, next(iter(wanted)), instance)
            except StatusError as error:
                raise _failed(f"element: {index}", error) from error
    return {name: column.array((len(instances), *column.shape)) for name, column in columns.items()}


def read_columns(inputs: Any, wanted: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The inputs of a request in column format; names that are no inputs are ignored.

    Args:
      inputs: an object of tensors, or the only tensor.
      wanted: type number of every input by name.

    Raises:
      StatusError: the first thing that is wrong.
    """
    if _is_named(inputs):
        values = inputs
        for name in wanted:
            if name not in inputs:
                raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    elif len(wanted) > 1:
        raise invalid_argument(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as "
            "per tensorinfo_map"
        )
    else:
        values = dict.fromkeys(wanted, inputs)
    columns: dict[str, _Column] = {}
    for name in wanted:
        _add(columns, wanted, name, values[name])
    return {name: column.array(column.shape) for name, column in columns.items()}


def decode_base64(value: Any) -> bytes:
    """The bytes of {"b64": "..."}.

    Raises:
      StatusError: INVALID_ARGUMENT if it is not of this form.
    """
    if not is_base64(value):
        raise json_text.format_error(value, "not formatted correctly for base64 data")
    text = value["b64"].rstrip("=\t\n\r ")
    try:
        # Absl takes padding or none, and skips white space.
        text = "".join(text.split())
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid_argument("Unable to base64 decode") from None


def is_base64(value: Any) -> bool:
    """Whether a value has the form {"b64": "..."}."""
    return type(value) is dict and len(value) == 1 and type(value.get("b64")) is str


def _lossy_error(value: int, name: str) -> StatusError:
    """A number that the type cannot hold."""
    return invalid_argument(
        f"Cannot convert JSON value: {json_text.quote(value)} to {name} without loss of precision."
    )


class _Column:
    """Values of one input; in row format every row adds as many, in the same shape."""

    def __init__(self, dtype: int, shape: tuple[int, ...]) -> None:
        self.dtype = dtype
        self.shape = shape
        self.values: list[Any] = []

    def array(self, shape: tuple[int, ...]) -> np.ndarray:
        found = dtypes.BY_NUMBER.get(self.dtype)
        if found is None:  # only reached without any value
            raise invalid_argument(f"tensors of type {dtypes.name(self.dtype)} cannot be sent")
        flat = np.empty(len(self.values), found.numpy)
        with np.errstate(over="ignore"):
            flat[:] = self.values
        return flat.reshape(shape)


def _is_named(value: Any) -> bool:
    return type(value) is dict and not is_base64(value)


def _failed(where: str, error: StatusError) -> StatusError:
    return invalid_argument(f"Failed to process {where} of 'instances' list. Error: {error}")


def _add(columns: dict[str, _Column], wanted: Mapping[str, int], name: str, item: Any) -> None:
    if name not in wanted:
        raise invalid_argument(f"JSON object: does not have named input: {name}")
    shape = _shape(item)
    values: list[Any] = []
    _fill(item, 0, shape, wanted[name], values)
    column = columns.setdefault(name, _Column(wanted[name], shape))
    if column.values and len(values) != math.prod(column.shape):
        raise invalid_argument(f"Expecting tensor size: {math.prod(column.shape)} but got: {len(values)}")
    if shape != column.shape:
        raise invalid_argument(f"Expecting shape {_text(column.shape)} but got: {_text(shape)}")
    column.values += values


def _text(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _shape(value: Any) -> tuple[int, ...]:
    """Sizes along the first elements; whether the others agree is seen when they are read."""
    shape: list[int] = []
    while type(value) is list:
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    if len(shape) >= MAX_RANK:
        raise invalid_argument(f"lists are nested {len(shape)} deep, at most {MAX_RANK - 1} are supported")
    return tuple(shape)


def _fill(value: Any, level: int, shape: tuple[int, ...], dtype: int, values: list[Any]) -> None:
    rank = len(shape)
    if type(value) is not list:
        if level != rank:
            raise invalid_argument(
                f"JSON Value: {json_text.quote(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {rank}"
            )
        values.append(_value(value, dtype))
        return
    if level >= rank:
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {rank}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: "
            f"{shape[level]}"
        )
    for item in value:
        _fill(item, level + 1, shape, dtype, values)


def _value(value: Any, dtype: int) -> Any:
    if type(value) is dict:
        if dtype == types.DT_STRING:
            return decode_base64(value)
        raise _type_error(value, dtype)
    if dtype in FLOAT_LIMITS:
        if type(value) not in (int, float):
            raise _type_error(value, dtype)
        return value  # rounded to what the type holds: JavaScript writes 3e9 as a whole number
    if dtype in _INTEGER_RANGE:
        low, high = _INTEGER_RANGE[dtype]
        if type(value) is not int or not low <= value <= high:
            raise _type_error(value, dtype)
        # TensorFlow Serving lets a value wrap around here: another number than was sent.
        limits = np.iinfo(dtypes.BY_NUMBER[dtype].numpy)
        if not limits.min <= value <= limits.max:
            raise _lossy_error(value, dtypes.name(dtype))
        return value
    if dtype == types.DT_STRING:
        if type(value) is not str:
            raise _type_error(value, dtype)
        return value.encode("utf-8", "surrogateescape")
    if dtype == types.DT_BOOL:
        if type(value) is not bool:
            raise _type_error(value, dtype)
        return value
    raise StatusError(
        Code.UNIMPLEMENTED,
        f"Conversion of JSON Value: {json_text.quote(value)} to type: {dtypes.name(dtype)}",
    )


def _type_error(value: Any, dtype: int) -> StatusError:
    return invalid_argument(
        f"JSON Value: {json_text.quote(value)} Type: {json_text.type_name(value)} is not of expected "
        f"type: {dtypes.name(dtype)}"
    )
