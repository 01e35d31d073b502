"""One log as people keep it: the same events, whatever the file is."""

import bz2
import contextlib
import datetime
import gzip
import io
import json
import lzma
import zipfile
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from support.gallery.sheets import sheet

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from components.example_gen.reading.detection import encodings, formats
from datasets.own_log.survey import survey

NAMES = ("who", "what", "stars", "at")
COLUMNS = {"user": "who", "item": "what", "rating": "stars", "time": "at"}
ROWS = [(f"u{n % 7}", f"café {n}", 0.5 + n % 10 / 2, 1_500_000_000 + 3_600 * n) for n in range(40)]
EXPECTED = sorted((u, i, s, t) for u, i, s, t in ROWS)


def lines(delimiter=",", header=True, end="\n", trailing="", decimal=".", first=()):
    rows = [[u, i, f"{s}".replace(".", decimal), str(t)] for u, i, s, t in ROWS]
    rows = [list(NAMES), *rows] if header else rows
    return "".join(f"{line}{end}" for line in [*first, *(delimiter.join(row) + trailing for row in rows)])


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner/log.csv", data)
        archive.writestr("__MACOSX/._log.csv", b"x")
    return buffer.getvalue()


PACKERS = {
    "plain": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
    "zip": zipped,
}


def events(read, path, **params):
    return sorted(read(path, **{"columns": COLUMNS, **params}).ratings)


@pytest.mark.parametrize("packer", PACKERS)
def test_compression_is_known_by_content(tmp_path, read, packer):
    path = tmp_path / "log.bin"
    path.write_bytes(PACKERS[packer](lines().encode()))
    assert events(read, path) == EXPECTED


@pytest.mark.parametrize("packer", [name for name in PACKERS if name != "plain"])
def test_a_compressed_file_that_is_cut_off_ends_in_one_message(tmp_path, read, packer):
    data = PACKERS[packer](lines().encode() * 50)
    (tmp_path / "log.bin").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(DataError, match=r"^log\.bin: the \w+ file is cut off or damaged .*; fetch it again"):
        events(read, tmp_path / "log.bin")


def test_an_archive_of_several_files_is_no_log(tmp_path, read):
    with zipfile.ZipFile(tmp_path / "log.zip", "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")
    with pytest.raises(DataError, match=r"zip archive of 2 files \(a\.csv, b\.csv\), expected one; unpack"):
        events(read, tmp_path / "log.zip")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_are_known_by_content(tmp_path, read, encoding, end):
    (tmp_path / "log.csv").write_bytes(lines(end=end).encode(encoding))
    assert events(read, tmp_path / "log.csv") == EXPECTED


def test_encodings_beyond_these_are_said(tmp_path, read):
    (tmp_path / "log.csv").write_bytes(lines().replace("café", "€uro “x”").encode("cp1252"))
    assert {row[1][:8] for row in events(read, tmp_path / "log.csv")} == {"€uro “x”"}
    (tmp_path / "log.csv").write_bytes(lines().replace("café", "кафе на площади").encode("cp1251"))
    with pytest.raises(DataError, match=r"is no UTF-8.*; set example_gen\.encoding"):
        events(read, tmp_path / "log.csv")
    assert {row[1][:4] for row in events(read, tmp_path / "log.csv", encoding="windows-1251")} == {"кафе"}
    with pytest.raises(ValueError, match="must be an encoding such as utf-8"):
        ExampleGenParams(encoding="klingon")
    with pytest.raises(ValueError, match="must be an encoding of text"):
        ExampleGenParams(encoding="hex")


def test_a_byte_that_the_encoding_lacks_is_a_bad_row(tmp_path, read):
    (tmp_path / "log.csv").write_bytes(lines().encode("cp1252") + b"u1,a \x81 b,4,1500000000\n")
    found = read(tmp_path / "log.csv", columns=COLUMNS, encoding="cp1252", max_bad_share=1)
    assert [(row["line"], row["kind"]) for row in found.rows_bad] == [(42, "bad encoding")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "::", "||", "^", "~", "\x01", "|~", "##"])
@pytest.mark.parametrize("header", [True, False])
def test_delimiters_are_known_by_content(tmp_path, read, delimiter, header):
    (tmp_path / "log").write_text(lines(delimiter, header))
    named = {} if header else {"names": NAMES}
    assert events(read, tmp_path / "log", **named) == EXPECTED
    if not header:  # columns by their numbers
        assert (
            events(read, tmp_path / "log", columns={"user": 1, "item": 2, "rating": 3, "time": 4}) == EXPECTED
        )


def test_blanks_between_the_columns(tmp_path, read):
    (tmp_path / "log.dat").write_text(lines("   ").replace("café ", "café"))
    assert [row[1] for row in events(read, tmp_path / "log.dat")] == [
        row[1].replace(" ", "") for row in EXPECTED
    ]


@pytest.mark.parametrize(
    "text",
    [
        lines(";", decimal=","),
        lines(";", trailing=";"),
        lines(";", trailing=";").replace(";at;\n", ";at\n"),
        lines(first=["# a remark, with a comma", "# another"]),
        lines(first=["% bip weighted"]),
        lines(header=False, first=["# who, what, stars, at"]),
        lines("\t").replace("who\twhat\tstars\tat", "who:token\twhat:token_seq\tstars:float\tat:float"),
        "".join(f"{n},{line}\n" if n else f"{line}\n" for n, line in enumerate(lines().splitlines())),
        lines('","'),
    ],
)
def test_headers_comments_trailing_delimiters_and_commas_for_points(tmp_path, read, text):
    if '","' in text:
        text = "".join(f'"{line}"\n' for line in text.splitlines())
    (tmp_path / "log").write_text(text)
    assert events(read, tmp_path / "log") == EXPECTED


def test_a_file_of_two_characters_between_quoted_columns(tmp_path, read):
    (tmp_path / "log").write_text('who::what::stars::at\n"a"::"x::y"::4::100\n')
    assert events(read, tmp_path / "log", quoted=True) == [("a", "x::y", 4.0, 100)]


def as_json(change=lambda record: record):
    return "".join(json.dumps(change(dict(zip(NAMES, row, strict=True)))) + "\n" for row in ROWS)


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        (lambda record: record, COLUMNS),
        (lambda record: {**record, "at": str(record["at"]), "more": {"x": [1, 2]}}, COLUMNS),
        (
            lambda record: {"user": {"id": record.pop("who"), "age": None}, **record},
            {**COLUMNS, "user": "user.id"},
        ),
        (lambda record: {"a.b": record.pop("who"), **record}, {**COLUMNS, "user": "a.b"}),
    ],
)
@pytest.mark.parametrize("fast", [True, False])
def test_json_lines(tmp_path, read, change, columns, fast):
    text = as_json(change)
    if not fast:  # a line that Arrow refuses; the others are then read one by one
        text += "{'no': json}\n[1]\n"
    (tmp_path / "log.txt").write_text(text)
    found = read(tmp_path / "log.txt", columns=columns, max_bad_share=0.1)
    assert sorted(found.ratings) == EXPECTED
    assert found.layout == "json: log.txt"
    assert [(row["line"], row["kind"]) for row in found.rows_bad] == (
        [] if fast else [(41, "no JSON object"), (42, "no JSON object")]
    )


def test_ids_of_json_stay_what_they_are(tmp_path, read):
    ids = [12345678901234567890, 7, "2017-01-01", "007", 1.50, "7"]
    text = "".join(f'{{"who": "u", "what": {json.dumps(id_)}}}\n' for id_ in ids)
    (tmp_path / "log.json").write_text(text)
    found = read(tmp_path / "log.json", columns={"user": "who", "item": "what"}, max_bad_share=1)
    assert {row[1] for row in found.ratings} == {"12345678901234567890", "7", "2017-01-01", "007", "1.5"}


def test_json_of_python_lists_in_objects_and_missing_keys(tmp_path, read):
    (tmp_path / "log.json").write_text('{"u": "a", "i": 1}\n{"u": "b"}\n{"u": "b", "i": 2}\n')
    (tmp_path / "items.json.gz").write_bytes(
        gzip.compress(
            b"{'i': '1', 'name': 'It\\'s', 'kinds': [{'name': 'A'}, {'name': 'B'}]}\n"
            b"{'i': '2', 'kinds': [['C'], ['A', 'C']], 'name': u'two'}\n"
        )
    )
    found = read(
        tmp_path / "log.json",
        columns={"user": "u", "item": "i"},
        items="items.json.gz",
        item_columns={"item": "i", "title": "name", "genres": "kinds.name"},
        max_bad_share=0.5,
    )
    assert [(row["item_id"], row["title"], row["genres"]) for row in found.items] == [
        ("1", "It's", ["A", "B"]), ("2", "two", []),
    ]  # fmt: skip
    assert [(row["line"], row["kind"]) for row in found.rows_bad] == [(2, "missing user or item")]
    with pytest.raises(DataError, match=r"key 'x' is missing in the first 3 lines; found u, i, expected x"):
        read(tmp_path / "log.json", columns={"user": "x", "item": "i"})
    (tmp_path / "list.json").write_text('[{"u": 1},\n{"u": 2}]')
    with pytest.raises(DataError, match="is one JSON list; expected an object per line"):
        read(tmp_path / "list.json", columns={"user": "u", "item": "i"})


@pytest.mark.parametrize(
    "types",
    [
        {"who": pa.large_string(), "at": pa.int64()},
        {"who": pa.binary(), "at": pa.string()},
        {"at": pa.float64(), "stars": pa.decimal128(5, 2)},
        {"at": pa.uint32(), "stars": pa.string()},
        {"at": pa.decimal128(12, 0), "stars": pa.float32()},
        {"at": pa.timestamp("ns"), "who": pa.dictionary(pa.int8(), pa.string())},
    ],
)
def test_parquet_of_any_type(tmp_path, read, types):
    columns = dict(zip(NAMES, map(list, zip(*ROWS, strict=True)), strict=True))
    arrays = {}
    for name, values in columns.items():
        type_ = types.get(name)
        if type_ is not None and pa.types.is_decimal(type_):
            values = [Decimal(str(value)) for value in values]
        elif type_ == pa.string():
            values = [str(value) for value in values]
        elif type_ == pa.timestamp("ns"):
            values = [
                datetime.datetime.fromtimestamp(value, datetime.UTC).replace(tzinfo=None) for value in values
            ]
        arrays[name] = (
            pa.array(values, pa.string()).dictionary_encode()
            if type_ and pa.types.is_dictionary(type_)
            else pa.array(values, type_)
        )
    pq.write_table(pa.table(arrays), tmp_path / "log.parquet")
    assert events(read, tmp_path / "log.parquet") == EXPECTED


def test_parquet_of_numbers_with_gaps_dates_and_text_times(tmp_path, read):
    table = pa.table(
        {
            "who": pa.array([17850.0, None, 17850.0, np.nan], pa.float64(), from_pandas=False),
            "what": pa.array([1, 2, 3, 4], pa.int8()),
            "at": pa.array([datetime.date(2017, 7, 14)] * 4, pa.date32()),
            "text": ["2017-07-14"] * 4,
        }
    )
    pq.write_table(table, tmp_path / "log.parquet")
    for time, unit in (("at", "auto"), ("text", "auto"), ("text", "iso"), ("at", "iso")):
        found = read(
            tmp_path / "log.parquet",
            columns={"user": "who", "item": "what", "time": time},
            time_unit=unit,
            max_bad_share=0.5,
        )
        assert [(row[0], row[1], row[3]) for row in found.ratings] == [
            ("17850", "1", 1_499_990_400), ("17850", "3", 1_499_990_400),
        ]  # fmt: skip


def test_sheets_with_a_second_year_on_the_next(tmp_path, read):
    def dated(row):
        return (*row[:3], datetime.datetime.fromtimestamp(row[3], datetime.UTC))

    (tmp_path / "log.ods").write_bytes(
        sheet([NAMES, *map(dated, ROWS[:25])], [[NAMES, *map(dated, ROWS[25:])]])
    )
    assert events(read, tmp_path / "log.ods") == EXPECTED
    (tmp_path / "log.xlsx").write_bytes(sheet([NAMES, (1.0, 17850.0, 4, "1500000000")], [[("other",)]]))
    assert events(read, tmp_path / "log.xlsx") == [("1", "17850", 4.0, 1_500_000_000)]
    (tmp_path / "log.xlsx").write_bytes(sheet([NAMES])[:200])
    with pytest.raises(DataError, match=r"log\.xlsx"):
        events(read, tmp_path / "log.xlsx")


def test_a_folder_of_files_leaves_out_what_is_no_log(tmp_path, read):
    for part in range(4):
        rows = lines().splitlines(keepends=True)
        (tmp_path / f"day{part}.csv.gz").write_bytes(
            gzip.compress("".join([rows[0], *rows[1 + part * 10 : 11 + part * 10]]).encode())
        )
    (tmp_path / "README.txt").write_text("see the paper")
    (tmp_path / "_SUCCESS").write_text("")
    assert events(read, tmp_path) == EXPECTED
    (tmp_path / "old.csv").write_text("a,b\n1,2\n")
    assert events(read, tmp_path, files=["day*"]) == events(read, tmp_path, files=["!old*"]) == EXPECTED


def test_few_bytes_that_are_no_utf8_are_no_encoding(tmp_path):
    (tmp_path / "log.csv").write_bytes("é\né\n".encode() + "é\n".encode("latin-1"))
    assert encodings.encoding_of(tmp_path / "log.csv") == "utf-8"
    assert formats.format_of(tmp_path / "log.csv", ExampleGenParams()).encoding == "utf-8"
    assert "log.csv" in str(layouts.detect(tmp_path, ExampleGenParams(columns={"user": 1, "item": 2})))


def test_comments_are_lines_before_all_others_or_those_that_the_config_names(tmp_path, read):
    rows = lines().splitlines(keepends=True)
    (tmp_path / "log").write_text("".join(["# about\n", "\n", *rows[:2], "#u1,i,3,1500000000\n", *rows[2:]]))
    # Behind the first row such a line is a row like others.
    assert len(events(read, tmp_path / "log")) == 41
    assert events(read, tmp_path / "log", comment="#") == EXPECTED
    # A first row whose id begins so is a row.
    (tmp_path / "log").write_text("#tag,x\n#tag,y\nother,x\n")
    assert len(read(tmp_path / "log", columns={"user": 1, "item": 2}).ratings) == 3


def test_a_file_of_another_format_than_the_layout_that_is_named(tmp_path, read):
    (tmp_path / "log.csv").write_text(lines())
    with pytest.raises(DataError, match=r"log\.csv: is csv by its content, expected json \(example_gen\.lay"):
        events(read, tmp_path / "log.csv", layout="json")
    assert events(read, tmp_path / "log.csv", layout="csv") == EXPECTED


@pytest.mark.parametrize(
    ("key", "values"),
    {
        "delimiter": ['"', "\n", "\r", "§", "\0", "ab", "  ", "'", "\\", ".", "é,", '""', "::"],
        "comment": ["\n", "u", "w", '"', "é", " "],
        "encoding": ["utf-16", "utf-32", "utf-7", "idna", "punycode", "cp037", "undefined", "shift_jis"],
        "time_unit": ["%Q", "%", "% ", "iso", "d", "ms", "%H", "%%", "%Y-%m-%d %Z"],
        "decimal": [","],
        "names": [["a"], [""] * 4, ["who", "what", "stars", "at"]],
        "files": [["["], ["!*"], [""]],
        "layout": ["json", "parquet", "sheet", "mind", "recbole", "pairs", "movielens-csv"],
        "missing": [["u1"], ["\0"]],
    }.items(),
)
def test_any_config_reads_or_is_refused(tmp_path, read, key, values):
    (tmp_path / "log.csv").write_text(lines())
    for value in values:
        for path in (tmp_path, tmp_path / "log.csv"):
            with contextlib.suppress(DataError, ValueError):
                found = read(path, **{"columns": COLUMNS, key: value, "max_bad_share": 1})
                assert found.bad.rows_in["ratings"] >= 40


@pytest.mark.parametrize(
    ("first", "columns", "rows"),
    [
        ("2,1", {"user": 1, "item": 2}, 3),  # two ids, which are no names, whatever their order
        ("1,2", {"user": 1, "item": 2}, 3),
        ("0,1,5", {"user": 1, "item": 2, "rating": 3}, 3),
        ("4,1,2,3", {"user": 4, "item": 2}, 3),
        ("0,1,2,3", {"user": 0, "item": 1}, 2),  # as pandas writes a table without names
        ("1,2,3,4", {"user": 1, "item": 2}, 2),
        ("70,80", {"user": 70, "item": 80}, 2),  # names: there are no such columns by number
    ],
)
def test_numbers_in_the_first_line_are_names_where_they_number_the_columns(
    tmp_path, read, first, columns, rows
):
    width = first.count(",") + 1
    below = "".join(",".join([f"{n}", f"{n + 50}", "3", "7"][:width]) + "\n" for n in (8, 9))
    (tmp_path / "log.csv").write_text(f"{first}\n{below}")
    found = read(tmp_path / "log.csv", columns=columns)
    assert len(found.ratings) == rows
    if rows == 3:
        at = [int(columns[role]) - 1 for role in ("user", "item")]
        assert tuple(first.split(",")[n] for n in at) in {row[:2] for row in found.ratings}
    else:
        at = [first.split(",").index(str(columns[role])) for role in ("user", "item")]
        assert {row[:2] for row in found.ratings} == {
            tuple(line.split(",")[n] for n in at) for line in below.splitlines()
        }


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        ("# an export\n# who,what,stars\n", 3),  # the header as a comment
        ("# an export, of today\nwho,what,stars\n", 3),
        ("#,who,what,stars\n", 3),  # the name of a column of numbers
    ],
)
def test_headers_and_comments_behind_a_hash(tmp_path, read, head, rows):
    number = head.startswith("#,")
    body = "".join(("1," * number) + f"u{n},i{n},{n}\n" for n in (1, 2, 3))
    (tmp_path / "log.csv").write_text(head + body)
    columns = {"user": "who", "item": "what", "rating": "stars"}
    found = read(tmp_path / "log.csv", columns=columns)
    assert [row[:3] for row in found.ratings] == [("u1", "i1", 1.0), ("u2", "i2", 2.0), ("u3", "i3", 3.0)]
    guess = survey(tmp_path / "log.csv", ExampleGenParams())
    assert guess.files[0].header
    assert (guess.files[0].rows, set(columns.values()) <= set(guess.files[0].names)) == (rows, True)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("width", [2, 3, 4])
def test_numbers_above_the_columns_beside_numbers_of_rows_are_names(tmp_path, read, first, width):
    """As pandas writes a table without names: no column is one of them by its place."""
    rows = [[f"u{n % 5}", f"i{n // 5}", "4.5", str(1_500_000_000 + n)][:width] for n in range(20)]
    frame = pd.DataFrame(rows, columns=range(first, first + width))
    frame.to_csv(tmp_path / "log.csv")
    roles = ("user", "item", "rating", "time")[:width]
    found = read(tmp_path / "log.csv", columns={role: str(n + first) for n, role in enumerate(roles)})
    assert sorted(row[:2] for row in found.ratings) == sorted((row[0], row[1]) for row in rows)
    assert found.bad.rows_in["ratings"] == 20
