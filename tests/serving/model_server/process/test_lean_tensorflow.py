from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import tensorflow as tf
from support.models import tiny_models

from serving.model_server.process import lean_tensorflow

REPOSITORY = Path(__file__).parents[4]
SERVE = """
import json, sys
from serving.model_server.process import lean_tensorflow
lean_tensorflow.install()
import numpy as np
from serving.model_server.execution.runtime import Model
from serving.model_server.versions.warmup import replay_warmup
from serving.model_server.process import frontend
found = {}
for path in sys.argv[1:]:
    model = Model.load(path)
    replay_warmup(model, path)
    for key, signature in model.signatures.items():
        if key == "highest":
            x = {"x": np.array([[1, 2]], np.float32)}
        elif key == "serving_default" and "queries" in signature.inputs:
            x = {"queries": np.ones((1, 32), np.float32)}
        else:
            continue
        found[key] = {n: a.shape for n, a in model.run(key, x, signature.output_names).items()}
packages = {name.partition(".")[0] for name in sys.modules}
found["imported"] = sorted(packages & {"keras", "pandas", "scann", "tfx"})
print(json.dumps(found))
"""


def test_a_serving_process_runs_models_without_the_rest_of_tensorflow(tmp_path: Path) -> None:
    paths = [tiny_models.everything(tmp_path / "everything"), tiny_models.scann(tmp_path / "scann")]
    done = subprocess.run(
        [sys.executable, "-c", SERVE, *map(str, paths)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "highest": {"y": [1]},
        "serving_default": {"rows": [1, 10], "distances": [1, 10]},
        "imported": [],
    }


def test_where_tensorflow_is_imported_already_it_stays_as_it_is() -> None:
    before = sys.modules["tensorflow"]
    lean_tensorflow.install()
    assert sys.modules["tensorflow"] is before
    assert tf.constant(1).numpy() == 1
