"""tensorflow.serving.PredictionService and ModelService over the data plane."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from serving.model_server import checks, descriptors, model_info, tensors
from serving.model_server.access_log import Access, AccessLog, request_id
from serving.model_server.errors import Code, StatusError, invalid_argument
from serving.model_server.predict import ModelSpec

if TYPE_CHECKING:
    from serving.model_server.options import ServerOptions
    from serving.model_server.predict import DataPlane
    from serving.model_server.runtime import Signature
    from serving.model_server.servables import Manager

_log = logging.getLogger(__name__)

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"
_FILES = {
    PREDICTION_SERVICE: "tensorflow_serving/apis/prediction_service.proto",
    MODEL_SERVICE: "tensorflow_serving/apis/model_service.proto",
}
# What TensorFlow Serving names in its health service.
HEALTH_NAMES = ("", "PredictionService", "ModelService")
# A status travels in HTTP/2 headers, which are small. In bytes, as in TensorFlow Serving.
_MAX_DETAILS = 1024
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_REQUEST_ID = "x-request-id"

Answer = Callable[[Any, Access, float | None], Awaitable[Message]]


def add_services(
    server: grpc.aio.Server,
    data_plane: DataPlane,
    manager: Manager,
    options: ServerOptions,
    access_log: AccessLog | None = None,
) -> health.aio.HealthServicer | None:
    """Registers all services.

    Args:
      server: not started yet.
      data_plane: answers requests.
      manager: statuses and reloads.
      options: `enable_grpc_healthcheck_service`, `enable_serialization_as_tensor_content`.
      access_log: None for none.

    Returns:
      The health service if there is one; see `set_serving`.
    """
    service = _Service(data_plane, manager, options.enable_serialization_as_tensor_content)
    methods: dict[str, dict[str, tuple[type[Message], type[Message], Answer]]] = {
        PREDICTION_SERVICE: {
            "Predict": (predict_pb2.PredictRequest, predict_pb2.PredictResponse, service.predict),
            "Classify": (
                classification_pb2.ClassificationRequest,
                classification_pb2.ClassificationResponse,
                service.classify,
            ),
            "Regress": (regression_pb2.RegressionRequest, regression_pb2.RegressionResponse, service.regress),
            "MultiInference": (
                inference_pb2.MultiInferenceRequest,
                inference_pb2.MultiInferenceResponse,
                service.multi_inference,
            ),
            "GetModelMetadata": (
                get_model_metadata_pb2.GetModelMetadataRequest,
                get_model_metadata_pb2.GetModelMetadataResponse,
                service.metadata,
            ),
        },
        MODEL_SERVICE: {
            "GetModelStatus": (
                get_model_status_pb2.GetModelStatusRequest,
                get_model_status_pb2.GetModelStatusResponse,
                service.status,
            ),
            "HandleReloadConfigRequest": (
                model_management_pb2.ReloadConfigRequest,
                model_management_pb2.ReloadConfigResponse,
                service.reload,
            ),
        },
    }
    for name, found in methods.items():
        descriptors.register(_FILES[name], name, {key: (req, resp) for key, (req, resp, _) in found.items()})
        handlers = {key: _handler(key, req, answer, access_log) for key, (req, _, answer) in found.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    names = [PREDICTION_SERVICE, MODEL_SERVICE, reflection.SERVICE_NAME]
    servicer = None
    if options.enable_grpc_healthcheck_service:
        servicer = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        names.append(health.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return servicer


async def set_serving(servicer: health.aio.HealthServicer) -> None:
    """Says that the server is up. When it goes down: `enter_graceful_shutdown` of the servicer."""
    for name in HEALTH_NAMES:
        await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)


def _handler(
    method: str, request_type: type[Message], answer: Answer, access_log: AccessLog | None
) -> grpc.RpcMethodHandler:
    """One method, from bytes to bytes.

    The messages are read and written here and not by gRPC, so that bytes that
    are no message end in a status like any other error.
    """
    parse = request_type.FromString

    async def handle(raw: bytes, context: grpc.aio.ServicerContext) -> bytes:
        access = Access(_request_id(context), "GRPC", method)
        code, details = Code.OK, ""
        try:
            try:
                request = parse(raw)
            except DecodeError:
                raise invalid_argument(
                    f"{len(raw)} bytes that are no {request_type.DESCRIPTOR.full_name}"
                ) from None
            remaining = context.time_remaining()
            deadline = None if remaining is None else time.monotonic() + remaining
            response = await answer(request, access, deadline)
            return response.SerializeToString()
        except StatusError as error:
            code, details = error.code, error.message
        except asyncio.CancelledError:
            code = Code.CANCELLED
            raise
        except Exception as error:  # noqa: BLE001 (a bug in one request must not end the server)
            _log.exception("%s (request %s)", method, access.request_id)
            code, details = Code.INTERNAL, f"{type(error).__name__}: {error}"
        finally:
            if access_log is not None:
                access.peer = context.peer()
                access_log.write(access, code)
        context.set_code(_CODES[code])
        context.set_details(_cut(details))
        return b""

    return grpc.unary_unary_rpc_method_handler(handle)


def _request_id(context: grpc.aio.ServicerContext) -> str:
    sent = None
    for key, value in context.invocation_metadata() or ():
        if key == _REQUEST_ID:
            sent = value
    name = request_id(sent)
    context.set_trailing_metadata(((_REQUEST_ID, name),))
    return name


def _cut(details: str) -> str:
    text = details.encode("utf-8", "replace")
    if len(text) <= _MAX_DETAILS:
        return text.decode()
    return text[:_MAX_DETAILS].decode("utf-8", "ignore") + "...TRUNCATED"


class _Service:
    """The methods: proto in, data plane, proto out."""

    def __init__(self, data_plane: DataPlane, manager: Manager, as_content: bool) -> None:
        self._data_plane = data_plane
        self._manager = manager
        self._encode = tensors.encode_content if as_content else tensors.encode

    async def predict(
        self, request: predict_pb2.PredictRequest, access: Access, deadline: float | None
    ) -> predict_pb2.PredictResponse:
        spec = _spec(request, access)

        def inputs(signature: Signature) -> dict[str, Any]:
            # Before any tensor is made: a few bytes can stand for a large one.
            checks.check_names(signature, set(request.inputs))
            decoded = tensors.decode_all(request.inputs)
            access.rows = _rows(decoded)
            return decoded

        found = await self._data_plane.predict(spec, inputs, request.output_filter, deadline, "GRPC")
        access.version, access.signature = found.version, found.signature
        response = predict_pb2.PredictResponse()
        answered = response.model_spec
        answered.name = found.name
        answered.version.value = found.version
        answered.signature_name = found.signature
        for name, array in found.outputs.items():
            self._encode(array, response.outputs[name])
        return response

    async def classify(
        self, request: classification_pb2.ClassificationRequest, access: Access, deadline: float | None
    ) -> Message:
        spec = _spec(request, access)
        return await self._data_plane.classify(spec, request.input, deadline, "GRPC")

    async def regress(
        self, request: regression_pb2.RegressionRequest, access: Access, deadline: float | None
    ) -> Message:
        spec = _spec(request, access)
        return await self._data_plane.regress(spec, request.input, deadline, "GRPC")

    async def multi_inference(
        self, request: inference_pb2.MultiInferenceRequest, access: Access, deadline: float | None
    ) -> Message:
        return await self._data_plane.multi_inference(request, deadline, "GRPC")

    async def metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, access: Access, _: float | None
    ) -> Message:
        spec = _spec(request, access)
        return model_info.metadata(self._manager, spec, request.metadata_field)

    async def status(
        self, request: get_model_status_pb2.GetModelStatusRequest, access: Access, _: float | None
    ) -> Message:
        spec = _spec(request, access)
        return model_info.status(self._manager, spec)

    async def reload(
        self, request: model_management_pb2.ReloadConfigRequest, access: Access, _: float | None
    ) -> Message:
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        await self._manager.reload(request.config)
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        return response


def _spec(request: Any, access: Access) -> ModelSpec:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    found = model_spec(request.model_spec)
    access.model, access.version, access.signature = found.name, found.version, found.signature
    return found


def model_spec(spec: model_pb2.ModelSpec) -> ModelSpec:
    """Which model a message asks for."""
    return ModelSpec(
        spec.name,
        spec.version.value if spec.HasField("version") else None,
        spec.version_label if spec.HasField("version_label") else None,
        spec.signature_name,
    )


def _rows(arrays: dict[str, Any]) -> int | None:
    """First dimension of what came, if it has one."""
    shape = next(iter(arrays.values())).shape if arrays else ()
    return shape[0] if shape else None
