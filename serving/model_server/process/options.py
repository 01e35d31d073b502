"""The command line: TensorFlow Serving's flags and a few of our own.

Values are read as TensorFlow's flag parser reads them. What TensorFlow Serving
accepts and this server does not honour is accepted with a warning, so that a
manifest can swap the image; an unknown flag is an error. Nothing here imports
TensorFlow.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tensorflow_serving.config import model_server_config_pb2

from serving.model_server.versions import config_files
from serving.model_server.versions.config_files import Tls

PLATFORM: Final = "tensorflow"
_INT32 = 2**31
_INT64 = 2**63


class UsageError(Exception):
    """The command line is wrong; the text says what came and what was expected."""


def _flag(default: Any, text: str, own: bool = False) -> Any:
    return dataclasses.field(default=default, metadata={"text": text, "own": own})


@dataclasses.dataclass(frozen=True)
class ServerOptions:
    """What a server is started with: one field per flag that is honoured, then what the files said."""

    port: int = _flag(8500, "port of gRPC; 0 for none")
    grpc_socket_path: str = _flag("", "also answer gRPC on this UNIX socket")
    grpc_channel_arguments: str = _flag("", "gRPC arguments, key=value, separated by commas")
    rest_api_port: int = _flag(8501, "port of REST; 0 for none")
    rest_api_timeout_in_ms: int = _flag(30000, "time limit of a REST request")
    rest_api_enable_cors_support: bool = _flag(False, "send CORS headers")
    model_name: str = _flag("default", "name of the one model")
    model_base_path: str = _flag("", "folder of its versions")
    model_config_file: str = _flag("", "ModelServerConfig in text form: several models, policies, labels")
    model_config_file_poll_wait_seconds: int = _flag(0, "seconds between looks at that file; 0 for one look")
    file_system_poll_wait_seconds: int = _flag(
        1, "seconds between looks for versions; 0 for one look, negative for none"
    )
    allow_version_labels_for_unavailable_models: bool = _flag(
        False, "a new label may point to a version that is not loaded"
    )
    num_load_threads: int = _flag(0, "models that load at the same time; 0 or 1 for one after the other")
    max_num_load_retries: int = _flag(5, "how often a load is tried again")
    load_retry_interval_micros: int = _flag(60_000_000, "microseconds between two tries")
    enable_batching: bool | None = _flag(
        None,
        "true: batch by --batching_parameters_file; false: never; left out: batch what queues up "
        "for Marquee's signatures",
    )
    batching_parameters_file: str = _flag("", "BatchingParameters in text form")
    tensorflow_session_parallelism: int = _flag(0, "threads of a session; 0 for what suits the cores")
    tensorflow_intra_op_parallelism: int = _flag(0, "threads inside an op")
    tensorflow_inter_op_parallelism: int = _flag(0, "ops side by side")
    saved_model_tags: str = _flag("serve", "tags of the graph to load, separated by commas")
    enable_model_warmup: bool = _flag(True, "replay the model's warm-up requests before it is served")
    num_request_iterations_for_warmup: int = _flag(
        0, "times that each warm-up request is replayed, if above 0"
    )
    enable_signature_method_name_check: bool = _flag(
        False, "Classify and Regress only on signatures with that method name"
    )
    enable_grpc_healthcheck_service: bool = _flag(False, "answer grpc.health.v1")
    enable_serialization_as_tensor_content: bool = _flag(
        False, "answer with tensor_content instead of typed values"
    )
    monitoring_config_file: str = _flag("", "MonitoringConfig in text form")
    ssl_config_file: str = _flag("", "SSLConfig in text form: TLS for gRPC")

    host: str = _flag("0.0.0.0", "address to listen on", own=True)
    workers: int = _flag(1, "processes that share the ports", own=True)
    shutdown_grace_seconds: float = _flag(
        30.0, "time that requests under way have after SIGTERM or Ctrl-C", own=True
    )
    servable_versions_always_present: bool = _flag(
        False, "keep what answers while no version that the policy wants is there", own=True
    )
    allow_config_reload: bool = _flag(
        False, "answer HandleReloadConfigRequest, by which any client of gRPC replaces the config", own=True
    )
    admin_socket_path: str = _flag(
        "",
        "answer gRPC on this UNIX socket of the server's user, HandleReloadConfigRequest included",
        own=True,
    )
    allowed_paths: str = _flag(
        "",
        "folders, separated by commas, below which the config's base paths and prefixes of request logs "
        'must lie; "" for any',
        own=True,
    )
    require_pushed_hashes: bool = _flag(
        False, "load only versions whose files have the SHA-256 that PUSHED.json says", own=True
    )
    rest_api_max_body_bytes: int = _flag(16 << 20, "largest REST request", own=True)
    grpc_max_message_bytes: int = _flag(
        64 << 20, "largest gRPC request; grpc.max_receive_message_length wins", own=True
    )
    max_pending_request_bytes: int = _flag(
        256 << 20, "bytes of all requests under way in one process, beyond 64 KiB of each", own=True
    )
    max_request_rows: int = _flag(
        1024, "rows of a request for one of Marquee's signatures; 0 for no bound", own=True
    )
    max_queued_requests: int = _flag(
        0,
        "requests that may wait per signature, besides the bound of the batching; 0 for no more than that",
        own=True,
    )
    parent_pid: int = _flag(
        0,
        "ends as by SIGTERM when this process, its parent, does (even by SIGKILL); 0 for no such bond",
        own=True,
    )
    liveness_stall_seconds: float = _flag(
        60.0,
        "/livez is 503 once requests have waited so long and none was answered; 0 for never",
        own=True,
    )
    max_connections: int = _flag(
        0,
        "connections of REST, of which one address may have half; 0 for half of the descriptors that the "
        "process may open",
        own=True,
    )
    enable_descriptions: bool = _flag(
        True, "answer /openapi.json and gRPC reflection, which describe the models", own=True
    )
    access_log: str = _flag("", 'one JSON line per request: a file, "-" for stdout, "" for none', own=True)

    # What the files of those flags said.
    config: model_server_config_pb2.ModelServerConfig = dataclasses.field(
        default_factory=model_server_config_pb2.ModelServerConfig
    )
    batching: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    metrics_path: str = config_files.METRICS_PATH
    tls: Tls | None = None
    warnings: tuple[str, ...] = ()

    @property
    def logs_to_a_file(self) -> bool:
        """Whether there is a log file that SIGHUP begins anew; else that signal ends the server."""
        return self.access_log not in ("", "-")

    @property
    def channel_arguments(self) -> list[tuple[str, int | str]]:
        """`grpc_channel_arguments` as gRPC wants them: whole numbers as such."""
        found: list[tuple[str, int | str]] = []
        for argument in filter(None, self.grpc_channel_arguments.split(",")):
            key, equals, value = argument.partition("=")
            if not key or not equals:
                raise UsageError(f'--grpc_channel_arguments: expected key=value, got "{argument}"')
            found.append((key, int(value) if re.fullmatch(r"[+-]?\d+", value) else value))
        return found


# Flags of TensorFlow Serving that change nothing here: (type, default, why).
NOT_HONOURED: Final[dict[str, tuple[type, Any, str]]] = {
    "rest_api_num_threads": (int, None, "one event loop answers REST; --workers adds processes"),
    "grpc_max_threads": (int, None, "one event loop answers gRPC; --workers adds processes"),
    "num_unload_threads": (int, 0, "versions unload in a thread of their own, one after the other"),
    "flush_filesystem_caches": (bool, True, "no file system cache is kept"),
    "enable_per_model_batching_parameters": (bool, False, "batching_params.pbtxt of a model is not read"),
    "tensorflow_session_config_file": (str, "", "threads are set by the tensorflow_*_parallelism flags"),
    "platform_config_file": (
        str,
        "",
        "the platform is always TensorFlow; use the flags and files of each part",
    ),
    "per_process_gpu_memory_fraction": (float, 0.0, "this server runs on CPUs"),
    "remove_unused_fields_from_bundle_metagraph": (bool, True, "the graph is dropped once it is loaded"),
    "prefer_tflite_model": (bool, False, "TensorFlow Lite models are not served"),
    "num_tflite_pools": (int, None, "TensorFlow Lite models are not served"),
    "num_tflite_interpreters_per_pool": (int, 1, "TensorFlow Lite models are not served"),
    "xla_cpu_compilation_enabled": (bool, False, "XLA stays off"),
    "xla_gpu_compilation_enabled": (bool, False, "XLA stays off"),
    "enable_profiler": (bool, True, "there is no profiler service"),
    "thread_pool_factory_config_file": (str, "", "TensorFlow's own thread pools are used"),
    "mixed_precision": (str, "", "graphs run as they were saved"),
    "skip_initialize_tpu": (bool, False, "this server runs on CPUs"),
}
# Flags whose request for protection must not be ignored.
_REFUSED: Final = {"use_alts_credentials": "ALTS is not supported; use --ssl_config_file for TLS"}


def parse(
    arguments: Sequence[str],
    environment: Mapping[str, str] = os.environ,
    base_paths: Mapping[str, str] | None = None,
) -> ServerOptions:
    """Reads the command line, the environment and the files they name.

    MODEL_NAME and MODEL_BASE_PATH are read as TensorFlow Serving's image reads
    them: the model is at MODEL_BASE_PATH/MODEL_NAME (/models and model if only
    the other is set). Flags win.

    Args:
      arguments: flags.
      environment: where those variables are looked up.
      base_paths: model -> folder, for when nothing else says what to serve.

    Raises:
      UsageError: unknown flag, a value that is none, flags that contradict each other.
      StatusError: a file that cannot be read or is not what it should be.
    """
    given, warnings = _split(arguments)
    name, folder = environment.get("MODEL_NAME"), environment.get("MODEL_BASE_PATH")
    if (name or folder) and "model_config_file" not in given:
        name = name or "model"
        path = f"{(folder or '/models').rstrip('/')}/{name}"
        given = {"model_name": name, "model_base_path": path, **given}
    options = ServerOptions(**given)
    if options.model_base_path:
        base_paths = {options.model_name: options.model_base_path}
    _check(options)
    if options.model_config_file:
        config = config_files.read_model_config(options.model_config_file)
        if options.model_base_path:
            warnings.append("--model_base_path and --model_name are ignored: there is a --model_config_file")
    elif base_paths:
        config = latest_of(base_paths)
    else:
        raise UsageError(
            "nothing to serve: give --model_name and --model_base_path, or --model_config_file "
            "(or set MODEL_NAME and MODEL_BASE_PATH)"
        )
    batching: Mapping[str, Any] = {}
    if options.batching_parameters_file:
        batching = config_files.read_batching_parameters(options.batching_parameters_file)
    metrics_path = config_files.METRICS_PATH
    if options.monitoring_config_file:
        metrics_path = config_files.read_metrics_path(options.monitoring_config_file)
    tls = config_files.read_tls(options.ssl_config_file) if options.ssl_config_file else None
    if tls is not None and options.rest_api_port:
        warnings.append("REST is plain HTTP, as TensorFlow Serving's: --ssl_config_file is for gRPC")
    return dataclasses.replace(
        options,
        config=config,
        batching=batching,
        metrics_path=metrics_path,
        tls=tls,
        warnings=tuple(warnings),
    )


def latest_of(base_paths: Mapping[str, str]) -> model_server_config_pb2.ModelServerConfig:
    """The config that serves the latest version of each model.

    Args:
      base_paths: model -> folder of its versions; a relative one is taken from here.
    """
    config = model_server_config_pb2.ModelServerConfig()
    for name, base_path in base_paths.items():
        path = base_path if "://" in base_path else os.path.abspath(base_path)  # noqa: PTH100 (keeps links)
        config.model_config_list.config.add(name=name, base_path=path, model_platform=PLATFORM)
    return config


def _check(options: ServerOptions) -> None:
    if not options.port and not options.grpc_socket_path and not options.rest_api_port:
        raise UsageError(
            "nowhere to answer: --port and --rest_api_port are 0 and there is no --grpc_socket_path"
        )
    if options.port and options.port == options.rest_api_port:
        raise UsageError(f"--rest_api_port must differ from --port, both are {options.port}")
    for name in ("port", "rest_api_port"):
        if not 0 <= getattr(options, name) < 65536:
            raise UsageError(f"--{name} must be 0 to 65535, got {getattr(options, name)}")
    if options.workers < 1:
        raise UsageError(f"--workers must be at least 1, got {options.workers}")
    if options.workers > 1 and options.grpc_socket_path:
        raise UsageError("--grpc_socket_path needs --workers=1: processes cannot share a UNIX socket")
    if options.batching_parameters_file and not options.enable_batching:
        raise UsageError("--batching_parameters_file is set without --enable_batching")
    for name in (
        "max_num_load_retries",
        "shutdown_grace_seconds",
        "rest_api_timeout_in_ms",
        "max_queued_requests",
        "max_request_rows",
        "liveness_stall_seconds",
        "max_connections",
        "parent_pid",
    ):
        if getattr(options, name) < 0:
            raise UsageError(f"--{name} must not be negative, got {getattr(options, name)}")
    for name in ("rest_api_max_body_bytes", "grpc_max_message_bytes", "max_pending_request_bytes"):
        if getattr(options, name) < 1:
            raise UsageError(f"--{name} must be at least 1, got {getattr(options, name)}")
    threads = ("session", "intra_op", "inter_op")
    set_threads = [name for name in threads if getattr(options, f"tensorflow_{name}_parallelism") > 0]
    if len(set_threads) > 1 and "session" in set_threads:
        raise UsageError(
            "give either --tensorflow_session_parallelism or --tensorflow_intra_op_parallelism "
            "and --tensorflow_inter_op_parallelism"
        )
    _ = options.channel_arguments


def _split(arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The honoured flags with their values, and a warning for each that is not."""
    kinds = {field.name: _kind(field) for field in FLAGS}
    given: dict[str, Any] = {}
    ignored: list[str] = []
    queue = list(arguments)
    while queue:
        argument = queue.pop(0)
        if not argument.startswith("--") or argument == "--":
            raise UsageError(f'unknown argument "{argument}": expected --flag=value')
        name, equals, value = argument[2:].partition("=")
        if name in kinds:
            kind = kinds[name]
        elif name in NOT_HONOURED:
            kind = NOT_HONOURED[name][0]
        elif name in _REFUSED:
            kind = bool
        else:
            raise UsageError(f"unknown flag --{name}; --help lists the flags")
        if not equals:
            if kind is bool:
                follows = bool(queue) and queue[0] in ("true", "false")
                value = queue.pop(0) if follows else "true"
            elif queue:
                value = queue.pop(0)
            else:
                raise UsageError(f"--{name} needs a value")
        parsed = _value(name, kind, value)
        if name in kinds:
            given[name] = parsed
        elif name in _REFUSED:
            if parsed:
                raise UsageError(f"--{name}: {_REFUSED[name]}")
        elif parsed != NOT_HONOURED[name][1]:
            ignored.append(f"--{name}={value} has no effect: {NOT_HONOURED[name][2]}")
    return given, ignored


def _kind(field: dataclasses.Field[Any]) -> type:
    return {"bool": bool, "bool | None": bool, "int": int, "float": float, "str": str}[str(field.type)]


def _value(name: str, kind: type, text: str) -> Any:
    """A value as TensorFlow's parser reads it."""
    if kind is str:
        return text
    if kind is bool:
        if text in ("true", "false"):
            return text == "true"
        raise UsageError(f'--{name}: expected true or false, got "{text}"')
    if kind is float:
        try:
            return float(text)
        except ValueError:
            raise UsageError(f'--{name}: expected a number, got "{text}"') from None
    bound = _INT64 if name in _LONG else _INT32
    if not re.fullmatch(r"\s*[+-]?\d+", text) or not -bound <= int(text) < bound:
        raise UsageError(f'--{name}: expected a whole number below {bound}, got "{text}"')
    return int(text)


_LONG = {
    "load_retry_interval_micros",
    "tensorflow_session_parallelism",
    "tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism",
    "rest_api_max_body_bytes",
    "grpc_max_message_bytes",
    "max_pending_request_bytes",
}
FLAGS: Final = tuple(field for field in dataclasses.fields(ServerOptions) if "text" in field.metadata)


def usage(program: str = "python -m serving.model_server") -> str:
    """The text of --help."""
    lines = [f"usage: {program} --model_name=NAME --model_base_path=FOLDER [--flag=value ...]", ""]
    for own, title in ((False, "flags of TensorFlow Serving:"), (True, "flags of this server:")):
        lines.append(title)
        for field in FLAGS:
            if field.metadata["own"] == own:
                default = "" if field.default is None else str(field.default)
                default = default.lower() if default in ("True", "False") else default
                lines.append(f"  --{field.name}={default}")
                lines.append(f"        {field.metadata['text']}")
        lines.append("")
    lines.append("accepted without effect:")
    lines += [f"  --{name}: {why}" for name, (_, _, why) in NOT_HONOURED.items()]
    return "\n".join(lines)
