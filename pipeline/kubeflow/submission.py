"""Uploads a compiled spec to Kubeflow Pipelines, runs it, schedules it: kfp's own client, with words."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, MarqueeError
from pipeline.kubeflow.documents import Documents, canonical
from pipeline.kubeflow.params import KubeflowParams

HOST_ENVIRONMENT = "KF_PIPELINES_ENDPOINT"  # kfp's own
TOKEN_ENVIRONMENT = "KUBEFLOW_TOKEN"
_CRON_FIELDS = 6
_SINGLE_USER = "kubeflow"  # what kfp takes for "no namespace given"


class SubmitError(MarqueeError):
    """Kubeflow's API cannot be reached or refuses; the text says what it answered."""


def submit(
    file: Path,
    documents: Documents,
    params: KubeflowParams,
    values: dict[str, Any],
    *,
    version: str | None = None,
    run: bool = False,
    schedule: str | None = None,
    name: str | None = None,
    token_file: Path | None = None,
    ca_file: Path | None = None,
) -> dict[str, str]:
    """Upload the spec as a new version of its pipeline; then start or schedule it if asked to.

    Args:
      file: the spec, whose content is `documents`.
      values: parameters of the run or of every scheduled run.
      version: name of the version; default the time and the content's hash.
      run: start one run.
      schedule: cron expression of six fields; at most one run at a time, and missed ones
        are not made up for.
      name: of the run or schedule; default the version's.
      token_file: bearer token; default $KUBEFLOW_TOKEN, if set.
      ca_file: certificate authority to trust.

    Returns:
      What was made: ids of `pipeline`, `version`, `run` or `schedule`, and a `link`.

    Raises:
      InputError: an argument is wrong.
      SubmitError: the API cannot be reached or refuses.
    """
    if file.suffix not in (".yaml", ".yml"):
        raise InputError(f"{file}: Kubeflow takes files whose names end with .yaml")
    host = params.host or os.environ.get(HOST_ENVIRONMENT)
    if not host:
        raise InputError(
            f"kubeflow.host is not set, nor ${HOST_ENVIRONMENT}; give the API's address, such as "
            "--set kubeflow.host=http://localhost:8080 after `kubectl port-forward -n kubeflow "
            "svc/ml-pipeline-ui 8080:80`"
        )
    if "://" not in host:
        raise InputError(f"kubeflow.host = {host}: expected http:// or https:// before it")
    if schedule is not None and len(schedule.split()) != _CRON_FIELDS:
        raise InputError(
            f"--schedule {schedule!r}: has {len(schedule.split())} fields; Kubeflow wants {_CRON_FIELDS}, "
            "seconds first, such as '0 0 3 * * *' for 3 o'clock each day"
        )
    now = datetime.datetime.now(datetime.UTC)
    version = version or f"{now:%Y%m%d-%H%M%S}-{_hash(documents)}"
    with _in_words(host):
        client = _client(host, params, _token(token_file), ca_file)
        pipeline_id, version_id = _upload(client, file, documents.name, version, params)
        made = {"pipeline": pipeline_id, "version": version_id}
        link = f"{host.rstrip('/')}/#/pipelines/details/{pipeline_id}/version/{version_id}"
        if run or schedule is not None:
            experiment = client.create_experiment(params.experiment, namespace=params.namespace)
            common = {
                "experiment_id": experiment.experiment_id,
                "job_name": name or f"{documents.name} {version}",
                "params": values,
                "pipeline_id": pipeline_id,
                "version_id": version_id,
                # The API server does not look at the spec's own.
                "pipeline_root": documents.pipeline.get("defaultPipelineRoot"),
                "service_account": params.service_account,
            }
            if run:
                made["run"] = client.run_pipeline(**common).run_id
                link = f"{host.rstrip('/')}/#/runs/details/{made['run']}"
            else:
                recurring = client.create_recurring_run(
                    **common, cron_expression=schedule, max_concurrency=1, no_catchup=True
                )
                made["schedule"] = recurring.recurring_run_id
                link = f"{host.rstrip('/')}/#/recurringrun/details/{made['schedule']}"
    return {**made, "link": link}


def _hash(documents: Documents) -> str:
    return hashlib.sha256(canonical([documents.pipeline, documents.platform]).encode()).hexdigest()[:8]


def _token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(TOKEN_ENVIRONMENT)
    try:
        return file.expanduser().read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--token-file {file} cannot be read: {error}") from error


def _client(host: str, params: KubeflowParams, token: str | None, ca_file: Path | None) -> Any:
    import kfp
    import kfp_server_api

    # kfp's client asks for the API's health too, five times in 25 seconds whatever the answer is.
    config = kfp_server_api.Configuration(host=host.rstrip("/"))
    config.retries = False
    if ca_file is not None:
        config.ssl_ca_cert = str(ca_file)
    if token:
        config.api_key["authorization"] = token
        config.api_key_prefix["authorization"] = "Bearer"
    kfp_server_api.HealthzServiceApi(kfp_server_api.ApiClient(config)).healthz_service_get_healthz()
    return kfp.Client(
        host=host,
        namespace=params.namespace or _SINGLE_USER,
        existing_token=token,
        ssl_ca_cert=None if ca_file is None else str(ca_file),
    )


def _upload(client: Any, file: Path, pipeline: str, version: str, params: KubeflowParams) -> tuple[str, str]:
    """Ids of the pipeline and of the new version."""
    pipeline_id = client.get_pipeline_id(pipeline)
    if pipeline_id is not None:
        made = client.upload_pipeline_version(str(file), version, pipeline_id=pipeline_id)
        return pipeline_id, made.pipeline_version_id
    pipeline_id = client.upload_pipeline(str(file), pipeline, namespace=params.namespace).pipeline_id
    # The first upload makes a version that is called as the pipeline.
    [first] = client.list_pipeline_versions(pipeline_id, page_size=1).pipeline_versions
    return pipeline_id, first.pipeline_version_id


@contextlib.contextmanager
def _in_words(host: str) -> Iterator[None]:
    """kfp's chatter goes to stderr, its exceptions become one error with a text."""
    import kfp_server_api
    import urllib3

    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    except kfp_server_api.ApiException as error:
        answer = str(error.body or "").strip()[:500]
        hint = "; give a token: --token-file or $KUBEFLOW_TOKEN" if error.status in (401, 403) else ""
        raise SubmitError(f"{host} answered {error.status} {error.reason}: {answer}{hint}") from error
    except urllib3.exceptions.HTTPError as error:
        raise SubmitError(
            f"{host} cannot be reached: {error}; is kubeflow.host right, and does the port forward run?"
        ) from error
