"""Loads and warms one version: what a manager calls in a thread of its own."""

from __future__ import annotations

import time

from serving.model_server.execution.runtime import Model, RuntimeOptions, give_back_memory
from serving.model_server.observe.metrics import Metrics
from serving.model_server.process.options import ServerOptions
from serving.model_server.versions import pushed_hashes, version_folders
from serving.model_server.versions.warmup import replay_warmup
from serving.protocol.errors import Code, StatusError


class ModelLoader:
    """Makes a model of a version's folder, as the options say.

    Args:
      options: tags, threads and whether to warm up.
      metrics: told whether it loaded, and how long the warm-up took.
    """

    def __init__(self, options: ServerOptions, metrics: Metrics) -> None:
        self._warm_up = max(1, options.num_request_iterations_for_warmup) * options.enable_model_warmup
        self._metrics = metrics
        self._require_hashes = options.require_pushed_hashes
        defaults = RuntimeOptions()
        both = options.tensorflow_session_parallelism
        self._runtime = RuntimeOptions(
            tags=tuple(filter(None, options.saved_model_tags.split(","))),
            intra_op_threads=options.tensorflow_intra_op_parallelism or both or defaults.intra_op_threads,
            inter_op_threads=options.tensorflow_inter_op_parallelism or both or defaults.inter_op_threads,
        )

    def __call__(self, path: str) -> Model:
        """Loads the version at `path`; blocks for seconds.

        Raises:
          StatusError: its files are not those that were pushed, TensorFlow refuses it, a warm-up
            request fails, or its files changed meanwhile (a copy is under way), so that it is unknown
            what was read.
        """
        files = version_folders.fingerprint(path)
        loaded = False
        try:
            if self._require_hashes:
                pushed_hashes.check(path)
            model = Model.load(path, self._runtime)
            loaded = True
        except StatusError as error:
            raise StatusError(error.code, error.message + _changed(path, files)) from error
        finally:
            self._metrics.count_load(path, loaded)
        try:
            self._replay(model, path)
            if changed := _changed(path, files):
                raise StatusError(Code.ABORTED, f"{path}: not served{changed}")
        except StatusError:
            model.close()
            raise
        return model

    def _replay(self, model: Model, path: str) -> None:
        if not self._warm_up:
            return
        started = time.perf_counter()
        code, records = Code.OK, -1
        try:
            records = replay_warmup(model, path, self._warm_up)
        except StatusError as error:
            code = error.code
            raise
        finally:
            if records:  # not of a version that has none
                self._metrics.observe_warmup(path, code, time.perf_counter() - started)
        if records:
            self._metrics.count_warmup_records(path, records)
            give_back_memory()


def _changed(path: str, files: frozenset[tuple[str, int, int]]) -> str:
    changed = sorted({file for file, _, _ in files ^ version_folders.fingerprint(path)})
    return f"; its files changed while it was loaded: {', '.join(changed[:3])}" if changed else ""
