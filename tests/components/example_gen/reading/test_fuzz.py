"""Damaged files: a clean error or a correct count, never a traceback."""

import bz2
import gzip
import io
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from components.example_gen.errors import DataError
from components.example_gen.reading import text_blocks

ROWS = [
    (user, item, 0.5 * (1 + (user + item) % 10), 1_000 + item)
    for user in range(1, 9)
    for item in (10, 20, 30)
]
CSV = "userId,movieId,rating,timestamp\n" + "".join(f"{u},{m},{r},{t}\n" for u, m, r, t in ROWS)
ITEMS = 'movieId,title,genres\n10,"Été, L\' (1995)",Drama\n20,"two\nlines",A|B\n30,Heat,(no genres listed)\n'
TAGS = "userId,movieId,tag,timestamp\n1,10,fun,900\n2,20,sad,900\n"
DAT = "".join(f"{u}::{m}::{r}::{t}\n" for u, m, r, t in ROWS)
ITEMS_DAT = "10::Été (1995)::Drama\n20::Heat (1995)::A|B\n30::X::\n"
PAIRS = "".join(f"{u} {m}\n" for u, m, _, _ in ROWS)


JSON = "".join(f'{{"u": "{u}", "i": {m}, "r": {r}, "t": {t}}}\n' for u, m, r, t in ROWS)
NAMED = {"user": "userId", "item": "movieId", "rating": "rating", "time": "timestamp"}


def parquet() -> bytes:
    columns = dict(zip(("u", "i", "r", "t"), map(list, zip(*ROWS, strict=True)), strict=True))
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


OWN = {"columns": {"user": "u", "item": "i", "rating": "r", "time": "t"}}
# Files by layout; the first is damaged, and what is left of it must be accounted for.
LAYOUTS = {
    "csv": ({"ratings.csv": CSV.encode(), "movies.csv": ITEMS.encode(), "tags.csv": TAGS.encode()}, {}),
    "items": ({"movies.csv": ITEMS.encode(), "ratings.csv": CSV.encode()}, {}),
    "tags": ({"tags.csv": TAGS.encode(), "movies.csv": ITEMS.encode(), "ratings.csv": CSV.encode()}, {}),
    "gzip": ({"ratings.csv.gz": gzip.compress(CSV.encode(), mtime=0), "movies.csv": ITEMS.encode()}, {}),
    "dat": ({"ratings.dat": DAT.encode(), "movies.dat": ITEMS_DAT.encode("latin-1")}, {}),
    "movies.dat": ({"movies.dat": ITEMS_DAT.encode("latin-1"), "ratings.dat": DAT.encode()}, {}),
    "pairs": ({"log.txt": PAIRS.encode()}, {}),
    "iso": (
        {"log.csv": b"u,i,r,t\n1,a,4,2020-01-02\n1,b,4,2020-01-03T04:05:06Z\n"},
        {**OWN, "time_unit": "iso"},
    ),
    "parquet": ({"log.parquet": parquet()}, OWN),
    "json": ({"log.json": JSON.encode()}, {**OWN, "time_unit": "s"}),
    "semicolons": ({"log.txt": CSV.replace(",", ";").encode("utf-16")}, {"columns": NAMED}),
    "bzip2": ({"log.txt": bz2.compress(CSV.encode())}, {"columns": NAMED}),
}

edit = st.tuples(
    st.sampled_from(("set", "insert", "delete", "repeat", "cut")),
    st.floats(0, 1, exclude_max=True),
    st.one_of(
        st.binary(min_size=1, max_size=4),
        st.sampled_from(
            [
                b'"',
                b"\n",
                b"\r",
                b"\r\n",
                b",",
                b"::",
                b"\0",
                b"\xff",
                b"nan",
                b"-",
                b" ",
                b'""',
                b"9" * 30,
                b"x" * 400,
            ]
        ),
    ),
    st.integers(1, 40),
)


def damaged(content: bytes, edits: list) -> bytes:
    for kind, share, some, length in edits:
        at = int(share * (len(content) + 1))
        if kind == "set":
            content = content[:at] + some + content[at + len(some) :]
        elif kind == "insert":
            content = content[:at] + some + content[at:]
        elif kind == "delete":
            content = content[:at] + content[at + length :]
        elif kind == "repeat":
            content = content[:at] + content[at : at + length] * 2 + content[at + length :]
        else:
            content = content[:at]
    return content


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    edits=st.lists(edit, min_size=1, max_size=6),
    max_bad_share=st.sampled_from([0.0, 0.2, 1.0]),
    repeated=st.sampled_from(["bad", "last"]),
    block_bytes=st.sampled_from([64, 1 << 20]),
)
@example("csv", [("insert", 0.5, b'"', 1)], 1.0, "bad", 64)
@example("csv", [("insert", 0.5, b'"', 1), ("insert", 0.8, b'"', 1)], 1.0, "bad", 1 << 20)
@example("gzip", [("cut", 0.9, b"x", 1)], 1.0, "bad", 64)
@example("movies.dat", [("insert", 0.9, b"\n\xef\xbb\xbf\n", 1)], 1.0, "bad", 64)
@example("parquet", [("cut", 0.9, b"x", 1)], 1.0, "bad", 64)
def test_damage_ends_in_a_clean_error_or_a_right_count(
    tmp_path, read, layout, edits, max_bad_share, repeated, block_bytes
):
    files, params = LAYOUTS[layout]
    folder = tmp_path / "data"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, (name, content) in enumerate(files.items()):
        (folder / name).write_bytes(damaged(content, edits) if number == 0 else content)
    path = folder if len(files) > 1 else folder / next(iter(files))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(text_blocks.blocks.__kwdefaults__, "block_bytes", block_bytes)
        try:
            # The account of the rows is checked by the fixture.
            found = read(path, max_bad_share=max_bad_share, repeated=repeated, max_line_bytes=300, **params)
        except DataError as error:
            assert error.reason
            assert "Traceback" not in str(error)
            return
    assert found.ratings
    for table in found.bad.tables():
        assert found.bad.bad(table) <= max_bad_share * found.bad.rows_in[table]


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=200).map(lambda data: data.replace(b"\0", b"").replace(b"PK", b"")),
    st.booleans(),
    st.integers(4, 64),  # a byte order mark at least
    st.integers(1, 40),
)
def test_blocks_lose_no_line(tmp_path_factory, data, quoted, block_bytes, max_line_bytes):
    assume(data[:2] not in (b"\xff\xfe", b"\xfe\xff"))  # UTF-16
    path = tmp_path_factory.getbasetemp() / "lines"
    path.write_bytes(data)
    try:
        parts = list(
            text_blocks.blocks(path, quoted=quoted, max_line_bytes=max_line_bytes, block_bytes=block_bytes)
        )
    except DataError:
        return
    text = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = text.split(b"\n")
    lines = lines[:-1] if not lines[-1] else lines
    number = 1
    for part in parts:
        assert part.line == number
        if isinstance(part, text_blocks.BadLine):
            if part.kind == text_blocks.LONG_LINE:
                assert len(lines[number - 1]) > max_line_bytes
            number += 1
        else:
            here = part.data.split(b"\n")[:-1]
            assert here == lines[number - 1 : number - 1 + len(here)]
            assert all(len(line) <= max_line_bytes for line in here)
            number += len(here)
    assert number - 1 == len(lines)
