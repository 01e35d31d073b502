"""A small HTTP server with the part of Kubeflow Pipelines' v2beta1 API that a submission uses.

It is no Kubeflow: it keeps what it is sent, and refuses what the real API server
would: a file that does not parse, another schema, a version that exists, a
parameter that is unknown, missing or of another type.
"""

from __future__ import annotations

import email.policy
import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

_API = "/apis/v2beta1/"
_KINDS = {"STRING": str, "NUMBER_INTEGER": (int, float)}


class RefusedError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Api:
    """What has been made, and every request as (method, path, query, body)."""

    def __init__(self, token: str | None) -> None:
        self.token = token
        self.pipelines: dict[str, str] = {}  # display name -> id
        self.versions: dict[str, list[dict[str, Any]]] = {}  # pipeline id -> versions
        self.experiments: list[dict[str, Any]] = []
        self.runs: list[dict[str, Any]] = []
        self.schedules: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str]] = []
        self.url = ""

    def answer(
        self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes
    ) -> dict[str, Any]:
        self.requests.append((method, path))
        if self.token is not None and headers.get("Authorization") != f"Bearer {self.token}":
            raise RefusedError(401, "Unauthenticated")
        match method, path.split("/"):
            case "GET", ["healthz"]:
                return {"multi_user": False}
            case "GET", ["pipelines"]:
                [predicate] = json.loads(query["filter"])["predicates"]
                if predicate["key"] != "display_name":
                    raise RefusedError(400, f"unexpected filter {predicate}")
                name = predicate["stringValue"]
                found = self.pipelines.get(name)
                return {"pipelines": [{"pipeline_id": found, "display_name": name}]} if found else {}
            case "POST", ["pipelines", "upload"]:
                spec = _uploaded(headers, body)
                name = query["name"]
                assert name not in self.pipelines
                self.pipelines[name] = f"pipeline-{len(self.pipelines) + 1}"
                self._add_version(self.pipelines[name], name, spec)
                return {"pipeline_id": self.pipelines[name], "display_name": name}
            case "POST", ["pipelines", "upload_version"]:
                return self._add_version(query["pipelineid"], query["name"], _uploaded(headers, body))
            case "GET", ["pipelines", pipeline_id, "versions"]:
                return {"pipeline_versions": self.versions[pipeline_id]}
            case "GET", ["experiments"]:
                return {"experiments": self.experiments} if self.experiments else {}
            case "POST", ["experiments"]:
                self.experiments.append({**json.loads(body), "experiment_id": "experiment-1"})
                return self.experiments[-1]
            case "POST", ["runs"]:
                self.runs.append({**self._checked(json.loads(body)), "run_id": f"run-{len(self.runs) + 1}"})
                return self.runs[-1]
            case "POST", ["recurringruns"]:
                made = {**self._checked(json.loads(body)), "recurring_run_id": "schedule-1"}
                self.schedules.append(made)
                return made
        raise RefusedError(404, f"no {method} {path}")

    def _add_version(self, pipeline_id: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        versions = self.versions.setdefault(pipeline_id, [])
        if any(version["display_name"] == name for version in versions):
            raise RefusedError(409, f"Already exist error: the version name {name} already exists")
        made = {
            "pipeline_id": pipeline_id,
            "pipeline_version_id": f"version-{len(versions) + 1}",
            "display_name": name,
            "pipeline_spec": spec,
        }
        versions.insert(0, made)
        return made

    def _checked(self, run: dict[str, Any]) -> dict[str, Any]:
        """As the API server's validatePipelineJobInputs."""
        reference = run["pipeline_version_reference"]
        [version] = [
            version
            for version in self.versions[reference["pipeline_id"]]
            if version["pipeline_version_id"] == reference["pipeline_version_id"]
        ]
        specs = version["pipeline_spec"]["root"]["inputDefinitions"]["parameters"]
        values = run["runtime_config"]["parameters"]
        for name in values.keys() - specs.keys():
            raise RefusedError(400, f"Invalid input error: parameter {name} is not in the pipeline")
        for name, spec in specs.items():
            if name not in values and "defaultValue" not in spec:
                raise RefusedError(400, f"parameter {name} is not optional")
            if name in values and not isinstance(values[name], _KINDS[spec["parameterType"]]):
                raise RefusedError(400, f"input parameter {name} requires type {spec['parameterType']}")
        return run


def _uploaded(headers: Any, body: bytes) -> dict[str, Any]:
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    [part] = BytesParser(policy=email.policy.default).parsebytes(head + body).iter_parts()
    if part.get_param("name", header="content-disposition") != "uploadfile":
        raise RefusedError(400, "no file in the form's field uploadfile")
    pipeline, *platforms = list(yaml.safe_load_all(part.get_payload(decode=True)))
    json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
    for platform in platforms:
        json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
    if pipeline["schemaVersion"] != "2.1.0":
        raise RefusedError(400, "KFP only supports schema version 2.1.0")
    return pipeline


@contextmanager
def serve(token: str | None = None) -> Iterator[Api]:
    """The API on a free port of this machine; `url` of what it yields is its address."""
    api = Api(token)

    class Handler(http.server.BaseHTTPRequestHandler):
        def _handle(self) -> None:
            address = urllib.parse.urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = dict(urllib.parse.parse_qsl(address.query))
            try:
                if not address.path.startswith(_API):
                    raise RefusedError(404, f"no {address.path}")
                answer = api.answer(self.command, address.path.removeprefix(_API), query, self.headers, body)
                status = 200
            except RefusedError as error:
                status, answer = error.status, {"error": str(error)}
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _handle  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        api.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
