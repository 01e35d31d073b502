"""Rolled back and forward while clients ask: no request fails, and what is loaded already answers at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from support.models import conformance_models
from support.servers.model_servers import OUR_COMMAND, start, wait_until
from support.servers.swaps import ONCE, Swapper, half_plus_version

import contract
from components.pusher.publish import publish
from pipeline import cli
from serving.client import Client

# As docs/operate/roll-back.md has it: the last two stay loaded.
_CONFIG = """
model_config_list {{ config {{
  name: "{name}" base_path: "{base}" model_platform: "tensorflow"
  model_version_policy {{ latest {{ num_versions: 2 }} }}
}} }}
"""


def test_no_request_fails_while_versions_are_withdrawn_and_come_back(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    served = tmp_path / "served"
    for number in (1, 2):
        sources = {}
        for model in contract.MODELS:
            sources[model] = str(tmp_path / "made" / model / str(number))
            conformance_models.half_plus(Path(sources[model]), float(number))  # y(x) = x/2 + number
        publish(sources, str(served), {}, now=number)
    base = served / contract.MODEL
    config = tmp_path / "models.config"
    config.write_text(_CONFIG.format(name=contract.MODEL, base=base))
    server = start(OUR_COMMAND, [f"--model_config_file={config}"], tmp_path)
    there = ["--set", f"push_to={served}", "--set", f"artifacts={tmp_path / 'artifacts'}"]

    def answered_by(client: Client, version: int) -> float:
        begun = time.monotonic()
        wait_until(lambda: half_plus_version(client) == version, 60, lambda: server.output)
        return time.monotonic() - begun

    swapper = Swapper(server, contract.MODEL, base)
    swapper.oldest = 1
    seconds = []
    try:
        with (
            Client(server.grpc, model=contract.MODEL, retry=ONCE) as client,
            swapper.under_load(half_plus_version, clients=2) as load,
        ):
            for _ in range(2):
                assert cli.main(["rollback", *there]) == 0
                seconds.append(answered_by(client, 1))
                assert cli.main(["rollback", "2", *there]) == 0
                seconds.append(answered_by(client, 2))
        record_property("seconds from the command to the version's first answer", seconds)
        assert load.wrong == []
        assert all(load.answers[version] > 0 for version in (1, 2))
    finally:
        assert server.stop() == 0, server.output
