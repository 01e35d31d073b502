import pyarrow as pa
import pytest

from components.example_gen import movielens
from components.example_gen.errors import DataError

HEADER = "userId,movieId,rating,timestamp\n"
GOOD = "1,10,4.0,100\n"


def test_reads_ids_as_strings_and_numbers_as_numbers(folder):
    log = movielens.read(folder())
    assert log.ratings.to_pylist()[1] == {"user_id": "1", "movie_id": "20", "rating": 3.5, "timestamp": 200}
    assert log.movies.to_pylist() == [
        {"movie_id": "10", "title": "Toy Story", "year": 1995, "genres": ["Adventure", "Comedy"]},
        {"movie_id": "20", "title": "Heat", "year": 1995, "genres": ["Crime"]},
        {"movie_id": "30", "title": "Babylon 5", "year": 0, "genres": ["Sci-Fi"]},
    ]
    assert log.tags.to_pylist() == [{"user_id": "1", "movie_id": "10", "tag": "Fun", "timestamp": 90}]


def test_no_tags_file_means_no_tags(folder):
    assert movielens.read(folder(tags=None)).tags.num_rows == 0
    assert movielens.read(folder(tags="userId,movieId,tag,timestamp\n")).tags.num_rows == 0


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_byte_order_mark_line_ends_blank_lines_and_further_columns_are_normal(folder, mark, line_end):
    ratings = "extra,timestamp,rating,movieId,userId\nx,100,4.0,10,1\n\n,200,3.5,20,1\n\n"
    path = folder(ratings=mark + ratings.replace("\n", line_end).encode())
    rows = movielens.read(path).ratings.to_pylist()
    assert [(row["user_id"], row["movie_id"], row["rating"], row["timestamp"]) for row in rows] == [
        ("1", "10", 4.0, 100),
        ("1", "20", 3.5, 200),
    ]


def test_quoted_commas_and_quotes_are_part_of_a_title(folder):
    movies = 'movieId,title,genres\n10,"American President, The (1995)",A\n20,"""Cats"", or so (1998)",B\n'
    log = movielens.read(folder(ratings=HEADER + GOOD, movies=movies, tags=None))
    assert log.movies["title"].to_pylist() == ["American President, The", '"Cats", or so']


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
    titles, years = movielens.split_titles(pa.array([raw]))
    assert (titles.to_pylist(), years.to_pylist()) == ([title], [year])


def test_genres_are_split_and_never_null():
    raw = pa.array(["(no genres listed)", "Action|Sci-Fi", "", "IMAX"])
    assert movielens.split_genres(raw).to_pylist() == [[], ["Action", "Sci-Fi"], [], ["IMAX"]]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,10,four,100", "rating is 'four', expected a number"),
        ("1,10,,100", "rating is '', expected a number"),
        ("1,10,nan,100", "rating is nan, expected 0.5 to 5 stars"),
        ("1,10,inf,100", "rating is inf, expected 0.5 to 5 stars"),
        ("1,10,7,100", "rating is 7.0, expected 0.5 to 5 stars"),
        ("1,10,0,100", "rating is 0.0, expected 0.5 to 5 stars"),
        ("1,10,4,1.5e9", "timestamp is '1.5e9', expected a whole number"),
        ("1,10,4,-1", "timestamp is -1, expected Unix seconds, 0 or later"),
        (",10,4,1", "userId is '', expected a non-empty id"),
        ("1,,4,1", "movieId is '', expected a movieId of movies.csv"),
        ("1,999,4,1", "movieId is '999', expected a movieId of movies.csv"),
        ("1,10,4", "3 columns, expected 4 (userId, movieId, rating, timestamp)"),
        ("1,10,4,5,6", "5 columns, expected 4 (userId, movieId, rating, timestamp)"),
        ('"1,10,4,5', "1 columns, expected 4 (userId, movieId, rating, timestamp)"),
    ],
)
def test_a_bad_rating_is_named_with_its_line(folder, row, reason):
    with pytest.raises(DataError) as error:
        movielens.read(folder(ratings=f"{HEADER}{GOOD}{row}\n{GOOD}"))
    assert str(error.value) == f"ratings.csv, line 3: {reason}"
    assert (error.value.file, error.value.line, error.value.reason) == ("ratings.csv", 3, reason)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"ratings": None}, "ratings.csv: not found in .* expected a CSV file with userId, movieId, rating,"),
        ({"movies": None}, "movies.csv: not found in "),
        ({"ratings": ""}, "ratings.csv: is empty; expected a header line with userId, movieId, rating,"),
        ({"movies": ""}, "movies.csv: is empty"),
        ({"tags": ""}, "tags.csv: is empty"),
        ({"ratings": HEADER}, "ratings.csv: has a header but no rows"),
        ({"movies": "movieId,title,genres\n"}, "movies.csv: has a header but no rows"),
        (
            {"ratings": "userId,movieId,stars,timestamp\n1,10,4,1\n"},
            "ratings.csv, line 1: column 'rating' is missing; found userId, movieId, stars, timestamp, exp",
        ),
        (
            {"ratings": "userId,movieId,rating,rating,timestamp\n1,10,4,4,1\n"},
            "ratings.csv, line 1: column 'rating' appears more than once",
        ),
        ({"ratings": HEADER.encode() + b"\xe9,10,4,1\n"}, "ratings.csv, line 2: userId is .* expected UTF-8"),
        (
            {"ratings": HEADER + "1,10,4,99999999999999999999\n"},
            "ratings.csv: cannot be read as CSV: .*int64",
        ),
        (
            {"movies": "movieId,title,genres\n10,A,B\n20,C,D\n10,E,F\n"},
            "movies.csv, line 4: movieId is '10', expected an id that no earlier line has",
        ),
        (
            {"movies": "movieId,title,genres\n,A,B\n"},
            "movies.csv, line 2: movieId is '', expected a non-empty",
        ),
        (
            {"tags": "userId,movieId,tag,timestamp\n1,999,Fun,90\n"},
            "tags.csv, line 2: movieId is '999', expected a movieId of movies.csv",
        ),
        (
            {"tags": "userId,movieId,tag,timestamp\n1,10,Fun,-1\n"},
            "tags.csv, line 2: timestamp is -1, expected Unix seconds",
        ),
    ],
)
def test_bad_files_are_named(folder, files, message):
    with pytest.raises(DataError, match=f"^{message}"):
        movielens.read(folder(**files))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere is no folder; expected one with ratings\.csv"):
        movielens.read(tmp_path / "nowhere")


def test_the_first_bad_line_is_found_behind_blank_lines_and_quoted_line_breaks(folder):
    movies = 'movieId,title,genres\n10,"two\nlines",A\n\n20,C,D\n20,E,F\n'
    with pytest.raises(DataError) as error:
        movielens.read(folder(movies=movies))
    assert (error.value.file, error.value.line) == ("movies.csv", 6)
    # Between two rules, the earlier line counts.
    with pytest.raises(DataError) as error:
        movielens.read(folder(ratings=HEADER + GOOD + "1,10,9,1\n1,999,4,1\n"))
    assert error.value.line == 3


def test_a_movie_rated_twice_by_one_user_is_named(folder):
    twice = HEADER + "1,10,4,1\n2,10,4,1\n1,20,4,2\n1,10,3,9\n"
    with pytest.raises(DataError, match="that this user has not rated on an earlier line") as error:
        movielens.read(folder(ratings=twice))
    assert (error.value.file, error.value.line) == ("ratings.csv", 5)


def test_a_large_file_is_read_in_its_order(folder):
    """Several blocks of the parallel reader, each with a dictionary of its own."""
    rows = [(i // 3, 10 * (1 + i % 3), (1 + i % 10) / 2, i) for i in range(150_000)]
    log = movielens.read(folder(ratings=HEADER + "".join(f"{u},{m},{r},{t}\n" for u, m, r, t in rows)))
    assert log.ratings.column(0).num_chunks > 1
    columns = [log.ratings[name].to_pylist() for name in log.ratings.column_names]
    assert list(zip(*columns, strict=True)) == [(str(u), str(m), r, t) for u, m, r, t in rows]
