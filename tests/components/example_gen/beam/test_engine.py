"""The Beam engine makes the same set of records as the local one, and the same of everything else."""

import copy
import dataclasses
import gzip
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tfx.dsl.components.base import base_beam_executor
from tfx.types import standard_artifacts
from tfx.types.experimental import simple_artifacts

import contract
from components.common import storage
from components.example_gen import executor
from components.example_gen.beam import engine, partitions, reading, writing
from components.example_gen.beam.job import Job
from components.example_gen.component import ExampleGen
from components.example_gen.errors import DataError
from components.example_gen.fingerprint import fingerprint
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts

pytestmark = pytest.mark.long

IN_PROCESS = ("--runner=FnApiRunner",)
OWN = {"columns": {"user": "u", "item": "i", "rating": "r", "time": "t"}}


def run(data: Path | str, target: Path | str, beam_args=IN_PROCESS, **params) -> dict[str, bytes]:
    """Runs ExampleGen as TFX does; returns every file of its artifacts by name."""
    knobs = ExampleGenParams(**params)
    artifacts = {}
    for name in (executor.TIMELINES, executor.ITEMS, executor.QUARANTINE):
        kind = simple_artifacts.File if name == executor.QUARANTINE else standard_artifacts.Examples
        artifacts[name] = [kind()]
        artifacts[name][0].uri = f"{target}/{name}"
    step = ExampleGen(str(data), fingerprint(data, knobs), knobs)
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=[*beam_args, "--sdk_container_image=not-read-here"], tmp_dir=f"{target}/tmp"
    )
    executor.Executor(context).Do({}, artifacts, step.spec.exec_properties)
    found = {}
    for name in storage.list_files(str(target)):
        with storage.open_binary(f"{target}/{name}", "rb") as file:
            found[name] = file.read()
    return found


def records(content: bytes) -> Iterator[tf.train.Example]:
    """Those of a gzipped TFRecord file: length, checksum, record, checksum, and so on."""
    rest = gzip.decompress(content)
    while rest:
        (length,) = struct.unpack("<Q", rest[:8])
        yield tf.train.Example.FromString(rest[12 : 12 + length])
        rest = rest[16 + length :]


def shard(name: str) -> bool:
    """Whether a file is one of timelines'."""
    return name.startswith(f"{executor.TIMELINES}/Split-")


def timelines(found: dict[str, bytes], split: str) -> list[bytes]:
    """The records of a split, in no order."""
    shards = [content for name, content in found.items() if shard(name) and f"/Split-{split}/" in name]
    assert all(any(records(each)) for each in shards), "an empty shard"
    return sorted(record.SerializeToString(deterministic=True) for each in shards for record in records(each))


def require_same(beam: dict[str, bytes], local: dict[str, bytes]) -> None:
    """The same records in each split, every other byte but the order of the bad rows."""
    for split in contract.SPLITS:
        assert timelines(beam, split) == timelines(local, split), split
    bad = f"{executor.QUARANTINE}/{contract.BAD_ROWS}"
    assert sorted(beam[bad].splitlines()) == sorted(local[bad].splitlines())
    ours, theirs = (
        {name: content for name, content in found.items() if name != bad and not shard(name)}
        for found in (beam, local)
    )
    assert ours == theirs


@pytest.fixture
def both(tmp_path_factory, monkeypatch) -> Callable[..., dict[str, bytes]]:
    """Runs a data set on both engines, cut small, and compares; returns the files, or the error."""
    monkeypatch.setattr(engine, "SPAN_BYTES", 4_000)

    def compare(data: Path, **params) -> dict[str, bytes] | str:
        found, params = [], {"events_per_shard": 150, **params}
        for name in ("local", "beam"):
            try:
                found.append(run(data, tmp_path_factory.mktemp("out"), engine=name, **params))
            except DataError as error:
                found.append(str(error))
        local, beam = found
        if isinstance(local, str) or isinstance(beam, str):
            assert beam == local
            return beam
        require_same(beam, local)
        return beam

    return compare


def rows(seed: int, users: int = 60, items: int = 40, events: int = 2_000) -> list[tuple]:
    """(user, item, stars, seconds) in no order of users, with ids of several lengths, no pair twice."""
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(users * items)[:events]
    return [
        (int(pair) // items * 7, int(pair) % items, float(stars), int(time))
        for pair, stars, time in zip(
            pairs, 0.5 * rng.integers(1, 11, events), rng.integers(10**9, 10**9 + 500, events), strict=True
        )
    ]


def movielens(folder: Path, separator: str = ",", end: str = "\n") -> Path:
    """A folder in a layout of MovieLens with every kind of bad row, repeats and tags."""
    log = [separator.join(map(str, row)) for row in rows(1)]
    bad = ["x", "7,3,9,100", "7,3,,100", ",3,4,100", "7,3000,4,100", "7,3,4,-1", "7,3,nan,100"]
    for at, line in enumerate(bad):
        log.insert(97 + 211 * at, line.replace(",", separator))
    log.insert(500, log[3])
    log.append(log[20])
    log.append(separator.join((*log[40].split(separator)[:2], "4.5", "1000000100")))
    items = [separator.join((str(i), f"Film {i} (1990)", "Drama|War")) for i in range(40)]
    tags = [separator.join(map(str, (user * 7, user % 40, "Fun", 10**9 + 300))) for user in range(60)]
    kind = "csv" if separator == "," else "dat"
    headers = {
        "ratings": "userId,movieId,rating,timestamp",
        "movies": "movieId,title,genres",
        "tags": "userId,movieId,tag,timestamp",
    }
    for name, lines in (("ratings", log), ("movies", items), ("tags", tags)):
        text = end.join([*([headers[name]] if kind == "csv" else []), *lines, ""])
        (folder / f"{name}.{kind}").write_bytes(text.encode())
    return folder


def parquet(folder: Path, log: list[tuple], files: int = 3, name: str = "part") -> Path:
    """Shards of several row groups."""
    folder.mkdir(exist_ok=True)
    for number in range(files):
        columns = zip(*log[number::files], strict=True)
        table = pa.table(dict(zip("uirt", map(list, columns), strict=True)))
        pq.write_table(table, folder / f"{name}-{number}.parquet", row_group_size=100)
    return folder


def test_movielens_csv(both, tmp_path):
    made = both(movielens(tmp_path, end="\r\n"), max_bad_share=0.5, events_per_shard=300)
    assert sum(name.startswith("timelines/Split-train") for name in made) == 7  # 2,000 good rows
    account = json.loads(made[f"quarantine/{contract.ROWS}"])
    assert account["ratings"]["rows_in"] == 2010
    assert account["ratings"]["bad"] == {
        "exact duplicate": 2, "impossible time": 1, "missing field": 2, "missing user or item": 1,
        "rated before": 1, "rating out of scale": 1, "unknown item": 1, "wrong number of columns": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "params",
    [
        {"repeated": "last", "split": "leave_last_out"},
        {"repeated": "strongest", "split": "random", "buffer_rows": 1000},
        {"min_ratings_per_user": 25, "min_ratings_per_item": 46, "repeated": "first"},
        {"min_ratings_per_user": 24, "start": "2001-09-09T01:47:30", "end": "2001-09-09T01:54:00"},
        {"window": "1h", "repeated": "last"},
        {"window": "2001-09-09T01:49:00", "min_ratings_per_user": 20},
        {"split": "global_time", "eval_from": "2001-09-09T01:53:20", "test_from": "2001-09-09T01:54:00"},
    ],
)
def test_movielens_dat_by_every_rule(both, tmp_path, params):
    made = both(movielens(tmp_path, "::"), max_bad_share=0.5, **params)
    left_out = json.loads(made[f"quarantine/{contract.ROWS}"])["ratings"]["left_out"]
    wanted = {
        "outside": "start" in params,
        "below": "min_ratings_per_user" in params,
        "rated": "repeated" in params,
        "older": params.get("window", "1h") != "1h",
    }
    assert {word: any(why.startswith(word) for why in left_out) for word in wanted} == wanted


def test_parquet_in_shards(both, tmp_path):
    log = rows(2)
    log += [(7, None, 4.0, 100), (7, 3, 9.0, 100), log[5]]
    parquet(tmp_path, log)
    made = both(tmp_path, max_bad_share=0.5, **OWN)
    lines = [json.loads(line) for line in made[f"quarantine/{contract.BAD_ROWS}"].splitlines()]
    assert {line["kind"] for line in lines} == {
        "missing user or item",
        "rating out of scale",
        "exact duplicate",
    }


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"weight_transform": "rank"},
        {"weight_cap": 5.5},
        {"weight_transform": "linear", "window": "2001-09-09T01:49:00"},
    ],
)
def test_numbers_as_weights_and_conditions(both, tmp_path, params):
    for number in range(3):
        log = "".join(f"{u},{i},{r * (i + 1)},{t}\n" for u, i, r, t in rows(4)[number::3])
        (tmp_path / f"log{number}.csv").write_text("user,item,hours,at\n" + log)
    columns = {"user": "user", "item": "item", "weight": "hours", "time": "at"}
    made = both(tmp_path, columns=columns, keep=["hours > 2"], repeated="strongest", **params)
    assert "not hours > 2" in json.loads(made[f"quarantine/{contract.ROWS}"])["ratings"]["left_out"]


def test_a_joined_table_gives_the_user(both, tmp_path):
    log = rows(4)
    (tmp_path / "lines.csv").write_text("number,item\n" + "".join(f"{n},{r[1]}\n" for n, r in enumerate(log)))
    orders = "".join(f"{n},{user},{time}\n" for n, (user, _, _, time) in enumerate(log) if n % 50)
    (tmp_path / "orders.csv").write_text("number,customer,at\n" + orders)
    made = both(
        tmp_path,
        columns={"user": "customer", "item": "item", "time": "at"},
        join="orders.csv",
        join_on="number",
        repeated="last",
        max_share_of={"without a row in the joined table": 0.1},
    )
    assert "have their number in orders.csv" in json.loads(made[f"quarantine/{contract.ROWS}"])["notes"][0]


@pytest.mark.parametrize("time", [{}, {"time": "at"}])
def test_several_logs_over_the_items_of_the_first(both, tmp_path, time):
    for number in range(2):
        log = "".join(f"{u},{i},{r},{t}\n" for u, i, r, t in rows(4)[number::2])
        (tmp_path / f"log{number}.csv").write_text("user,item,stars,at\n" + log)
    paths = f"{tmp_path / 'log1.csv'}\n{tmp_path / 'log0.csv'}"
    both(paths, columns={"user": "user", "item": "item", "rating": "stars", **time}, repeated="last")


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_csv_with_tables_of_items_and_users(both, tmp_path, packed):
    names = {u: f"c{u}" if u % 2 else f"{u:04d}" for u in range(0, 60 * 7, 7)}
    events = ("view", "cart", "purchase", "wish")
    for number in range(3):
        text = "item,user,what,at\n" + "".join(
            f'"s{i}",{names[u]},{events[int(2 * r) % 37 and int(2 * r) % 3]},{t}000\n'
            for u, i, r, t in rows(3)[number::3]
        )
        content = (text + f"s1,{names[0]},wish,1000\n").encode()
        name = f"log{number}.csv" + (".gz" if packed else "")
        (tmp_path / name).write_bytes(gzip.compress(content, mtime=0) if packed else content)
    (tmp_path / "items.csv").write_text("sku,price\n" + "".join(f"s{i},{i}.5\n" for i in range(40)))
    (tmp_path / "users.csv").write_text("id,country\n" + "".join(f"{n},X{n[-1]}\n" for n in names.values()))
    both(
        tmp_path,
        columns={"user": "user", "item": "item", "event": "what", "time": "at"},
        event_weights={"view": 1, "cart": 3, "purchase": 6},
        time_unit="ms",
        repeated="strongest",
        max_bad_share=0.5,
        items="items.csv",
        item_columns={"item": "sku"},
        item_features=[{"name": "price", "kind": "number"}],
        users="users.csv",
        user_columns={"user": "id"},
        user_features=[{"name": "country", "kind": "categorical"}],
        events_per_shard=300,
        min_ratings_per_item=2,
    )


def test_pairs_have_the_order_of_the_rows_for_a_time(both, tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("".join(f"{u} {i}\n" + "\n" * (t % 9 == 0) for u, i, _, t in rows(4)))
    both(path)


@pytest.mark.parametrize(
    ("break_", "message"),
    [
        (lambda text: text.replace("rating,", "stars,", 1), "column 'rating' is missing"),
        (lambda text: text + "7,3,9,100\n" * 300, "300 of 2,300 rows of ratings are bad"),
        (lambda text: text.splitlines()[0] + "\n", "has a header but no rows"),
        (lambda text: "", "is empty"),
        (lambda text: text[:40].splitlines()[0] + "\n7,3,9,1\n", "1 of 1 rows of ratings are bad"),
        (lambda text: text.replace("\n", '\n"', 700).replace('\n"', "\n", 699), "a double quote that is not"),
        (lambda text: gzip.compress(text.encode())[:-99], "the gzip file is cut off or damaged"),
    ],
)
def test_errors_are_those_of_the_local_engine(both, tmp_path, break_, message):
    columns = "userId,movieId,rating,timestamp"
    changed = break_("\n".join([columns, *(",".join(map(str, row)) for row in rows(5)), ""]))
    content = changed if isinstance(changed, bytes) else changed.encode()
    (tmp_path / "ratings.csv").write_bytes(content)
    items = "".join(f"{i},Film {i} (1990),Drama\n" for i in range(40))
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n" + items)
    assert message in both(tmp_path, max_bad_share=0)


def test_a_cut_off_parquet_shard_is_named(both, tmp_path):
    parquet(tmp_path, rows(6))
    shard = tmp_path / "part-1.parquet"
    shard.write_bytes(shard.read_bytes()[:-50])
    assert both(tmp_path, **OWN).startswith("part-1.parquet: cannot be read as Parquet")


def test_nothing_left_is_an_error(both, tmp_path):
    parquet(tmp_path, rows(7))
    assert "nothing is left of 2,000 rows" in both(tmp_path, min_ratings_per_item=1000, **OWN)


def test_work_that_beam_repeats_changes_nothing(both, tmp_path, monkeypatch):
    def twice(work):
        def do(element, *args):
            done = work(element, *args)
            list(done if isinstance(done, Iterator) else ())
            return work(element, *args)

        return do

    for module, name in ((reading, "read"), (reading, "deal"), (partitions, "select"), (writing, "write")):
        monkeypatch.setattr(module, name, twice(getattr(module, name)))
    # What Beam gives a partition can be read again, and in another order.
    again = twice(partitions.sort)
    monkeypatch.setattr(
        partitions, "sort", lambda group, job: again((group[0], copy.deepcopy([*group[1]][::-1])), job)
    )
    both(movielens(tmp_path), max_bad_share=0.5, min_ratings_per_user=25)


def test_the_same_input_gives_the_same_bytes(tmp_path):
    data = parquet(tmp_path / "data", rows(10))
    first, second = (
        run(data, tmp_path / name, engine="beam", events_per_shard=150, **OWN) for name in ("a", "b")
    )
    assert sum(map(shard, first)) > 3 * 10
    assert first == second


def test_too_many_repeated_rows_are_counted_as_the_local_engine_counts(tmp_path):
    data = parquet(tmp_path / "data", [*rows(11), *rows(11)[::3]])
    messages = []
    for engine_ in ("beam", "local"):
        with pytest.raises(DataError) as raised:
            run(data, tmp_path / engine_, engine=engine_, events_per_shard=150, **OWN)
        # Of the rows it shows some, in the order of their users.
        messages.append([line for line in str(raised.value).splitlines() if "same as line" not in line])
    assert messages[0] == messages[1]
    assert "667 of 2,667 rows of ratings are bad (667 exact duplicate)" in messages[0][0]


def test_what_a_killed_step_left_is_not_read(tmp_path, monkeypatch):
    first, second = (parquet(tmp_path / name, rows(seed)) for name, seed in (("a", 8), ("b", 9)))
    with monkeypatch.context() as patch:
        patch.setattr(storage, "remove_tree", lambda _: None)
        left = run(first, tmp_path / "out", engine="beam", **OWN)
        assert any("work" in Path(name).parts for name in left)
    (second / "part-2.parquet").unlink()
    again = run(second, tmp_path / "out", engine="beam", **OWN)
    require_same(again, run(second, tmp_path / "local", engine="local", **OWN))


class Blind(type(Path())):
    """A file that workers look for in another place."""

    def __reduce__(self):
        return Path, (f"{self}-elsewhere",)


@pytest.mark.parametrize("span_bytes", [1_000, 1_000_000])
def test_data_that_workers_do_not_see_is_an_error(tmp_path, monkeypatch, span_bytes):
    monkeypatch.setattr(engine, "SPAN_BYTES", span_bytes)
    dataset = layouts.detect(movielens(tmp_path), ExampleGenParams())
    blind = dataclasses.replace(dataset.ratings, files=(Blind(dataset.ratings.files[0]),))
    monkeypatch.setattr(executor, "detect", lambda *_: dataclasses.replace(dataset, ratings=blind))
    with pytest.raises(DataError, match=r"^example_gen\.engine: .*/ratings\.csv-elsewhere is not "):
        run(tmp_path, tmp_path / "out", engine="beam")


class Elsewhere(str):
    """A folder that workers look for in another place."""

    def __reduce__(self):
        return str, (f"{self}-elsewhere",)


def test_workers_that_write_elsewhere_are_an_error(tmp_path, monkeypatch):
    def elsewhere(dataset, params, work, **more):
        return Job(dataset, params, Elsewhere(work), **more)

    monkeypatch.setattr(engine, "Job", elsewhere)
    with pytest.raises(DataError, match=r"^example_gen\.engine: .*/work/.* is not the same for"):
        run(movielens(tmp_path), tmp_path / "out", engine="beam")
    assert not (tmp_path / "out" / executor.QUARANTINE / "work").exists()


def test_data_and_artifacts_on_an_object_store(tmp_path, monkeypatch, request):
    movielens(tmp_path)
    params = {"max_bad_share": 0.5, "min_ratings_per_user": 25}
    store = f"ram://{request.node.name}"  # TensorFlow's, in memory
    for file in tmp_path.iterdir():
        storage.copy_file(str(file), f"{store}/data/{file.name}")
    monkeypatch.setattr(engine, "SPAN_BYTES", 4_000)
    on_store = run(f"{store}/data", f"{store}/out", engine="beam", **params)
    require_same(on_store, run(tmp_path, tmp_path / "out", engine="local", **params))


@pytest.mark.long
@pytest.mark.parametrize("runner", ["DirectRunner", "FnApiRunner"])
def test_worker_processes_give_the_same(tmp_path, caplog, runner):
    movielens(tmp_path)
    flags = (f"--runner={runner}", "--direct_running_mode=multi_processing", "--direct_num_workers=2")
    with caplog.at_level("INFO", logger="absl"):
        on_workers = run(tmp_path, tmp_path / "beam", flags, max_bad_share=0.5, events_per_shard=300)
    assert "engine beam: beam_pipeline_args name a runner with workers" in caplog.text
    require_same(on_workers, run(tmp_path, tmp_path / "local", max_bad_share=0.5, engine="local"))


cell = st.sampled_from(["1", "2", "10", "a", "007", '"3"', '"x\ny"', ' "', "", "0.5", "4", "9", "1000000000"])


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(st.tuples(cell, cell, cell, cell), st.tuples(cell)), min_size=1, max_size=30),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["bad", "last"]),
    st.sampled_from([7, 40, 1000]),
    st.integers(0, 2),
)
def test_any_small_log_gives_the_same(tmp_path_factory, both, monkeypatch, lines, end, repeated, span, core):
    monkeypatch.setattr(engine, "SPAN_BYTES", span)
    folder = tmp_path_factory.mktemp("log")
    # Enough of good rows that there is something to compare.
    good = [(str(user), str(item), "4", str(item)) for user in (1, 2, 33) for item in range(20, 24)]
    text = end.join(["u,i,r,t", *map(",".join, [*good[:6], *lines, *good[6:]]), ""])
    (folder / "log.csv").write_text(text, newline="")
    both(folder, max_bad_share=1, events_per_shard=3, repeated=repeated, min_ratings_per_item=core, **OWN)
