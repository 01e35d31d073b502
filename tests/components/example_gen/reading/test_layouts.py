"""Each layout, on a small file in exactly that layout."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import catalogue, layouts
from components.example_gen.reading.layouts import movielens_100k

EXPECTED = [("1", "10", 4.0, 100), ("1", "20", 3.5, 200), ("1", "30", 5.0, 300), ("2", "10", 0.5, 100)]
ITEMS = [
    {"item_id": "10", "title": "Toy Story", "year": 1995, "genres": ["Adventure", "Comedy"]},
    {"item_id": "20", "title": "Heat", "year": 1995, "genres": ["Crime"]},
    {"item_id": "30", "title": "Babylon 5", "year": 0, "genres": ["Sci-Fi"]},
]


def test_movielens_csv(folder, read):
    found = read(folder())
    assert (found.ratings, found.items) == (EXPECTED, ITEMS)
    assert found.tags == [{"user_id": "1", "item_id": "10", "tag": "Fun", "timestamp": 90}]
    assert found.layout == "movielens-csv: ratings.csv, movies.csv, tags.csv"
    assert dict(found.bad.rows_in) == {"items": 3, "ratings": 4, "tags": 1}


def test_a_file_of_the_folder_stands_for_it(folder, read):
    assert read(folder() / "ratings.csv").ratings == EXPECTED


def test_gzipped_files_are_found(folder, read):
    path = folder()
    (path / "ratings.csv.gz").write_bytes(gzip.compress((path / "ratings.csv").read_bytes()))
    (path / "ratings.csv").unlink()
    assert read(path).ratings == EXPECTED


def test_no_tags_file_means_no_tags(folder, read):
    assert read(folder(tags=None)).tags == []
    assert read(folder(tags="userId,movieId,tag,timestamp\n")).tags == []


@pytest.mark.parametrize(
    ("encoding", "noted"),
    [("latin-1", "movies.dat (Latin-1)"), ("utf-8", "ratings.dat, movies.dat, tags.dat")],
)
def test_movielens_dat(tmp_path, read, encoding, noted):
    """1m is Latin-1 with whole stars and no tags, 10m UTF-8 with halves and tags; both are told apart."""
    (tmp_path / "ratings.dat").write_text("1::10::4::100\n1::20::3.5::200\n1::30::5::300\n2::10::0.5::100\n")
    items = '10::Misérables, Les (1995)::Drama|Musical\n20::It\'s: "Heat" (1995)::Crime\n'
    items += "30::Babylon 5::(no genres listed)\n"
    (tmp_path / "movies.dat").write_bytes(items.encode(encoding))
    (tmp_path / "users.dat").write_text("1::F::1::10::48067\n")
    if encoding == "utf-8":
        (tmp_path / "tags.dat").write_text("1::10::naïve, really::90\n")
    found = read(tmp_path)
    assert found.ratings == EXPECTED
    assert [(row["title"], row["year"], row["genres"]) for row in found.items] == [
        ("Misérables, Les", 1995, ["Drama", "Musical"]),
        ("It's: \"Heat\"", 1995, ["Crime"]), ("Babylon 5", 0, []),
    ]  # fmt: skip
    assert found.layout.startswith("movielens-dat: ratings.dat, ")
    assert noted in found.layout
    assert [row["tag"] for row in found.tags] == (["naïve, really"] if encoding == "utf-8" else [])


def test_movielens_100k(tmp_path, read):
    (tmp_path / "u.data").write_text("1\t10\t4\t100\n2\t10\t1\t100\n1\t30\t5\t300\n1\t20\t3\t200\n")

    def item(id_: str, title: str, date: str, *genres: str) -> str:
        flags = ["1" if name in genres else "0" for name in movielens_100k.GENRE_COLUMNS]
        return "|".join([id_, title, date, "", "http://us.imdb.com/M/title-exact?x", *flags]) + "\n"

    rows = [
        item("10", "Été, L' (1995)", "01-Jan-1995", "Drama", "Children's"),
        item("20", "unknown", "", "unknown"),
        item("30", "GoldenEye (1995)", "01-Jan-1995", "Action", "Adventure", "Thriller"),
    ]
    (tmp_path / "u.item").write_bytes("".join(rows).encode("latin-1"))
    found = read(tmp_path)
    assert found.ratings == [
        ("1", "10", 4.0, 100),
        ("1", "20", 3.0, 200),
        ("1", "30", 5.0, 300),
        ("2", "10", 1.0, 100),
    ]
    assert [(row["title"], row["year"], row["genres"]) for row in found.items] == [
        ("Été, L'", 1995, ["Children's", "Drama"]), ("unknown", 0, []),
        ("GoldenEye", 1995, ["Action", "Adventure", "Thriller"]),
    ]  # fmt: skip
    assert found.layout == "movielens-100k: u.data (Latin-1), u.item (Latin-1)"


@pytest.mark.parametrize("text", ["7 b\n7 a\n12 b\n7 c\n", "7\tb\r\n\r\n7  a \r\n 12 b\r\n7 c"])
def test_pairs_are_in_time_order_and_weigh_alike(tmp_path, read, text):
    (tmp_path / "beauty.txt").write_text(text, newline="")
    found = read(tmp_path / "beauty.txt")
    assert [row[:3] for row in found.ratings] == [
        ("7", "b", 1.0),
        ("7", "a", 1.0),
        ("7", "c", 1.0),
        ("12", "b", 1.0),
    ]
    assert found.ratings[0][3] < found.ratings[1][3] < found.ratings[2][3]
    assert [(row["item_id"], row["title"], row["genres"]) for row in found.items] == [
        (x, x, []) for x in "abc"
    ]
    assert found.layout == "pairs: beauty.txt; no ratings: events count alike; in the order of the rows"


COLUMNS = {"user": "customer", "item": "sku", "rating": "stars", "time": "at"}
OWN = "at,sku,ignored,customer,stars\n100,10,x,1,4\n200,20,,1,3.5\n300,30,y,1,5\n100,10,z,2,0.5\n"


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_own_csv_in_one_file(tmp_path, read, delimiter):
    (tmp_path / "log.csv").write_text(OWN.replace(",", delimiter))
    found = read(tmp_path / "log.csv", columns=COLUMNS, delimiter=delimiter)
    assert found.ratings == EXPECTED
    assert found.layout == "csv: log.csv"


def test_own_csv_in_shards_each_with_a_header_of_its_own(tmp_path, read):
    header, *rows = OWN.splitlines(keepends=True)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.csv.gz").write_bytes(gzip.compress((header + "".join(rows[:2])).encode()))
    (tmp_path / "a" / "2.csv").write_text(header)
    other = [
        "stars,customer,sku,at\n",
        *(f"{s},{c},{i},{t}" for t, i, _, c, s in (r.strip().split(",") for r in rows[2:])),
    ]
    (tmp_path / "b.csv").write_text(other[0] + "\n".join(other[1:]))
    (tmp_path / "notes.txt").write_text("not read")
    found = read(tmp_path, columns=COLUMNS)
    assert found.ratings == EXPECTED
    assert found.layout == "csv: 1.csv.gz and 2 more"


def test_own_csv_without_rating_and_time_goes_by_the_order_of_the_rows(tmp_path, read):
    (tmp_path / "log.csv").write_text("who,what\nz,b\nz,a\ny,b\n")
    found = read(tmp_path / "log.csv", columns={"user": "who", "item": "what"})
    assert [row[:3] for row in found.ratings] == [("y", "b", 1.0), ("z", "b", 1.0), ("z", "a", 1.0)]


@pytest.mark.parametrize(
    ("unit", "cells"),
    [
        ("ms", ["1500000000999", "1500000001000"]),
        ("us", ["1500000000999999", "1500000001000000"]),
        ("iso", ["2017-07-14T02:40:00", "2017-07-14 02:40:01.5"]),
        ("iso", ["2017-07-14T02:40:00Z", "2017-07-14T04:40:01+02:00"]),
    ],
)
def test_units_of_time(tmp_path, read, unit, cells):
    (tmp_path / "log.csv").write_text(
        "customer,sku,stars,at\n" + "".join(f"1,{i},4,{x}\n" for i, x in enumerate(cells))
    )
    found = read(tmp_path / "log.csv", columns=COLUMNS, time_unit=unit)
    assert [row[3] for row in found.ratings] == [1_500_000_000, 1_500_000_001]


def test_another_scale_becomes_stars(tmp_path, read):
    (tmp_path / "log.csv").write_text("customer,sku,stars,at\n1,a,0,1\n1,b,50,2\n1,c,100,3\n")
    found = read(tmp_path / "log.csv", columns=COLUMNS, rating_scale=(0, 100))
    assert [row[2] for row in found.ratings] == [0.5, 2.75, 5.0]


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("time", [pa.int64(), pa.timestamp("ms"), pa.timestamp("ns", "Europe/Berlin")])
def test_own_parquet(tmp_path, read, shards, time):
    seconds = pa.array([row[3] for row in EXPECTED], pa.int64())
    if pa.types.is_timestamp(time):
        seconds = seconds.cast(pa.timestamp("s")).cast(time)
    table = pa.table(
        {
            "customer": pa.array([int(row[0]) for row in EXPECTED]),
            "sku": pa.array([row[1] for row in EXPECTED]).dictionary_encode(),
            "stars": pa.array([row[2] for row in EXPECTED], pa.float64()),
            "at": seconds,
            "other": [None] * 4,
        }
    )
    size = 4 // shards
    for shard in range(shards):
        pq.write_table(table.slice(shard * size, size), tmp_path / f"part-{shard}.parquet")
    items = {
        "sku": ["30", "10", "20"],
        "name": ["c", None, "b"],
        "made": [None, 1999, 0],
        # Trimmed, as conditions are: one of " x" would meet no item.
        "kinds": [[" x", "y ", ""], [], None],
    }
    pq.write_table(pa.table(items), tmp_path / "items.parquet")
    columns = {"item": "sku", "title": "name", "year": "made", "genres": "kinds"}
    found = read(tmp_path, columns=COLUMNS, items="items.parquet", item_columns=columns)
    assert found.ratings == EXPECTED
    assert [tuple(row.values()) for row in found.items] == [
        ("10", "", 1999, []), ("20", "b", 0, []), ("30", "c", 0, ["x", "y"]),
    ]  # fmt: skip
    assert found.layout.startswith("parquet: part-0.parquet")


def test_a_marker_of_the_config_is_missing_in_parquet_too(tmp_path, read):
    table = pa.table({"customer": [-1, 7, 7], "sku": [1, 1, 2], "stars": [1, 2, 3], "at": [1, 2, 3]})
    pq.write_table(table, tmp_path / "log.parquet")
    found = read(tmp_path / "log.parquet", columns=COLUMNS, missing=["-1"], max_bad_share=1)
    assert {row[0] for row in found.ratings} == {"7"}


def test_whole_numbers_in_parquet_need_a_unit(tmp_path, read):
    table = pa.table({"customer": [1], "sku": [1], "stars": [1], "at": [1_537_799_250]})
    pq.write_table(table, tmp_path / "log.parquet")
    message = r"column 'at' holds int64, expected times; for whole numbers give example_gen\.time_unit"
    with pytest.raises(DataError, match=message):
        read(tmp_path / "log.parquet", columns=COLUMNS, time_unit="iso")


def test_the_tables_beside_a_log_do_not_decide_its_layout(tmp_path, read):
    table = pa.table({"customer": ["1", "1"], "sku": ["a", "b"], "stars": [1, 2], "at": [1, 2]})
    pq.write_table(table, tmp_path / "events.parquet")
    (tmp_path / "items.csv").write_text("sku,name\na,Mug\nb,Cup\n")
    found = read(tmp_path, columns=COLUMNS, items="items.csv", item_columns={"item": "sku", "title": "name"})
    assert found.layout.startswith("parquet: events.parquet, items.csv")
    assert len(found.ratings) == 2
    with pytest.raises(
        DataError, match=r"several formats \(events\.parquet \(parquet\), items\.csv \(csv\)\)"
    ):
        read(tmp_path, columns=COLUMNS)
    assert len(read(tmp_path, columns=COLUMNS, layout="parquet").ratings) == 2
    assert len(read(tmp_path / "events.parquet", columns=COLUMNS).ratings) == 2


def test_own_items_from_csv(tmp_path, read):
    (tmp_path / "log.csv").write_text(OWN)
    (tmp_path / "catalogue.csv").write_text(
        'code,label,made,kind\n30,"C, or so",2001,x;y\n10,A (1999),1999.0,\n20,B,,z\n'
    )
    columns = {"item": "code", "title": "label", "year": "made", "genres": "kind"}
    found = read(tmp_path, columns=COLUMNS, items="catalogue.csv", item_columns=columns, list_separator=";")
    assert [tuple(row.values()) for row in found.items] == [
        ("10", "A (1999)", 1999, []), ("20", "B", 0, ["z"]), ("30", "C, or so", 2001, ["x", "y"]),
    ]  # fmt: skip
    assert found.ratings == EXPECTED


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_byte_order_mark_line_ends_blank_lines_and_further_columns_are_normal(folder, read, mark, line_end):
    ratings = "\nextra,timestamp,rating,movieId,userId\nx,100,4.0,10,1\n\n,200,3.5,20,1\n\n"
    found = read(folder(ratings=mark + ratings.replace("\n", line_end).encode()))
    assert found.ratings == EXPECTED[:2]


def test_quoted_commas_and_quotes_and_line_breaks_are_part_of_a_title(folder, read):
    items = 'movieId,title,genres\n10,"American President, The (1995)",A\n20,"""Cats"", or so (1998)",B\n'
    items += '30,"two\nlines",C\n'
    assert [row["title"] for row in read(folder(items=items)).items] == [
        "American President, The", '"Cats", or so', "two\nlines",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "title", "year"),
    [
        ("Toy Story (1995)", "Toy Story", 1995),
        ("Justice League: Doom (2012) ", "Justice League: Doom", 2012),
        ("Babylon 5", "Babylon 5", 0),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey", 1968),
        ("(500) Days of Summer (2009)", "(500) Days of Summer", 2009),
        ("Death Note: Desu nôto (2006–2007)", "Death Note: Desu nôto", 2006),
        ("Doctor Who (1963-1989)", "Doctor Who", 1963),
        ("The Crown (2016- )", "The Crown", 2016),
        ("Assembly (Ji jie hao) (2007)", "Assembly (Ji jie hao)", 2007),
        ("Assembly (Ji jie hao)", "Assembly (Ji jie hao)", 0),
        ("1984", "1984", 0),
        ("(1984)", "(1984)", 0),
    ],
)
def test_the_year_is_split_from_the_title(raw, title, year):
    titles, years = catalogue.split_titles(pa.array([raw]))
    assert (titles.to_pylist(), years.to_pylist()) == ([title], [year])


def test_genres_are_split_and_never_null():
    raw = pa.array(["(no genres listed)", "Action|Sci-Fi", "", "IMAX"])
    assert catalogue.split_genres(raw).to_pylist() == [[], ["Action", "Sci-Fi"], [], ["IMAX"]]


def test_a_layout_that_is_named_is_not_guessed(tmp_path, read):
    (tmp_path / "ratings.csv").write_text("1 10\n1 20\n")
    assert len(read(tmp_path / "ratings.csv", layout="pairs").ratings) == 2
    with pytest.raises(DataError, match=r"column 'userId' is missing; found 1 10"):
        read(tmp_path, layout="movielens-csv", max_bad_share=1) if (tmp_path / "movies.csv").write_text(
            "movieId,title,genres\n10,a,b\n"
        ) else None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (None, "", "is not a file or folder; expected a folder with ratings.csv and movies.csv"),
        ("x/notes.md", "a b c\n", "holds none of the files that are known; expected a folder with"),
        (
            "x/log.csv",
            "user,item\n",
            "is no MovieLens file; say which columns of it mean what: --set 'example_gen.col",
        ),
        ("x/a.parquet", "PAR1", "is no MovieLens file; say which columns"),
    ],
)
def test_what_is_not_known_is_told_with_what_is(tmp_path, name, content, message):
    if name:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as error:
        layouts.detect(tmp_path / "x", ExampleGenParams())
    assert message in str(error.value)


def test_an_own_layout_needs_its_columns(tmp_path):
    with pytest.raises(DataError, match=r"layout csv needs example_gen\.columns"):
        layouts.detect(tmp_path, ExampleGenParams(layout="csv"))


def test_recbole_atomic_files(tmp_path, read):
    (tmp_path / "ml.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        + "".join(f"{u}\t{i}\t{r}\t{t}.5\n" for u, i, r, t in EXPECTED)
    )
    (tmp_path / "ml.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "10\tToy Story\t1995\tAdventure Comedy\n20\tHeat\t1995\tCrime\n30\tBabylon 5\t\tSci-Fi\n"
    )
    (tmp_path / "ml.user").write_text("user_id:token\tage:token\n1\t30\n")
    for path in (tmp_path, tmp_path / "ml.inter"):
        found = read(path)
        assert (found.ratings, found.items) == (EXPECTED, ITEMS)
    assert found.layout == "recbole: ml.inter, ml.item"
    (tmp_path / "ml.inter").write_text("user_id:token\titem_id:token\n1\t10\n1\t20\n")
    assert [row[:2] for row in read(tmp_path / "ml.inter").ratings] == [("1", "10"), ("1", "20")]
    own = read(tmp_path / "ml.inter", columns={"user": "user_id", "item": "item_id"})
    assert len(own.ratings) == 2


def test_mind_behaviours_are_a_row_per_click(tmp_path, read):
    (tmp_path / "behaviors.tsv").write_text(
        "1\tU1\t11/11/2019 9:05:58 AM\tN9 N8\tN1-0 N2-1 N3-1\n2\tU2\t11/12/2019 6:11:30 PM\t\tN1-1\n"
        "3\tU1\t11/13/2019 1:00:00 PM\tN9\tN3-0 N2-0\n4\tU2\tyesterday\t\tN2-1\n"
    )
    (tmp_path / "news.tsv").write_text(
        "".join(
            f'{n}\tnews\t{sub}\tThe "{n}"\tx\thttps://x\t[]\t[]\n'
            for n, sub in (("N1", "a"), ("N2", ""), ("N3", "b"))
        )
    )
    found = read(tmp_path, max_bad_share=1)
    first = 1_573_463_158
    assert [(row[0], row[1], row[3]) for row in found.ratings] == [
        ("U1", "N2", first), ("U1", "N3", first), ("U2", "N1", 1_573_582_290),
    ]  # fmt: skip
    assert [(row["title"], row["genres"]) for row in found.items] == [
        ('The "N1"', ["news", "a"]), ('The "N2"', ["news"]), ('The "N3"', ["news", "b"]),
    ]  # fmt: skip
    assert [(row["line"], row["kind"]) for row in found.rows_bad] == [(4, "not a time")]
    assert found.layout == "mind: behaviors.tsv, news.tsv; no ratings: events count alike"
