"""TensorFlow Serving's REST API. Imports nothing of TensorFlow."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import numpy as np

import contract
from serving.client.address import Address
from serving.client.calls import Arrays, Attempt
from serving.client.errors import Target, TransportError
from serving.client.results import Prediction, VersionStatus
from serving.client.tls import Tls
from serving.protocol import error_body
from serving.protocol.errors import CODE_OF_HTTP_STATUS, Code

_SHOWN = 300  # characters of a body that is no error document


class RestTransport:
    """A pool of connections to one server, for one event loop.

    Args:
      address: of protocol "rest".
      tls: for https; None for the system's certificates.
    """

    def __init__(self, address: Address, tls: Tls | None) -> None:
        self._url = address.target
        self._server_name = tls.server_name if tls else None
        context: ssl.SSLContext | bool = (tls or Tls()).context() if address.encrypted else True
        self._session = aiohttp.ClientSession(
            # No bound on connections: calls beyond it would wait without a reason to be seen.
            connector=aiohttp.TCPConnector(ssl=context, limit=0)
        )

    async def predict(self, attempt: Attempt, inputs: Arrays, outputs: Sequence[str]) -> Prediction:
        target = attempt.target
        body = {
            "signature_name": target.signature,
            "inputs": {name: _to_json(array) for name, array in inputs.items()},
        }
        answer = await self._ask("POST", f"{_path(target)}:predict", attempt, body)
        if "outputs" not in answer:
            raise TransportError(Code.INTERNAL, f'answered without "outputs": {_short(json.dumps(answer))}')
        arrays = _arrays(answer["outputs"], target.signature)
        # The server sends all outputs: this protocol has no filter.
        missing = sorted(set(outputs) - set(arrays))
        if missing:
            raise TransportError(
                Code.INVALID_ARGUMENT, f"no output {', '.join(missing)}; there are {', '.join(arrays)}"
            )
        chosen = {name: array for name, array in arrays.items() if not outputs or name in outputs}
        return Prediction(chosen, target.model, target.version, target.signature)

    async def status(self, attempt: Attempt) -> tuple[VersionStatus, ...]:
        answer = await self._ask("GET", _path(attempt.target), attempt, None)
        return tuple(
            VersionStatus(
                int(item["version"]),
                item["state"],
                item.get("status", {}).get("error_code", Code.OK.name),
                item.get("status", {}).get("error_message", ""),
            )
            for item in answer.get("model_version_status", ())
        )

    async def describe(self, attempt: Attempt) -> Mapping[str, Any] | None:
        answer = await self._ask("GET", f"{_path(attempt.target)}/metadata", attempt, None)
        found = answer.get("metadata", {}).get("description")
        return found if isinstance(found, dict) else None

    async def resolve(self, attempt: Attempt) -> int:
        answer = await self._ask("GET", f"{_path(attempt.target)}/metadata", attempt, None)
        return int(answer["model_spec"]["version"])

    async def close(self) -> None:
        await self._session.close()

    async def _ask(
        self, method: str, path: str, attempt: Attempt, body: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        try:
            async with self._session.request(
                method,
                self._url + path,
                data=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": "application/json", **attempt.metadata},
                timeout=aiohttp.ClientTimeout(total=attempt.timeout_s),
                server_hostname=self._server_name,
            ) as response:
                status, text = response.status, await response.text(errors="replace")
        except TimeoutError as error:
            raise TransportError(Code.DEADLINE_EXCEEDED, "no answer before the deadline") from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            raise TransportError(Code.UNAVAILABLE, str(error), retryable=False) from error
        except (aiohttp.ClientError, OSError) as error:
            raise TransportError(Code.UNAVAILABLE, str(error) or type(error).__name__) from error
        return _document(status, text)


def _path(target: Target) -> str:
    path = f"/v1/models/{urllib.parse.quote(target.model, safe='')}"
    if target.version is not None:
        return f"{path}/versions/{target.version}"
    if target.label is not None:
        return f"{path}/labels/{urllib.parse.quote(target.label, safe='')}"
    return path


def _document(status: int, text: str) -> dict[str, Any]:
    """The JSON object of an answer.

    Raises:
      TransportError: the status is an error, or the body is no such thing.
    """
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if status != 200:
        message = error_body.read(document) or f"HTTP {status}: {_short(text)}"
        raise TransportError(CODE_OF_HTTP_STATUS.get(status, Code.UNKNOWN), message)
    if not isinstance(document, dict):
        raise TransportError(Code.INTERNAL, f"answered what is no JSON object: {_short(text)}")
    return document


def _to_json(array: np.ndarray) -> Any:
    return array.tolist() if array.dtype != object else _texts(array.tolist())


def _texts(value: Any) -> Any:
    """Bytes as text; what is no text in base 64, as the protocol has it."""
    if isinstance(value, list):
        return [_texts(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    return value


def _arrays(outputs: Any, signature: str) -> dict[str, np.ndarray]:
    """Arrays of the contract's types, or of what the JSON looks like for other signatures."""
    known = contract.SIGNATURES.get(signature)
    dtypes = {item.name: item.dtype for item in known.outputs} if known else {}
    if not isinstance(outputs, dict):
        # A single output comes without its name. One that the contract names
        # otherwise is of a model that has nothing but the signature's name from it.
        outputs = {next(iter(dtypes)) if len(dtypes) == 1 else "outputs": outputs}
    if set(outputs) != set(dtypes):
        dtypes = {}
    return {name: _array(value, dtypes.get(name)) for name, value in outputs.items()}


def _array(value: Any, dtype: contract.DType | None) -> np.ndarray:
    array = np.asarray(value) if dtype is None else np.asarray(value, object if dtype == "string" else dtype)
    if array.dtype.kind == "f" and dtype is None:
        return array.astype(np.float32)
    if array.dtype.kind not in "OUS":
        return array
    flat = [
        base64.b64decode(item["b64"]) if isinstance(item, dict) else item.encode()
        for item in np.asarray(value, object).reshape(-1)
    ]
    encoded = np.empty(len(flat), object)
    encoded[:] = flat
    return encoded.reshape(array.shape)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."
