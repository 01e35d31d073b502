"""A server runs without the packages that its image goes without."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

from support.models import conformance_models
from support.servers import model_servers

from tools import sbom


def test_a_server_imports_nothing_of_what_its_image_leaves_out(tmp_path: Path) -> None:
    tops = {name: tops for name, tops in metadata.packages_distributions().items()}
    names = set(sbom.left_out("model-server"))
    modules = {top for top, owners in tops.items() if {o.lower() for o in owners} & names}
    assert {"tensorboard", "werkzeug", "PIL", "requests", "rich"} <= modules
    stubs = tmp_path / "stubs"
    for module in modules - {"_distutils_hack", "distutils-precedence"}:
        (stubs / module).mkdir(parents=True)
        (stubs / module / "__init__.py").write_text('raise ImportError("left out of the image")\n')
    conformance_models.half_plus(tmp_path / "half" / "1", 2.0)
    server = model_servers.start(
        model_servers.OUR_COMMAND,
        ["--model_name=half", f"--model_base_path={tmp_path}/half", "--enable_grpc_healthcheck_service"],
        tmp_path,
        environment={"PYTHONPATH": os.pathsep.join([str(stubs), os.environ.get("PYTHONPATH", "")])},
    )
    try:
        assert server.http("POST", "/v1/models/half:predict", {"instances": [2.0]}).json == {"predictions": [3.0]}
        assert server.http("GET", "/openapi.json").status == 200
        assert server.http("GET", "/monitoring/prometheus/metrics").status == 200
        assert "left out" not in server.output
    finally:
        assert server.stop() == 0
