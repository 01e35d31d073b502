from __future__ import annotations

import gc
import shutil
import threading
import weakref
from pathlib import Path

import numpy as np
import psutil
import pytest
import tensorflow as tf
from support.models import conformance_models, tiny_models
from tensorflow.core.framework import types_pb2

from serving.model_server.execution import runtime
from serving.model_server.execution.runtime import Model, RuntimeOptions
from serving.protocol.errors import Code, StatusError


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.everything(tmp_path_factory.mktemp("everything") / "1")


@pytest.fixture(scope="module")
def model(saved: Path) -> Model:
    model = Model.load(str(saved))
    yield model
    model.close()


def test_signatures_say_what_the_model_takes(model: Model) -> None:
    assert sorted(model.signatures) == ["any_rank", "deceitful", "highest", "look_up", "scalar"]
    assert model.signatures["look_up"].inputs["words"].dtype == types_pb2.DT_STRING
    assert model.signatures["look_up"].inputs["words"].shape == (None, None)
    assert model.signatures["any_rank"].inputs["x"].shape is None
    assert model.signatures["scalar"].outputs["y"].shape == ()
    assert model.signatures["scalar"].method_name == "tensorflow/serving/predict"


@pytest.mark.parametrize("names", [("look_up",), ("any_rank",), ("highest", "look_up")])
def test_of_some_signatures_alone_the_answers_are_the_same(saved: Path, model: Model, names) -> None:
    some = Model.load(str(saved), RuntimeOptions(signatures=names))
    assert set(some.signatures) == set(names)
    asked = {
        "look_up": {"words": np.array([[b"two", b"none"]], object)},
        "any_rank": {"x": np.ones((2, 1), np.float32)},
        "highest": {"x": np.ones((1, 2), np.float32)},
    }
    for name in names:
        outputs = model.signatures[name].output_names
        whole, part = (m.run(name, asked[name], outputs) for m in (model, some))
        assert part.keys() == whole.keys()
        for output in outputs:
            np.testing.assert_array_equal(part[output], whole[output])
    count = {m: len(m._session.graph.get_operations()) for m in (some, model)}
    assert count[some] < count[model]
    some.close()
    with pytest.raises(StatusError, match="no signature 'nonesuch'") as error:
        Model.load(str(saved), RuntimeOptions(signatures=("nonesuch",)))
    assert error.value.code is Code.NOT_FOUND


def test_tables_assets_and_variables_are_there(model: Model) -> None:
    words = np.array([[b"two", b"zero"], [b"none", b"one"]], object)
    assert model.run("look_up", {"words": words}, ["lines"])["lines"].tolist() == [[2, 0], [-1, 1]]
    for x in (np.float32(2), np.ones((1, 2, 1), np.float32)):
        np.testing.assert_array_equal(
            model.run("any_rank", {"x": np.asarray(x)}, ["y"])["y"], np.asarray(x) * 3
        )


def test_a_tensorflow_1_graph_runs_and_computes_only_what_is_asked(tmp_path: Path) -> None:
    conformance_models.half_plus(tmp_path / "1", 2.0)
    model = Model.load(str(tmp_path / "1"))
    found = model.run("serving_default", {"x": np.array([1, 5], np.float32)}, ["y"])
    assert found["y"].tolist() == [2.5, 4.5]
    conformance_models.echo(tmp_path / "2")
    echo = Model.load(str(tmp_path / "2"))
    pair = {"a": np.ones(1, np.float32), "b": np.ones(1, np.int32)}
    assert list(echo.run("two", pair, ["b"])) == ["b"]
    # The same output twice, and in the order asked for.
    assert list(echo.run("two", pair, ["sum", "b"])) == ["sum", "b"]


def test_the_error_of_an_operation_is_its_code_and_text(model: Model) -> None:
    with pytest.raises(StatusError, match="x must be below 1000, got") as error:
        model.run("highest", {"x": np.full((1, 1), 2000, np.float32)}, ["y"])
    assert error.value.code is Code.INVALID_ARGUMENT
    assert "Original stack trace" not in error.value.message


def test_it_runs_in_many_threads(model: Model) -> None:
    wrong = []

    def ask(value: float) -> None:
        for _ in range(50):
            found = model.run("highest", {"x": np.array([[value, 0]], np.float32)}, ["y"])["y"]
            if found.tolist() != [value * 3]:
                wrong.append(found)

    threads = [threading.Thread(target=ask, args=(value,)) for value in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_cannot_be_loaded_says_why(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(StatusError, match="nowhere") as error:
        Model.load(str(tmp_path / "nowhere"))
    assert error.value.code is Code.NOT_FOUND
    with pytest.raises(StatusError, match=r"tags: \{ gpu \}.*\['serve'\]"):
        Model.load(str(saved), RuntimeOptions(tags=("gpu",)))
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "saved_model.pb").write_bytes(b"\xff\xff\xff")
    with pytest.raises(StatusError, match="torn"):
        Model.load(str(tmp_path / "torn"))
    shutil.copytree(saved, tmp_path / "half")
    for file in (tmp_path / "half" / "variables").iterdir():
        file.unlink()
    with pytest.raises(StatusError) as error:
        Model.load(str(tmp_path / "half"))
    assert error.value.code is not Code.OK


def test_the_graph_of_a_closed_model_goes_without_the_garbage_collector(saved: Path) -> None:
    """Its parts refer to each other; the collector would leave several to lie about."""
    gc.collect()
    gc.disable()
    try:
        model = Model.load(str(saved))
        graph = weakref.ref(model._session.graph)
        model.run("scalar", {"x": np.float32(1.0)}, ["y"])
        model.close()
        assert graph() is None
    finally:
        gc.enable()


def test_a_closed_model_leaves_no_cycles(saved: Path) -> None:
    """Python's own search comes so seldom that a day of new versions held tens of megabytes."""
    Model.load(str(saved)).close()  # what is made once is made
    gc.collect()
    gc.disable()
    try:
        model = Model.load(str(saved))
        model.run("scalar", {"x": np.float32(1.0)}, ["y"])
        model.close()
        del model
        assert gc.collect() < 10
    finally:
        gc.enable()


def test_scann_answers_and_gives_its_memory_back(tmp_path: Path) -> None:
    path = tiny_models.scann(tmp_path / "1", rows=40_000, width=64)  # 10 MiB of vectors, twice in memory
    process = psutil.Process()
    queries = np.random.default_rng(1).normal(size=(4, 64)).astype(np.float32)
    after = []
    closed = []
    for _ in range(8):
        model = Model.load(str(path))
        rows = model.run("serving_default", {"queries": queries}, ["rows"])["rows"]
        assert rows.shape == (4, 10)
        model.close()
        closed.append(model)  # closing frees, not the last reference
        after.append(process.memory_info().rss)
    # Kept, each index would add 20 MiB or more.
    assert after[-1] - after[2] < 40 * 2**20


def test_an_empty_batch_is_answered(model: Model) -> None:
    found = model.run("look_up", {"words": np.empty((0, 2), object)}, ["lines"])["lines"]
    assert found.shape == (0, 2)


def test_strings_are_bytes_with_all_their_zeros(tmp_path: Path) -> None:
    conformance_models.echo(tmp_path / "1")
    echo = Model.load(str(tmp_path / "1"))
    text = np.array([b"", b"a\0", "é".encode(), b"x" * 1000], object)
    found = echo.run("serving_default", {"text": text}, ["text"])["text"]
    assert found.dtype == object
    assert found.tolist() == text.tolist()
    with pytest.raises(StatusError) as error:
        echo.run("unready", {"a": np.ones(1, np.float32)}, ["y"])
    assert error.value.code is Code.FAILED_PRECONDITION
    assert tf.errors.FAILED_PRECONDITION == Code.FAILED_PRECONDITION


def test_the_outputs_that_clients_choose_do_not_fill_the_memory(tmp_path: Path) -> None:
    def build() -> conformance_models.Signatures:
        x = tf.compat.v1.placeholder(tf.float32, [None], "x")
        outputs = {f"times_{i}": x * float(i) for i in range(8)}
        return {"serving_default": (conformance_models.PREDICT, {"x": x}, outputs)}

    conformance_models.save(tmp_path / "1", build)
    model = Model.load(str(tmp_path / "1"))
    signature = model.signatures["serving_default"]
    ones = {"x": np.ones(1, np.float32)}
    chosen = [
        [name for bit, name in enumerate(signature.output_names) if number >> bit & 1]
        for number in range(1, 256)
    ]
    for names in [chosen[-1], *chosen, chosen[0]]:
        found = model.run("serving_default", ones, names)
        assert {name: value.tolist() for name, value in found.items()} == {
            name: [float(name.removeprefix("times_"))] for name in names
        }
    # What everybody asks for is made once, whatever came between.
    kept = list(model._callables)
    assert kept[0] == ("serving_default", signature.output_names)
    assert len(kept) == 1 + runtime._MAX_CALLABLES
    model.close()
