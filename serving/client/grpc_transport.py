"""TensorFlow Serving's gRPC API. Imports nothing of TensorFlow."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf import json_format, struct_pb2

from serving.client.address import Address
from serving.client.calls import Arrays, Attempt
from serving.client.errors import Target, TransportError
from serving.client.results import Prediction, VersionStatus
from serving.client.tls import Tls
from serving.protocol import messages, tensors
from serving.protocol.errors import Code

# ModelVersionStatus.State
_STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}

_ARGUMENTS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Retries are the client's own: they keep the deadline of the whole call.
    ("grpc.enable_retries", 0),
    # A channel refuses at once, without looking again, until its own backoff
    # has passed: longer than ours it would make a second attempt worth nothing.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # The address is what is dialled, as over REST.
    ("grpc.enable_http_proxy", 0),
)


class GrpcTransport:
    """One channel to one server, for one event loop.

    Args:
      address: of protocol "grpc".
      tls: None for plain text.
    """

    def __init__(self, address: Address, tls: Tls | None) -> None:
        arguments: list[tuple[str, Any]] = list(_ARGUMENTS)
        if tls is None:
            self._channel = grpc.aio.insecure_channel(address.target, arguments)
        else:
            credentials = grpc.ssl_channel_credentials(
                tls.read("ca"), private_key=tls.read("key"), certificate_chain=tls.read("certificate")
            )
            if tls.server_name:
                arguments.append(("grpc.ssl_target_name_override", tls.server_name))
            self._channel = grpc.aio.secure_channel(address.target, credentials, arguments)
        self._predict, self._metadata, self._status = (
            self._channel.unary_unary(method, request.SerializeToString, response.FromString)
            for method, (request, response) in messages.METHODS.items()
        )

    async def predict(self, attempt: Attempt, inputs: Arrays, outputs: Sequence[str]) -> Prediction:
        request = messages.PredictRequest(model_spec=_spec(attempt.target), output_filter=outputs)
        for name, array in inputs.items():
            tensors.encode(array, request.inputs[name])
        response = await _answer(self._predict, request, attempt)
        spec = response.model_spec
        return Prediction(
            tensors.decode_all(response.outputs),
            spec.name or attempt.target.model,
            spec.version.value if spec.HasField("version") else attempt.target.version,
            attempt.target.signature,
        )

    async def status(self, attempt: Attempt) -> tuple[VersionStatus, ...]:
        request = messages.GetModelStatusRequest(model_spec=_spec(attempt.target))
        response = await _answer(self._status, request, attempt)
        return tuple(
            VersionStatus(
                item.version,
                _STATES.get(item.state, str(item.state)),
                Code(item.status.error_code).name,
                item.status.error_message,
            )
            for item in response.model_version_status
        )

    async def describe(self, attempt: Attempt) -> Mapping[str, Any] | None:
        request = messages.GetModelMetadataRequest(
            model_spec=_spec(attempt.target), metadata_field=["description"]
        )
        response = await _answer(self._metadata, request, attempt)
        if "description" not in response.metadata:
            return None
        struct = struct_pb2.Struct.FromString(response.metadata["description"].value)
        found: Mapping[str, Any] = json_format.MessageToDict(struct)
        return found

    async def resolve(self, attempt: Attempt) -> int:
        request = messages.GetModelMetadataRequest(
            model_spec=_spec(attempt.target), metadata_field=["signature_def"]
        )
        return int((await _answer(self._metadata, request, attempt)).model_spec.version.value)

    async def close(self) -> None:
        await self._channel.close()


def _spec(target: Target) -> Any:
    spec = messages.ModelSpec(name=target.model, signature_name=target.signature)
    if target.version is not None:
        spec.version.value = target.version
    elif target.label is not None:
        spec.version_label = target.label
    return spec


async def _answer(method: Any, request: Any, attempt: Attempt) -> Any:
    try:
        call: Awaitable[Any] = method(
            request, timeout=attempt.timeout_s, metadata=tuple(attempt.metadata.items())
        )
        return await call
    except grpc.aio.AioRpcError as error:
        raise TransportError(Code(error.code().value[0]), error.details() or "no reason given") from error
