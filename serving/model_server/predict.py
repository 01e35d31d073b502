"""The data plane behind gRPC and REST: checks as TensorFlow Serving makes them, then runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from serving.model_server.batching import Batcher
from serving.model_server.runtime import Signature

if TYPE_CHECKING:
    from serving.model_server.request_log import RequestLog
    from serving.model_server.servables import Manager

Tensors = dict[str, np.ndarray]
# Decodes a request's inputs once its signature is known (REST needs the types).
Decoder = Callable[[Signature], Tensors]

DEFAULT_SIGNATURE = "serving_default"


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """Which model, version and signature a request asks for; "" is the default signature."""

    name: str
    version: int | None = None
    label: str | None = None
    signature: str = ""


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Outputs and what they were computed on."""

    name: str
    version: int
    signature: str
    outputs: Tensors


class DataPlane:
    """Answers requests on whatever the manager has loaded.

    Args:
      manager: which versions are loaded.
      batcher: runs them.
      metrics: counts them.
      request_log: samples them.
    """

    def __init__(
        self, manager: Manager, batcher: Batcher, metrics: Any = None, request_log: RequestLog | None = None
    ) -> None:
        self._manager = manager
        self._batcher = batcher
        self._metrics = metrics
        self._request_log = request_log

    async def predict(
        self,
        spec: ModelSpec,
        inputs: Mapping[str, np.ndarray] | Decoder,
        output_filter: Sequence[str] = (),
        deadline: float | None = None,
        api: str = "GRPC",
    ) -> Prediction:
        """Answers one request.

        Raises:
          StatusError: with TensorFlow Serving's code and text.
        """
        with self._manager.acquire(spec.name, spec.version, spec.label) as servable:
            key = spec.signature or DEFAULT_SIGNATURE
            signature = servable.model.signatures[key]
            tensors = inputs(signature) if callable(inputs) else dict(inputs)
            outputs = await self._batcher.run(
                servable, key, tensors, tuple(output_filter) or tuple(signature.outputs), deadline
            )
            return Prediction(servable.name, servable.version, key, outputs)
