"""The same events are the same records, whatever the file's format, encoding, line ends and compression."""

import bz2
import gzip
import io
import json
import lzma
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.gallery.layouts import EVENTS

import contract
from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from components.example_gen.reading.quarantine import Quarantine
from components.example_gen.records import item_records, splits, timelines, write
from components.example_gen.sorting.gather import gather
from components.example_gen.sorting.totals import totals

COLUMNS = {"user": "user", "item": "item", "rating": "stars", "time": "at"}
HEADER = ",".join(COLUMNS.values())
ROWS = [(e.user, e.item, e.rating / 2, e.time) for e in EVENTS]
TEXT = "".join(f"{row}\n" for row in (HEADER, *(",".join(map(str, row)) for row in ROWS)))


def record_bytes(path, scratch, **params) -> list[bytes]:
    """Every record that ExampleGen writes of a log."""
    knobs = ExampleGenParams(**{"columns": COLUMNS, **params})
    scratch.mkdir()
    with Quarantine() as bad:
        data = gather(layouts.detect(path, knobs), knobs, bad, scratch)
    known = totals(data.log, knobs)
    events = data.log.events(0, len(data.log.user_ids))
    parts = splits.parts(events, knobs)
    tables = [timelines.records(events, parts, split, known.seen) for split in contract.SPLITS]
    tables.append(item_records.records(data.items, data.tags, data.log.user_ids, known))
    return [record for table in tables for record in write.encode(table)]


def parquet(rows=ROWS) -> bytes:
    buffer = io.BytesIO()
    columns = zip(*rows, strict=True)
    pq.write_table(pa.table(dict(zip(COLUMNS.values(), map(list, columns), strict=True))), buffer)
    return buffer.getvalue()


def json_lines(rows=ROWS) -> bytes:
    names = COLUMNS.values()
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows).encode()


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("log.csv", data)
    return buffer.getvalue()


QUOTED = "".join(";".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in TEXT.splitlines())
FORMS = {
    "tabs": ("log.tsv", TEXT.replace(",", "\t").encode()),
    "semicolons, quoted": ("log.csv", QUOTED.encode()),
    "pipes": ("log.txt", TEXT.replace(",", "|").encode()),
    "JSON lines": ("log.jsonl", json_lines()),
    "Parquet": ("log.parquet", parquet()),
    "byte order mark": ("log.csv", b"\xef\xbb\xbf" + TEXT.encode()),
    "Latin-1": ("log.csv", TEXT.encode("latin-1")),
    "Windows-1252": ("log.csv", TEXT.encode("cp1252")),
    "UTF-16": ("log.csv", TEXT.encode("utf-16")),
    "CRLF": ("log.csv", TEXT.replace("\n", "\r\n").encode()),
    "CR": ("log.csv", TEXT.replace("\n", "\r").encode()),
    "no last line end": ("log.csv", TEXT.rstrip("\n").encode()),
    "blank lines": ("log.csv", TEXT.replace("\n", "\n\n").encode()),
    "gzip": ("log.csv.gz", gzip.compress(TEXT.encode())),
    "gzip in two members": (
        "log.csv.gz",
        gzip.compress(TEXT[:50].encode()) + gzip.compress(TEXT[50:].encode()),
    ),
    "bzip2": ("log.csv.bz2", bz2.compress(TEXT.encode())),
    "xz": ("log.csv.xz", lzma.compress(TEXT.encode())),
    "zip": ("log.csv.zip", zipped(TEXT.encode())),
    "gzip of another name": ("log.data", gzip.compress(TEXT.encode())),
    "JSON lines, gzipped": ("log.json.gz", gzip.compress(json_lines())),
}


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("plain")
    (folder / "log.csv").write_text(TEXT)
    return record_bytes(folder / "log.csv", folder / "scratch")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("in_folder", [False, True])
def test_any_form_of_the_file_gives_the_same_bytes(tmp_path, expected, form, in_folder):
    name, content = FORMS[form]
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / name).write_bytes(content)
    path = tmp_path / "log" if in_folder else tmp_path / "log" / name
    assert record_bytes(path, tmp_path / "scratch") == expected


def test_several_files_of_a_folder_give_the_same_bytes(tmp_path, expected):
    (tmp_path / "log").mkdir()
    for number, part in enumerate(np.array_split(np.arange(len(ROWS)), 3)):
        rows = "".join(",".join(map(str, ROWS[row])) + "\n" for row in part)
        (tmp_path / "log" / f"part-{number}.csv").write_text(f"{HEADER}\n{rows}")
    (tmp_path / "log" / "README.md").write_text("not the log\n")
    assert record_bytes(tmp_path / "log", tmp_path / "scratch") == expected


def test_the_order_of_columns_and_further_ones_say_nothing(tmp_path, expected):
    text = "".join(f"x,{','.join(reversed(line.split(',')))}\n" for line in TEXT.splitlines())
    (tmp_path / "log.csv").write_text(text)
    assert record_bytes(tmp_path / "log.csv", tmp_path / "scratch") == expected


@pytest.mark.parametrize(
    ("unit", "spell"),
    [
        ("ms", lambda at: at * 1000),
        ("us", lambda at: at * 10**6),
        ("auto", lambda at: at * 1000),
        ("s", lambda at: f"{at}.75"),
        ("iso", lambda at: np.datetime64(at, "s")),
        ("auto", lambda at: np.datetime64(at, "s")),
        ("%d.%m.%Y %H:%M:%S", lambda at: f"{np.datetime64(at, 's').item():%d.%m.%Y %H:%M:%S}"),
    ],
)
def test_times_in_any_spelling_give_the_same_bytes(tmp_path, expected, unit, spell):
    rows = "".join(f"{u},{i},{r},{spell(t)}\n" for u, i, r, t in ROWS)
    (tmp_path / "log.csv").write_text(f"{HEADER}\n{rows}")
    assert record_bytes(tmp_path / "log.csv", tmp_path / "scratch", time_unit=unit) == expected


@pytest.mark.parametrize(
    ("name", "content", "record"),
    [
        ("log.csv", TEXT.encode()[:-16], f"line {len(ROWS) + 1}"),
        ("log.jsonl", json_lines()[:-16], f"line {len(ROWS)}"),
        ("log.csv.gz", gzip.compress(TEXT.encode())[:-30], "cut off"),
        ("log.csv.bz2", bz2.compress(TEXT.encode())[:-30], "cut off"),
        ("log.csv.xz", lzma.compress(TEXT.encode())[:-30], "cut off"),
        ("log.csv.zip", zipped(TEXT.encode())[:-30], ""),
        ("log.parquet", parquet()[:-30], "cut off"),
    ],
)
def test_a_cut_file_ends_in_one_message_with_file_and_place(tmp_path, name, content, record):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        record_bytes(tmp_path / name, tmp_path / "scratch", max_bad_share=0)
    assert name in str(error.value)
    assert record in str(error.value)


def test_ids_are_text_from_end_to_end(tmp_path):
    (tmp_path / "log.csv").write_text(TEXT)
    records = record_bytes(tmp_path / "log.csv", tmp_path / "scratch")
    for id_ in {id_ for row in ROWS for id_ in row[:2]}:
        assert any(id_.encode() in record for record in records)
