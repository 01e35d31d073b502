"""Damaged logs of the gallery: a clean error or a right count, never another number of records in silence."""

import io
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.gallery.layouts import EVENTS, GALLERY

from components.example_gen.errors import DataError

ENTRIES = {name: make() for name, make in GALLERY.items()}
QUICK, NIGHTLY = 120, 5_000  # of each of the two tests
COLUMNS = {"user": "user", "item": "item", "rating": "stars", "time": "at"}
ROWS = [[e.user, e.item, str(e.rating / 2), str(e.time)] for e in EVENTS[:12]]

odd_cell = st.sampled_from(
    [
        *("", " ", "NA", "nan", "inf", "-1", "0", "1e400", "9" * 40, "1,5", "0x1f", "é" * 70, "\\N", "'"),
        *("2017/8/18", "1.0", "=1+1", "::", "|", ";", "#", "\x00", "\x1f", "\ufffd", "true", "{", "[1]"),
        *("\u2028", "\x0b", "5 "),
    ]
)
odd_bytes = st.one_of(
    st.binary(min_size=1, max_size=4),
    st.sampled_from(
        [b'"', b"\n", b"\r", b"\0", b"\xff", b",", b"\t", b"{", b"}", b"\\", b'""', b"\x1a", b"9" * 30]
    ),
)
EDITS = ("set", "insert", "delete", "repeat", "cut")
cut = st.floats(0, 1, exclude_max=True)
edits = st.lists(
    st.tuples(
        st.sampled_from(("set", "insert", "delete", "repeat", "cut")), cut, odd_bytes, st.integers(1, 60)
    ),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, changes: list) -> bytes:
    for kind, share, some, length in changes:
        at = int(share * (len(content) + 1))
        content = {
            "set": content[:at] + some + content[at + len(some) :],
            "insert": content[:at] + some + content[at:],
            "delete": content[:at] + content[at + length :],
            "repeat": content[:at] + content[at : at + length] * 2 + content[at + length :],
            "cut": content[:at],
        }[kind]
    return content


def damage(tmp_path, read, name, changes, allowed) -> None:
    entry = ENTRIES[name]
    folder = tmp_path / "log"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = entry.write(folder)
    first = sorted(entry.files)[0]
    (folder / first).write_bytes(damaged(entry.files[first], changes))
    try:
        # The fixture adds up: rows in = used + set aside + left out.
        found = read(path, **{**entry.params, "max_bad_share": allowed, "max_line_bytes": 2000})
    except DataError as error:
        assert error.reason
        assert "Traceback" not in str(error)
        return
    assert found.ratings
    assert (
        found.bad.bad("ratings")
        <= max(allowed, entry.params.get("max_missing_share", 0)) * (found.bad.rows_in["ratings"])
    )


def change_cells(tmp_path, read, changes, delimiter, header) -> None:
    rows = [list(row) for row in ROWS]
    names = list(COLUMNS.values())
    for row, column, cell in changes:
        if delimiter in cell:
            continue
        (names if row == len(rows) and header else rows[row % len(rows)])[column] = cell
    stream = io.StringIO()
    for row in [names, *rows]:
        stream.write(delimiter.join(row) + "\n")
    (tmp_path / "log.csv").write_text(stream.getvalue(), newline="")
    params = {
        "columns": COLUMNS,
        "delimiter": delimiter,
        "quoted": False,
        "max_bad_share": 1,
        "encoding": "utf-8",
    }
    try:
        found = read(tmp_path / "log.csv", **params)
    except DataError as error:
        assert error.reason
        assert error.file in ("log.csv", "example_gen.delimiter")
        return
    assert found.bad.rows_in["ratings"] == len(rows)
    untouched = {tuple(row[:2]) for row, before in zip(rows, ROWS, strict=True) if row == before}
    users = {row[:2] for row in found.ratings}
    gone = {row["line"] for row in found.rows_bad}
    for number, row in enumerate(rows):
        if tuple(row[:2]) in untouched and rows.count(row) == 1:
            assert tuple(row[:2]) in users or number + 2 in gone


cells = st.lists(
    st.tuples(st.integers(0, len(ROWS)), st.integers(0, 3), odd_cell), min_size=1, max_size=6
)  # fmt: skip
delimiters = st.sampled_from([",", ";", "\t", "|"])
# A loaded machine draws slowly, which is no fault of a log.
lenient = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


@settings(max_examples=QUICK, **lenient)
@given(st.sampled_from(sorted(ENTRIES)), edits, st.sampled_from([0.0, 0.3, 1.0]))
def test_bytes(tmp_path, read, name, changes, allowed):
    damage(tmp_path, read, name, changes, allowed)


@settings(max_examples=QUICK, **lenient)
@given(cells, delimiters, st.booleans())
def test_cells_and_headers(tmp_path, read, changes, delimiter, header):
    change_cells(tmp_path, read, changes, delimiter, header)


@pytest.mark.nightly("components/example_gen/reading")
@settings(max_examples=NIGHTLY, **lenient)
@given(st.sampled_from(sorted(ENTRIES)), edits, st.sampled_from([0.0, 0.3, 1.0]))
def test_bytes_at_length(tmp_path, read, name, changes, allowed):
    damage(tmp_path, read, name, changes, allowed)


@pytest.mark.nightly("components/example_gen/reading")
@settings(max_examples=NIGHTLY, **lenient)
@given(cells, delimiters, st.booleans())
def test_cells_and_headers_at_length(tmp_path, read, changes, delimiter, header):
    change_cells(tmp_path, read, changes, delimiter, header)


@pytest.mark.parametrize("name", GALLERY)
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "::"])
def test_another_delimiter_than_the_file_has_is_an_error_or_right(tmp_path, read, name, delimiter):
    entry = ENTRIES[name]
    path = entry.write(tmp_path)
    try:
        found = read(path, **{**entry.params, "delimiter": delimiter})
    except DataError as error:
        assert error.reason
        return
    assert found.bad.rows_in["ratings"] == entry.rows
    assert np.isfinite([row[2] for row in found.ratings]).all()
