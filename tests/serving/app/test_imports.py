"""What is installed where the application runs: no TensorFlow, no TFX, no Beam."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
BLOCKED = [
    "tensorflow", "tensorflow_serving", "scann", "tf_keras", "tfx", "apache_beam", "tensorflow_transform",
    "tensorflow_model_analysis", "tensorflow_data_validation", "tfx_bsl", "ml_metadata", "pandas",
    "kfp", "rich", "yaml",
]  # fmt: skip


def test_the_application_and_the_client_import_nothing_of_tensorflow():
    files = sorted(
        path
        for folder in ("app", "client", "protocol")
        for path in (ROOT / "serving" / folder).rglob("*.py")
        # Alembic runs env.py inside a migration.
        if path.stem not in ("__main__", "env")
    )
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files
    ]
    assert {"serving.app.factory", "serving.client.grpc_transport"} <= set(modules)
    script = (
        "import importlib, sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if any(name == b or name.startswith(b + '.') for b in {BLOCKED!r}):\n"
        "            raise ImportError(f'{name} is not installed where the application runs')\n"
        "sys.meta_path.insert(0, Block())\n"
        f"for name in {[*modules, 'pipeline.cli']!r}:\n"
        "    importlib.import_module(name)\n"
        "import pipeline.cli\n"
        "pipeline.cli.build_parser()\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
