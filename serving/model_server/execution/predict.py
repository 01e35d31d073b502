"""The data plane behind gRPC and REST: TensorFlow Serving's checks, then the model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    input_pb2,
    model_pb2,
    regression_pb2,
)

from serving.model_server.execution import checks, examples
from serving.model_server.execution.batching.batcher import all_of
from serving.model_server.execution.requests import ModelSpec, Prediction, Tensors
from serving.model_server.execution.runtime import Signature
from serving.protocol.errors import Code, StatusError, invalid_argument

if TYPE_CHECKING:
    from serving.model_server.execution.batching.batcher import Batcher
    from serving.model_server.observe.metrics import Metrics
    from serving.model_server.observe.request_log import RequestLog
    from serving.model_server.versions.servables import Manager, Servable

# Decodes a request's inputs once its signature is known (REST needs the types); a
# large request is decoded in a thread, and awaited.
Decoder = Callable[[Signature], Tensors | Awaitable[Tensors]]
_Answer = TypeVar("_Answer")

REST = "REST"
# What metrics call the APIs, beside the names of the example calls.
_PREDICT, _MULTI_INFERENCE = "Predict", "MultiInference"


class DataPlane:
    """Answers requests on whatever the manager has loaded.

    Every method raises StatusError, with TensorFlow Serving's code and text
    where it has one, and counts its requests.

    Args:
      manager: which versions are loaded.
      batcher: runs them.
      metrics: counts them; None for none.
      request_log: samples them; None for none.
      check_method_names: whether Predict, Classify and Regress run only on
        signatures with a method name of theirs.
    """

    def __init__(
        self,
        manager: Manager,
        batcher: Batcher,
        metrics: Metrics | None = None,
        request_log: RequestLog | None = None,
        check_method_names: bool = False,
    ) -> None:
        self._manager = manager
        self._batcher = batcher
        self._metrics = metrics
        self._request_log = request_log
        self._check_method_names = check_method_names

    def stalled_seconds(self) -> float:
        """Seconds in which requests have waited and nothing was answered; 0 if none waits."""
        return self._batcher.stalled_seconds()

    async def predict(
        self,
        spec: ModelSpec,
        inputs: Mapping[str, np.ndarray] | Decoder,
        output_filter: Sequence[str] = (),
        deadline: float | None = None,
        api: str = "GRPC",
    ) -> Prediction:
        """Runs a signature.

        Args:
          spec: which.
          inputs: its inputs, or what makes them of the signature.
          output_filter: which outputs to compute; all if empty.
          deadline: time.monotonic() seconds of the client's deadline.
          api: GRPC or REST.
        """
        return await self._counted(
            spec.name, _PREDICT, api, self._predict(spec, inputs, output_filter, deadline, api)
        )

    async def classify(
        self, spec: ModelSpec, given: input_pb2.Input, deadline: float | None = None, api: str = "GRPC"
    ) -> classification_pb2.ClassificationResponse:
        """Classifies tf.Examples."""
        return await self._on_examples(examples.CLASSIFICATION, spec, given, deadline, api)

    async def regress(
        self, spec: ModelSpec, given: input_pb2.Input, deadline: float | None = None, api: str = "GRPC"
    ) -> regression_pb2.RegressionResponse:
        """Regresses tf.Examples."""
        return await self._on_examples(examples.REGRESSION, spec, given, deadline, api)

    async def multi_inference(
        self, request: inference_pb2.MultiInferenceRequest, deadline: float | None = None, api: str = "GRPC"
    ) -> inference_pb2.MultiInferenceResponse:
        """Classifies and regresses the same tf.Examples by several signatures of one model."""
        name = request.tasks[0].model_spec.name if request.tasks else ""
        return await self._counted(name, _MULTI_INFERENCE, api, self._multi_inference(request, deadline))

    # --- predict ------------------------------------------------------------------
    async def _predict(
        self,
        spec: ModelSpec,
        inputs: Mapping[str, np.ndarray] | Decoder,
        output_filter: Sequence[str],
        deadline: float | None,
        api: str,
    ) -> Prediction:
        with self._manager.acquire(spec.name, spec.version, spec.label) as servable:
            try:
                signature = checks.predict_signature(servable.model, spec.signature, self._check_method_names)
            except StatusError as error:
                # REST looks the signature up before the code that gRPC shares with it.
                if api == REST and error.code is Code.FAILED_PRECONDITION:
                    raise invalid_argument(
                        f'Serving signature name: "{spec.signature or checks.DEFAULT_SIGNATURE}" '
                        "not found in signature def"
                    ) from None
                raise
            given = inputs(signature) if callable(inputs) else inputs
            if isinstance(given, Awaitable):
                given = await given
            tensors = checks.predict_inputs(signature, given, self._batcher.max_rows)
            names = checks.predict_outputs(signature, output_filter)
            answer = await self._run(servable, signature.key, tensors, names, deadline, _PREDICT)
            prediction = Prediction(servable.name, servable.version, signature.key, answer)
        if self._request_log is not None:
            self._request_log.predicted(prediction, tensors, output_filter)
        return prediction

    # --- tf.Examples --------------------------------------------------------------
    async def _on_examples(
        self,
        call: examples.ExampleCall,
        spec: ModelSpec,
        given: input_pb2.Input,
        deadline: float | None,
        api: str,
    ) -> Any:
        return await self._counted(spec.name, call.name, api, self._answer(call, spec, given, deadline))

    async def _answer(
        self, call: examples.ExampleCall, spec: ModelSpec, given: input_pb2.Input, deadline: float | None
    ) -> Any:
        with self._manager.acquire(spec.name, spec.version, spec.label) as servable:
            plan = call.find(servable.model, spec.signature, self._check_method_names)
            response = call.response(model_spec=_answered(spec.name, plan.signature.key, servable.version))
            outputs, count = await self._run_examples(servable, plan, given, deadline, call.name)
            call.fill(response.result, outputs, count)
        if self._request_log is not None:
            self._request_log.answered(call.log_field, spec.name, given, response)
        return response

    async def _multi_inference(
        self, request: inference_pb2.MultiInferenceRequest, deadline: float | None
    ) -> inference_pb2.MultiInferenceResponse:
        first = request.tasks[0].model_spec if request.tasks else model_pb2.ModelSpec()
        version = first.version.value if first.HasField("version") else None
        label = first.version_label if first.HasField("version_label") else None
        with self._manager.acquire(first.name, version, label) as servable:
            plans = examples.multi_inference(servable.model, request, self._check_method_names)
            # All end before the model is given back.
            answers = await all_of(
                [
                    self._run_examples(servable, plan, request.input, deadline, _MULTI_INFERENCE)
                    for plan in plans
                ]
            )
            response = inference_pb2.MultiInferenceResponse()
            for task, plan, (outputs, count) in zip(request.tasks, plans, answers, strict=True):
                result = response.results.add(
                    model_spec=_answered(task.model_spec.name, plan.signature.key, servable.version)
                )
                call = examples.CALLS[task.method_name]
                call.fill(getattr(result, f"{call.noun}_result"), outputs, count)
        if self._request_log is not None:
            self._request_log.inferred(first.name, request, response)
        return response

    async def _run_examples(
        self,
        servable: Servable,
        plan: examples.Plan,
        given: input_pb2.Input,
        deadline: float | None,
        api: str,
    ) -> tuple[Tensors, int]:
        serialized = examples.serialized(given)
        if self._metrics is not None:
            self._metrics.observe_examples(servable.name, len(serialized))
        tensors = {plan.input: serialized}
        outputs = await self._run(servable, plan.signature.key, tensors, plan.outputs, deadline, api)
        return outputs, len(serialized)

    # --- both -----------------------------------------------------------------------
    async def _run(
        self,
        servable: Servable,
        signature: str,
        tensors: Tensors,
        outputs: tuple[str, ...],
        deadline: float | None,
        api: str,
    ) -> Tensors:
        started = time.perf_counter()
        answer = await self._batcher.run(servable, signature, tensors, outputs, deadline)
        if self._metrics is not None:
            self._metrics.observe_runtime(servable.name, api, time.perf_counter() - started)
        return answer

    async def _counted(self, model: str, api: str, entrypoint: str, answer: Awaitable[_Answer]) -> _Answer:
        if self._metrics is None:
            return await answer
        started = time.perf_counter()
        code = Code.OK
        try:
            return await answer
        except StatusError as error:
            code = error.code
            raise
        except asyncio.CancelledError:
            code = Code.CANCELLED
            raise
        except BaseException:
            code = Code.INTERNAL
            raise
        finally:
            self._metrics.observe_request(model, api, entrypoint, code, time.perf_counter() - started)


def _answered(name: str, signature: str, version: int) -> Any:
    spec = model_pb2.ModelSpec(name=name, signature_name=signature)
    spec.version.value = version
    return spec
