"""The model server as a process, on models that are not published yet."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

import contract
from components.common import storage
from components.serving_check import answers

# A name and not an import: components start serving only as a process, as production does.
SERVER_MODULE = "serving.model_server"
# The folder that holds both packages, for a process started from anywhere.
_PROJECT = Path(__file__).resolve().parents[2]
# The version that the models have while they have none.
_VERSION = "1"
# Lines of output worth keeping in a reason.
_KEPT_LINES = 20


class Server:
    """A running server.

    Attributes:
      address: of its gRPC, for gRPC to dial.
    """

    def __init__(self, address: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.address = address
        self._process = process
        self._log = log

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def cause(self) -> str:
        """Why the process ended."""
        code = self._process.wait()
        if code < 0:
            return f"the server died of {signal.Signals(-code).name}"
        lines = [line for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else f"the server ended with exit code {code} and said nothing"

    @property
    def output(self) -> str:
        """The last lines that it printed."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-_KEPT_LINES:])


@contextlib.contextmanager
def start(
    model_dirs: Mapping[str, str],
    module: str = SERVER_MODULE,
    asked: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    """Runs a server of some models; when the block ends it is killed with all that it has started.

    Args:
      model_dirs: model -> folder of its SavedModel.
      module: what to run as the server.
      asked: model -> the one signature that it will be asked. The others are not warmed up: the first
        request to each costs as much CPU as loading does.
    """
    # A socket of our own cannot be taken by anyone, as a free port can.
    with tempfile.TemporaryDirectory(prefix="marquee-") as name:
        folder = Path(name)
        config = model_server_config_pb2.ModelServerConfig()
        for model, model_dir in model_dirs.items():
            base = folder / model
            place(model_dir, base / _VERSION, asked.get(model))
            config.model_config_list.config.add(name=model, base_path=str(base), model_platform="tensorflow")
        (folder / "models.config").write_text(str(config))
        socket, log = folder / "grpc.sock", folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    module,
                    "--port=0",
                    "--rest_api_port=0",
                    f"--grpc_socket_path={socket}",
                    f"--model_config_file={folder / 'models.config'}",
                    # However the run ends, its server does.
                    f"--parent_pid={os.getpid()}",
                    # What does not load the first time is refused: nobody waits here.
                    "--max_num_load_retries=0",
                    # Loading takes one core for each.
                    f"--num_load_threads={len(model_dirs)}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(),
                # A group of its own, so that its children end with it.
                start_new_session=True,
            )
        try:
            yield Server(f"unix:{socket}", process, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def place(model_dir: str, version: Path, asked: str | None = None) -> None:
    """Puts a model where a server looks: servers want a folder of numbered versions.

    Args:
      model_dir: on an object store it is fetched.
      version: folder that is to be made.
      asked: the one signature whose warm-up requests go with it; None: all that it has.
    """
    version.parent.mkdir()
    if storage.is_local(model_dir) and asked is None:
        version.symlink_to(Path(model_dir).absolute(), target_is_directory=True)
        return
    storage.link_tree(model_dir, str(version))
    warm_up = version / contract.ASSETS_EXTRA / contract.WARMUP_REQUESTS
    if asked is None or not warm_up.exists():
        return
    kept = [each for each in answers.read_requests(model_dir) if each.model_spec.signature_name == asked]
    warm_up.unlink()  # the pushed version's own file is another link
    with tf.io.TFRecordWriter(str(warm_up)) as writer:
        for request in kept:
            log = prediction_log_pb2.PredictionLog()
            log.predict_log.request.CopyFrom(request)
            writer.write(log.SerializeToString())


def _environment() -> dict[str, str]:
    inherited = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([str(_PROJECT), *([inherited] if inherited else [])])
    # What a container sets for its one model is not meant for this server.
    own = {name: value for name, value in os.environ.items() if name not in ("MODEL_NAME", "MODEL_BASE_PATH")}
    # The log of a healthy start would bury the reason.
    return {"TF_CPP_MIN_LOG_LEVEL": "2", **own, "PYTHONPATH": path}
