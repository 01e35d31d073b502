"""The command line as TensorFlow Serving reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.model_server.process import options
from serving.protocol.errors import StatusError

BASE = ("--model_base_path=/models/m",)


def parse(*arguments: str, **environment: str) -> options.ServerOptions:
    return options.parse(arguments, environment)


def test_defaults() -> None:
    parsed = parse(*BASE)
    assert (parsed.port, parsed.rest_api_port, parsed.file_system_poll_wait_seconds) == (8500, 8501, 1)
    assert (parsed.max_num_load_retries, parsed.load_retry_interval_micros) == (5, 60_000_000)
    assert parsed.enable_batching is None
    assert parsed.metrics_path == "/monitoring/prometheus/metrics"
    [model] = parsed.config.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("default", "/models/m", "tensorflow")
    assert parsed.warnings == ()


def test_value_after_equals_or_as_next_argument_and_the_last_one_wins() -> None:
    parsed = parse("--port", "9000", "--port=9001", "--rest_api_port", "9002", "--model_base_path", "/m")
    assert (parsed.port, parsed.rest_api_port) == (9001, 9002)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--enable_batching",), True),
        (("--enable_batching=true",), True),
        (("--enable_batching=false",), False),
        (("--enable_batching", "false"), False),
        (("--enable_batching", "--port=1"), True),
    ],
)
def test_booleans(arguments: tuple[str, ...], expected: bool) -> None:
    assert parse(*BASE, *arguments).enable_batching is expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--enable_batching=1",), r'--enable_batching: expected true or false, got "1"'),
        (("--port=http",), r'--port: expected a whole number .*got "http"'),
        (("--port=2147483648",), r"--port: expected a whole number"),
        (("--port=70000",), r"--port must be 0 to 65535, got 70000"),
        (("--prot=1",), r"unknown flag --prot"),
        (("serve",), r'unknown argument "serve"'),
        (("--port",), r"--port needs a value"),
        (("--port=9", "--rest_api_port=9"), r"must differ"),
        (("--port=0", "--rest_api_port=0"), r"nowhere to answer"),
        (("--workers=0",), r"--workers must be at least 1, got 0"),
        (("--workers=2", "--grpc_socket_path=/s"), r"--workers=1"),
        (("--batching_parameters_file=/f",), r"without --enable_batching"),
        (("--use_alts_credentials",), r"ALTS is not supported"),
        (("--grpc_channel_arguments=grpc.x",), r'expected key=value, got "grpc.x"'),
        (
            ("--tensorflow_session_parallelism=2", "--tensorflow_intra_op_parallelism=2"),
            r"either --tensorflow_session_parallelism or",
        ),
        (("--shutdown_grace_seconds=soon",), r'expected a number, got "soon"'),
    ],
)
def test_errors_name_the_flag_and_what_was_expected(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(options.UsageError, match=message):
        parse(*BASE, *arguments)


def test_nothing_to_serve() -> None:
    with pytest.raises(options.UsageError, match="nothing to serve"):
        parse()


def test_every_flag_of_tensorflow_serving_is_known() -> None:
    # model_servers/main.cc of the 2.x releases.
    flags = """
        port grpc_socket_path rest_api_port rest_api_num_threads rest_api_timeout_in_ms
        rest_api_enable_cors_support enable_batching allow_version_labels_for_unavailable_models
        batching_parameters_file enable_per_model_batching_parameters model_config_file
        model_config_file_poll_wait_seconds model_name model_base_path num_load_threads
        num_unload_threads max_num_load_retries load_retry_interval_micros
        file_system_poll_wait_seconds flush_filesystem_caches tensorflow_session_parallelism
        tensorflow_session_config_file tensorflow_intra_op_parallelism tensorflow_inter_op_parallelism
        use_alts_credentials ssl_config_file platform_config_file per_process_gpu_memory_fraction
        saved_model_tags grpc_channel_arguments grpc_max_threads enable_model_warmup
        num_request_iterations_for_warmup monitoring_config_file
        remove_unused_fields_from_bundle_metagraph prefer_tflite_model num_tflite_pools
        num_tflite_interpreters_per_pool enable_signature_method_name_check xla_cpu_compilation_enabled
        xla_gpu_compilation_enabled enable_profiler thread_pool_factory_config_file mixed_precision
        skip_initialize_tpu enable_grpc_healthcheck_service enable_serialization_as_tensor_content
    """
    honoured = {field.name for field in options.FLAGS}
    unknown = set(flags.split()) - honoured - set(options.NOT_HONOURED) - {"use_alts_credentials"}
    assert not unknown
    assert not honoured & set(options.NOT_HONOURED)


def test_a_flag_without_effect_warns_unless_it_says_what_is_so_anyway() -> None:
    assert parse(*BASE, "--enable_profiler=true", "--flush_filesystem_caches").warnings == ()
    [warning] = parse(*BASE, "--enable_profiler=false").warnings
    assert "--enable_profiler=false has no effect" in warning
    [warning] = parse(*BASE, "--per_process_gpu_memory_fraction=0.5").warnings
    assert "CPU" in warning


@pytest.mark.parametrize(
    ("environment", "name", "path"),
    [
        ({"MODEL_NAME": "m"}, "m", "/models/m"),
        ({"MODEL_BASE_PATH": "/data/"}, "model", "/data/model"),
        ({"MODEL_NAME": "m", "MODEL_BASE_PATH": "gs://b"}, "m", "gs://b/m"),
    ],
)
def test_environment_of_the_image(environment: dict[str, str], name: str, path: str) -> None:
    [model] = parse(**environment).config.model_config_list.config
    assert (model.name, model.base_path) == (name, path)


def test_flags_win_over_the_environment() -> None:
    [model] = parse("--model_name=other", MODEL_NAME="m").config.model_config_list.config
    assert (model.name, model.base_path) == ("other", "/models/m")


def test_relative_base_path_is_taken_from_here() -> None:
    [model] = parse("--model_base_path=models/m").config.model_config_list.config
    assert model.base_path == str(Path.cwd() / "models/m")


def test_model_config_file_takes_the_place_of_the_one_model(tmp_path: Path) -> None:
    file = tmp_path / "models.config"
    file.write_text(
        'model_config_list { config { name: "a" base_path: "/a" model_platform: "tensorflow" '
        "model_version_policy { specific { versions: 3 versions: 5 } } "
        'version_labels { key: "stable" value: 3 } } }'
    )
    parsed = parse(*BASE, f"--model_config_file={file}")
    [model] = parsed.config.model_config_list.config
    assert (model.name, list(model.model_version_policy.specific.versions)) == ("a", [3, 5])
    assert dict(model.version_labels) == {"stable": 3}
    assert "--model_base_path and --model_name are ignored" in parsed.warnings[0]


def test_a_missing_file_is_named() -> None:
    with pytest.raises(StatusError, match=r"cannot read /no/such/file"):
        parse("--model_config_file=/no/such/file")


def test_channel_arguments_are_numbers_where_they_are() -> None:
    parsed = parse(*BASE, "--grpc_channel_arguments=grpc.max_connection_age_ms=2000,grpc.name=x")
    assert parsed.channel_arguments == [("grpc.max_connection_age_ms", 2000), ("grpc.name", "x")]


def test_usage_shows_every_flag() -> None:
    text = options.usage()
    for name in (*(field.name for field in options.FLAGS), *options.NOT_HONOURED):
        assert f"--{name}" in text


def test_the_documentation_lists_every_flag() -> None:
    text = (Path(__file__).parents[4] / "docs" / "reference" / "model-server-flags.md").read_text()
    for name in (*(field.name for field in options.FLAGS), *options.NOT_HONOURED):
        assert f"| `--{name}` |" in text
