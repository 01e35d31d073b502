"""What TensorFlow Serving checks of a Predict request before it runs, with its codes and texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING

import numpy as np

from contract import refusals
from serving.model_server.execution.runtime import Model, Signature
from serving.protocol import dtypes
from serving.protocol.errors import Code, StatusError, invalid_argument

if TYPE_CHECKING:
    from tensorflow.core.framework import tensor_pb2

DEFAULT_SIGNATURE = "serving_default"
PREDICT = "tensorflow/serving/predict"
CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


def predict_signature(model: Model, key: str, check_method_name: bool) -> Signature:
    """The signature to run; "" is the default.

    Raises:
      StatusError: FAILED_PRECONDITION if there is none of that name.
    """
    key = key or DEFAULT_SIGNATURE
    signature = model.signatures.get(key)
    if signature is None:
        raise StatusError(Code.FAILED_PRECONDITION, f'Serving signature key "{key}" not found.')
    if check_method_name and signature.method_name not in (PREDICT, CLASSIFY, REGRESS):
        raise StatusError(
            Code.INTERNAL,
            "Expected prediction signature method_name to be one of "
            f"{{{PREDICT}, {CLASSIFY}, {REGRESS}}}. Was: {signature.method_name}",
        )
    return signature


def predict_inputs(
    signature: Signature, given: Mapping[str, np.ndarray], max_rows: int = 0
) -> dict[str, np.ndarray]:
    """The signature's inputs in its order, defaults filled in.

    Args:
      signature: of any model.
      given: by name.
      max_rows: that defaults of a signature of the contract are made for; 0 for no such bound.

    Raises:
      StatusError: INVALID_ARGUMENT for one missing, unknown or of another type, and, where defaults
        of a signature of the contract are filled in, for unequal or too many rows.
    """
    if left_out := check_names(signature, given.keys()):
        given = {**given, **_defaults(signature, given, left_out, max_rows)}
    found = {}
    for name, rank, dtype in signature.arrays:
        array = given[name]
        if rank is not None and array.ndim != rank:
            raise _wrong_rank(signature, name, array)
        if dtype is None or array.dtype != dtype:
            raise _wrong_type(signature, name, dtypes.of_array(array).number)
        found[name] = array
    return found


def _defaults(
    signature: Signature, given: Mapping[str, np.ndarray], names: Sequence[str], max_rows: int
) -> dict[str, np.ndarray]:
    """The defaults of `names`; of a signature of the contract in the shape that the batch needs.

    The graph would fit one row to the batch too, but requests can only run together when
    each has its own rows. Rows of one input and columns of another could make much of a small
    request: all inputs that it gives must have the same rows, within the bound.
    """
    ours = signature.contract
    if ours is None:
        return {name: signature.defaults[name] for name in names}
    if max_rows:
        check_rows(given, max_rows)
    rows = _common_rows(given)
    letters = {item.name: item.columns for item in ours.inputs}
    widths: dict[str, int] = {}
    for name, letter in letters.items():
        if letter and name in given and given[name].ndim == 2:
            widths.setdefault(letter, given[name].shape[1])
    found = {}
    for name in names:
        letter, default = letters[name], signature.defaults[name]
        if default.size > 1:  # the columns of `details`
            found[name] = np.repeat(default[:1], rows, axis=0)
            continue
        shape = (rows,) if letter is None else (rows, widths.get(letter, 1))
        found[name] = np.full(shape, default.flat[0], default.dtype)
    return found


def check_rows(inputs: Mapping[str, np.ndarray], most: int) -> None:
    """Refuses more rows than one request may have.

    Raises:
      StatusError: INVALID_ARGUMENT.
    """
    for name, value in inputs.items():
        if value.ndim and len(value) > most:
            raise invalid_argument(refusals.MAX_ROWS.text(f"{len(value)} of {name}", most=most))


def _common_rows(given: Mapping[str, np.ndarray]) -> int:
    rows = {name: len(given[name]) for name in sorted(given) if given[name].ndim}
    if len(set(rows.values())) > 1:
        got = " ".join(f"{name}: {size}" for name, size in rows.items())
        raise invalid_argument(refusals.ROWS.text(got, names=", ".join(rows)))
    return next(iter(rows.values()), 1)


def check_names(signature: Signature, given: Set[str]) -> list[str]:
    """The inputs that were not given and have a default.

    Raises:
      StatusError: INVALID_ARGUMENT for one missing or unknown.
    """
    wanted, defaults = signature.inputs, signature.proto.defaults
    if given == wanted.keys():
        return []
    if signature.contract is not None:
        check_our_names(signature, given)
        return sorted(wanted.keys() - given)
    extra, missing = given - wanted.keys(), wanted.keys() - given
    if len(given) > len(wanted) or (len(given) < len(wanted) and not defaults):
        raise invalid_argument(
            f"input size does not match signature: {len(given)}!={len(wanted)} "
            f"len({{{_joined(given)}}}) != len({{{_joined(wanted)}}}). "
            f"Sent extra: {{{_joined(extra)}}}. Missing but required: {{{_joined(missing)}}}."
        )
    for name in sorted(missing):
        if name not in defaults:
            raise invalid_argument(
                f"Signature input alias: {name}(feed name: {wanted[name].name}) not found in request and no "
                f"default value provided. Inputs expected to be in the request {{{_joined(given)}}}, "
                f"or default input alias set: {_joined(defaults)}"
            )
    if extra:
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {_joined(given & wanted.keys())}, "
            f"request input: {_joined(given)}"
        )
    return sorted(missing)


def check_our_names(signature: Signature, given: Set[str], everywhere: Set[str] | None = None) -> None:
    """The same of a signature of the contract, in the words of the contract.

    Args:
      signature: see there.
      given: inputs that the request, or any of its rows, gives.
      everywhere: those that all rows give; None: all of them.

    Raises:
      StatusError: INVALID_ARGUMENT.
    """
    key, wanted = signature.key, signature.inputs
    if extra := sorted(given - wanted.keys()):
        names = ", ".join(wanted)
        raise invalid_argument(refusals.UNKNOWN_INPUT.text(", ".join(extra), signature=key, names=names))
    needed = wanted.keys() - signature.proto.defaults.keys()
    if needed - (given if everywhere is None else everywhere):
        got = ", ".join(sorted(given)) or "nothing"
        raise invalid_argument(
            refusals.MISSING_INPUT.text(got, signature=key, names=", ".join(sorted(needed)))
        )


def _wrong_rank(signature: Signature, name: str, array: np.ndarray) -> StatusError:
    shape = ("rows", "columns")[: signature.ranks[name]]
    what = "one value in each row" if len(shape) == 1 else "a list in each row"
    expected = f"[{', '.join(shape)}]"
    return invalid_argument(refusals.RANK.text(list(array.shape), name=name, shape=expected, what=what))


def predict_outputs(signature: Signature, output_filter: Sequence[str]) -> tuple[str, ...]:
    """The outputs to compute, in the signature's order, whatever theirs; all if none is named.

    Raises:
      StatusError: INVALID_ARGUMENT for a name that is unknown or given twice.
    """
    if not output_filter:
        return signature.output_names
    for index, name in enumerate(output_filter):
        if name not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {name} "
                f"Outputs expected to be in the set {{{_joined(signature.outputs)}}}."
            )
        if name in output_filter[:index]:
            raise invalid_argument(f"duplicate output tensor alias: {name}")
    # A response has no order: requests for the same outputs are the same, and run together.
    return tuple([name for name in signature.output_names if name in output_filter])


def check_types(signature: Signature, given: Mapping[str, tensor_pb2.TensorProto]) -> None:
    """Refuses inputs of another type than the signature's before they are decoded.

    Types that no tensor may have are left to the decoder.

    Args:
      signature: see there.
      given: tensors whose names `check_names` has let pass.

    Raises:
      StatusError: INVALID_ARGUMENT.
    """
    wanted = signature.inputs
    wrong = {name: proto.dtype for name, proto in given.items() if proto.dtype != wanted[name].dtype}
    if not wrong:
        return
    for name in wanted:
        if wrong.get(name) in dtypes.BY_NUMBER:
            raise _wrong_type(signature, name, wrong[name])


def _wrong_type(signature: Signature, name: str, number: int) -> StatusError:
    # TensorFlow counts the tensors fed in the order of their names in the graph.
    feeds = sorted({info.name for info in signature.inputs.values()})
    info = signature.inputs[name]
    if signature.contract is not None:
        got = dtypes.name(number)
        return invalid_argument(refusals.TYPE.text(got, name=name, dtype=dtypes.name(info.dtype)))
    return invalid_argument(
        f"Expects arg[{feeds.index(info.name)}] to be {dtypes.name(info.dtype)} "
        f"but {dtypes.name(number)} is provided"
    )


def _joined(names: Iterable[str]) -> str:
    return ",".join(sorted(names))
