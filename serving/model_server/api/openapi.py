"""The REST API of what is loaded, as an OpenAPI 3.0 document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tensorflow.core.framework import types_pb2 as types

import contract
from serving.model_server.api import json_rules
from serving.protocol import dtypes, error_body
from serving.protocol.errors import HTTP_STATUS, Code, StatusError

if TYPE_CHECKING:
    from serving.model_server.execution.runtime import Model, Signature, TensorInfo
    from serving.model_server.versions.servables import Manager, Servable

_DEFAULT = "serving_default"
_CLASSIFY = "tensorflow/serving/classify"
_REGRESS = "tensorflow/serving/regress"
_INTEGERS = {
    types.DT_INT8: (-(2**7), 2**7 - 1),
    types.DT_UINT8: (0, 2**8 - 1),
    types.DT_INT16: (-(2**15), 2**15 - 1),
    types.DT_INT32: (-(2**31), 2**31 - 1),
    types.DT_INT64: (-(2**63), 2**63 - 1),
    types.DT_UINT32: (0, 2**32 - 1),
    types.DT_UINT64: (0, 2**64 - 1),
}
_ERRORS = {
    408: "the body did not arrive in time",
    413: "the body is larger than --rest_api_max_body_bytes",
} | {
    status: ", ".join(code.name for code in Code if HTTP_STATUS[code] == status)
    for status in sorted(set(HTTP_STATUS.values()) - {200})
}
_OBJECT = {"type": "object"}


def describe(manager: Manager) -> dict[str, Any]:
    """The document. Models without a version that answers are left out."""
    paths: dict[str, Any] = {}
    for name in sorted(manager.models()):
        try:
            with manager.acquire(name) as servable:
                _add_model(paths, name, servable)
        except StatusError:
            continue
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "TensorFlow Serving's REST API",
            "version": "v1",
            "description": "Every path below also answers at /v1/models/{name}/labels/{label}. "
            "Bodies may hold NaN, Infinity and -Infinity as numbers, and be compressed with gzip. "
            "`x-model` of a path is what a model of Marquee says of itself: its columns, limits, defaults.",
        },
        "paths": paths,
        "components": {"schemas": {"Error": error_body.SCHEMA}},
    }


def _add_model(paths: dict[str, Any], name: str, servable: Servable) -> None:
    version, model = servable.version, servable.model
    model_path = f"/v1/models/{quote(name, safe='')}"
    methods = {signature.method_name for signature in model.signatures.values()}
    for path in (model_path, f"{model_path}/versions/{version}"):
        of = f"of {name}" if path == model_path else f"of version {version} of {name}"
        paths[path] = {"get": _operation(f"Status {of}", _status_schema())}
        paths[f"{path}/metadata"] = {"get": _operation(f"Signatures {of}", _OBJECT)}
        for file in contract.APPLICATION_FILES:
            paths[f"{path}/files/{file}"] = {"get": _file_operation(f"{file} {of}, if it carries one")}
        bodies = [
            schema
            for signature in model.signatures.values()
            if signature.inputs
            for schema in _predict_schemas(signature)
        ]
        paths[f"{path}:predict"] = {
            "post": _operation(f"Outputs {of}", _answer_schema(), {"oneOf": bodies} if bodies else _OBJECT)
        }
        if servable.description is not None:
            paths[path]["x-model"] = servable.description
        if _CLASSIFY in methods:
            paths[f"{path}:classify"] = {"post": _examples_operation(model, _CLASSIFY, f"Classes {of}")}
        if _REGRESS in methods:
            paths[f"{path}:regress"] = {"post": _examples_operation(model, _REGRESS, f"Values {of}")}


def _operation(summary: str, answer: Mapping[str, Any], body: Mapping[str, Any] | None = None) -> Any:
    responses: dict[str, Any] = {
        "200": {"description": "OK", "content": {"application/json": {"schema": answer}}}
    }
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for status, text in _ERRORS.items():
        responses[str(status)] = {"description": text, "content": error}
    operation: dict[str, Any] = {"summary": summary, "responses": responses}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _file_operation(summary: str) -> Any:
    operation = _operation(summary, _OBJECT)
    operation["responses"]["200"]["content"] = {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
    }
    return operation


def _examples_operation(model: Model, method: str, summary: str) -> Any:
    names = [key for key, signature in model.signatures.items() if signature.method_name == method]
    feature = {
        "oneOf": [
            {"type": "number"},
            {"type": "string"},
            {"type": "boolean"},
            {"type": "array", "items": {"oneOf": [{"type": "number"}, {"type": "string"}]}},
        ]
    }
    example = {"type": "object", "additionalProperties": feature}
    body = {
        "type": "object",
        "properties": {
            "signature_name": {"type": "string", "enum": names},
            "context": example,
            "examples": {"type": "array", "minItems": 1, "items": example},
        },
        "required": ["examples"],
    }
    answer = {
        "type": "object",
        "properties": {"results": {"type": "array"}},
        "required": ["results"],
    }
    return _operation(summary, answer, body)


def _predict_schemas(signature: Signature) -> list[dict[str, Any]]:
    """Row format, then column format."""
    rows = {name: _tensor_schema(info, 1) for name, info in signature.inputs.items()}
    columns = {name: _tensor_schema(info, 0) for name, info in signature.inputs.items()}
    required = signature.inputs.keys() - signature.defaults.keys()
    row: dict[str, Any] = _named(rows, required, signature.contract is not None)
    column: dict[str, Any] = {**_named(columns, required, False), "additionalProperties": True}
    if len(rows) == 1:
        row = {"anyOf": [row, *rows.values()]}
        column = {"anyOf": [column, *columns.values()]}
    properties = {"signature_name": {"type": "string", "enum": [signature.key]}}
    named = [] if signature.key == _DEFAULT else ["signature_name"]
    return [
        {
            "type": "object",
            "description": f"{signature.key}, a row per instance",
            "properties": {**properties, "instances": {"type": "array", "minItems": 1, "items": row}},
            "required": [*named, "instances"],
            "not": {"required": ["inputs"]},
        },
        {
            "type": "object",
            "description": f"{signature.key}, a tensor per input",
            "properties": {**properties, "inputs": column},
            "required": [*named, "inputs"],
            "not": {"required": ["instances"]},
        },
    ]


def _named(properties: Mapping[str, Any], required: Iterable[str], empty: bool) -> dict[str, Any]:
    """An object of `properties`; `empty`: whether it may have none of them."""
    names = sorted(required)
    least: dict[str, Any] = {"required": names} if names else {} if empty else {"minProperties": 1}
    return {"type": "object", "properties": dict(properties), **least, "additionalProperties": False}


def _tensor_schema(info: TensorInfo, skip: int) -> dict[str, Any]:
    """Nested lists; `skip` leading dimensions are somewhere else in the body."""
    schema = _value_schema(info.dtype)
    if info.shape is None:
        nested = {"type": "array", "items": {"type": "array", "items": schema}}
        described = f"{dtypes.name(info.dtype)} of any rank, nested as deep as that is"
        return {"anyOf": [schema, {"type": "array", "items": schema}, nested], "description": described}
    for size in reversed(info.shape[skip:]):
        schema = {"type": "array", "items": schema}
        if size is not None:
            schema |= {"minItems": size, "maxItems": size}
    return schema


def _value_schema(dtype: int) -> dict[str, Any]:
    if dtype in _INTEGERS:
        low, high = _INTEGERS[dtype]
        return {"type": "integer", "minimum": low, "maximum": high}
    if dtype == types.DT_STRING:
        text = {"type": "string"}
        encoded = {
            "type": "object",
            "properties": {"b64": {"type": "string", "format": "byte"}},
            "required": ["b64"],
            "additionalProperties": False,
        }
        return {"oneOf": [text, encoded]}
    if dtype == types.DT_BOOL:
        return {"type": "boolean"}
    if dtype in json_rules.FLOAT_LIMITS:
        largest = json_rules.FLOAT_LIMITS[dtype]
        return {"type": "number", "format": dtypes.name(dtype), "minimum": -largest, "maximum": largest}
    return {"description": f"{dtypes.name(dtype)} has no JSON form"}


def _answer_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"predictions": {"type": "array"}, "outputs": {}},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }


def _status_schema() -> dict[str, Any]:
    version = {
        "type": "object",
        "properties": {
            "version": {"type": "string"},
            "state": {"type": "string", "enum": ["START", "LOADING", "AVAILABLE", "UNLOADING", "END"]},
            "status": {
                "type": "object",
                "properties": {"error_code": {"type": "string"}, "error_message": {"type": "string"}},
                "required": ["error_code", "error_message"],
            },
        },
        "required": ["version", "state", "status"],
    }
    return {
        "type": "object",
        "properties": {"model_version_status": {"type": "array", "minItems": 1, "items": version}},
        "required": ["model_version_status"],
    }
