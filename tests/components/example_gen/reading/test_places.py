"""Data at a URL are read as data in a folder are (TensorFlow's in-memory store stands for one)."""

import gzip
import io
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common import storage
from components.example_gen.errors import DataError
from components.example_gen.fingerprint import fingerprint
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from components.example_gen.reading.places import Remote, absolute, place

OWN = {"columns": {"user": "u", "item": "i", "rating": "r", "time": "t"}}
TABLE = pa.table({"u": ["a", "b"] * 50, "i": list(map(str, range(100))), "r": [4.0] * 100, "t": range(100)})


@pytest.fixture
def store(request) -> Remote:
    """An empty folder."""
    made = place(f"ram://{request.node.name.replace('[', '-').rstrip(']')}/data/")
    assert isinstance(made, Remote)
    return made


def put(folder, name: str, content: bytes) -> None:
    with storage.open_binary(str(folder / name), "wb") as file:
        file.write(content)


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink, row_group_size=10)
    return sink.getvalue()


def csv() -> bytes:
    rows = TABLE.to_pylist()
    return ("u,i,r,t\n" + "".join("{u},{i},{r},{t}\n".format(**row) for row in rows) + "a,0,9,1\n").encode()


FILES = {
    "parquet": {"a.parquet": parquet(), "deep/b.parquet": parquet()},
    "csv": {"a.csv": csv()},
    "gzip": {"a.csv.gz": gzip.compress(csv(), mtime=0)},
}


@pytest.mark.parametrize("name", FILES)
def test_a_url_is_read_as_a_folder(read, store, tmp_path, name):
    for file, content in FILES[name].items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        put(tmp_path, file, content)
        put(store, file, content)
    params = {**OWN, "max_bad_share": 0.5, "repeated": "last"}
    local, remote = read(tmp_path, **params), read(store, **params)
    assert remote.ratings == local.ratings
    assert len(local.ratings) == 100
    assert remote.rows_bad == local.rows_bad
    assert remote.layout == local.layout
    assert fingerprint(str(store), ExampleGenParams(**params)) == fingerprint(
        tmp_path, ExampleGenParams(**params)
    )


def test_movielens_at_a_url(read, store, folder):
    local = folder()
    for file in local.iterdir():
        put(store, file.name, file.read_bytes())
    assert layouts.detect(str(store), ExampleGenParams()).layout == "movielens-csv"
    found, expected = read(store), read(local)
    assert (found.ratings, found.items, found.tags) == (expected.ratings, expected.items, expected.tags)


def test_a_store_that_nobody_knows_is_named():
    with pytest.raises(DataError, match=r"^day: nowhere://bucket/day cannot be reached: File system scheme"):
        layouts.detect("nowhere://bucket/day", ExampleGenParams())
    with pytest.raises(DataError, match=r"^day: ram://absent/day is not a file or folder; expected a folder"):
        layouts.detect("ram://absent/day", ExampleGenParams())


def test_a_path_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("data") == tmp_path / "data"
    assert absolute("s3://bucket/data/") == Remote("s3://bucket/data")
    assert place(tmp_path) is tmp_path


def test_a_file_at_a_url_is_a_file_to_python(store):
    put(store, "x.bin", bytes(range(200)) * 20_000)
    with (store / "x.bin").open("rb") as file:
        assert file.seek(0, io.SEEK_END) == 4_000_000
        assert file.read() == b""
        assert file.seek(1_000_007) == 1_000_007
        assert file.read(3) == bytes([7, 8, 9])
        file.seek(-3, io.SEEK_CUR)
        sink = io.BytesIO()
        shutil.copyfileobj(file, sink)
    assert sink.getvalue() == (bytes(range(200)) * 20_000)[1_000_007:]
    assert not (store / "y.bin").exists()
    assert store.is_dir()
    assert not store.is_file()
