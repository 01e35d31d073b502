"""The probes of the Deployment against the real server."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.cluster.manifests import FOLDER, render
from support.models import tiny_models
from support.servers.model_servers import OUR_COMMAND, start, wait_until


def test_ready_only_while_a_version_is_available(tmp_path: Path) -> None:
    [deployment] = [one for one in render(FOLDER / "base") if one["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    startup, ready, live = (
        container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")
    )
    models = tmp_path / "marquee"
    tiny_models.histories(models / "1")
    server = start(
        OUR_COMMAND,
        ["--model_name=marquee", f"--model_base_path={models}", "--file_system_poll_wait_seconds=1"],
        tmp_path,
    )
    try:
        assert [server.http("GET", path).status for path in (startup, ready, live)] == [200, 200, 200]
        shutil.rmtree(models / "1")
        wait_until(lambda: server.http("GET", ready).status != 200)
        # Not ready, but alive: starting anew would not bring the model back.
        assert server.http("GET", live).status == 200
    finally:
        assert server.stop() == 0
