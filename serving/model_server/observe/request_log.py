"""Samples requests into PredictionLog records: pseudonymous, and still about people.

User ids and columns of users are taken out, and times are cut to the day. What is
kept are the items of a history in their order, ratings and answers: enough to tell whose they
are for somebody who knows some of them. The files are personal data.

A request only draws a random number and, if it is sampled, puts references
into a bounded queue. A thread makes the records and writes them; when it
cannot keep up, records are dropped and counted, and no request waits.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf.message import DecodeError
from tensorflow.core.example import example_pb2
from tensorflow.python.framework import errors_impl
from tensorflow.python.lib.io import tf_record
from tensorflow_serving.apis import (
    inference_pb2,
    input_pb2,
    predict_pb2,
    prediction_log_pb2,
)

import contract
from serving.protocol import tensors
from serving.protocol.errors import Code, StatusError, invalid_argument

if TYPE_CHECKING:
    from tensorflow_serving.config import model_server_config_pb2

    from serving.model_server.execution.requests import Prediction

_log = logging.getLogger(__name__)

# Values of LogCollectorConfig.type that write TFRecord files.
FILE_TYPES = ("", "file", "tfrecord")
MAX_WAITING = 1024
MAX_FILE_BYTES = 256 * 2**20
# Of one process; then its oldest goes. On local disks: an object store has rules for that.
MAX_FILES = 8
# Inputs of strings that are, by custom, serialized tf.Examples.
_MAY_HOLD_EXAMPLES = (contract.EXAMPLES, "inputs")
_TIMES = (contract.HISTORY_TIMESTAMPS, contract.TARGET_TIMESTAMPS, contract.NOW)
_DAY_S = 86_400
# How long a record may stay in memory before it is in the file.
_FLUSH_SECONDS = 1.0
_WARN_SECONDS = 60.0
# How long the end of the server waits for a file, twice at most.
_CLOSE_SECONDS = 2.0


@dataclasses.dataclass(frozen=True)
class _Sampled:
    """A model whose requests are logged."""

    model: str
    rate: float
    prefix: str


class RequestLog:
    """Writes sampled requests to PREFIX.MODEL.TIME.PID.N.tfrecord; never blocks a request.

    Attributes:
      written: records in files.
      dropped: sampled requests that were not written: the queue was full, the
        disk refused them, or they could not be rid of person ids.
    """

    def __init__(self) -> None:
        self.written = 0
        self.dropped = 0
        self._sampled: Mapping[str, _Sampled] = {}
        self._waiting: queue.Queue[tuple[_Sampled, Callable[[], prediction_log_pb2.PredictionLog]] | None] = (
            queue.Queue(MAX_WAITING)
        )
        self._files: dict[str, _File] = {}
        self._written: list[str] = []  # paths of files, oldest first
        self._thread: threading.Thread | None = None
        self._warned = 0.0

    def configure(self, config: model_server_config_pb2.ModelServerConfig) -> None:
        """Takes the logging_config of each model; a model without one is not logged.

        Raises:
          StatusError: a sampling rate outside 0 to 1, a collector that is not
            known, or no filename_prefix. Nothing is changed then.
        """
        sampled = {}
        for model in config.model_config_list.config:
            if model.HasField("logging_config"):
                found = _checked(model)
                if found.rate > 0:
                    sampled[model.name] = found
        self._sampled = sampled
        if sampled and self._thread is None:
            self._thread = threading.Thread(target=self._write, name="request_log", daemon=True)
            self._thread.start()

    def predicted(
        self, prediction: Prediction, inputs: Mapping[str, np.ndarray], output_filter: Sequence[str]
    ) -> None:
        """A Predict request was answered."""
        if self._sampled and (sampled := self._draw(prediction.name)):
            names = tuple(output_filter)
            self._put(sampled, lambda: _predict_record(prediction, inputs, names))

    def answered(self, log_field: str, name: str, given: input_pb2.Input, response: Any) -> None:
        """A Classify or Regress request was answered; `log_field` of a PredictionLog takes it."""
        if self._sampled and (sampled := self._draw(name)):

            def record() -> prediction_log_pb2.PredictionLog:
                made = prediction_log_pb2.PredictionLog()
                log = getattr(made, log_field)
                log.request.model_spec.CopyFrom(response.model_spec)
                log.request.input.CopyFrom(_anonymous_input(given))
                log.response.CopyFrom(response)
                made.log_metadata.model_spec.CopyFrom(response.model_spec)
                return made

            self._put(sampled, record)

    def inferred(
        self,
        name: str,
        request: inference_pb2.MultiInferenceRequest,
        response: inference_pb2.MultiInferenceResponse,
    ) -> None:
        """A MultiInference request was answered."""
        if self._sampled and (sampled := self._draw(name)):

            def record() -> prediction_log_pb2.PredictionLog:
                made = prediction_log_pb2.PredictionLog()
                made.multi_inference_log.request.CopyFrom(request)
                made.multi_inference_log.request.input.CopyFrom(_anonymous_input(request.input))
                made.multi_inference_log.response.CopyFrom(response)
                made.log_metadata.model_spec.CopyFrom(request.tasks[0].model_spec)
                return made

            self._put(sampled, record)

    def close(self) -> None:
        """Writes what waits and closes the files; gives up on a disk that hangs."""
        if self._thread is not None:
            self._sampled = {}
            try:
                self._waiting.put(None, timeout=_CLOSE_SECONDS)
            except queue.Full:
                pass  # said below
            else:
                self._thread.join(_CLOSE_SECONDS)
            if self._thread.is_alive():
                _log.error(
                    "request log: its files do not take records any more; %d are lost", self._waiting.qsize()
                )
            self._thread = None

    # --- in the event loop ----------------------------------------------------------
    def _draw(self, name: str) -> _Sampled | None:
        sampled = self._sampled.get(name)
        return sampled if sampled is not None and random.random() < sampled.rate else None

    def _put(self, sampled: _Sampled, record: Callable[[], prediction_log_pb2.PredictionLog]) -> None:
        try:
            self._waiting.put_nowait((sampled, record))
        except queue.Full:
            self._drop("the queue is full")

    def _drop(self, reason: str) -> None:
        self.dropped += 1
        now = time.monotonic()
        if now - self._warned > _WARN_SECONDS or not self._warned:
            self._warned = now
            _log.warning("request log: %d records dropped so far; now because %s", self.dropped, reason)

    # --- in the writer's thread -------------------------------------------------------
    def _write(self) -> None:
        while True:
            try:
                item = self._waiting.get(timeout=_FLUSH_SECONDS if self._files else None)
            except queue.Empty:
                self._each_file(lambda file: file.flush())
                continue
            if item is None:
                self._each_file(lambda file: file.close())
                return
            sampled, make = item
            try:
                self._append(sampled, make().SerializeToString(deterministic=True))
            except Exception as error:  # noqa: BLE001 (one record that cannot be made or written ends no other)
                self._drop(f"{type(error).__name__}: {error}")

    def _append(self, sampled: _Sampled, data: bytes) -> None:
        name = sampled.model
        file = self._files.get(name)
        if file is not None and (file.bytes + len(data) > MAX_FILE_BYTES or file.prefix != sampled.prefix):
            del self._files[name]
            file.close()
            file = None
        if file is None:
            file = self._files[name] = _File(sampled.prefix, name)
            self._written.append(file.path)
            open_ = {each.path for each in self._files.values()}
            for old in [path for path in self._written[:-MAX_FILES] if path not in open_]:
                self._written.remove(old)
                if "://" not in old:
                    Path(old).unlink(missing_ok=True)
        file.write(data)
        self.written += 1

    def _each_file(self, do: Callable[[_File], None]) -> None:
        for name, file in list(self._files.items()):
            try:
                do(file)
            except (OSError, errors_impl.OpError) as error:
                del self._files[name]
                self._drop(f"{type(error).__name__}: {error}")


class _File:
    """One file of records at `path`. `bytes` is what was written to it."""

    _number = 0

    def __init__(self, prefix: str, model: str) -> None:
        self.prefix = prefix
        self.bytes = 0
        _File._number += 1
        when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = f"{prefix}.{model.replace('/', '_')}.{when}.{os.getpid()}.{_File._number}.tfrecord"
        self.path = path
        if "://" not in path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._writer = tf_record.TFRecordWriter(path)

    def write(self, data: bytes) -> None:
        self._writer.write(data)
        self.bytes += len(data)

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _checked(model: model_server_config_pb2.ModelConfig) -> _Sampled:
    config = model.logging_config
    rate = config.sampling_config.sampling_rate
    if not 0 <= rate <= 1:
        raise invalid_argument(
            f"Model {model.name}: logging_config.sampling_config.sampling_rate must be between 0 and 1, "
            f"got {rate}"
        )
    collector = config.log_collector_config
    if collector.type not in FILE_TYPES:
        raise StatusError(
            Code.NOT_FOUND,
            f"Cannot find LogCollector::Factory for type: {collector.type} (model {model.name}; "
            f'known is "{FILE_TYPES[1]}", which writes TFRecord files)',
        )
    if rate and not collector.filename_prefix:
        raise invalid_argument(
            f"Model {model.name}: logging_config.log_collector_config needs a filename_prefix, "
            "the path that the files' names begin with"
        )
    return _Sampled(model.name, rate, collector.filename_prefix)


def _predict_record(
    prediction: Prediction, inputs: Mapping[str, np.ndarray], output_filter: Sequence[str]
) -> prediction_log_pb2.PredictionLog:
    record = prediction_log_pb2.PredictionLog()
    request: predict_pb2.PredictRequest = record.predict_log.request
    spec = request.model_spec
    spec.name, spec.signature_name = prediction.name, prediction.signature
    spec.version.value = prediction.version
    for name, array in inputs.items():
        tensors.encode(_anonymous(name, array), request.inputs[name])
    request.output_filter.extend(output_filter)
    response = record.predict_log.response
    response.model_spec.CopyFrom(spec)
    for name, array in prediction.outputs.items():
        tensors.encode(array, response.outputs[name])
    record.log_metadata.model_spec.CopyFrom(spec)
    return record


def _anonymous(name: str, array: np.ndarray) -> np.ndarray:
    """An input as it may be kept: person ids are taken out and times cut, also of serialized tf.Examples."""
    if name in _TIMES and array.dtype == np.int64:
        return array - array % _DAY_S
    if name == contract.USER_ID:
        return np.full(array.shape, contract.PAD_ID if array.dtype == object else 0, array.dtype)
    if array.dtype == object and name in _MAY_HOLD_EXAMPLES:
        kept = np.empty(array.size, object)
        kept[:] = [_anonymous_example(record) for record in array.reshape(-1)]
        return kept.reshape(array.shape)
    return array


def _anonymous_example(record: bytes) -> bytes:
    try:
        example = example_pb2.Example.FromString(record)
    except DecodeError:
        return record  # some other string
    return example.SerializeToString(deterministic=True) if _anonymize(example) else record


def _anonymize(example: example_pb2.Example) -> bool:
    """Takes user id and columns of users out, and cuts times to the day; False if there was none of them."""
    features = example.features.feature
    of_user = [name for name in features if name.startswith(contract.user_feature(""))]
    for name in of_user:
        del features[name]
    times = [name for name in _TIMES if name in features]
    for name in times:
        values = features[name].int64_list.value
        values[:] = [value - value % _DAY_S for value in values]
    return bool(of_user or times)


def _anonymous_input(given: input_pb2.Input) -> input_pb2.Input:
    kept = input_pb2.Input()
    kept.CopyFrom(given)
    for example in [
        *kept.example_list.examples,
        *kept.example_list_with_context.examples,
        kept.example_list_with_context.context,
    ]:
        _anonymize(example)
    return kept
