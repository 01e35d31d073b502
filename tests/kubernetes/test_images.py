"""The images are built and run: server and application answer, the pipeline runs real tasks.

Wants podman, root and a base image with Python 3.11: the one that $BASE names, or one
that debootstrap makes (a few minutes, Debian's mirrors).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.cluster.manifests import FOLDER, REPOSITORY
from support.servers.model_servers import wait_until
from support.workspace import Workspace, marquee, new_workspace

import contract
from benchmarks.harness.ports import free_port
from pipeline.kubeflow.documents import Documents, read_all
from pipeline.kubeflow.rehearsal import rehearse
from pipeline.runs.run_records import State
from serving.client import Client, ServingError

BASE = "localhost/marquee-test-base:bookworm"
# Limits that podman sets by default may be above those of the machine.
# runc where it is installed: crun refuses machines with cgroups of both versions.
PODMAN = ["podman", *(["--runtime=runc"] if shutil.which("runc") else [])]
RUN = [
    *PODMAN,
    "run",
    "--rm",
    "--ulimit=nofile=1024:4096",
    "--ulimit=nproc=4096:4096",
    "--health-interval=disable",
]
# As a restricted pod: no rights, nothing to write to but /tmp.
RESTRICTED = [*RUN, "--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--security-opt=no-new-privileges"]
NIGHTLY = pytest.mark.nightly(
    "kubernetes/images", ".dockerignore", "contract", "requirements", "pyproject.toml"
)
DATABASE = "--database=sqlite:////tmp/app.sqlite"
FORBIDDEN = ("gcc", "g++", "cc", "ld", "make", "cmake", "pip", "pip3", "uv")


@pytest.mark.parametrize(
    "dockerfile", sorted(FOLDER.glob("images/*/Dockerfile")), ids=lambda path: path.parent.name
)
def test_hadolint_has_nothing_to_say(dockerfile: Path) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, dockerfile], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def run(*command: str, seconds: float = 1800, **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds, **options)
    assert done.returncode == 0, f"{' '.join(command)[:300]}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Test processes side by side build one after the other: who comes second finds the layers made."""
    with (Path(tempfile.gettempdir()) / "marquee-test-images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    if shutil.which("podman") is None or os.geteuid() != 0:
        pytest.skip(
            "NOT CHECKED: images are built with podman as root; podman is not installed, or this is not root"
        )
    if os.environ.get("BASE"):
        return os.environ["BASE"]
    with one_at_a_time():
        if subprocess.run(["podman", "image", "exists", BASE], check=False).returncode:
            if shutil.which("debootstrap") is None:
                pytest.skip("NOT CHECKED: no base image: name one with $BASE, or install debootstrap")
            folder = tmp_path_factory.mktemp("base") / "root"
            packages = "--include=python3,python3-venv,ca-certificates"
            run("debootstrap", "--variant=minbase", packages, "bookworm", str(folder))
            run("sh", "-c", f"tar -C {folder} -c . | podman import - {BASE}")
    return BASE


@pytest.fixture(scope="module")
def images(base: str) -> dict[str, str]:
    """name -> image, built by what `make images` calls."""
    with one_at_a_time():
        out = run(
            str(FOLDER / "images" / "build.sh"),
            cwd=REPOSITORY,
            # In a chroot a build needs no runtime.
            env={**os.environ, "BASE": base, "ENGINE": "podman", "BUILDAH_ISOLATION": "chroot"},
        )
    names = [path.parent.name for path in FOLDER.glob("images/*/Dockerfile")]
    version = out.rstrip().rpartition("marquee-")[2].split()[0].rpartition(":")[2]
    return {name: f"localhost/marquee-{name}:{version}" for name in names}


@NIGHTLY
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["app", "model-server", "pipeline"])
def test_an_image_has_no_root_no_build_tools_and_says_what_it_is(
    images: dict[str, str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    [about] = json.loads(run("podman", "image", "inspect", images[name]))
    assert about["Config"]["User"] == "65532:65532"
    assert about["Config"]["Labels"]["org.opencontainers.image.title"] == f"marquee-{name}"
    assert about["Config"]["Labels"]["org.opencontainers.image.version"] == images[name].rpartition(":")[2]
    assert about["Healthcheck"]["Test"][0] == "CMD"
    with capsys.disabled():
        print(f"\n{images[name]}: {about['Size'] / 1e9:.2f} GB")  # noqa: T201  the point of a test of sizes
    tools = " ".join(FORBIDDEN)
    script = (
        f"id -u; for tool in {tools}; do command -v $tool; done; touch /opt/marquee/x 2>/dev/null && echo"
    )
    assert run(*RESTRICTED, "--entrypoint=sh", images[name], "-c", f"{script} written; true") == "65532\n"
    # Secrets of the build are in no layer, and neither is the machine's package index.
    assert "index-url" not in run("podman", "history", "--no-trunc", images[name])


@pytest.fixture
def container(images: dict[str, str], pushed_workspace: Workspace) -> Iterator[tuple[str, int, int]]:
    """A running model server: (name, port of gRPC, port of REST)."""
    name, grpc, rest = f"marquee-test-{os.getpid()}", free_port(), free_port()
    models = pushed_workspace.artifacts / "serving_model" / contract.MODEL
    run(
        *[part for part in RESTRICTED if part != "--rm"], "--detach", f"--name={name}",
        f"--publish=127.0.0.1:{grpc}:8500", f"--publish=127.0.0.1:{rest}:8501",
        # Pushed models are for their owner and group.
        f"--group-add={models.stat().st_gid}", f"--volume={models}:/models/marquee:ro",
        images["model-server"], "--model_name=marquee", "--model_base_path=/models/marquee", "--workers=2",
    )  # fmt: skip
    try:
        yield name, grpc, rest
    finally:
        run("podman", "rm", "--force", "--time=60", name)


@NIGHTLY
@pytest.mark.timeout(3600)
def test_the_server_image_answers(container: tuple[str, int, int]) -> None:
    name, grpc, rest = container

    def logs() -> str:
        done = subprocess.run(["podman", "logs", name], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def ready() -> bool:
        state = run("podman", "inspect", "--format={{.State.Running}}", name)
        assert state.strip() == "true", logs()
        try:
            with Client(f"http://127.0.0.1:{rest}", timeout_s=2.0) as client:
                return bool(client.recommend(["1"], k=3).ids)
        except ServingError:
            return False

    wait_until(ready, 300, logs)
    with Client(f"127.0.0.1:{grpc}") as client:
        assert len(client.recommend([("1", 5.0)], k=5).ids) == 5
    run("podman", "healthcheck", "run", name)
    started = time.monotonic()
    run("podman", "stop", "--time=60", name)
    assert time.monotonic() - started < 60
    assert run("podman", "inspect", "--format={{.State.ExitCode}}", name).strip() == "0"


@pytest.fixture
def application(images: dict[str, str], container: tuple[str, int, int]) -> Iterator[tuple[str, str]]:
    """A running application over that server: (name, address)."""
    name, port = f"marquee-test-app-{os.getpid()}", free_port()
    run(
        *[part for part in RESTRICTED if part != "--rm"], "--detach", f"--name={name}", "--network=host",
        images["app"], f"--port={port}", f"--model-server=127.0.0.1:{container[1]}",
        f"--model-files=http://127.0.0.1:{container[2]}", DATABASE,
    )  # fmt: skip
    try:
        yield name, f"http://127.0.0.1:{port}"
    finally:
        run("podman", "rm", "--force", "--time=60", name)


@NIGHTLY
@pytest.mark.timeout(3600)
def test_the_application_image_answers_over_the_server_image(application: tuple[str, str]) -> None:
    name, address = application

    def get(path: str, key: str = "") -> tuple[int, bytes]:
        asked = urllib.request.Request(address + path, headers={"Authorization": f"Bearer {key}"})
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            return 0, str(error).encode()

    def logs() -> str:
        done = subprocess.run(["podman", "logs", name], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    wait_until(lambda: get("/health/ready")[0] == 200, 300, logs)
    assert get("/v1/popular")[0] == 401
    made = run(
        *PODMAN, "exec", name, "python", "-m", "serving.app", "--json", "keys", "create", "t", DATABASE
    )
    status, body = get("/v1/popular?k=3", json.loads(made)["key"])
    assert status == 200 and len(json.loads(body)["items"]) == 3
    assert get("/")[0] == 200


class _Silent:
    """Hears of the rehearsal's tasks and says nothing."""

    def planned(self, node_ids: list[str]) -> None: ...
    def started(self, node_id: str) -> None: ...
    def progress(self, done: int, total: int, text: str) -> None: ...
    def finished(self, outcome: Any) -> None: ...
    def failed(self, node_id: str, seconds: float) -> None: ...


@NIGHTLY
@pytest.mark.timeout(3600)
def test_the_pipeline_image_runs_the_first_tasks_of_the_compiled_spec(
    images: dict[str, str], tmp_path: Path
) -> None:
    """Compiled by the image, rehearsed with every task in a container of its own."""
    before = os.umask(0)  # the container's user is not ours
    try:
        workspace = new_workspace(tmp_path / "work")
        workspace.folder.chmod(0o777)
        inside = f"--volume={workspace.folder}:{workspace.folder}"
        run(
            *RESTRICTED, inside, f"--workdir={workspace.folder}", images["pipeline"],
            "kubeflow", "compile", "--config=sample", "--output=spec.yaml",
        )  # fmt: skip
        # The hash of sources and lock, part of the cache key, is in it.
        assert marquee("kubeflow", "compile", "--config=sample", "--output=here.yaml", cwd=tmp_path).code == 0
        assert (tmp_path / "here.yaml").read_text() == (workspace.folder / "spec.yaml").read_text()
        pipeline = read_all(workspace.folder / "spec.yaml")[0]
        tasks = pipeline["root"]["dag"]["tasks"]
        first = {"find-data", "drift", "example-gen"}  # with all that these wait for
        assert first <= tasks.keys()
        pipeline["root"]["dag"]["tasks"] = {name: task for name, task in tasks.items() if name in first}
        for executor in pipeline["deploymentSpec"]["executors"].values():
            entry, *rest = executor["container"]["command"]
            executor["container"]["command"] = [
                *RESTRICTED, inside, f"--entrypoint={entry}", images["pipeline"], *rest,
            ]  # fmt: skip
        outcomes = rehearse(
            Documents(pipeline, {}), {"data": str(workspace.data)}, workspace.folder / "rehearsal", _Silent()
        )
    finally:
        os.umask(before)
    assert [(outcome.node, outcome.state) for outcome in outcomes] == [
        ("find-data", State.RAN),
        ("drift", State.RAN),
        ("example-gen", State.RAN),
    ]
    [timelines] = outcomes[2].outputs["timelines"]
    shards = list(Path(timelines.uri).glob("Split-train/*"))
    assert shards and all(shard.stat().st_uid == 65532 for shard in shards)
