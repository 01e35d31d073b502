"""Spans together are the file: what is read of them is what is read of it."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.example_gen.beam import spans
from components.example_gen.reading import tables
from components.example_gen.reading.quarantine import Quarantine
from components.example_gen.reading.source import Dataset, Delimited, Parquet, Source
from components.example_gen.reading.text_blocks import WHOLE, Span

TEXT = Delimited()
# Lines that end inside quotes; of the second the quotes are even.
OPEN = ('"open,x', '5" x,"open')


def files(path, format_=TEXT) -> Source:
    columns = {"user": "u", "item": "i"}
    return Source("ratings", (path,), format_, columns, {"user": "id", "item": "id"})


def cut(source: Source, span_bytes: int) -> list[Span]:
    """All spans of a file, as the Beam pass finds them."""
    dataset = Dataset("csv", source)
    known, pieces = spans.plan(dataset, span_bytes)
    counted = [spans.count(piece, dataset)[1] for piece in pieces]
    return [span for _, span in [*known, *(spans.cut((0, counted)) if counted else ())]]


def read(source: Source, parts: list[Span]) -> tuple[list[tuple], list[tuple]]:
    """(line, user, item) of good rows and (line, kind) of bad ones."""
    bad = Quarantine(keep=True)
    good = [
        (int(line), row["user"], row["item"])
        for span in parts
        for chunk in tables.read_span(source, 0, span, bad, 300)
        for line, row in zip(chunk.lines, chunk.table.to_pylist(), strict=True)
    ]
    assert bad.rows_in["ratings"] == len(good) + len(bad.rows)
    return good, [(row.line, row.kind) for row in bad.rows]


@settings(max_examples=150, deadline=None)
@example(['say "hi,x'], "\n", True, False, 1)
@given(
    st.lists(
        st.sampled_from(
            ["1,2", "a,b", "", "x", '"q",z', '"two,\nlines",z', "1,2,3", 'say "hi,x', "y" * 400, *OPEN]
        )
    ),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
    st.booleans(),
    st.integers(1, 60),
)
def test_spans_are_the_file(tmp_path_factory, lines, end, quoted, closed, span_bytes):
    path = tmp_path_factory.getbasetemp() / "spans.csv"
    path.write_text(end.join(["u,i", "0,0", *lines]) + end * closed, newline="")
    source = files(path, Delimited(quoted=quoted))
    parts = cut(source, span_bytes)
    assert read(source, parts) == read(source, [WHOLE])
    # After a last line without an end there is nothing that its open quote could take in.
    ended = "\n".join(lines).split("\n")[: None if closed else -1]
    joined = any(line in ('"two,', *OPEN) for line in ended)
    assert not (quoted and joined) or parts == [WHOLE]


def test_a_file_of_many_lines_is_cut(tmp_path):
    (tmp_path / "x.csv").write_text("u,i\n" + "".join(f'"{i}",{i}\n' for i in range(1000)))
    source = files(tmp_path / "x.csv")
    parts = cut(source, 500)
    size = (tmp_path / "x.csv").stat().st_size
    assert len(parts) == -(-size // 500)
    assert [span.start for span in parts[1:]] == [span.end for span in parts[:-1]]
    assert read(source, parts)[0][-1] == (1001, "999", "999")


def test_a_gzipped_file_is_read_whole(tmp_path):
    (tmp_path / "x.csv").write_bytes(gzip.compress(np.random.default_rng(0).bytes(9_000)))
    assert cut(files(tmp_path / "x.csv"), 100) == [WHOLE]


@pytest.mark.parametrize("span_bytes", [1, 4_000, 10_000_000])
def test_row_groups_are_spans(tmp_path, span_bytes):
    table = pa.table({"u": [str(i) for i in range(1000)], "i": ["x"] * 1000, "other": range(1000)})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=100)
    source = files(tmp_path / "x.parquet", Parquet())
    parts = cut(source, span_bytes)
    assert (len(parts) == 10) if span_bytes == 1 else (len(parts) < 10)
    good, bad = read(source, parts)
    assert good == [(i + 1, str(i), "x") for i in range(1000)]
    assert bad == []
