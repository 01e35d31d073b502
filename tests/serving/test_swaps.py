"""New versions take over while clients ask: no request fails, no answer is of a version that is gone."""

from __future__ import annotations

import sys

from support.models import conformance_models
from support.servers.model_servers import start
from support.servers.swaps import Swapper

from serving.client import Client

MODEL = "tiny"


def test_five_swaps_under_load(tmp_path):
    base = tmp_path / "served" / MODEL
    sources = []
    for version in range(1, 7):
        # y(x) = x/2 + version: the answer's content says whose it is.
        conformance_models.half_plus(tmp_path / "source" / str(version), float(version))
        sources.append(tmp_path / "source" / str(version))
    conformance_models.half_plus(base / "1", 1.0)
    server = start(
        [sys.executable, "-m", "serving.model_server"],
        ["--host=127.0.0.1", f"--model_name={MODEL}", f"--model_base_path={base}"],
        tmp_path,
    )

    def ask(client: Client) -> int:
        answer = client.predict("serving_default", {"x": [0.0, 2.0]})
        [outputs] = answer.outputs.values()  # over REST a single output has no name
        first, second = outputs.tolist()
        assert second == first + 1.0
        assert answer.version in (None, first), (answer.version, first)
        return int(first)

    swapper = Swapper(server, MODEL, base)
    try:
        with swapper.under_load(ask, clients=3) as load:
            for version in range(2, 7):
                swapper.swap(sources[version - 1], version)
        assert load.wrong == []
        assert min(load.answers) <= 2 and max(load.answers) == 6
        assert all(load.answers.get(version) for version in range(2, 7)), load.answers
    finally:
        assert server.stop() == 0, server.output
