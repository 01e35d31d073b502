"""Files that are no table are called what they are, and sheets are known without a map."""

import io
import pickle
import sqlite3
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pytest
from support.gallery.layouts import GALLERY
from support.gallery.sheets import sheet

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts, text_blocks
from datasets.own_log.survey import survey

FRAME = pd.DataFrame({"user": ["a", "b"] * 20, "item": [f"i{n}" for n in range(40)]})


def tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        data = FRAME.to_csv(index=False).encode()
        member = tarfile.TarInfo("log.csv")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def sqlite(folder: Path) -> bytes:
    connection = sqlite3.connect(folder / "made")
    FRAME.to_sql("log", connection)
    connection.close()
    return (folder / "made").read_bytes()


def by(write) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


OTHERS = {
    "a tar archive": lambda _: tar(),
    "an SQLite database": sqlite,
    "a pickle of Python": lambda _: pickle.dumps(FRAME),
    "an ORC file": lambda _: by(lambda out: pa.orc.write_table(pa.table(FRAME), out)),
    "an Arrow file": lambda _: by(lambda out: pa.feather.write_feather(FRAME, out)),
    "an array of NumPy": lambda _: by(lambda out: np.save(out, np.arange(20))),
    "a web page": lambda _: b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>\n",
    "XML": lambda _: b'<?xml version="1.0"?>\n<log><row user="1"/></log>\n',
    "a dump of SQL": lambda _: b"-- dump\n\nCREATE TABLE `log` (u int);\nINSERT INTO log VALUES (1,2);\n",
}


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize("columns", [{}, {"user": "user", "item": "item"}])
def test_what_is_no_table_is_called_what_it_is(tmp_path, what, columns):
    path = tmp_path / "log.csv"
    path.write_bytes(OTHERS[what](tmp_path))
    options = ExampleGenParams(columns=columns)
    for look in (layouts.known, layouts.detect, survey):
        with pytest.raises(DataError, match=rf"log\.csv: is {what}.*, expected a table: \w+"):
            look(path, options)


@pytest.mark.parametrize("header", ["ORCID,doi,n", "RDX,item,n", "Objects,item,n", "insert,item,into"])
def test_a_header_that_begins_likewise_is_a_header(tmp_path, header):
    (tmp_path / "log.csv").write_text(header + "\n" + "".join(f"u{n % 7},i{n % 9},{n}\n" for n in range(60)))
    assert survey(tmp_path / "log.csv", ExampleGenParams()).files[0].names == tuple(header.split(","))


@pytest.mark.parametrize("name", GALLERY)
def test_every_layout_is_known_or_has_its_map_guessed(tmp_path, name):
    """As `data check` and `run` ask first."""
    path = GALLERY[name]().write(tmp_path)
    if not layouts.known(path, ExampleGenParams()):
        assert survey(path, ExampleGenParams()).files


def test_a_sheet_needs_no_map_to_be_looked_at(tmp_path):
    rows = [(f"u{n % 7}", f"i{n % 9}", n % 5) for n in range(60)]
    (tmp_path / "log.xlsx").write_bytes(sheet([("user", "item", "stars"), *rows]))
    assert not layouts.known(tmp_path / "log.xlsx", ExampleGenParams())
    found = survey(tmp_path / "log.xlsx", ExampleGenParams())
    assert found.guess.values["columns"] == {"user": "user", "item": "item", "rating": "stars"}


TITLES = {
    "a line": "Sales export, 2017\n",
    "a line and a blank one": "Sales export\n\n",
    "cells of nothing": "Sales export;;;\n;;;\nBerlin;;;\n",
    "Excel's delimiter": "sep=;\n",
}


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("block_bytes", [16, 1 << 20])
def test_lines_of_a_title_are_none_and_said(tmp_path, read, monkeypatch, title, end, block_bytes):
    """Beside pandas, which is told of them."""
    monkeypatch.setitem(text_blocks.blocks.__kwdefaults__, "block_bytes", block_bytes)
    rows = "".join(f"u{n % 7};i{n};{n % 5 + 1};{1_500_000_000 + n}\n" for n in range(60))
    text = TITLES[title] + "user;item;stars;at\n" + rows + "u1;bad;;\n"
    (tmp_path / "log.csv").write_text(text.replace("\n", end), newline="")
    columns = {"user": "user", "item": "item", "rating": "stars", "time": "at"}
    found = read(tmp_path / "log.csv", columns=columns, max_bad_share=0.1)
    above = TITLES[title].count("\n")
    wanted = pd.read_csv(tmp_path / "log.csv", sep=";", skiprows=above).dropna()
    assert {row[:2] for row in found.ratings} == set(zip(wanted.user, wanted.item, strict=True))
    assert [row["line"] for row in found.rows_bad] == [above + 62]
    looked = survey(tmp_path / "log.csv", ExampleGenParams())
    assert looked.guess.values["columns"] == columns
    assert f"{above} line{'s' * (above > 1)} above left out" in looked.description()


def test_a_file_without_the_title_of_the_first_loses_nothing_in_silence(tmp_path, read):
    rows = "".join(f"u{n % 7};i{n};{n % 5 + 1}\n" for n in range(20))
    (tmp_path / "a.csv").write_text(f"An export\nuser;item;stars\n{rows}")
    (tmp_path / "b.csv").write_text(f"user;item;stars\n{rows}")
    with pytest.raises(DataError, match=r"b\.csv.*column 'user' is missing"):
        read(tmp_path, columns={"user": "user", "item": "item"})
    # Without a header nothing tells a title from a row.
    (tmp_path / "c.csv").write_text(f"An export\n{rows}")
    found = read(tmp_path / "c.csv", columns={"user": 1, "item": 2}, max_bad_share=0.1)
    assert (len(found.ratings), found.bad.rows_in["ratings"]) == (20, 21)


@pytest.mark.parametrize("title", [[], [("Sales",)], [("Sales",), (), ("Berlin", "")]])
def test_a_sheet_with_a_title_and_another_table(tmp_path, read, title):
    rows = [(f"u{n % 7}", f"i{n}", n % 5 + 1) for n in range(30)]
    (tmp_path / "log.ods").write_bytes(
        sheet([*title, ("user", "item", "stars"), *rows], [[("shop", "city"), ("1", "Bonn")]])
    )
    columns = {"user": "user", "item": "item", "rating": "stars"}
    found = read(tmp_path / "log.ods", columns=columns)
    assert sorted(row[:2] for row in found.ratings) == sorted(row[:2] for row in rows)
    words = survey(tmp_path / "log.ods", ExampleGenParams()).description().splitlines()[0]
    assert ("above its header left out" in words) == bool(title)
    assert "without the sheets of other columns: s1" in words


@pytest.mark.parametrize("block_bytes", [16, 64, 1 << 20])
def test_a_byte_order_mark_between_files_that_were_put_together_is_a_character(
    tmp_path, read, monkeypatch, block_bytes
):
    """Wherever blocks begin: no record is lost for it."""
    monkeypatch.setitem(text_blocks.blocks.__kwdefaults__, "block_bytes", block_bytes)
    text = "\ufeffuser,item\n" + "".join(f"u{n},i{n}\n" for n in range(9))
    (tmp_path / "log.csv").write_text(text + "\ufeff\n\ufeffu77,i77\n" + "u88,i88\n\ufeff,i99\n")
    found = read(tmp_path / "log.csv", columns={"user": "user", "item": "item"}, max_bad_share=0.5)
    assert found.bad.rows_in["ratings"] == 13
    assert {row[0] for row in found.ratings} == {f"u{n}" for n in range(9)} | {"\ufeffu77", "u88", "\ufeff"}
    assert [row["line"] for row in found.rows_bad] == [11]
