"""Logs that a look at, or a report on, once read wrongly or fell over."""

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from datasets.own_log.looks import look
from datasets.own_log.profile import profiles
from datasets.own_log.survey import survey
from datasets.report import check

COLUMNS = {"user": "who", "item": "what"}


def dataset(path, **params):
    knobs = ExampleGenParams(**params)
    return layouts.detect(path, knobs), knobs


def test_a_log_with_a_joined_table_is_profiled(tmp_path):
    (tmp_path / "lines.csv").write_text("order,what\n1,tea\n2,mug\n1,mug\n")
    (tmp_path / "orders.csv").write_text("order,who\n1,ann\n2,bob\n")
    found, knobs = dataset(tmp_path, columns=COLUMNS, join="orders.csv", join_on="order")
    assert any(profile.column == "what" for profile in profiles(found, knobs))


def test_a_sample_of_a_file_of_some_megabytes_is_all_of_it(tmp_path):
    rows = 60_000
    (tmp_path / "log.csv").write_text(
        "who,what,text\n" + "".join(f"u{row % 900},i{row % 700},{'x' * 80}\n" for row in range(rows))
    )
    found = look(tmp_path / "log.csv", ExampleGenParams())
    assert (found.rows, found.whole) == (rows, True)


def test_a_few_words_among_ratings_are_no_end(tmp_path):
    rows = [f"u{row % 40},i{row % 30},{'N/A' if row % 50 == 7 else (row % 19) / 2 + 1}" for row in range(400)]
    (tmp_path / "log.csv").write_text("\n".join(["user,item,rating", *rows, ""]))
    survey(tmp_path / "log.csv", ExampleGenParams())


def test_a_kind_of_fault_that_is_none_is_said_by_the_report_too(tmp_path):
    (tmp_path / "log.csv").write_text("who,what\n" + "".join(f"u{n % 5},i{n % 7}\n" for n in range(40)))
    found, knobs = dataset(
        tmp_path / "log.csv", columns=COLUMNS, repeated="last", max_share_of={"bad time": 0.1}
    )
    with pytest.raises(DataError, match="max_share_of: names 'bad time'"):
        check(found, knobs)
    (tmp_path / "log.jsonl").write_text(
        "".join(f'{{"who": "u{n % 5}", "what": "i{n}"}}\n' for n in range(40))
    )
    found, knobs = dataset(
        tmp_path / "log.jsonl", columns=COLUMNS, repeated="last", max_share_of={"no JSON object": 0.1}
    )
    check(found, knobs)


def test_a_column_of_categories_in_parquet_is_seen(tmp_path):
    table = {"who": [f"u{n % 5}" for n in range(40)], "what": [f"i{n % 7}" for n in range(40)]}
    kinds = pa.array(["view", "buy"] * 20).dictionary_encode()
    pq.write_table(pa.table({**table, "kind": kinds}), tmp_path / "log.parquet")
    assert [column.name for column in look(tmp_path / "log.parquet", ExampleGenParams()).columns] == [
        "who",
        "what",
        "kind",
    ]


def test_a_condition_compares_numbers_with_a_decimal_comma(tmp_path):
    rows = "".join(f"u{n % 5};i{n};{n % 4},5\n" for n in range(40))
    (tmp_path / "log.csv").write_text("who;what;many\n" + rows)
    found, knobs = dataset(
        tmp_path / "log.csv", columns=COLUMNS, delimiter=";", decimal=",", keep=["many > 1.2"]
    )
    assert check(found, knobs).events == 30


def test_a_first_line_longer_than_the_csv_modules_limit_is_read(tmp_path):
    """In a process of its own: the limit is the module's, and a reader may have raised it."""
    long = "y" * 140_000
    (tmp_path / "log.csv").write_text(f"who,what,{long}\n" + "".join(f"u{n % 5},i{n},1\n" for n in range(40)))
    script = (
        "import sys; from pathlib import Path\n"
        "from components.example_gen.params import ExampleGenParams\n"
        "from components.example_gen.reading import layouts\n"
        "params = ExampleGenParams(columns={'user': 'who', 'item': 'what'})\n"
        "print(layouts.detect(Path(sys.argv[1]), params).ratings.format.delimiter)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "log.csv")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, ","), done.stderr[-800:]


def test_a_number_is_the_same_key_in_both_tables_of_a_join(tmp_path):
    keys = [10_000_000_000.0 + n for n in range(40)]
    pq.write_table(
        pa.table({"order": keys, "what": [f"i{n % 7}" for n in range(40)]}), tmp_path / "log.parquet"
    )
    pq.write_table(pa.table({"order": keys, "who": [f"u{n % 5}" for n in range(40)]}), tmp_path / "o.parquet")
    found, knobs = dataset(
        tmp_path / "log.parquet", columns=COLUMNS, join="o.parquet", join_on="order", repeated="last"
    )
    assert check(found, knobs).events == 35  # of 5 users and 7 items each pair is there
