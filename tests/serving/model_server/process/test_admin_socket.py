"""Replacing the config is the operator's: a socket of the server's user, folders that he allows."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format
from support.servers import model_servers
from support.servers.model_servers import Target, refusal
from tensorflow_serving.apis import model_management_pb2
from tensorflow_serving.config import model_server_config_pb2

from serving.model_server.versions.config_rules import check_config
from serving.protocol.errors import Code, StatusError

PutVersion = Callable[..., Path]


def config(name: str, base: str, more: str = "") -> model_server_config_pb2.ModelServerConfig:
    return text_format.Parse(
        f'model_config_list {{ config {{ name: "{name}" base_path: "{base}" '
        f'model_platform: "tensorflow" {more} }} }}',
        model_server_config_pb2.ModelServerConfig(),
    )


def reload(target: Target, wanted: model_server_config_pb2.ModelServerConfig) -> None:
    request = model_management_pb2.ReloadConfigRequest(config=wanted)
    target.models.HandleReloadConfigRequest(request, timeout=60)


def test_the_data_port_refuses_what_the_socket_takes_for_all_workers(
    tmp_path: Path, put_version: PutVersion
) -> None:
    for name in ("a", "b"):
        put_version(tmp_path / "models" / name, 1)
    put_version(tmp_path / "elsewhere", 1)
    socket = tmp_path / "admin.sock"
    server = model_servers.start(
        model_servers.OUR_COMMAND[:4],
        [
            "--model_name=a",
            f"--model_base_path={tmp_path}/models/a",
            f"--admin_socket_path={socket}",
            f"--allowed_paths={tmp_path}/models",
            "--workers=2",
            "--file_system_poll_wait_seconds=1",
        ],
        tmp_path,
    )
    try:
        wanted = config("b", f"{tmp_path}/models/b")
        code, text = refusal(lambda: reload(server, wanted))
        assert code is grpc.StatusCode.PERMISSION_DENIED
        assert "--admin_socket_path" in text
        model_servers.wait_until(socket.exists)  # the other worker may be the first to open its ports
        assert stat.S_IMODE(os.stat(socket).st_mode) & 0o077 == 0  # noqa: PTH116
        admin = Target(f"unix:{socket}", None)
        code, text = refusal(lambda: reload(admin, config("b", f"{tmp_path}/elsewhere")))
        assert code is grpc.StatusCode.PERMISSION_DENIED
        assert f"base_path {tmp_path}/elsewhere is in none of the folders of --allowed_paths" in text
        assert server.available("a", 1)
        reload(admin, wanted)
        for _ in range(10):  # whichever worker takes the connection
            assert server.http("POST", "/v1/models/b:predict", {"instances": [2.0]}).status == 200
            assert server.http("POST", "/v1/models/a:predict", {"instances": [2.0]}).status == 404
        # The worker that holds the socket is started anew, and takes it again.
        admin.channel.close()
        [first] = [pid for pid in workers(server.process.pid) if holds(pid, str(socket))]
        os.kill(first, 9)
        model_servers.wait_until(lambda: "worker 0 serves again" in server.output, 60, lambda: server.output)
        again = Target(f"unix:{socket}", None)
        reload(again, config("a", f"{tmp_path}/models/a"))
        assert server.http("POST", "/v1/models/a:predict", {"instances": [2.0]}).status == 200
    finally:
        assert server.stop() == 0


def workers(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def holds(pid: int, path: str) -> bool:
    """Whether a process listens on a UNIX socket."""
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    inodes = {f"socket:[{line[6]}]" for line in lines if line[-1] == path}
    return any(os.readlink(file) in inodes for file in Path(f"/proc/{pid}/fd").iterdir())  # noqa: PTH115


LOGGED = (
    'logging_config { log_collector_config { filename_prefix: "%s" } sampling_config { sampling_rate: 1 } }'
)


@pytest.mark.parametrize(
    ("base", "prefix"),
    [
        ("/etc", "/models/log"),
        ("/models/../etc", "/models/log"),
        ("/models-of-others/a", "/models/log"),
        ("gs://bucket/a", "/models/log"),
        ("s3://allowed/../others/a", "/models/log"),
        ("s3://allowed-not/a", "/models/log"),
        ("/models/a", "/tmp/log"),
    ],
)
def test_paths_outside_are_refused(base: str, prefix: str) -> None:
    with pytest.raises(StatusError, match="is in none of the folders of --allowed_paths") as refused:
        check_config(config("m", base, LOGGED % prefix), empty(), ("/models", "s3://allowed"))
    assert refused.value.code is Code.PERMISSION_DENIED


@pytest.mark.parametrize("base", ["/models", "/models/a", "/models/a/../b", "s3://allowed/a"])
def test_paths_inside_are_taken(base: str) -> None:
    check_config(config("m", base, LOGGED % "/models/log"), empty(), ("/models/", "s3://allowed"))
    check_config(config("m", base), empty(), ())


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "link").symlink_to("/etc")
    (tmp_path / "named").symlink_to(tmp_path / "models")
    with pytest.raises(StatusError, match="link is in none"):
        check_config(config("m", f"{tmp_path}/models/link"), empty(), (f"{tmp_path}/models",))
    check_config(config("m", f"{tmp_path}/models/a"), empty(), (f"{tmp_path}/named",))


def empty() -> model_server_config_pb2.ModelServerConfig:
    return model_server_config_pb2.ModelServerConfig()
