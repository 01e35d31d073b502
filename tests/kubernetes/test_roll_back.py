"""A roll-back and a canary as documented, by the manifests' own flags, over as many pushes as come."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cluster.manifests import FOLDER, found, render
from support.models import conformance_models
from support.servers import model_servers
from support.servers.model_servers import Server

import contract
from components.pusher import retention, versions
from components.pusher.params import PusherParams
from components.pusher.publish import publish
from pipeline import cli

_PUSHES = 20


@pytest.fixture(scope="module")
def push(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, int], None]:
    """Pushes both models under a number, as the pipeline does, retention included."""
    source = tmp_path_factory.mktemp("source") / "model"
    conformance_models.half_plus(source, 2.0)
    (source / contract.ASSETS_EXTRA).mkdir()
    (source / contract.ASSETS_EXTRA / contract.INDEX_INFO).write_text('{"items": 1}')

    def push(served: Path, number: int) -> None:
        publish({model: str(source) for model in contract.MODELS}, str(served), {}, now=number)
        retention.apply(str(served), PusherParams.model_validate({}).keep_versions)

    return push


def start(served: Path, folder: Path, number: int) -> Server:
    """The server of the Deployment, with the config that the page on roll-back makes."""
    objects = render(FOLDER / "base")
    container = found(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    files = found(objects, "ConfigMap", "marquee-model-server-.*")["data"]
    pinned = f'model_platform: "tensorflow" model_version_policy {{ specific {{ versions: {number} }} }}'
    folder.mkdir()
    for name, text in files.items():
        text = text.replace("/models/", f"{served}/").replace('model_platform: "tensorflow"', pinned)
        (folder / name).write_text(text)
    flags = [flag.replace("/etc/marquee/", f"{folder}/") for flag in container["args"]]
    # Read to the end: the last one wins.
    flags = [
        flag.replace("=/models", f"={served}")
        for flag in flags
        if not re.match(r"--(port|rest_api_port)=", flag)
    ]
    return model_servers.start(
        model_servers.OUR_COMMAND[:3], ["--host=127.0.0.1", *flags], folder, wait=False
    )


def answering(server: Server) -> bool:
    try:
        return server.http("GET", f"/v1/models/{contract.MODEL}/metadata").status == 200
    except OSError:
        return False


def test_a_pinned_version_answers_after_twenty_pushes_also_from_new_pods(
    push: Callable[[Path, int], None], tmp_path: Path
) -> None:
    served = tmp_path / "served"
    for number in (1, 2):
        push(served, number)
    assert cli.main(["pin", "1", "--set", f"push_to={served}"]) == 0
    old = start(served, tmp_path / "old", 1)
    try:
        model_servers.wait_until(lambda: answering(old), 60, lambda: old.output)
        for number in range(3, 3 + _PUSHES):
            push(served, number)
        assert versions.numbers(str(served), contract.MODEL) == [1, *range(18, 23)]
        new = start(served, tmp_path / "new", 1)
        try:
            model_servers.wait_until(lambda: answering(new), 60, lambda: new.output)
        finally:
            assert new.stop() == 0
        assert answering(old)
        assert "is not pinned" not in old.output
    finally:
        assert old.stop() == 0


def test_a_version_that_is_not_pinned_is_warned_of_and_goes_on_answering_without_its_folder(
    push: Callable[[Path, int], None], tmp_path: Path
) -> None:
    served = tmp_path / "served"
    for number in (1, 2):
        push(served, number)
    server = start(served, tmp_path / "config", 1)
    try:
        model_servers.wait_until(lambda: answering(server), 60, lambda: server.output)
        model_servers.wait_until(
            lambda: (
                "version 1, which the config asks for, is not pinned" in server.output
                and "`marquee pin 1` keeps it" in server.output
            ),
            20,
            lambda: server.output,
        )
        for number in range(3, 3 + _PUSHES):
            push(served, number)
        assert not (served / contract.MODEL / "1").exists()
        poll = 5.0
        end = time.monotonic() + 2 * poll
        while time.monotonic() < end:
            assert answering(server), server.output
            time.sleep(0.2)
        assert "version 1 goes on answering" in server.output
    finally:
        assert server.stop() == 0
