"""The executor as TFX calls it, without a runner."""

import pytest
from tfx.types import artifact_utils, standard_artifacts

from components import contract
from components.example_gen import executor, movielens, movies, read, timelines
from components.example_gen.component import ExampleGen
from components.example_gen.errors import DataError
from components.example_gen.fingerprint import fingerprint
from components.example_gen.params import ExampleGenParams


def run(data, target, mark=None, **params):
    """Runs ExampleGen on a folder, known by `mark` or its fingerprint; returns its two artifacts."""
    artifacts = {}
    for name in (executor.TIMELINES, executor.MOVIES):
        artifacts[name] = standard_artifacts.Examples()
        artifacts[name].uri = str(target / name)
    component = ExampleGen(str(data), mark or fingerprint(data), ExampleGenParams(**params).to_json())
    properties = {**component.spec.exec_properties, contract.CODE_HASH: "unknown properties are ignored"}
    executor.Executor().Do({}, {name: [artifact] for name, artifact in artifacts.items()}, properties)
    return artifacts


@pytest.mark.parametrize("events_per_shard", [2, 1000])
def test_artifacts_hold_the_records(folder, tmp_path, events_per_shard):
    data = folder()
    artifacts = run(data, tmp_path / "out", events_per_shard=events_per_shard)
    log = movielens.read(data)
    events = timelines.sort_events(log)
    at = timelines.cut(events.offsets)

    artifact = artifacts[executor.TIMELINES]
    assert artifact_utils.decode_split_names(artifact.split_names) == list(contract.SPLITS)
    for split in contract.SPLITS:
        expected = timelines.records(events, at, split)
        assert read.read_timelines(artifact.uri, split).to_pylist() == expected.to_pylist()
    artifact = artifacts[executor.MOVIES]
    assert artifact_utils.decode_split_names(artifact.split_names) == ["train"]
    assert read.read_movies(artifact.uri).to_pylist() == movies.records(log, events, at).to_pylist()


def test_the_same_data_gives_the_same_bytes(folder, tmp_path):
    data = folder()
    contents = []
    for name in ("first", "second"):
        run(data, tmp_path / name)
        files = sorted((tmp_path / name).rglob("*.gz"))
        contents.append([(path.relative_to(tmp_path / name), path.read_bytes()) for path in files])
    assert len(contents[0]) == 4
    assert contents[0] == contents[1]


def test_files_that_change_under_a_run_are_not_cached_under_their_old_hash(folder, tmp_path):
    data = folder()
    before = fingerprint(data)
    with (data / "ratings.csv").open("a") as file:
        file.write("9,10,3.0,100\n")
    with pytest.raises(DataError, match="changed while the run was reading them"):
        run(data, tmp_path / "out", mark=before)
    assert not list(tmp_path.rglob("*.gz"))


def test_data_that_cannot_be_split_is_refused(folder, tmp_path):
    ratings = "userId,movieId,rating,timestamp\n1,10,4.0,100\n1,20,4.0,100\n2,10,4.0,100\n"
    with pytest.raises(DataError, match=r"ratings\.csv: none of 2 users has 3 ratings or more"):
        run(folder(ratings=ratings), tmp_path / "out")


def test_bad_data_stops_the_component(folder, tmp_path):
    with pytest.raises(DataError, match=r"ratings\.csv, line 2: rating is 7\.0"):
        run(folder(ratings="userId,movieId,rating,timestamp\n1,10,7,100\n"), tmp_path / "out")
