"""TensorFlow Serving's configuration files: messages in protobuf's text form.

`tensorflow-serving-api` ships the stubs of ModelServerConfig alone. The other
messages are small and built here, with the names and field numbers of
TensorFlow Serving's sources. Nothing here imports TensorFlow.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from google.protobuf.message import Message
from tensorflow_serving.config import model_server_config_pb2

from serving.protocol.errors import Code, StatusError

M = TypeVar("M", bound=Message)

# If the file does not say.
MAX_BATCH_SIZE = 1000
METRICS_PATH = "/monitoring/prometheus/metrics"

_PACKAGE = "tensorflow.serving"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {"bool": _Field.TYPE_BOOL, "int32": _Field.TYPE_INT32, "int64": _Field.TYPE_INT64}
_SCALARS["string"] = _Field.TYPE_STRING

# message -> fields (name, number, type); "*" repeats, "[]" is a map from string.
_MESSAGES: dict[str, tuple[tuple[str, int, str], ...]] = {
    # servables/tensorflow/session_bundle_config.proto
    "BatchingParameters": (
        ("max_batch_size", 1, "google.protobuf.Int64Value"),
        ("batch_timeout_micros", 2, "google.protobuf.Int64Value"),
        ("max_enqueued_batches", 3, "google.protobuf.Int64Value"),
        ("num_batch_threads", 4, "google.protobuf.Int64Value"),
        ("thread_pool_name", 5, "google.protobuf.StringValue"),
        ("allowed_batch_sizes", 6, "*int64"),
        ("pad_variable_length_inputs", 7, "bool"),
        ("enable_large_batch_splitting", 8, "google.protobuf.BoolValue"),
        ("max_execution_batch_size", 9, "google.protobuf.Int64Value"),
    ),
    # config/monitoring_config.proto
    "PrometheusConfig": (("enable", 1, "bool"), ("path", 2, "string")),
    "MonitoringConfig": (("prometheus_config", 1, "tensorflow.serving.PrometheusConfig"),),
    # config/ssl_config.proto
    "SSLConfig": (
        ("server_key", 1, "string"),
        ("server_cert", 2, "string"),
        ("custom_ca", 3, "string"),
        ("client_verify", 4, "bool"),
    ),
}


@dataclasses.dataclass(frozen=True)
class Tls:
    """Keys of the gRPC ports, all in PEM.

    Attributes:
      server_key, server_cert: of this server.
      custom_ca: certificate authority of trusted clients; "" uses gRPC's default roots.
      client_verify: whether a client must show a certificate.
    """

    server_key: str = dataclasses.field(repr=False)
    server_cert: str = dataclasses.field(repr=False)
    custom_ca: str = dataclasses.field(repr=False)
    client_verify: bool


def read_model_config(path: str) -> model_server_config_pb2.ModelServerConfig:
    """Reads a ModelServerConfig.

    Raises:
      StatusError: NOT_FOUND or INVALID_ARGUMENT, naming the file, the line and what is wrong.
    """
    return _read(path, model_server_config_pb2.ModelServerConfig())


def read_batching_parameters(path: str) -> dict[str, Any]:
    """Reads BatchingParameters: only the fields that the file sets, unwrapped.

    Raises:
      StatusError: as `read_model_config`, and for sizes that TensorFlow Serving refuses.
    """
    message: Any = _read(path, _new("BatchingParameters"))
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name == "allowed_batch_sizes":
            found[field.name] = tuple(value)
        else:
            found[field.name] = value.value if isinstance(value, Message) else value
    for name, value in found.items():
        least = 0 if name == "batch_timeout_micros" else 1
        if isinstance(value, int) and not isinstance(value, bool) and value < least:
            raise StatusError(Code.INVALID_ARGUMENT, f"{path}: {name} must be at least {least}, got {value}")
    _check_allowed_sizes(path, found)
    return found


def _check_allowed_sizes(path: str, found: dict[str, Any]) -> None:
    sizes: Sequence[int] = found.get("allowed_batch_sizes", ())
    if not sizes:
        return
    if any(low >= high for low, high in zip((0, *sizes), sizes, strict=False)):
        raise StatusError(
            Code.INVALID_ARGUMENT,
            f"{path}: allowed_batch_sizes entries must be increasing, got {list(sizes)}",
        )
    name, largest = "max_batch_size", found.get("max_batch_size", MAX_BATCH_SIZE)
    if found.get("enable_large_batch_splitting"):
        name, largest = "max_execution_batch_size", found.get("max_execution_batch_size", largest)
    if largest != sizes[-1]:
        raise StatusError(
            Code.INVALID_ARGUMENT,
            f"{path}: last entry in allowed_batch_sizes must match {name}; "
            f"last entry was {sizes[-1]}; expected {largest}",
        )


def read_metrics_path(path: str) -> str:
    """Reads a MonitoringConfig: where metrics are served, "" if nowhere.

    Raises:
      StatusError: as `read_model_config`.
    """
    prometheus = _read(path, _new("MonitoringConfig")).prometheus_config
    if not prometheus.enable:
        return ""
    where = prometheus.path or METRICS_PATH
    if not where.startswith("/"):
        raise StatusError(
            Code.INVALID_ARGUMENT, f'{path}: prometheus_config.path must start with "/", got "{where}"'
        )
    return str(where)


def read_tls(path: str) -> Tls:
    """Reads an SSLConfig.

    Raises:
      StatusError: as `read_model_config`, and for a missing key or certificate.
    """
    message: Any = _read(path, _new("SSLConfig"))
    for name in ("server_key", "server_cert"):
        if not getattr(message, name):
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"{path}: {name} is empty, expected the PEM text itself, not a file's name",
            )
    return Tls(message.server_key, message.server_cert, message.custom_ca, message.client_verify)


def _read(path: str, message: M) -> M:
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise StatusError(Code.NOT_FOUND, f"cannot read {path}: {error}") from error
    try:
        return text_format.Parse(text, message, descriptor_pool=_pool())
    except text_format.ParseError as error:
        raise StatusError(
            Code.INVALID_ARGUMENT,
            f"Invalid protobuf file: '{path}': Error parsing text-format {message.DESCRIPTOR.full_name}: "
            f"{error}",
        ) from error


def _new(name: str) -> Message:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))()


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    """A pool of its own: a process that also holds the real stubs keeps them."""
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(
        name="serving/model_server/config_files.proto", package=_PACKAGE, syntax="proto3"
    )
    for used in (wrappers_pb2, any_pb2):
        pool.AddSerializedFile(used.DESCRIPTOR.serialized_pb)
        file.dependency.append(used.DESCRIPTOR.name)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            field = message.field.add(name=field_name, number=number)
            field.label = _Field.LABEL_REPEATED if kind.startswith("*") else _Field.LABEL_OPTIONAL
            kind = kind.lstrip("*")
            if kind in _SCALARS:
                field.type = _SCALARS[kind]
            else:
                field.type = _Field.TYPE_MESSAGE
                field.type_name = f".{kind}"
    pool.AddSerializedFile(file.SerializeToString())
    return pool
