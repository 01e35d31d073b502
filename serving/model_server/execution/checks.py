"""What TensorFlow Serving checks of a Predict request before it runs, with its codes and texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

import numpy as np

from serving.model_server.execution.runtime import Model, Signature
from serving.protocol import dtypes, tensors
from serving.protocol.errors import Code, StatusError, invalid_argument

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


def predict_inputs(signature: Signature, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The signature's inputs in its order, defaults filled in.

    Raises:
      StatusError: INVALID_ARGUMENT for one missing, unknown or of another type.
    """
    wanted = signature.inputs
    if defaults := check_names(signature, given.keys()):
        given = {**given, **{name: tensors.decode(signature.proto.defaults[name]) for name in defaults}}
    found = {}
    for name, info in wanted.items():
        array = given[name]
        expected = dtypes.BY_NUMBER.get(info.dtype)
        if expected is None or array.dtype != expected.numpy:
            raise _wrong_type(signature, name, dtypes.of_array(array).number)
        found[name] = array
    return found


def check_names(signature: Signature, given: Set[str]) -> list[str]:
    """The inputs that were not given and have a default.

    Raises:
      StatusError: INVALID_ARGUMENT for one missing or unknown.
    """
    wanted, defaults = signature.inputs, signature.proto.defaults
    if given == wanted.keys():
        return []
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


def check_types(signature: Signature, given: Mapping[str, int]) -> None:
    """Refuses inputs of another type than the signature's, by their numbers, before they are decoded.

    Types that no tensor may have are left to the decoder.

    Raises:
      StatusError: INVALID_ARGUMENT.
    """
    for name, info in signature.inputs.items():
        number = given.get(name, info.dtype)
        if number != info.dtype and number in dtypes.BY_NUMBER:
            raise _wrong_type(signature, name, number)


def _wrong_type(signature: Signature, name: str, number: int) -> StatusError:
    # TensorFlow counts the tensors fed in the order of their names in the graph.
    feeds = sorted({info.name for info in signature.inputs.values()})
    info = signature.inputs[name]
    return invalid_argument(
        f"Expects arg[{feeds.index(info.name)}] to be {dtypes.name(info.dtype)} "
        f"but {dtypes.name(number)} is provided"
    )


def _joined(names: Iterable[str]) -> str:
    return ",".join(sorted(names))
