"""The executor as TFX calls it, without a runner."""

import json

import pytest
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.experimental import simple_artifacts

import contract
from components.example_gen import executor
from components.example_gen.component import ExampleGen
from components.example_gen.errors import DataError
from components.example_gen.fingerprint import fingerprint
from components.example_gen.params import ExampleGenParams
from components.example_gen.records import read

KINDS = {"view": 1, "cart": 2.5, "wish": 5, "buy": 10}
HEADER = "userId,movieId,rating,timestamp\n"


def run(data, target, mark=None, **params):
    """Runs ExampleGen on a folder, known by `mark` or its fingerprint; returns its artifacts."""
    knobs = ExampleGenParams(**params)
    artifacts = {}
    for name in (executor.TIMELINES, executor.ITEMS, executor.QUARANTINE):
        kind = simple_artifacts.File if name == executor.QUARANTINE else standard_artifacts.Examples
        artifacts[name] = kind()
        artifacts[name].uri = str(target / name)
    step = ExampleGen(str(data), mark or fingerprint(data, knobs), knobs)
    properties = {**step.spec.exec_properties, contract.CODE_HASH: "unknown properties are ignored"}
    executor.Executor().Do({}, {name: [artifact] for name, artifact in artifacts.items()}, properties)
    return artifacts


@pytest.mark.parametrize("events_per_shard", [1, 2, 1000])
def test_artifacts_hold_the_records(folder, make_records, tmp_path, events_per_shard):
    ratings = [("10", "10", 4.0, 3), ("10", "20", 3.5, 2), ("10", "30", 5.0, 1), ("9", "10", 0.5, 1)]
    ratings += [(str(user), str(item), 3.0, item) for user in (7, 8) for item in (10, 20, 30)]
    tags = [("10", "30", "Fun", 1), ("9", "10", " Sad", 1), ("9", "10", "Late", 2)]
    data = folder(
        ratings=HEADER + "".join(f"{u},{m},{r},{t}\n" for u, m, r, t in ratings),
        items="movieId,title,genres\n" + "".join(f"{m},Title {m} (1990),Drama\n" for m in (30, 10, 20)),
        tags="userId,movieId,tag,timestamp\n" + "".join(f"{u},{m},{w},{t}\n" for u, m, w, t in tags),
    )
    expected = make_records(ratings, tags, ("10", "20", "30"))
    artifacts = run(data, tmp_path / "out", events_per_shard=events_per_shard)

    artifact = artifacts[executor.TIMELINES]
    assert artifact_utils.decode_split_names(artifact.split_names) == list(contract.SPLITS)
    for split in contract.SPLITS:
        assert read.read_timelines(artifact.uri, split).to_pylist() == expected.splits[split].to_pylist()
    artifact = artifacts[executor.ITEMS]
    assert artifact_utils.decode_split_names(artifact.split_names) == ["train"]
    assert read.read_items(artifact.uri).to_pylist() == expected.items.to_pylist()


def test_an_event_of_a_log_without_ratings_has_a_weight(tmp_path):
    rows = [f"{user},{item},{kind},{item}" for user in (1, 2) for item, kind in enumerate(KINDS, 1)]
    (tmp_path / "log.csv").write_text("who,sku,kind,at\n" + "\n".join(rows) + "\n")
    columns = {"user": "who", "item": "sku", "event": "kind", "time": "at"}
    made = run(tmp_path / "log.csv", tmp_path / "out", columns=columns, event_weights=KINDS)
    uri = made[executor.TIMELINES].uri
    stored = read.stored_timelines(uri, contract.TEST)
    assert {contract.HISTORY_WEIGHTS, contract.TARGET_WEIGHTS} <= set(stored.column_names)
    assert not set(contract.WEIGHTS_OF) & set(stored.column_names)
    row = stored.to_pylist()[0]
    assert row[contract.HISTORY_WEIGHTS] == pytest.approx([0.1, 0.25, 0.5], abs=1e-7)
    assert row[contract.TARGET_WEIGHTS] == [1.0]
    # Models count it as a rating.
    names = [contract.USER_ID, contract.HISTORY_RATINGS, contract.TARGET_RATINGS]
    (batch,) = read.timeline_batches(uri, contract.TEST, names)
    assert batch.schema.names == names
    assert batch.to_pylist()[1][contract.HISTORY_RATINGS] == pytest.approx([4.1, 4.25, 4.5], abs=1e-6)
    assert read.read_timelines(uri, contract.TEST, names).equals(batch)
    assert read.read_timelines(uri, contract.TRAIN)[contract.TARGET_RATINGS].to_pylist() == [[], []]
    means = read.read_items(made[executor.ITEMS].uri)[contract.RATING_MEAN].to_pylist()
    assert means == pytest.approx([0.1, 0.25, 0, 0], abs=1e-7)


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
    before = fingerprint(data, ExampleGenParams())
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


def test_what_is_set_aside_lies_in_the_artifact_and_the_sum_is_right(folder, tmp_path):
    ratings = [f"{user},{item},4.0,{item}" for user in range(1, 41) for item in (10, 20, 30)]
    ratings[5:5] = ["1,10,9,1"]
    data = folder(
        ratings=HEADER + "\n".join(ratings) + "\n",
        tags="userId,movieId,tag,timestamp\n1,77,Fun,90\n2,10,Fun,9\n",
    )
    artifacts = run(data, tmp_path / "out", max_bad_share=0.5)
    uri = artifacts[executor.QUARANTINE].uri
    rows = [json.loads(line) for line in open(f"{uri}/{contract.BAD_ROWS}")]  # noqa: SIM115, PTH123
    assert [(row["table"], row["file"], row["line"], row["kind"]) for row in rows] == [
        ("ratings", "ratings.csv", 7, "rating out of scale"),
        ("tags", "tags.csv", 2, "unknown item"),
    ]
    with open(f"{uri}/{contract.ROWS}") as file:  # noqa: PTH123
        account = json.load(file)
    assert account["ratings"] == {
        "rows_in": 121,
        "used": 120,
        "bad": {"rating out of scale": 1},
        "left_out": {},
    }
    assert account["tags"] == {"rows_in": 2, "used": 1, "bad": {"unknown item": 1}, "left_out": {}}
    assert account["items"]["used"] == 3
