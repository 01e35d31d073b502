"""Classify, Regress and MultiInference: tf.Examples in, classes and values out, as TensorFlow Serving."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

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


@dataclasses.dataclass(frozen=True)
class ExampleCall:
    """Classify or Regress: a call that runs one signature on tf.Examples.

    Attributes:
      name: of the call, also in metrics.
      noun: what it makes, as errors and MultiInference's results name it.
      method: method_name of the signatures that are made for it.
      log_field: of a PredictionLog.
      response: its message; `result` is filled by `fill`.
      outputs: names of what it reads of a signature's outputs.
      output_counts: how many outputs a signature may have.
      count_error, missing_error: texts of TensorFlow Serving, with {count} and {signature}.
      fill: writes N answers to a result.
    """

    name: str
    noun: str
    method: str
    log_field: str
    response: type[Any]
    outputs: tuple[str, ...]
    output_counts: tuple[int, ...]
    count_error: str
    missing_error: str
    fill: Callable[[Any, Mapping[str, np.ndarray], int], None]

    def find(self, model: Model, key: str, check_method_name: bool) -> Plan:
        """What a request for a signature runs; "" is the default signature.

        Raises:
          StatusError: INVALID_ARGUMENT or FAILED_PRECONDITION, if there is none or it is not made for this.
        """
        key = key or DEFAULT_SIGNATURE
        signature = model.signatures.get(key)
        if signature is None:
            raise invalid_argument(f"No signature was found with the name: {key}")
        return self.plan(signature, check_method_name)

    def plan(self, signature: Signature, check_method_name: bool) -> Plan:
        """What a request runs of a signature.

        Raises:
          StatusError: INVALID_ARGUMENT or FAILED_PRECONDITION, if it is not made for this.
        """
        if check_method_name and signature.method_name != self.method:
            raise invalid_argument(
                f"Expected {self.noun} signature method_name to be {self.method}. "
                f"Was: {signature.method_name}"
            )
        if len(signature.inputs) != 1:
            raise invalid_argument("Expected one input Tensor.")
        if len(signature.outputs) not in self.output_counts:
            raise invalid_argument(self.count_error.format(count=len(signature.outputs)))
        info = signature.inputs.get(INPUTS)
        if info is None:
            raise StatusError(
                Code.FAILED_PRECONDITION, f"No {self.noun} inputs found in SignatureDef: {signature.proto}"
            )
        if info.dtype != types_pb2.DT_STRING:
            raise invalid_argument(f"Expects arg[0] to be {dtypes.name(info.dtype)} but string is provided")
        outputs = tuple(name for name in self.outputs if name in signature.outputs)
        if not outputs:
            raise invalid_argument(self.missing_error.format(signature=signature.proto))
        return Plan(signature, INPUTS, outputs)


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
        call = CALLS.get(task.method_name)
        if call is None:
            raise StatusError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
        # Each signature of a TF2 model has an input of its own; the examples go to all.
        plans.append(call.plan(signature, check_method_name))
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
    _check_type("output", array, types_pb2.DT_FLOAT, "  ")
    for value in array.reshape(-1).tolist():
        result.regressions.add().value = value


def _check_type(name: str, array: np.ndarray, number: int, gap: str = " ") -> None:
    found = dtypes.of_array(array).number
    if found != number:
        raise invalid_argument(
            f"Expected {name} Tensor of {types_pb2.DataType.Name(number)}.{gap}"
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


CLASSIFICATION = ExampleCall(
    "Classify",
    "classification",
    CLASSIFY,
    "classify_log",
    classification_pb2.ClassificationResponse,
    (CLASSES, SCORES),
    (1, 2),
    "Expected one or two output Tensors, found {count}",
    "Expected classification signature outputs to contain at least one of "
    f'"{CLASSES}" or "{SCORES}". Signature was: {{signature}}',
    fill_classification,
)
REGRESSION = ExampleCall(
    "Regress",
    "regression",
    REGRESS,
    "regress_log",
    regression_pb2.RegressionResponse,
    (OUTPUTS,),
    (1,),
    "Expected one output Tensor.",
    "No regression outputs found in SignatureDef: {signature}",
    fill_regression,
)
# By the method_name that the tasks of a MultiInference request give.
CALLS = {call.method: call for call in (CLASSIFICATION, REGRESSION)}
