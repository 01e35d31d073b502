"""What a step's container runs: a TFX executor on artifacts as open-source Kubeflow hands them over.

TFX's own entry point (tfx.orchestration.kubeflow.v2.container) was written for Vertex.
Open-source Kubeflow differs in two ways, and this module stands between them:

- An artifact's URI is in its object store (minio://, s3://, gs://). Before a step
  Kubeflow's launcher downloads the inputs below /minio, /s3 or /gcs, after it it
  uploads the outputs from there; TensorFlow can open the last scheme alone. So the
  executor gets the local paths, and what it reports back carries the URIs again.
- The type of an input artifact is not passed. It stands in the component's inputs.

With --artifact_root (a folder on a mounted volume) the files stay there instead.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import BAD_INPUT, FAILED, OK

MODULE = "pipeline.kubeflow.task"
# Lines by which a reader of the log can tell how far a step is and why it failed.
PROGRESS = "marquee-progress: "
ERROR = "marquee-error: "

_LOCAL = {"minio://": "/minio/", "s3://": "/s3/", "gs://": "/gcs/"}
_SECONDS_BETWEEN_PROGRESS = 5.0

_log = logging.getLogger(__name__)


def local_path(uri: str, artifact_root: str | None) -> str:
    """Where the files of an artifact are for a step.

    Args:
      uri: of an object store, or a local path, which stays as it is.
      artifact_root: folder that stands for every object store; None: where
        Kubeflow's launcher puts the files.
    """
    for scheme, folder in _LOCAL.items():
        if uri.startswith(scheme):
            below = uri.removeprefix(scheme)
            return f"{artifact_root.rstrip('/')}/{below}" if artifact_root else folder + below
    return uri


def localised(
    executor_input: dict[str, Any], inputs_spec: dict[str, Any], artifact_root: str | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """The executor's input with local paths and types, and local path -> URI of the outputs."""
    result = json.loads(json.dumps(executor_input))
    uris: dict[str, str] = {}
    types = {name: spec["artifactType"] for name, spec in inputs_spec.get("artifacts", {}).items()}
    for name, artifacts in result.get("inputs", {}).get("artifacts", {}).items():
        for artifact in artifacts.get("artifacts", []):
            artifact["uri"] = local_path(artifact.get("uri", ""), artifact_root)
            if not artifact.get("type") and name in types:
                artifact["type"] = types[name]
    for artifacts in result.get("outputs", {}).get("artifacts", {}).values():
        for artifact in artifacts.get("artifacts", []):
            local = local_path(artifact.get("uri", ""), artifact_root)
            uris[local] = artifact.get("uri", "")
            artifact["uri"] = local
            Path(local).parent.mkdir(parents=True, exist_ok=True)
    return result, uris


def restore_uris(output_file: Path, uris: dict[str, str]) -> None:
    """Put the object store's URIs back into what the executor reported."""
    output = json.loads(output_file.read_text())
    for artifacts in output.get("artifacts", {}).values():
        for artifact in artifacts.get("artifacts", []):
            artifact["uri"] = uris.get(artifact.get("uri", ""), artifact.get("uri", ""))
    output_file.write_text(json.dumps(output))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__.splitlines()[0])
    parser.add_argument("--executor_class_path", required=True)
    parser.add_argument("--json_serialized_invocation_args", required=True)
    parser.add_argument("--json_serialized_inputs_spec_args", required=True)
    parser.add_argument("--artifact_root")
    args, beam_args = parser.parse_known_args(argv)
    os.umask(os.umask(0o027) | 0o027)  # as the command line does
    executor_input, uris = localised(
        json.loads(args.json_serialized_invocation_args),
        json.loads(args.json_serialized_inputs_spec_args),
        args.artifact_root,
    )
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    try:
        _execute(args, executor_input, beam_args)
    except Exception as error:  # noqa: BLE001 (whatever an executor raises becomes the step's exit code)
        _log.exception("the executor failed")
        return failed(error)
    restore_uris(Path(executor_input["outputs"]["outputFile"]), uris)
    return OK


def failed(error: BaseException) -> int:
    """Say why a step failed, as the log's last words; returns the exit code."""
    from pipeline.runs.root_cause import is_bad_data, root_cause

    sys.stdout.flush()
    print(f"{ERROR}{root_cause(error)}", file=sys.stderr, flush=True)
    return BAD_INPUT if is_bad_data(error) else FAILED


def _execute(args: argparse.Namespace, executor_input: dict[str, Any], beam_args: list[str]) -> None:
    from absl import flags
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

    from components.common import progress

    flags.FLAGS.mark_as_parsed()  # TFX reads its own through absl, none is given
    progress.set_listener(_Progress())
    kubeflow_v2_run_executor.main(
        (
            argparse.Namespace(
                executor_class_path=args.executor_class_path,
                json_serialized_invocation_args=json.dumps(executor_input),
                json_serialized_inputs_spec_args=args.json_serialized_inputs_spec_args,
            ),
            beam_args,
        )
    )


class _Progress:
    """Writes how far the executor is into the log, now and then."""

    def __init__(self) -> None:
        self._last = -_SECONDS_BETWEEN_PROGRESS

    def __call__(self, done: int, total: int, text: str) -> None:
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_PROGRESS or done == total:
            self._last = time.monotonic()
            print(f"{PROGRESS}{done}/{total} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
