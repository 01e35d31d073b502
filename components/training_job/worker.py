"""One worker of a fit: what the containers of a training job run, as many times as TF_CONFIG has tasks.

    python -m components.training_job.worker --fit fit.json

The file holds what `run.run_fn` is given (see `Fit`). All workers fit; the chief writes model and
logs, what the others write goes to a folder of their own that is thrown away. A worker that loses another
one ends with exit code 138: when all are started again they go on from the last checkpoint.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from components.common import storage

MODULE = "components.training_job.worker"
OK, FAILED, BAD_INPUT = 0, 1, 2
# What the training operator (restartPolicy ExitCode) takes for "try again", unlike codes below 128.
LOST_WORKER = 138
# The line by which whoever reads the log knows why it failed.
ERROR = "marquee-error: "

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Fit:
    """A fit as a file: the part of TFX's FnArgs that `run.run_fn` reads.

    Attributes:
      transform_graph_path, custom_config: what is read.
      serving_model_dir, model_run_dir: where the chief writes.
    """

    transform_graph_path: str
    serving_model_dir: str
    model_run_dir: str
    custom_config: dict[str, Any]

    def write(self, path: str) -> None:
        storage.write_text(path, json.dumps(dataclasses.asdict(self), indent=1))

    @classmethod
    def read(cls, path: str) -> Fit:
        """
        Raises:
          ValueError: it is not there, or no such file.
        """
        try:
            return cls(**json.loads(storage.read_text(path)))
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(f"--fit {path} cannot be read as a fit: {error}") from error


def run(fit: Fit) -> None:
    """Do this worker's part; returns when the chief has written all there is.

    Raises:
      ValueError: TF_CONFIG, the params or the data cannot be right.
      tf.errors.OpError: another worker was lost.
    """
    from components.trainer.loop import workers

    # Before all that uses TensorFlow.
    strategy = workers.join()

    import tensorflow as tf

    from components.trainer import run as trainer

    with strategy.scope(), tempfile.TemporaryDirectory() as thrown_away:
        _check(fit.custom_config, workers.count())
        _log.info("worker %d of %d", workers.number() + 1, workers.count())
        own = fit
        if not workers.is_chief():
            own = dataclasses.replace(
                fit, serving_model_dir=f"{thrown_away}/model", model_run_dir=f"{thrown_away}/run"
            )
        trainer.run_fn(SimpleNamespace(**vars(own)))
        try:
            workers.wait_for_all()
        except tf.errors.OpError:
            if not workers.is_chief():
                raise  # the chief may need another try at writing, for which all must be there
            _log.exception("a worker was lost after all was written")


def _check(config: dict[str, Any], count: int) -> None:
    """
    Raises:
      ValueError: so many workers cannot share the batches.
    """
    from components.model.params import ModelParams
    from components.trainer import run as trainer
    from components.trainer.params import TrainerParams

    params = TrainerParams.from_json(config[trainer.TRAINER_PARAMS])
    model = ModelParams.from_json(config[trainer.MODEL_PARAMS])
    if count > 1 and not model.entry.distributed:
        raise ValueError(f"model.kind = {model.kind}: is fitted by one process, not by {count} workers")
    by_sequence = model.query_encoder == "transformer"
    if params.batch_size < count or (by_sequence and params.sequence_batch < count):
        raise ValueError(
            f"trainer.batch_size = {params.batch_size}, sequence_batch = {params.sequence_batch}: cannot be "
            f"spread over {count} workers"
        )
    if count > 1 and by_sequence and not params.uniform_negatives:
        raise ValueError("trainer.uniform_negatives = 0: a transformer learns from drawn negatives alone")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__.splitlines()[0])
    parser.add_argument("--fit", required=True, help="JSON file that says what is fitted")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    try:
        run(Fit.read(args.fit))
    except ValueError as error:
        _log.exception("the fit cannot be done")
        return _failed(str(error), BAD_INPUT)
    except _lost_worker_errors() as error:
        _log.exception("the fit was interrupted")
        return _failed(
            "another worker was lost; start all of them again, and they go on from the last checkpoint "
            f"({_reason(error)})",
            LOST_WORKER,
        )
    except Exception as error:  # noqa: BLE001 (whatever it is becomes the worker's exit code)
        _log.exception("the fit failed")
        return _failed(str(error), FAILED)
    return OK


def _reason(error: Exception) -> str:
    """Of TensorFlow's many lines the one that says it."""
    lines = str(error).splitlines() or [repr(error)]
    return next((line for line in lines if "abort" in line.lower()), lines[0])


def _lost_worker_errors() -> tuple[type[Exception], ...]:
    """By which TensorFlow's collective operations end when a peer is gone, or did not come."""
    from tensorflow import errors

    return (
        errors.AbortedError,
        errors.CancelledError,
        errors.DeadlineExceededError,
        errors.FailedPreconditionError,
        errors.InternalError,
        errors.UnavailableError,
        errors.UnknownError,
    )


def _failed(text: str, code: int) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"{ERROR}{text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
