"""What is installed where models are served: no TFX, no Beam, nothing of the pipeline."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

BLOCKED = [
    "tfx", "apache_beam", "tensorflow_transform", "tensorflow_model_analysis",
    "tensorflow_data_validation", "tfx_bsl", "ml_metadata", "tensorflow_recommenders", "pipeline",
    "pydantic", "pyarrow", "pandas", "rich", "yaml", "components", "datasets", "leaderboard",
]  # fmt: skip


def modules() -> list[str]:
    """Every module below serving; a `__main__` would run."""
    files = sorted((ROOT / "serving").rglob("*.py"))
    # The application has an extra of its own: tests/serving/app/test_imports.py.
    files = [path for path in files if not path.is_relative_to(ROOT / "serving" / "app")]
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in files
        if path.stem != "__main__"
    ]


def test_serving_imports_neither_tfx_nor_beam_nor_the_pipeline():
    assert {"serving.client", "serving.model_server.process.server"} <= set(modules())
    script = (
        "import importlib, sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if any(name == b or name.startswith(b + '.') for b in {BLOCKED!r}):\n"
        "            raise ImportError(f'{name} is not installed where models are served')\n"
        "sys.meta_path.insert(0, Block())\n"
        f"for name in {modules()!r}:\n"
        "    importlib.import_module(name)\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
