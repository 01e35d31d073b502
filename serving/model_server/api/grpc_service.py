"""tensorflow.serving.PredictionService and ModelService over the data plane."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health, health_pb2
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

from serving.model_server.api import descriptors, grpc_servers, model_info
from serving.model_server.api.grpc_servers import ChannelOptions
from serving.model_server.api.unary_calls import Call, Handler, Reply
from serving.model_server.execution import checks, clients, large_requests
from serving.model_server.execution.large_requests import ByteBudget
from serving.model_server.execution.requests import ModelSpec
from serving.model_server.observe.access_log import Access, AccessLog, request_id
from serving.protocol import tensors
from serving.protocol.errors import Code, StatusError, invalid_argument

if TYPE_CHECKING:
    from serving.model_server.execution.predict import DataPlane
    from serving.model_server.execution.runtime import Signature
    from serving.model_server.process.options import ServerOptions
    from serving.model_server.versions.servables import Manager

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
_REQUEST_ID = "x-request-id"
# gRPC's own limit of a message where no option says another, and what no limit comes to.
_GRPC_DEFAULT_MESSAGE = 4 << 20
_NO_LIMIT = 2**31

Answer = Callable[[Any, Access, float | None], Awaitable[Message]]


class GrpcServices:
    """All services of a server. To be made in a running loop.

    Args:
      channel_options: gRPC's channel arguments.
      data_plane: answers requests.
      manager: statuses and reloads.
      options: `enable_grpc_healthcheck_service`, `enable_serialization_as_tensor_content`,
        `allow_config_reload`.
      budget: of the bytes of requests under way.
      access_log: None for none.

    Attributes:
      ports: to which they are added before the start.
    """

    def __init__(
        self,
        channel_options: ChannelOptions,
        data_plane: DataPlane,
        manager: Manager,
        options: ServerOptions,
        budget: ByteBudget,
        access_log: AccessLog | None = None,
    ) -> None:
        service = _Service(data_plane, manager, options)
        calls: dict[str, Handler] = {}
        for name, methods in service.methods.items():
            types = {method: (request, response) for method, (request, response, _) in methods.items()}
            descriptors.register(_FILES[name], name, types)
            for method, (request, _, answer) in methods.items():
                calls[f"/{name}/{method}"] = _handler(method, request, answer, budget, access_log)
        self._health = None
        if options.enable_grpc_healthcheck_service:
            self._health = health.HealthServicer()
            calls[f"/{health.SERVICE_NAME}/Check"] = self._check_health
        largest = int(dict(channel_options).get("grpc.max_receive_message_length", _GRPC_DEFAULT_MESSAGE))
        most_held_back = max(1, budget.most // (largest if largest > 0 else _NO_LIMIT))
        self._server = grpc_servers.make(calls, channel_options, most_held_back)
        self.ports = self._server.services
        names = [PREDICTION_SERVICE, MODEL_SERVICE, reflection.SERVICE_NAME]
        if self._health is not None:
            watch = grpc.unary_stream_rpc_method_handler(
                self._health.Watch,
                health_pb2.HealthCheckRequest.FromString,
                health_pb2.HealthCheckResponse.SerializeToString,
            )
            handler = grpc.method_handlers_generic_handler(health.SERVICE_NAME, {"Watch": watch})
            self.ports.add_generic_rpc_handlers((handler,))
            names.append(health.SERVICE_NAME)
        if options.enable_descriptions:
            reflection.enable_server_reflection(names, self._server.services)

    async def start(self) -> None:
        """Opens for calls, in the running loop."""
        await self._server.start()

    def set_serving(self) -> None:
        """The health service says so."""
        if self._health is not None:
            for name in HEALTH_NAMES:
                self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def _check_health(self, raw: bytes, _: Call) -> Reply:
        """A probe, in the event loop: in a pool, messages that are held back would hold every thread."""
        assert self._health is not None
        try:
            request = health_pb2.HealthCheckRequest.FromString(raw)
        except DecodeError:
            text = f"{len(raw)} bytes that are no grpc.health.v1.HealthCheckRequest"
            return Reply(None, Code.INVALID_ARGUMENT, text)
        noted = _Noted()
        found = self._health.Check(request, noted)
        if noted.code is not None:
            return Reply(None, noted.code.value[0], _cut(f'no service has the name "{request.service}"'))
        return Reply(found.SerializeToString())

    async def stop(self, grace_s: float) -> None:
        """Takes no new calls; those under way have `grace_s` seconds before they are cut off."""
        if self._health is not None:
            self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)


def _handler(
    method: str,
    request_type: type[Message],
    answer: Answer,
    budget: ByteBudget,
    access_log: AccessLog | None,
) -> Handler:
    """One method, from bytes to bytes.

    The messages are read and written here and not by gRPC, so that bytes that
    are no message end in a status like any other error.
    """
    parse = request_type.FromString

    async def handle(raw: bytes, call: Call) -> Reply:
        sent = [value for key, value in call.metadata if key == _REQUEST_ID and isinstance(value, str)]
        access = Access(request_id(sent[-1] if sent else None), "GRPC", method, request_bytes=len(raw))
        clients.CURRENT.set(clients.Client(call.peer))
        message, code, details = None, Code.OK, ""
        hold = budget.request()
        try:
            hold.add(len(raw))
            try:
                request = parse(raw)
            except DecodeError:
                raise invalid_argument(
                    f"{len(raw)} bytes that are no {request_type.DESCRIPTOR.full_name}"
                ) from None
            message = (await answer(request, access, call.deadline)).SerializeToString()
        except StatusError as error:
            code, details = error.code, _cut(error.message)
        except asyncio.CancelledError:
            code = Code.CANCELLED
            raise
        except Exception as error:  # noqa: BLE001 (a bug in one request must not end the server)
            _log.exception("%s (request %s)", method, access.request_id)
            code, details = Code.INTERNAL, _cut(f"{type(error).__name__}: {error}")
        finally:
            hold.release()
            if access_log is not None:
                access.peer = call.peer()
                access_log.write(access, code)
        return Reply(message, code, details, ((_REQUEST_ID, access.request_id),))

    return handle


def _cut(details: str) -> str:
    text = details.encode("utf-8", "replace")
    if len(text) <= _MAX_DETAILS:
        return text.decode()
    return text[:_MAX_DETAILS].decode("utf-8", "ignore") + "...TRUNCATED"


class _Noted:
    """As much of a call's context as the health service uses."""

    code: grpc.StatusCode | None = None

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code


class _Service:
    """The methods: proto in, data plane, proto out."""

    def __init__(self, data_plane: DataPlane, manager: Manager, options: ServerOptions) -> None:
        self._data_plane = data_plane
        self._manager = manager
        as_content = options.enable_serialization_as_tensor_content
        self._encode = tensors.encode_content if as_content else tensors.encode
        self._may_reload = options.allow_config_reload
        self.methods: dict[str, dict[str, tuple[type[Message], type[Message], Answer]]] = {
            PREDICTION_SERVICE: {
                "Predict": (predict_pb2.PredictRequest, predict_pb2.PredictResponse, self.predict),
                "Classify": (
                    classification_pb2.ClassificationRequest,
                    classification_pb2.ClassificationResponse,
                    self.classify,
                ),
                "Regress": (
                    regression_pb2.RegressionRequest,
                    regression_pb2.RegressionResponse,
                    self.regress,
                ),
                "MultiInference": (
                    inference_pb2.MultiInferenceRequest,
                    inference_pb2.MultiInferenceResponse,
                    self.multi_inference,
                ),
                "GetModelMetadata": (
                    get_model_metadata_pb2.GetModelMetadataRequest,
                    get_model_metadata_pb2.GetModelMetadataResponse,
                    self.metadata,
                ),
            },
            MODEL_SERVICE: {
                "GetModelStatus": (
                    get_model_status_pb2.GetModelStatusRequest,
                    get_model_status_pb2.GetModelStatusResponse,
                    self.status,
                ),
                "HandleReloadConfigRequest": (
                    model_management_pb2.ReloadConfigRequest,
                    model_management_pb2.ReloadConfigResponse,
                    self.reload,
                ),
            },
        }

    async def predict(
        self, request: predict_pb2.PredictRequest, access: Access, deadline: float | None
    ) -> predict_pb2.PredictResponse:
        spec = _spec(request, access)

        async def inputs(signature: Signature) -> dict[str, Any]:
            # Before any tensor is made: a few bytes can stand for a large one.
            checks.check_names(signature, set(request.inputs))
            checks.check_types(signature, request.inputs)
            large = access.request_bytes >= large_requests.REQUEST_BYTES
            decoded = await large_requests.in_thread(large, tensors.decode_all, request.inputs)
            access.rows = _rows(decoded)
            return decoded

        found = await self._data_plane.predict(spec, inputs, request.output_filter, deadline, "GRPC")
        access.version, access.signature = found.version, found.signature
        response = predict_pb2.PredictResponse()
        answered = response.model_spec
        answered.name = found.name
        answered.version.value = found.version
        answered.signature_name = found.signature
        large = large_requests.is_large(found.outputs)
        await large_requests.in_thread(large, self._write_outputs, found.outputs, response)
        return response

    def _write_outputs(
        self, outputs: Mapping[str, np.ndarray], response: predict_pb2.PredictResponse
    ) -> None:
        for name, array in outputs.items():
            self._encode(array, response.outputs[name])

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
        if not self._may_reload:
            raise StatusError(
                Code.PERMISSION_DENIED,
                "HandleReloadConfigRequest is refused: any client could replace what is served. It is "
                "answered on the socket of --admin_socket_path, and here if the server is started with "
                "--allow_config_reload; with --model_config_file_poll_wait_seconds it reads a config "
                "file that changes",
            )
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        grown = await self._manager.reload(request.config, request.metric_names)
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        for name, increase in grown.items():
            response.metric.add(name=name, int64_value_increase=increase)
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
