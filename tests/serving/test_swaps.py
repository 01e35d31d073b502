"""New versions take over while clients ask: no request fails, no answer is of a version that is gone."""

from __future__ import annotations

import sys

from support.models import conformance_models
from support.servers.model_servers import start
from support.servers.swaps import Swapper, half_plus_version

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

    swapper = Swapper(server, MODEL, base)
    try:
        with swapper.under_load(half_plus_version, clients=3) as load:
            for version in range(2, 7):
                swapper.swap(sources[version - 1], version)
        assert load.wrong == []
        assert min(load.answers) <= 2 and max(load.answers) == 6
        assert all(load.answers.get(version) for version in range(2, 7)), load.answers
    finally:
        assert server.stop() == 0, server.output
