"""Classify, Regress and MultiInference: tf.Examples in, classes and values out, as TensorFlow Serving."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import classification_pb2, inference_pb2, input_pb2, regression_pb2

from serving.model_server.execution.checks import CLASSIFY, DEFAULT_SIGNATURE, REGRESS
from serving.model_server.execution.runtime import Model, Signature
from serving.protocol import dtypes
from serving.protocol.errors import Code, StatusError, invalid_argument

# Names that signatures of these methods use.
INPUTS = "inputs"
CLASSES = "classes"
SCORES = "scores"
OUTPUTS = "outputs"

_KIND = {CLASSIFY: "classification", REGRESS: "regression"}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to run of a signature.

    Attributes:
      signature: which.
      input: name of the input that takes the serialized examples.
      outputs: names of the outputs to compute.
    """

    signature: Signature
    input: str
    outputs: tuple[str, ...]


def find(model: Model, key: str, method: str, check_method_name: bool) -> Signature:
    """The signature for a Classify or Regress request; "" is the default.

    Raises:
      StatusError: INVALID_ARGUMENT if there is none, or (if checked) of another method.
    """
    key = key or DEFAULT_SIGNATURE
    signature = model.signatures.get(key)
    if signature is None:
        raise invalid_argument(f"No signature was found with the name: {key}")
    _check_method(signature, method, check_method_name)
    return signature


def classification(signature: Signature, check_method_name: bool) -> Plan:
    """What a classification runs.

    Raises:
      StatusError: INVALID_ARGUMENT or FAILED_PRECONDITION, if the signature is not made for it.
    """
    _check_method(signature, CLASSIFY, check_method_name)
    _one_input(signature)
    if len(signature.outputs) not in (1, 2):
        raise invalid_argument(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    _named_input(signature, CLASSIFY)
    outputs = tuple(name for name in (CLASSES, SCORES) if name in signature.outputs)
    if not outputs:
        raise StatusError(
            Code.FAILED_PRECONDITION,
            "Expected classification signature outputs to contain at least one of "
            f'"{CLASSES}" or "{SCORES}". Signature was: {signature.proto}',
        )
    return Plan(signature, INPUTS, outputs)


def regression(signature: Signature, check_method_name: bool) -> Plan:
    """What a regression runs.

    Raises:
      StatusError: INVALID_ARGUMENT or FAILED_PRECONDITION, if the signature is not made for it.
    """
    _check_method(signature, REGRESS, check_method_name)
    _one_input(signature)
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    _named_input(signature, REGRESS)
    if OUTPUTS not in signature.outputs:
        raise StatusError(
            Code.FAILED_PRECONDITION, f"No regression outputs found in SignatureDef: {signature.proto}"
        )
    return Plan(signature, INPUTS, (OUTPUTS,))


def multi_inference(
    model: Model, request: inference_pb2.MultiInferenceRequest, check_method_name: bool
) -> list[Plan]:
    """What each task of a request runs.

    Raises:
      StatusError: INVALID_ARGUMENT, FAILED_PRECONDITION or UNIMPLEMENTED.
    """
    plans: list[Plan] = []
    name = ""
    for task in request.tasks:
        spec = task.model_spec
        if not spec.name:
            raise invalid_argument("Found ModelSpec with an empty model name.")
        name = name or spec.name
        if spec.name != name:
            raise invalid_argument(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        key = spec.signature_name or DEFAULT_SIGNATURE
        if any(plan.signature.key == key for plan in plans):
            raise invalid_argument(f"Duplicate evaluation of signature: {key}")
        signature = model.signatures.get(key)
        if signature is None:
            raise invalid_argument(f"Requested signature not found in model graph: {key}")
        if task.method_name == CLASSIFY:
            plan = classification(signature, check_method_name)
        elif task.method_name == REGRESS:
            plan = regression(signature, check_method_name)
        else:
            raise StatusError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
        if plans and signature.inputs[INPUTS].name != plans[0].signature.inputs[INPUTS].name:
            raise invalid_argument("Input tensor must be the same for all Signatures.")
        plans.append(plan)
    return plans


def serialized(given: input_pb2.Input) -> np.ndarray:
    """object[N] of serialized tf.Examples; a common context comes first in each.

    Raises:
      StatusError: INVALID_ARGUMENT if there is none.
    """
    kind = given.WhichOneof("kind")
    context = b""
    records = []
    if kind == "example_list":
        records = [example.SerializeToString() for example in given.example_list.examples]
    elif kind == "example_list_with_context":
        with_context = given.example_list_with_context
        context = with_context.context.SerializeToString()
        # Messages one after the other are one message: an example's features join the context's.
        records = [context + example.SerializeToString() for example in with_context.examples]
    if not records:
        raise invalid_argument("Input is empty.")
    array = np.empty(len(records), object)
    array[:] = records
    return array


def fill_classification(
    result: classification_pb2.ClassificationResult, outputs: Mapping[str, np.ndarray], count: int
) -> None:
    """Writes classes and scores [N, C] of N examples.

    Raises:
      StatusError: INVALID_ARGUMENT if the model's answer is no classification.
    """
    classes, scores = outputs.get(CLASSES), outputs.get(SCORES)
    for name, array, number in (
        (CLASSES, classes, types_pb2.DT_STRING),
        (SCORES, scores, types_pb2.DT_FLOAT),
    ):
        if array is None:
            continue
        if array.ndim != 2:
            raise invalid_argument(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}")
        _check_type(name, array, number)
        if len(array) != count:
            raise invalid_argument(f"Expected {name} output batch size of {count}. Got: {len(array)}")
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid_argument(
            "Tensors class and score should match in dim_size(1). "
            f"Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    for row in range(count):
        added = result.classifications.add().classes
        labels = [_text(label) for label in classes[row]] if classes is not None else None
        values = scores[row].tolist() if scores is not None else None
        for index in range(len(labels if labels is not None else values or ())):
            item = added.add()
            if labels is not None:
                item.label = labels[index]
            if values is not None:
                item.score = values[index]


def fill_regression(
    result: regression_pb2.RegressionResult, outputs: Mapping[str, np.ndarray], count: int
) -> None:
    """Writes values [N] or [N, 1] of N examples.

    Raises:
      StatusError: INVALID_ARGUMENT if the model's answer is no regression.
    """
    array = outputs[OUTPUTS]
    if array.ndim != 1 and not (array.ndim == 2 and array.shape[1] == 1):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] "
            f"but got {_shape(array)}"
        )
    if len(array) != count:
        raise invalid_argument(f"Input batch size did not match output batch size: {count} vs. {len(array)}")
    _check_type("output", array, types_pb2.DT_FLOAT)
    for value in array.reshape(-1).tolist():
        result.regressions.add().value = value


def _check_method(signature: Signature, method: str, check: bool) -> None:
    if check and signature.method_name != method:
        raise invalid_argument(
            f"Expected {_KIND[method]} signature method_name to be {method}. Was: {signature.method_name}"
        )


def _one_input(signature: Signature) -> None:
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")


def _named_input(signature: Signature, method: str) -> None:
    info = signature.inputs.get(INPUTS)
    if info is None:
        raise StatusError(
            Code.FAILED_PRECONDITION, f"No {_KIND[method]} inputs found in SignatureDef: {signature.proto}"
        )
    if info.dtype != types_pb2.DT_STRING:
        raise invalid_argument(f"Expects arg[0] to be {dtypes.name(info.dtype)} but string is provided")


def _check_type(name: str, array: np.ndarray, number: int) -> None:
    found = dtypes.of_array(array).number
    if found != number:
        raise invalid_argument(
            f"Expected {name} Tensor of {types_pb2.DataType.Name(number)}. "
            f"Got: {types_pb2.DataType.Name(found)}"
        )


def _shape(array: np.ndarray) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"


def _text(label: bytes) -> str:
    try:
        return label.decode()
    except UnicodeDecodeError:
        # A proto's string cannot carry it.
        raise StatusError(Code.INTERNAL, f"the class label {label!r} is not valid UTF-8") from None
