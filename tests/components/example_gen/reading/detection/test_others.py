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
from components.example_gen.reading import layouts
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
