"""Files of a version, as they are served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers.model_servers import OUR_COMMAND, Server, start

import contract


@pytest.fixture(scope="module")
def server(tmp_path_factory, put_version) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("files")
    for version in (1, 2):
        extra: Path = put_version(base / "half", version) / contract.ASSETS_EXTRA
        extra.mkdir(exist_ok=True)
        (extra / contract.CATALOGUE).write_bytes(b"catalogue of %d" % version)
        (extra / "secret").write_bytes(b"secret")
    (base / "half" / "2" / contract.PUSHED).write_text("{}")
    flags = [
        "--model_name=half", f"--model_base_path={base / 'half'}", "--file_system_poll_wait_seconds=0",
        "--max_num_load_retries=0",
    ]  # fmt: skip
    started = start(OUR_COMMAND, flags, base)
    yield started
    started.stop()


def test_a_file_is_that_of_the_version_that_answers(server):
    answer = server.http("GET", f"/v1/models/half/files/{contract.CATALOGUE}")
    assert (answer.status, answer.body) == (200, b"catalogue of 2")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert server.http("GET", f"/v1/models/half/versions/2/files/{contract.PUSHED}").body == b"{}"


def test_what_is_not_there_is_told(server):
    absent = server.http("GET", f"/v1/models/half/files/{contract.POPULARITY}")
    assert absent.status == 404 and absent.error == f"half version 2 carries no {contract.POPULARITY}"
    assert server.http("GET", f"/v1/models/half/versions/7/files/{contract.CATALOGUE}").status == 404
    assert server.http("GET", f"/v1/models/none/files/{contract.CATALOGUE}").status == 404


@pytest.mark.parametrize(
    "name", ["secret", "saved_model.pb", "..%2F..%2Fsaved_model.pb", "%2Fetc%2Fpasswd", ".."]
)
def test_no_other_file_is_to_be_had(server, name):
    answer = server.http("GET", f"/v1/models/half/files/{name}")
    assert answer.status == 404 and "is to be had" in answer.error
