"""The part of Kubernetes' API that a training job needs, and of Kubeflow's training operator.

`tfjobs` of kubeflow.org/v1 can be made, looked at and deleted; what breaks the schema or exists
already is refused as the real API server does. With `launch` a job's containers run as processes of
this machine: by their command and arguments, with the TF_CONFIG that the operator sets, started anew as
restartPolicy ExitCode says. Pods, images, volumes (a folder is where it is) and rights are not imitated.
"""

from __future__ import annotations

import dataclasses
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.cluster.manifests import REPOSITORY, schema_problems

from benchmarks.harness.ports import free_port

NAMESPACE = "kubeflow"
_PATH = f"/apis/kubeflow.org/v1/namespaces/{NAMESPACE}/tfjobs"
_RETRY_FROM = 128
_POLL_SECONDS = 0.3


@dataclasses.dataclass
class Job:
    """A TFJob: its manifest with a status, and its processes by name."""

    body: dict[str, Any]
    processes: dict[str, subprocess.Popen[bytes]] = dataclasses.field(default_factory=dict)
    starts: dict[str, int] = dataclasses.field(default_factory=dict)

    def set(self, kind: str, message: str = "") -> None:
        self.body.setdefault("status", {})["conditions"] = [
            {"type": "Created", "status": "True"},
            {"type": kind, "status": "True", "message": message},
        ]

    @property
    def ended(self) -> bool:
        conditions = self.body.get("status", {}).get("conditions", [])
        return any(c["type"] in ("Succeeded", "Failed") for c in conditions)

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()


class Operator:
    """Jobs by name, every request as "METHOD path", and statuses to answer with instead, first to last."""

    def __init__(self, folder: Path, launch: bool, made: Callable[[Job], None] | None) -> None:
        self.folder = folder
        self.jobs: dict[str, Job] = {}
        self.requests: list[str] = []
        self.failures: list[int] = []
        self._launch, self._made = launch, made
        self._lock = threading.RLock()

    def log(self, process: str) -> str:
        return (self.folder / f"{process}.log").read_text(errors="replace")

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        with self._lock:
            self.requests.append(f"{method} {path}")
            if self.failures:
                return self.failures.pop(0), {"message": "as the test wants it"}
            name = path.removeprefix(_PATH).strip("/")
            if not path.startswith(_PATH):
                return 404, {"message": f"no such path {path}"}
            if method == "POST":
                return self._create(json.loads(body))
            if name not in self.jobs:
                return 404, {"message": f'tfjobs.kubeflow.org "{name}" not found'}
            if method == "DELETE":
                self.jobs.pop(name).stop()
                return 200, {"status": "Success"}
            return 200, self.jobs[name].body

    def _create(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        problems = list(schema_problems([body]))
        if problems:
            return 422, {"message": "; ".join(problems)}
        name = body["metadata"]["name"]
        if name in self.jobs:
            return 409, {"message": f'tfjobs.kubeflow.org "{name}" already exists'}
        job = self.jobs[name] = Job(body)
        job.set("Running")
        if self._made:
            self._made(job)
        if self._launch:
            threading.Thread(target=self._operate, args=(name, job, _cluster(body)), daemon=True).start()
        return 201, body

    def _operate(self, name: str, job: Job, cluster: dict[str, list[str]]) -> None:
        for kind, addresses in cluster.items():
            for index in range(len(addresses)):
                self._start(name, job, cluster, kind, index)
        stop = threading.Event()
        while not stop.wait(_POLL_SECONDS):
            with self._lock:
                if self.jobs.get(name) is not job:
                    return
                for process_name, process in list(job.processes.items()):
                    code = process.poll()
                    if not code:
                        continue
                    code = 128 - code if code < 0 else code
                    if code < _RETRY_FROM:
                        job.stop()
                        job.set("Failed", f"{process_name} ended with exit code {code}")
                        return
                    kind, index = process_name.rsplit("-", 2)[-2:]
                    self._start(name, job, cluster, kind, int(index))
                    job.set("Restarting")
                if job.processes[f"{name}-chief-0"].poll() == 0:
                    job.stop()
                    job.set("Succeeded")
                    return

    def _start(self, name: str, job: Job, cluster: dict[str, list[str]], kind: str, index: int) -> None:
        [container] = job.body["spec"]["tfReplicaSpecs"][kind.title()]["template"]["spec"]["containers"]
        command = [*container["command"], *container["args"]]
        if command[0] == "python":
            command[0] = sys.executable
        process_name = f"{name}-{kind}-{index}"
        task = {"cluster": cluster, "task": {"type": kind, "index": index}, "environment": "cloud"}
        own = {entry["name"]: entry["value"] for entry in container.get("env", ())}
        with (self.folder / f"{process_name}.log").open("ab") as log:
            job.processes[process_name] = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), **own, "TF_CONFIG": json.dumps(task)},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        job.starts[process_name] = job.starts.get(process_name, 0) + 1


def _cluster(body: dict[str, Any]) -> dict[str, list[str]]:
    """As the operator's TF_CONFIG, with ports of this machine for the names of services."""
    return {
        kind.lower(): [f"127.0.0.1:{free_port()}" for _ in range(replicas["replicas"])]
        for kind, replicas in body["spec"]["tfReplicaSpecs"].items()
    }


@contextmanager
def training_operator(
    folder: Path, *, launch: bool = False, made: Callable[[Job], None] | None = None
) -> Iterator[Operator]:
    """On 127.0.0.1, where Kubernetes' client in this process finds it. `made` hears of each new job."""
    from kubernetes import config

    operator = Operator(folder, launch, made)

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = operator.answer(self.command, self.path.partition("?")[0], body)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 (the library's names)

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    (folder / "kubeconfig").write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "nobody"}}],
                "clusters": [
                    {"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
                ],
                "users": [{"name": "nobody", "user": {}}],
            }
        )
    )
    try:
        with pytest.MonkeyPatch.context() as patch:
            # The client has read $KUBECONFIG when it was imported.
            for module in (config, config.kube_config):
                patch.setattr(module, "KUBE_CONFIG_DEFAULT_LOCATION", str(folder / "kubeconfig"))
            yield operator
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        with operator._lock:
            for job in operator.jobs.values():
                job.stop()
            operator.jobs.clear()
