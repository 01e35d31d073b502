"""Bad rows are set aside and counted, bad files stop the run, and every row is accounted for."""

import gzip
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts, quarantine, text_blocks
from components.example_gen.reading.quarantine import Quarantine
from components.example_gen.sorting import gather

HEADER = "userId,movieId,rating,timestamp\n"
GOOD = "1,10,4.0,100\n"


@pytest.mark.parametrize(
    ("row", "kind", "reason"),
    [
        ("1,20,four,100", quarantine.NOT_A_NUMBER, "rating is 'four', expected a number"),
        ("1,20,,100", quarantine.MISSING, "rating is '', expected a number"),
        ("1,20,nan,100", quarantine.MISSING, "rating is 'nan', expected a number"),
        ("1,20,inf,100", quarantine.OUT_OF_SCALE, "rating is inf, expected 0.5 to 5 stars"),
        ("1,20,7,100", quarantine.OUT_OF_SCALE, "rating is 7.0, expected 0.5 to 5 stars"),
        ("1,20,0,100", quarantine.OUT_OF_SCALE, "rating is 0.0, expected 0.5 to 5 stars"),
        ("1,20,4,1.5e9", quarantine.NOT_A_TIME, "timestamp is '1.5e9', expected a whole number"),
        ("1,20,4,-1", quarantine.BAD_TIME, "timestamp is -1, expected Unix seconds, 0 or later"),
        (
            "1,20,4,1500000000000",
            quarantine.BAD_TIME,
            "timestamp is 1500000000000, expected Unix seconds before the year 2100 (for others see "
            "example_gen.time_unit)",
        ),
        (
            "1,20,4,99999999999999999999",
            quarantine.BAD_TIME,
            "timestamp is '99999999999999999999', which is beyond any time",
        ),
        (",20,4,1", quarantine.MISSING_ID, "userId is '', expected an id"),
        ("1, NA,4,1", quarantine.MISSING_ID, "movieId is ' NA', expected an id"),
        (
            "1,999,4,1",
            quarantine.UNKNOWN_ITEM,
            "movieId is '999', expected an id of movies.csv, column movieId",
        ),
        ("1,20,4", quarantine.WIDTH, "3 columns, expected 4 (userId, movieId, rating, timestamp)"),
        ("1,20,4,5,6", quarantine.WIDTH, "5 columns, expected 4 (userId, movieId, rating, timestamp)"),
        ('"1,20,4,5', "open quote", "a double quote that is not closed before the end of the file"),
        ("1,20,4," + "5" * 300, "over-long line", "a line longer than 256 bytes"),
        ("1,10,4.0,100", quarantine.DUPLICATE, "the same as line 2"),
        (
            "1,10,3,9",
            quarantine.REPEATED,
            "movieId is '10', expected an item that this user has not rated on an earlier line (line 2; "
            "example_gen.repeated can keep one)",
        ),
    ],
)
def test_a_bad_rating_is_set_aside_with_its_line(folder, read, row, kind, reason):
    path = folder(ratings=f"{HEADER}{GOOD}{row}\n2,10,4.0,100\n")
    found = read(path, max_bad_share=1, max_line_bytes=256)
    assert found.rows_bad == [
        {"table": "ratings", "file": "ratings.csv", "line": 3, "kind": kind, "reason": reason}
    ]
    assert found.ratings == [("1", "10", 4.0, 100), ("2", "10", 4.0, 100)]
    assert found.bad.rows_in["ratings"] == 3
    # One of three is too many by default: the run stops and shows it.
    with pytest.raises(DataError) as error:
        read(path, max_line_bytes=256)
    assert str(error.value).splitlines()[:2] == [
        f"ratings.csv, line 3: {reason}",
        f"1 of 3 rows of ratings are bad (1 {kind}), 33 %; example_gen.max_bad_share allows 0.1 %",
    ]
    assert (error.value.file, error.value.line) == ("ratings.csv", 3)


def test_bad_bytes_in_a_row_are_set_aside(folder, read):
    found = read(folder(ratings=(HEADER + GOOD).encode() + b"\xe9,20,4,1\n2,10,4.0,100\n"), max_bad_share=1)
    assert [(row["line"], row["kind"]) for row in found.rows_bad] == [(3, quarantine.ENCODING)]
    assert found.rows_bad[0]["reason"] == "userId is '\\udce9', expected UTF-8 text"
    assert len(found.ratings) == 2


def test_the_share_decides_and_the_first_are_shown(folder, read):
    good = "".join(f"{user},10,4.0,100\n" for user in range(1, 1989))
    bad = "".join(f"{user},10,9,100\n" for user in range(5000, 5012))
    path = folder(ratings=HEADER + good + bad)
    assert len(read(path, max_bad_share=0.006).ratings) == 1988
    with pytest.raises(DataError) as error:
        read(path, max_bad_share=0.0059)
    lines = str(error.value).splitlines()
    assert lines[0] == "ratings.csv, line 1990: rating is 9.0, expected 0.5 to 5 stars"
    assert lines[1].startswith("12 of 2,000 rows of ratings are bad (12 rating out of scale), 0.6 %")
    assert lines[2:] == [
        *(
            f"  ratings.csv, line {line}: rating is 9.0, expected 0.5 to 5 stars"
            for line in range(1991, 2000)
        ),
        "  ... 2 more; marquee data check --bad-rows FILE writes them all",
        "what may help: example_gen.rating_scale, the lowest and the highest rating",
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"items": None}, "movies.csv: not found in .*; expected a file with movieId, title, genres"),
        ({"ratings": ""}, "ratings.csv: is empty; expected userId, movieId, rating, timestamp"),
        ({"ratings": "\n\n"}, "ratings.csv: is empty; expected a header line with userId, movieId, rating,"),
        ({"items": ""}, "movies.csv: is empty"),
        ({"tags": ""}, "tags.csv: is empty"),
        ({"ratings": HEADER}, "ratings.csv: has a header but no rows; expected at least one"),
        ({"items": "movieId,title,genres\n"}, "movies.csv: has a header but no rows"),
        (
            {"ratings": "userId,movieId,stars,timestamp\n1,10,4,1\n"},
            "ratings.csv, line 1: column 'rating' is missing; found userId, movieId, stars, timestamp, exp",
        ),
        (
            {"ratings": "userId,movieId,rating,rating,timestamp\n1,10,4,4,1\n"},
            "ratings.csv, line 1: column 'rating' appears more than once",
        ),
        ({"ratings": HEADER.encode("utf-16")}, "ratings.csv: has a header but no rows"),
        ({"ratings": HEADER.encode("utf-16-le")}, "ratings.csv: holds zero bytes: it is binary, or UTF-16"),
        ({"ratings": b"PK\x03\x04..."}, "ratings.csv: the zip file is cut off or damaged"),
        ({"ratings": b"us\xe9r" + HEADER.encode()}, "ratings.csv, line 1: the header is not UTF-8; save"),
        (
            {"ratings": gzip.compress((HEADER + GOOD * 999).encode())[:-9]},
            "ratings.csv: the gzip file is cut off",
        ),
        ({"ratings": gzip.compress(HEADER.encode())[:20] + b"xyz"}, "ratings.csv: the gzip file is cut off"),
        ({"ratings": b"x" * 70_000}, "ratings.csv, line 1: the header is a line longer than 65,536 bytes"),
        (
            {"items": "movieId,title,genres\n10,A,B\n20,C,D\n10,E,F\n"},
            "movies.csv, line 4: movieId is '10', expected an id that no earlier line has",
        ),
        ({"items": "movieId,title,genres\n,A,B\n"}, "movies.csv: has no rows|movies.csv, line 2: movieId"),
        (
            {"tags": "userId,movieId,tag,timestamp\n1,999,Fun,90\n"},
            "tags.csv, line 2: movieId is '999', expected an",
        ),
        (
            {"tags": "userId,movieId,tag,timestamp\n1,10,Fun,-1\n"},
            "tags.csv, line 2: timestamp is -1, expected Un",
        ),
        ({"tags": "userId,movieId,tag,timestamp\n,10,Fun,1\n"}, "tags.csv, line 2: userId is '', expected a"),
        (
            {"items": "movieId,title,genres\n10,é,x\n20,ü,x\n30,a,x\n".encode("latin-1")},
            "movies.csv, line 2: title is '.udce9', expected UTF-8 text",
        ),
    ],
)
def test_bad_files_stop_at_once(folder, read, files, message):
    with pytest.raises(DataError, match=f"^({message})"):
        read(folder(**files))


def test_damaged_parquet_stops_at_once(tmp_path, read):
    columns = {"user": "u", "item": "i"}
    pq.write_table(pa.table({"u": ["1"] * 9, "i": list("abcdefghi")}), tmp_path / "log.parquet")
    whole = (tmp_path / "log.parquet").read_bytes()
    for content in (whole[:-6], whole[:40], b"", whole[:60] + bytes(40) + whole[100:]):
        (tmp_path / "log.parquet").write_bytes(content)
        with pytest.raises(DataError, match=r"log\.parquet: (cannot be read as Parquet|is empty)"):
            read(tmp_path / "log.parquet", columns=columns)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"u": ["1"]}, "column 'i' is missing; found u, expected u, i, r"),
        ({"u": [[1]], "i": ["a"], "r": [1.0]}, "column 'u' holds list<element: int64>, expected text or num"),
        ({"u": ["1"], "i": ["a"], "r": [[4]]}, "column 'r' holds list<element: int64>, expected numbers"),
        (
            {"u": pa.array([], pa.string()), "i": pa.array([], pa.string()), "r": pa.array([], pa.float32())},
            "has no rows",
        ),
    ],
)
def test_parquet_of_other_columns_stops_at_once(tmp_path, read, table, message):
    pq.write_table(pa.table(table), tmp_path / "log.parquet")
    with pytest.raises(DataError, match=message):
        read(tmp_path / "log.parquet", columns={"user": "u", "item": "i", "rating": "r"})


def test_nulls_in_parquet_are_set_aside_by_row(tmp_path, read):
    table = {"u": ["1", None, "1", "2"], "i": ["a", "b", None, "a"], "r": [1.0, 2.0, None, float("nan")]}
    pq.write_table(pa.table(table), tmp_path / "log.parquet")
    found = read(tmp_path / "log.parquet", columns={"user": "u", "item": "i", "rating": "r"}, max_bad_share=1)
    assert [(row["line"], row["kind"]) for row in found.rows_bad] == [
        (2, quarantine.MISSING_ID), (3, quarantine.MISSING_ID), (4, quarantine.NAN),
    ]  # fmt: skip
    assert [row[:3] for row in found.ratings] == [("1", "a", 1.0)]


def test_lines_are_right_behind_blank_lines_and_quoted_line_breaks(folder, read):
    items = 'movieId,title,genres\n10,"two\nlines",A\n\n20,C,D\n30,E\n'
    found = read(folder(items=items, ratings=f"\n{HEADER}\n{GOOD}\n\n1,20,9,1\n"), max_bad_share=1)
    assert [(row["file"], row["line"]) for row in found.rows_bad] == [("movies.csv", 6), ("ratings.csv", 7)]


@pytest.mark.parametrize("at", [0, 1, 70_000, 149_999])
def test_one_bad_row_in_many_is_found_with_its_line(folder, read, at):
    """Several pieces: what Arrow refuses is looked at closely, the rest is not touched."""
    rows = [f"{i // 3},{10 * (1 + i % 3)},{(1 + i % 10) / 2},{i}\n" for i in range(150_000)]
    expected = [(str(i // 3), str(10 * (1 + i % 3)), (1 + i % 10) / 2, i) for i in range(150_000) if i != at]
    rows[at] = "1,2,x\n"
    found = read(folder(ratings=HEADER + "".join(rows)))
    assert [(row["line"], row["kind"]) for row in found.rows_bad] == [(at + 2, quarantine.WIDTH)]
    assert found.ratings == expected


def test_a_large_file_is_read_in_blocks_and_sorted_in_buckets(folder, read, monkeypatch):
    monkeypatch.setattr(text_blocks.blocks, "__kwdefaults__", {"block_bytes": 5_000})
    rows = [(i * 7919 % 1000, 10 * (1 + i % 3), (1 + i % 10) / 2, i * 31 % 977) for i in range(2000)]
    rows = list({row[:2]: row for row in rows}.values())
    found = read(
        folder(ratings=HEADER + "".join(f"{u},{m},{r},{t}\n" for u, m, r, t in rows)), buffer_rows=1000
    )
    assert found.ratings == [
        (str(u), str(m), r, t) for u, m, r, t in sorted(rows, key=lambda row: (row[0], row[3]))
    ]


@pytest.mark.parametrize(
    ("repeated", "kept", "left_out"),
    [("first", [(2.0, 1), (4.0, 8)], 3), ("last", [(4.0, 8), (3.0, 9)], 3)],
)
def test_of_an_item_rated_again_the_first_or_last_in_time_can_stay(folder, read, repeated, kept, left_out):
    """Line 5 is line 3 once more, which is one more repeat."""
    rows = "1,10,4.0,5\n1,20,4.0,8\n1,10,3.0,9\n1,20,4.0,8\n1,10,2.0,1\n"
    found = read(folder(ratings=HEADER + rows), repeated=repeated, max_bad_share=1)
    assert [row[2:] for row in found.ratings] == kept
    assert found.rows_bad == []
    assert found.left_out == {f"rated again ({repeated} kept)": left_out}


def test_dates_leave_out_what_is_before_and_from_then_on(folder, read):
    rows = "".join(
        f"{user},10,4.0,{time}\n" for user, time in enumerate((86_399, 86_400, 172_799, 172_800), 1)
    )
    found = read(folder(ratings=HEADER + rows), start="1970-01-02", end="1970-01-03")
    assert [row[3] for row in found.ratings] == [86_400, 172_799]
    assert found.left_out == {"outside start and end": 2}
    with pytest.raises(DataError, match="nothing is left of 4 rows: 0 bad, 4 outside start and end"):
        read(folder(ratings=HEADER + rows), start="2000-01-01")


def reference_core(pairs, per_user, per_item):
    while True:
        users, items = [[p[i] for p in pairs] for i in (0, 1)]
        kept = [p for p in pairs if users.count(p[0]) >= per_user and items.count(p[1]) >= per_item]
        if kept == pairs:
            return kept
        pairs = kept


@pytest.mark.parametrize(("per_user", "per_item"), [(1, 0), (3, 0), (1, 4), (3, 3), (4, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_the_core_equals_plain_python(tmp_path, read, per_user, per_item, seed):
    pairs = sorted({(i * (seed + 3) % 17, 100 + i * i * (seed + 1) % 23) for i in range(120)})
    (tmp_path / "log.txt").write_text("".join(f"{user} {item}\n" for user, item in pairs))
    expected = reference_core(pairs, per_user, per_item)
    found = read(tmp_path / "log.txt", min_ratings_per_user=per_user, min_ratings_per_item=per_item)
    assert [(int(row[0]), int(row[1])) for row in found.ratings] == expected
    assert sorted(int(row["item_id"]) for row in found.items) == sorted({item for _, item in expected})
    gone = len(pairs) - len(expected)
    assert sum(found.left_out.values()) == gone


def test_a_core_is_peeled_until_nothing_more_goes(tmp_path, read):
    """A chain of users and items loses its ends again and again; a square stays."""
    chain = [(f"u{i}", f"i{i + step}") for i in range(20) for step in (0, 1)]
    square = [(user, item) for user in "ab" for item in "cd"]
    (tmp_path / "log.txt").write_text("".join(f"{user} {item}\n" for user, item in chain + square))
    found = read(tmp_path / "log.txt", min_ratings_per_user=2, min_ratings_per_item=2)
    assert [row[:2] for row in found.ratings] == square
    assert found.left_out == {"below min_ratings_per_user or min_ratings_per_item": 40}


def test_a_core_that_leaves_nothing_says_so(folder, read):
    with pytest.raises(DataError, match=r"nothing is left of 4 rows: 0 bad, 4 below min_ratings_per_user"):
        read(folder(), min_ratings_per_item=9)


def test_unrated_items_stay_unless_items_need_ratings(folder, read):
    path = folder(ratings=HEADER + GOOD)
    assert [row["item_id"] for row in read(path).items] == ["10", "20", "30"]
    assert [row["item_id"] for row in read(path, min_ratings_per_item=1).items] == ["10"]


@pytest.mark.parametrize(("good", "rows"), [(0, range(100, 400)), (600, range(1000, 1001))])
def test_a_hopeless_file_is_not_read_to_its_end(folder, read, monkeypatch, good, rows):
    monkeypatch.setitem(text_blocks.blocks.__kwdefaults__, "block_bytes", 1_000)
    monkeypatch.setattr(quarantine, "_HOPELESS_ROWS", 100)
    lines = [f"{user},10,4,1500000000\n" for user in range(good)]
    lines += [f"{user},10,4,1500000000000\n" for user in range(good, 1000)]
    with pytest.raises(DataError) as error:
        read(folder(ratings=HEADER + "".join(lines)))
    read_rows = int(re.search(r"of ([\d,]+) rows of ratings are bad", str(error.value))[1].replace(",", ""))
    assert read_rows in rows


def test_scratch_is_made_where_it_can_be_and_emptied(folder, tmp_path):
    with gather.scratch_folder(ExampleGenParams(scratch=str(tmp_path / "deep" / "er"))) as made:
        assert made.parent == tmp_path / "deep" / "er"
    assert list((tmp_path / "deep" / "er").iterdir()) == []
    (tmp_path / "file").touch()
    with (
        pytest.raises(DataError, match=r"example_gen\.scratch: .*/file/x cannot be written: Not a directory"),
        gather.scratch_folder(ExampleGenParams(scratch=str(tmp_path / "file" / "x"))),
    ):
        pass


def test_memory_does_not_hold_bad_rows(folder, tmp_path):
    path = folder(ratings=HEADER + "1,10,9,1\n" * 1000)
    knobs = ExampleGenParams()
    with Quarantine() as bad, pytest.raises(DataError, match="1,000 of 1,000 rows"):
        (tmp_path / "scratch").mkdir()
        gather.gather(layouts.detect(path, knobs), knobs, bad, tmp_path / "scratch")
    assert len(bad.first("ratings")) == 10
