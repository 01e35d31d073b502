"""Steps on a disk that fills: an error that says so, whatever library met it, and no half that counts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from support.models import fake_towers
from support.small_disk import grow, leave, small_disk
from tfx.types import standard_artifacts
from tfx.types.experimental import simple_artifacts

import contract
from components.common import disk
from components.common.features import Features
from components.example_gen import executor as example_gen
from components.example_gen.component import ExampleGen
from components.example_gen.fingerprint import fingerprint
from components.example_gen.params import ExampleGenParams
from components.index.build import build_models
from components.index.params import IndexParams
from components.trainer.loop.checkpoints import Checkpoints
from datasets.generated import movielens_sample

SIZE = 8192


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", SIZE) as folder:
        yield folder


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log") / "sample"
    movielens_sample.generate(str(folder), users=300, items=200, ratings=9000)
    return folder


def generate(log: Path, target: Path, set_aside: Path | None = None, **params: Any) -> None:
    knobs = ExampleGenParams(**params)
    artifacts = {}
    for name in (example_gen.TIMELINES, example_gen.ITEMS, example_gen.QUARANTINE):
        kind = simple_artifacts.File if name == example_gen.QUARANTINE else standard_artifacts.Examples
        artifacts[name] = kind()
        artifacts[name].uri = str(target / name)
    if set_aside is not None:
        artifacts[example_gen.QUARANTINE].uri = str(set_aside)
    step = ExampleGen(str(log), fingerprint(log, knobs), knobs)
    example_gen.Executor().Do({}, {k: [v] for k, v in artifacts.items()}, step.spec.exec_properties)


def index(work: Path, target: Path) -> None:
    items, vectors = fake_towers.make_items(400), fake_towers.make_vectors(400, 16)
    towers = fake_towers.FakeTowers(items[contract.ITEM_ID].to_pylist(), vectors, work / "items.txt")
    models = {contract.MODEL: str(target)}
    build_models(
        towers,
        items,
        fake_towers.make_timelines(items, 50),
        IndexParams(exact_below=1000),
        models,
        Features(),
    )


def on_a_full_disk(step: Callable[[], object], folder: Path, free: int) -> None:
    filler = leave(folder, free)
    with pytest.raises(Exception) as error:
        step()
    assert disk.is_full(error.value), repr(error.value)
    filler.unlink()
    step()


@pytest.mark.parametrize("free", [0, 16])
def test_example_gen_writes_records(log: Path, full: Path, free: int) -> None:
    on_a_full_disk(lambda: generate(log, full / "out"), full, free)


def test_example_gen_sorts_on_disk(log: Path, full: Path, tmp_path: Path) -> None:
    on_a_full_disk(lambda: generate(log, tmp_path / "out", scratch=str(full)), full, 64)
    assert list(full.iterdir()) == []  # its room is given back


def with_bad_rows(log: Path, folder: Path, count: int) -> Path:
    """A copy of the log with rows that are none."""
    shutil.copytree(log, folder)
    with (folder / "ratings.csv").open("a") as file:
        file.writelines(f"{number},{'no item ' * 20},five,never\n" for number in range(count))
    return folder


@pytest.mark.parametrize("free", [0, 64])
def test_rows_set_aside_are_kept_whole_or_the_step_fails(
    log: Path, full: Path, tmp_path: Path, free: int
) -> None:
    """They are shown to whoever asks what was left out of the log: half of them would be a wrong answer."""
    bad, set_aside = with_bad_rows(log, tmp_path / "bad", 2000), full / "quarantine"
    params = {"max_bad_share": 0.5}
    on_a_full_disk(lambda: generate(bad, tmp_path / "out", set_aside, **params), full, free)
    generate(bad, tmp_path / "roomy", **params)
    rows = tmp_path / "roomy" / example_gen.QUARANTINE / contract.BAD_ROWS
    assert rows.stat().st_size > 64 << 10
    assert (set_aside / contract.BAD_ROWS).read_bytes() == rows.read_bytes()


def test_rows_set_aside_find_no_room_while_the_log_is_read(log: Path, full: Path, tmp_path: Path) -> None:
    bad = with_bad_rows(log, tmp_path / "bad", 2000)
    on_a_full_disk(
        lambda: generate(bad, tmp_path / "out", scratch=str(full), max_bad_share=0.5), full, 64
    )  # fmt: skip
    assert list(full.iterdir()) == []  # their room is given back


@pytest.mark.nightly("components/index/build.py", "components/common/disk.py")
def test_the_index_is_saved(full: Path, tmp_path: Path) -> None:
    filler = leave(full, 100)
    with pytest.raises(Exception) as error:
        index(tmp_path, full / "out")
    assert disk.is_full(error.value), repr(error.value)
    filler.unlink()


def test_half_a_checkpoint_goes_and_the_one_before_it_counts(full: Path) -> None:
    def attached() -> tuple[Any, Checkpoints]:
        import tf_keras

        model = tf_keras.Sequential([tf_keras.layers.Dense(100, input_shape=(200,))])
        kept = Checkpoints(str(full / "checkpoints"))
        kept.attach(model, tf_keras.optimizers.Adam())
        return model, kept

    model, kept = attached()
    kept.save({"epoch": 1}, [])
    before = sorted((full / "checkpoints").iterdir())
    model.set_weights([np.ones_like(value) for value in model.get_weights()])
    filler = leave(full, 64)
    with pytest.raises(tf.errors.OpError) as error:
        kept.save({"epoch": 2}, [])
    assert disk.is_full(error.value)
    assert sorted((full / "checkpoints").iterdir()) == before
    filler.unlink()
    grow(full, SIZE)
    _, again = attached()
    found = again.restore()
    assert found is not None and found[0]["epoch"] == 1
