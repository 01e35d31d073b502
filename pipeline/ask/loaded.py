"""A pushed model in this process, on the model server's own runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import contract
from components.common import storage
from pipeline.ask.pushed_files import pushed_files
from pipeline.ask.servable import Servable
from pipeline.errors import MarqueeError

if TYPE_CHECKING:
    import numpy as np

    from components.pusher.versions import Version
    from serving.model_server.execution.runtime import Model


class LoadedServable(Servable):
    """A pushed model in this process.

    Args:
      version: as `choose` gives it.
      model: contract.MODEL or contract.MODEL_EXACT.
      signatures: those that are going to be asked. They are loaded together, with the first
        request; any other is loaded by itself.
    """

    def __init__(self, version: Version, model: str, signatures: tuple[str, ...]) -> None:
        files = pushed_files(version, model)
        super().__init__(model, version.number, str(version.record.get("run", "")), files)
        self._path = files.path
        self._signatures = signatures
        self._models: dict[str, Model] = {}

    @property
    def server(self) -> str:
        return ""

    def _ask(self, signature: str, inputs: dict[str, list[Any]]) -> dict[str, np.ndarray]:
        use_lean_tensorflow(self._path)
        from serving.protocol.arrays import as_array
        from serving.protocol.errors import Code, StatusError

        spec = contract.signatures(self.features.implicit)[signature]
        arrays = {item.name: as_array(inputs[item.name], item.dtype) for item in spec.inputs}
        try:
            return self._model(signature).run(signature, arrays, [item.name for item in spec.outputs])
        except StatusError as error:
            if error.code is Code.INVALID_ARGUMENT:
                raise self._refused(error.message) from error
            raise MarqueeError(f"{self.model} version {self.version} cannot answer: {error}") from error

    def _model(self, signature: str) -> Model:
        from serving.model_server.execution.runtime import Model, RuntimeOptions

        if signature not in self._models:
            together = self._signatures if signature in self._signatures else (signature,)
            loaded = Model.load(self._path, RuntimeOptions(signatures=together))
            self._models |= dict.fromkeys(together, loaded)
        return self._models[signature]


def use_lean_tensorflow(*paths: str) -> None:
    """Keeps TensorFlow's Python front (5 s) out of this process, if all that it reads is local.

    Object stores are reached by TFX's file systems, which need all of TensorFlow.
    """
    if all(map(storage.is_local, paths)):
        from serving.model_server.process import lean_tensorflow

        lean_tensorflow.install()
