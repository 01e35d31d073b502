"""Status and metadata of models, as both APIs give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson
from google.protobuf import json_format, struct_pb2
from google.protobuf.message import Message
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from serving.model_server.execution.requests import ModelSpec
from serving.protocol.errors import invalid_argument

if TYPE_CHECKING:
    from serving.model_server.versions.servables import Manager

SIGNATURE_DEF = "signature_def"
# Beyond TensorFlow Serving: what a model of ours says of itself, as a google.protobuf.Struct.
DESCRIPTION = "description"


def status(manager: Manager, spec: ModelSpec) -> get_model_status_pb2.GetModelStatusResponse:
    """State of one version, or of all; a label is not looked at, as in TensorFlow Serving.

    Raises:
      StatusError: NOT_FOUND.
    """
    response = get_model_status_pb2.GetModelStatusResponse()
    for found in manager.statuses(spec.name, spec.version):
        added = response.model_version_status.add(version=found.version, state=int(found.state))
        added.status.error_code = int(found.code)
        added.status.error_message = found.message
    return response


def metadata(
    manager: Manager, spec: ModelSpec, fields: Sequence[str] = (SIGNATURE_DEF,)
) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """The signatures, or more, of the version that requests of this spec go to.

    Args:
      manager: has the versions.
      spec: which.
      fields: SIGNATURE_DEF and DESCRIPTION; the latter is left out of a model that has none.

    Raises:
      StatusError: INVALID_ARGUMENT for other fields, or as `Manager.acquire`.
    """
    if not fields:
        raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
    for field in fields:
        if field not in (SIGNATURE_DEF, DESCRIPTION):
            raise invalid_argument(f"Metadata field {field} is not supported")
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    with manager.acquire(spec.name, spec.version, spec.label) as servable:
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        for key, signature in servable.model.signatures.items():
            signatures.signature_def[key].CopyFrom(signature.proto)
        described = servable.description
    if SIGNATURE_DEF in fields:
        response.metadata[SIGNATURE_DEF].Pack(signatures)
    if DESCRIPTION in fields and described is not None:
        response.metadata[DESCRIPTION].Pack(json_format.ParseDict(described, struct_pb2.Struct()))
    return response


def status_json(response: get_model_status_pb2.GetModelStatusResponse) -> bytes:
    """{"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": {...}}]}."""
    return orjson.dumps(_to_dict(response), option=orjson.OPT_INDENT_2)


def description(manager: Manager, spec: ModelSpec) -> dict[str, Any] | None:
    """What the version says of itself (`contract.description`); None of one that is not ours.

    Raises:
      StatusError: as `Manager.acquire`.
    """
    with manager.acquire(spec.name, spec.version, spec.label) as servable:
        return servable.description


def metadata_json(
    response: get_model_metadata_pb2.GetModelMetadataResponse, described: Mapping[str, Any] | None
) -> bytes:
    """{"model_spec": ..., "metadata": {"signature_def": {"signature_def": {...}}}}, empty fields printed.

    Of a model of ours, metadata has its description too.
    """
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata[SIGNATURE_DEF].Unpack(signatures)
    found = {SIGNATURE_DEF: _to_dict(signatures)}
    if described is not None:
        found[DESCRIPTION] = dict(described)
    document = {"model_spec": _to_dict(response.model_spec), "metadata": found}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _to_dict(message: Message) -> dict[str, object]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
