"""TensorFlow Serving's text files."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.model_server.versions import config_files
from serving.protocol.errors import Code, StatusError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.pbtxt"


def test_batching_parameters_are_unwrapped_and_only_those_that_are_set(file: Path) -> None:
    file.write_text(
        """max_batch_size { value: 128 }
        batch_timeout_micros { value: 0 }
        max_enqueued_batches { value: 1000000 }
        num_batch_threads { value: 8 }
        thread_pool_name { value: "mine" }
        allowed_batch_sizes: 8
        allowed_batch_sizes: 128
        pad_variable_length_inputs: true
        """
    )
    assert config_files.read_batching_parameters(str(file)) == {
        "max_batch_size": 128,
        "batch_timeout_micros": 0,
        "max_enqueued_batches": 1000000,
        "num_batch_threads": 8,
        "thread_pool_name": "mine",
        "allowed_batch_sizes": (8, 128),
        "pad_variable_length_inputs": True,
    }
    file.write_text("")
    assert config_files.read_batching_parameters(str(file)) == {}


def test_splitting(file: Path) -> None:
    file.write_text(
        "max_batch_size { value: 64 } enable_large_batch_splitting { value: true } "
        "max_execution_batch_size { value: 16 } allowed_batch_sizes: 16"
    )
    found = config_files.read_batching_parameters(str(file))
    assert found["enable_large_batch_splitting"] is True
    assert found["max_execution_batch_size"] == 16


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch_size { value: 0 }", "max_batch_size must be at least 1, got 0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros must be at least 0"),
        ("allowed_batch_sizes: 8 allowed_batch_sizes: 8", "must be increasing"),
        (
            "max_batch_size { value: 9 } allowed_batch_sizes: 8",
            "last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; expected 9",
        ),
        (
            "allowed_batch_sizes: 8",
            "last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; expected 1000",
        ),
        (
            "max_batch_size { value: 64 } allowed_batch_sizes: 8 "
            "enable_large_batch_splitting { value: true }",
            "last entry in allowed_batch_sizes must match max_execution_batch_size; "
            "last entry was 8; expected 64",
        ),
        ("max_batch_sise { value: 9 }", 'no field named "max_batch_sise"'),
        ("max_batch_size: 9", "Invalid protobuf file"),
    ],
)
def test_bad_batching_parameters(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(StatusError) as error:
        config_files.read_batching_parameters(str(file))
    assert error.value.code is Code.INVALID_ARGUMENT
    assert message in error.value.message
    assert str(file) in error.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prometheus_config { enable: true path: '/metrics' }", "/metrics"),
        ("prometheus_config: { enable: true, }", config_files.METRICS_PATH),
        ("prometheus_config { path: '/metrics' }", ""),
        ("", ""),
    ],
)
def test_monitoring(file: Path, text: str, expected: str) -> None:
    file.write_text(text)
    assert config_files.read_metrics_path(str(file)) == expected


def test_monitoring_path_must_be_one(file: Path) -> None:
    file.write_text("prometheus_config { enable: true path: 'metrics' }")
    with pytest.raises(StatusError, match='must start with "/", got "metrics"'):
        config_files.read_metrics_path(str(file))


def test_tls(file: Path) -> None:
    file.write_text('server_key: "KEY\\n" server_cert: "CERT" custom_ca: "CA" client_verify: true')
    tls = config_files.read_tls(str(file))
    assert (tls.server_key, tls.server_cert, tls.custom_ca, tls.client_verify) == (
        "KEY\n",
        "CERT",
        "CA",
        True,
    )
    assert "KEY" not in repr(tls)
    file.write_text('server_cert: "CERT"')
    with pytest.raises(StatusError, match="server_key is empty"):
        config_files.read_tls(str(file))


def test_binary_garbage_is_an_error(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StatusError, match="cannot read"):
        config_files.read_model_config(str(file))
