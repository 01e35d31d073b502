"""A look at any bytes ends in a guess, a question or a clean error; never in a traceback."""

import bz2
import contextlib
import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from components.example_gen.reading.formats import packing
from datasets.own_log.survey import survey
from datasets.report import check

ROWS = [(f"u{n % 5}", f"{n % 7}", n % 5, 1_500_000_000 + n) for n in range(30)]
CSV = "user_id;sku;stars;when\n" + "".join(f"{u};{i};{s};{t}\n" for u, i, s, t in ROWS)
JSON = "".join(
    f'{{"user": {{"id": "{u}"}}, "item": {i}, "tags": ["a", "{s}"], "at": {t}}}\n' for u, i, s, t in ROWS
)


def parquet() -> bytes:
    buffer = io.BytesIO()
    names = ("user", "item", "rating", "time")
    columns = dict(zip(names, map(list, zip(*ROWS, strict=True)), strict=True))
    pq.write_table(pa.table({**columns, "nested": [{"a": [1]}] * 30, "empty": pa.nulls(30)}), buffer)
    return buffer.getvalue()


FILES = [CSV.encode(), CSV.encode("utf-16"), JSON.encode(), gzip.compress(JSON.encode(), mtime=0), parquet()]
FILES += [bz2.compress(CSV.encode()), b"a b\n1 2\n", b"# x\n1,2\n", b"{}\n{}\n", b"\n\n", b"x", b'"', b"[{}]"]
PIECES = [
    b'"',
    b"\n",
    b"\r",
    b";",
    b",",
    b"\0",
    b"\xff",
    b"{",
    b"}",
    b"[",
    b"::",
    b"#",
    b"nan",
    b"9" * 30,
    b"\t",
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(FILES),
    st.lists(
        st.tuples(
            st.floats(0, 1), st.integers(0, 30), st.one_of(st.binary(max_size=4), st.sampled_from(PIECES))
        ),
        max_size=5,
    ),
)
def test_any_bytes(tmp_path, content, edits):
    for place, length, piece in edits:
        at = int(place * len(content))
        content = content[:at] + piece + content[at + length :]
    path = tmp_path / "log"
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        found = survey(path, ExampleGenParams())
        assert found.description()
        assert found.yaml().endswith("\n")
        if found.guess.certain:
            params = found.params(ExampleGenParams())
            report = check(layouts.detect(path, params), params)
            assert report.account.tables["ratings"].rows_in >= 1


def test_nested_and_empty_columns_of_parquet_are_looked_over(tmp_path):
    (tmp_path / "log").write_bytes(parquet())
    guess = survey(tmp_path / "log", ExampleGenParams()).guess
    assert guess.values["columns"] == {"user": "user", "item": "item", "rating": "rating", "time": "time"}
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="has no file that may be a log"):
        survey(tmp_path / "none", ExampleGenParams())


@pytest.mark.parametrize("content", [b"\x01\n\n\x01", b"a;a\n1;2\n", b",,\n1,2,3\n"])
def test_columns_without_names_of_their_own_are_refused_by_name(tmp_path, content):
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"no column has a name that no other has: .*example_gen\.names"):
        survey(path, ExampleGenParams())


def test_of_a_large_file_at_most_16_mb_are_read(tmp_path, monkeypatch):
    rows = "".join(f"{n % 977},{n % 61},{1_500_000_000 + n},some words\n" for n in range(20_000))
    text = ("user,item,time,note\n" + rows * 35).encode()
    assert len(text) > 20_000_000
    path = tmp_path / "log.csv"
    path.write_bytes(text)
    read, unpacked = [], packing.unpacked

    @contextlib.contextmanager
    def counted(file):
        with unpacked(file) as opened:
            whole = opened.read
            monkeypatch.setattr(
                opened, "read", lambda size=-1: read.append(data := whole(size)) or data, raising=False
            )
            yield opened

    monkeypatch.setattr(packing, "unpacked", counted)
    assert survey(path, ExampleGenParams()).guess.certain
    assert 0 < sum(map(len, read)) <= 16_000_000
