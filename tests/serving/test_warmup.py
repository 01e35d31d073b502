from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from components import contract
from serving import warmup

ROOT = Path(__file__).parents[2]


def _failures(model_dir):
    return [failure for result in warmup.replay(model_dir) for failure in result.failures]


def test_a_model_that_keeps_the_contract_passes(stub_model, tmp_path, capsys):
    model_dir = stub_model.save(tmp_path / "model")
    assert warmup.main([model_dir]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["failures"] == 0 and summary["requests"] == len(contract.SIGNATURES)
    assert summary["seconds"] > 0 and summary["peak_memory_mb"] > 0


def _change(signature, name, change):
    def spoil(asked, outputs):
        return {**outputs, name: change(outputs[name])} if asked == signature else outputs

    return spoil


NAN = float("nan")
SPOILT = [
    (_change(contract.SIMILAR, contract.SCORES, lambda v: v + NAN), "similar: scores holds values"),
    (_change(contract.RATE, contract.RATINGS, lambda v: v - float("inf")), "rate: ratings holds values"),
    (_change(contract.RATE, contract.RATINGS, lambda v: tf.cast(v, tf.int32)), "ratings is int32, expected"),
    (_change(contract.RECOMMEND, contract.MOVIE_IDS, lambda v: v[:1]), r"shape \[1, 3\] for 2 rows"),
    (_change(contract.RECOMMEND, contract.MOVIE_IDS, lambda v: v[:, 0]), r"shape \[2\] for 2 rows"),
    (
        lambda name, outputs: {"other": tf.zeros([2])} if name == contract.EXPLAIN else outputs,
        r"explain: expected the outputs .*, got \['other'\]",
    ),
    (_change(contract.EVALUATE, contract.SCORES, lambda v: v + NAN), "evaluate: scores holds values"),
    (
        _change(contract.EMBED_QUERY, contract.EMBEDDING, lambda v: tf.ensure_shape(v, [7, 3])),
        "embed_query: .*shape",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILT)
def test_what_breaks_the_contract_is_one_clear_line(stub_model, tmp_path, spoil, message):
    failures = _failures(stub_model.save(tmp_path / "model", spoil))
    assert len(failures) == 1
    assert re.search(message, failures[0])


def test_evaluate_may_mark_places_by_nan(stub_model, tmp_path):
    spoil = _change(contract.EVALUATE, contract.PREDICTED_RATINGS, lambda v: v + NAN)
    assert _failures(stub_model.save(tmp_path / "model", spoil)) == []


def test_a_missing_signature_and_an_unasked_one_are_failures(stub_model, tmp_path):
    missing = _failures(stub_model.save(tmp_path / "missing", without=contract.SIMILAR))
    assert missing == ["similar: the model has no such signature"]
    unasked = _failures(stub_model.save(tmp_path / "unasked", unasked=contract.RATE))
    assert unasked == ["rate: no warm-up request asks this signature"]


def test_what_is_no_model_is_said_in_one_line(tmp_path, capsys):
    (tmp_path / "saved_model.pb").write_bytes(b"not a model")
    assert warmup.main([str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"cannot load the model at {tmp_path}")


def test_serving_imports_neither_tfx_nor_beam_nor_the_pipeline():
    """On a serving machine they are not installed."""
    blocked = [
        "tfx", "apache_beam", "tensorflow_transform", "tensorflow_model_analysis",
        "tensorflow_data_validation", "tfx_bsl", "ml_metadata", "tensorflow_recommenders", "pipeline",
        "pydantic", "pyarrow", "pandas",
        *(
            f"components.{path.name}"
            for path in (ROOT / "components").iterdir()
            if path.is_dir() and path.name != "__pycache__"
        ),
        "components.params",
        "components.storage",
        "components.tensors",
    ]  # fmt: skip
    script = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if any(name == b or name.startswith(b + '.') for b in {blocked!r}):\n"
        "            raise ImportError(f'{name} is not installed where models are served')\n"
        "sys.meta_path.insert(0, Block())\n"
        "import serving.warmup\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
