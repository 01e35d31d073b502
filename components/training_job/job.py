"""The fit as a job of several workers on Kubernetes: made, waited for, its export fetched, deleted on cancel.

Stands in for `run.run_fn` in a step of Kubeflow Pipelines. The workers are pods of a TFJob (Kubeflow's
training operator, v1.9), each of which runs `worker` with the same file; the step's pod only
waits. They meet on a volume that all of them mount.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

from pydantic import Field
from tfx.components.trainer.fn_args_utils import FnArgs

from components.common import storage
from components.trainer import run
from components.trainer.loop import checkpoints
from components.trainer.params import TrainerParams
from components.training_job import manifest, worker

JOB = "job"  # in custom_config
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_INPUTS = (run.TIMELINES, run.ITEMS, run.TESTED_RUN)
# The API may be away for as many polls: a control plane that is being upgraded.
_PATIENCE = 60

_log = logging.getLogger(__name__)


class JobParams(manifest.PodParams):
    """What a training job is made of.

    `folder` lies on one of `volumes`: for inputs that the workers could not see, checkpoints, and the export.
    """

    folder: str = Field(description="on one of the volumes")
    namespace: str | None = Field(None, description="of the job; null: that of the step's pod")
    poll_s: Annotated[float, Field(gt=0, description="seconds between two looks at the job")] = 10.0


class JobError(RuntimeError):
    """The training job failed, was deleted, or cannot be made; the text says which and what to do."""


class _CancelledError(BaseException):
    """SIGTERM: the run was terminated."""


def run_fn(fn_args: FnArgs) -> None:
    """As `run.run_fn`, in a training job.

    Raises:
      JobError: see there.
    """
    config = dict(fn_args.custom_config)
    params = JobParams.from_json(config.pop(JOB))
    # A step that is tried again finds the job of the try before.
    name = f"marquee-trainer-{checkpoints.key(json.dumps(config, sort_keys=True), fn_args.serving_model_dir)}"
    folder = storage.join(params.folder, name)
    config |= {
        key: _seen_by_all(config[key], f"{folder}/inputs/{key}", params) for key in _INPUTS if key in config
    }
    trainer = TrainerParams.from_json(config[run.TRAINER_PARAMS])
    if not trainer.checkpoint_dir:
        trainer = trainer.model_copy(update={"checkpoint_dir": f"{params.folder}/checkpoints"})
        config[run.TRAINER_PARAMS] = trainer.to_json()
    fit = worker.Fit(
        transform_graph_path=_seen_by_all(fn_args.transform_graph_path, f"{folder}/inputs/graph", params),
        serving_model_dir=f"{folder}/model",
        model_run_dir=f"{folder}/run",
        custom_config=config,
    )
    fit.write(f"{folder}/fit.json")
    Job(name, params).complete(f"{folder}/fit.json")
    storage.link_tree(fit.serving_model_dir, fn_args.serving_model_dir)
    storage.link_tree(fit.model_run_dir, fn_args.model_run_dir)
    storage.remove_tree(folder)


def _seen_by_all(path: str, copy: str, params: JobParams) -> str:
    """`path` if it lies on a volume or is a URL, else a copy that lies on one."""
    mounts = (mount.rstrip("/") + "/" for mount in params.volumes.values())
    if not storage.is_local(path) or any(f"{path}/".startswith(mount) for mount in mounts):
        return path
    storage.remove_tree(copy)
    storage.link_tree(path, copy)
    return copy


@dataclasses.dataclass(frozen=True)
class Job:
    """One TFJob, by the official client: in a pod by its service account, elsewhere by the kubeconfig."""

    name: str
    params: JobParams

    def complete(self, fit_file: str) -> None:
        """Make the job, or find it from an earlier try, and wait for its end.

        It is deleted if this does not come to an end itself: SIGTERM, or any error but the
        job's own failure, whose pods keep their logs.

        Raises:
          JobError: it failed, is gone, or is refused.
        """
        from kubernetes.client import CustomObjectsApi
        from kubernetes.config import ConfigException, load_config

        try:
            load_config()
        except ConfigException as error:
            raise JobError(f"neither a pod's service account nor a kubeconfig is here: {error}") from error
        api = CustomObjectsApi()
        with _cancelled_by_sigterm():
            try:
                self._make(api, fit_file)
                failure = self._wait(api)
            except BaseException:
                self._give_up(api)
                raise
        if failure is not None:
            raise JobError(
                f"the training job {self.name} failed: {failure}; see `kubectl logs -n {self._namespace} "
                f"{self.name}-chief-0` and the other pods of the label training.kubeflow.org/job-name"
            )

    @property
    def _namespace(self) -> str:
        if self.params.namespace is not None:
            return self.params.namespace
        try:
            return _NAMESPACE_FILE.read_text().strip()
        except OSError as error:
            raise JobError(
                f"the namespace of the training job is not known: {error}; set kubeflow.namespace"
            ) from error

    @property
    def _where(self) -> dict[str, str]:
        return {
            "group": manifest.GROUP,
            "version": manifest.VERSION,
            "plural": manifest.PLURAL,
            "namespace": self._namespace,
        }

    def _make(self, api: Any, fit_file: str) -> None:
        from kubernetes.client import ApiException

        body = manifest.tf_job(self.name, self.params, fit_file, _owner())
        for _ in range(_PATIENCE):
            try:
                with _in_words(f"the training job {self.name} was refused"):
                    api.create_namespaced_custom_object(**self._where, body=body)
                _log.info("made TFJob %s in %s: %d workers", self.name, self._namespace, self.params.workers)
                return
            except JobError as error:
                if not isinstance(error.__cause__, ApiException) or error.__cause__.status != 409:
                    raise
            # Of an earlier try.
            found = self._get(api)
            if found is not None and not _condition(found, "Failed"):
                _log.info("found TFJob %s of an earlier try", self.name)
                return
            self._delete(api)
            time.sleep(self.params.poll_s)
        raise JobError(f"the failed TFJob {self.name} of an earlier try is not deleted; delete it by hand")

    def _wait(self, api: Any) -> str | None:
        """None when it has succeeded, else why it failed."""
        seen = ""
        while True:
            found = self._get(api)
            if found is None:
                raise JobError(f"the training job {self.name} was deleted while it was waited for")
            conditions = [c for c in found.get("status", {}).get("conditions", []) if c["status"] == "True"]
            text = ", ".join(c["type"] for c in conditions)
            if text != seen:
                _log.info("TFJob %s: %s", self.name, text)
                seen = text
            if _condition(found, "Succeeded"):
                return None
            failed = _condition(found, "Failed")
            if failed:
                return str(failed.get("message") or failed.get("reason"))
            time.sleep(self.params.poll_s)

    def _get(self, api: Any) -> dict[str, Any] | None:
        """None: there is no such job. The API may be away for a while."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        for left in reversed(range(_PATIENCE)):
            try:
                found: dict[str, Any] = api.get_namespaced_custom_object(**self._where, name=self.name)
                return found
            except (ApiException, HTTPError) as error:
                status = getattr(error, "status", None)
                if status == 404:
                    return None
                if not left or (status is not None and status < 500 and status != 429):
                    raise JobError(f"Kubernetes does not tell of TFJob {self.name}: {error}") from error
                _log.warning("Kubernetes does not answer: %s", error)
            time.sleep(self.params.poll_s)
        raise AssertionError("the last try returns or raises")

    def _give_up(self, api: Any) -> None:
        try:
            with _in_words(f"TFJob {self.name} could not be deleted; delete it by hand"):
                self._delete(api, seconds=5.0)
        except JobError:
            _log.exception("what was begun is not undone")

    def _delete(self, api: Any, seconds: float = 60.0) -> None:
        from kubernetes.client import ApiException

        try:
            api.delete_namespaced_custom_object(
                **self._where, name=self.name, propagation_policy="Background", _request_timeout=seconds
            )
        except ApiException as error:
            if error.status != 404:
                raise
        _log.info("deleted TFJob %s", self.name)


def _condition(found: dict[str, Any], kind: str) -> dict[str, Any] | None:
    conditions: list[dict[str, Any]] = found.get("status", {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind and c["status"] == "True"), None)


def _owner() -> manifest.Owner | None:
    """The step's pod, whose deletion deletes the job; Kubeflow says which it is."""
    name, uid = os.environ.get("KFP_POD_NAME"), os.environ.get("KFP_POD_UID")
    return manifest.Owner(name, uid) if name and uid else None


@contextlib.contextmanager
def _in_words(what: str) -> Iterator[None]:
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        hint = "; apply kubernetes/training, whose role allows it" if error.status == 403 else ""
        raise JobError(f"{what}: {error.status} {error.reason} {error.body or ''}{hint}") from error
    except HTTPError as error:
        raise JobError(f"{what}: {error}") from error


@contextlib.contextmanager
def _cancelled_by_sigterm() -> Iterator[None]:
    def cancel(number: int, frame: FrameType | None) -> None:
        raise _CancelledError

    before = signal.signal(signal.SIGTERM, cancel)
    try:
        yield
    except _CancelledError as cancelled:
        raise SystemExit(128 + signal.SIGTERM) from cancelled
    finally:
        signal.signal(signal.SIGTERM, before)
