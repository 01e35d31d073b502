"""A roll-back under load: no request fails, and the old version answers soon after the command."""

from __future__ import annotations

import sys
import time

from support.models import conformance_models
from support.servers.model_servers import start
from support.servers.swaps import Swapper, half_plus_version

import contract
from components.pusher import lifecycle
from components.pusher.publish import publish
from serving.client import Client


def test_back_and_forward_under_load(tmp_path):
    served = tmp_path / "served"
    for version in (1, 2, 3):
        # y(x) = x/2 + version: the answer's content says whose it is.
        source = tmp_path / "source" / str(version)
        conformance_models.half_plus(source, float(version))
        publish(dict.fromkeys(contract.MODELS, str(source)), str(served), {}, now=version)
    base = served / contract.MODEL
    server = start(
        [sys.executable, "-m", "serving.model_server"],
        ["--host=127.0.0.1", f"--model_name={contract.MODEL}", f"--model_base_path={base}"],
        tmp_path,
    )
    swapper = Swapper(server, contract.MODEL, base)
    swapper.oldest = 1

    def until_answered_by(version: int) -> None:
        started = time.monotonic()
        with Client(server.grpc, model=contract.MODEL) as client:
            while half_plus_version(client) != version:
                assert time.monotonic() < started + 60, f"version {version} never answered"
                time.sleep(0.02)

    try:
        with swapper.under_load(half_plus_version, clients=3) as load:
            for number in (2, 1, 3):
                lifecycle.roll_back(str(served), number, "")
                until_answered_by(number)
        assert load.wrong == []
        assert set(load.answers) == {1, 2, 3}
    finally:
        assert server.stop() == 0, server.output
