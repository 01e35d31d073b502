"""What the columns of somebody's log mean, by their names and values: right, or asked."""

import datetime
import gzip
import json
import random

import pytest
import yaml

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from datasets.own_log import words
from datasets.own_log.survey import survey
from datasets.report import check
from pipeline.config import reader

RANDOM = random.Random(3)
ROWS = [
    {
        "user": f"{RANDOM.randrange(40)}", "item": f"{1000 + item}", "stars": 1 + (item + n) % 5,
        "seconds": 1_500_000_000 + 4_000 * n, "n": n,
    }
    for n, item in enumerate(RANDOM.randrange(60) for _ in range(400))
]  # fmt: skip


def log(path, columns, header=True, delimiter=",", rows=ROWS):
    """Writes a log; `columns` are names and what each holds, a key of ROWS or a function of a row."""
    lines = [[*columns]] if header else []
    for row in rows:
        lines.append([str(row[of] if isinstance(of, str) else of(row)) for of in columns.values()])
    path.write_text("".join(delimiter.join(line) + "\n" for line in lines))
    return path


def found(path, **params):
    return survey(path, ExampleGenParams(**params))


@pytest.mark.parametrize(
    ("names", "meanings"),
    [
        (("user_id", "movie_id", "rating", "timestamp"), ("user", "item", "rating", "time")),
        (("reviewerID", "asin", "overall", "unixReviewTime"), ("user", "item", "rating", "time")),
        (("User-ID", "ISBN", "Book-Rating", "ts"), ("user", "item", "rating", "time")),
        (("visitorid", "itemid", "stars", "timestamp"), ("user", "item", "rating", "time")),
        (("CustomerID", "StockCode", "Rating", "InvoiceDate"), ("user", "item", "rating", "time")),
        (("uid", "iid", "score", "date"), ("user", "item", "rating", "time")),
        (("username", "anime_id", "my_score", "created_at"), ("user", "item", "rating", "time")),
        (("KundenNr", "Artikel", "Bewertung", "Datum"), ("user", "item", "rating", "time")),
        (("id_cliente", "id_producto", "rating", "fecha"), ("user", "item", "rating", "time")),
    ],
)
def test_names_of_the_field_are_known(tmp_path, names, meanings):
    path = log(tmp_path / "log.csv", dict(zip(names, ("user", "item", "stars", "seconds"), strict=True)))
    guess = found(path).guess
    assert guess.values["columns"] == dict(zip(meanings, names, strict=True))
    assert guess.values["repeated"] == "last"
    assert guess.certain


def test_other_columns_do_not_mislead(tmp_path):
    columns = {
        "marketplace": lambda row: "US", "customer_id": "user",
        "customer_name": lambda row: f"name {row['user']}",
        "review_id": "n", "product_id": "item", "product_parent": lambda row: int(row["item"]) // 2,
        "product_category": lambda row: "Toys", "star_rating": "stars",
        "helpful_votes": lambda row: row["n"] % 3,
        "review_date": lambda row: f"2015-0{1 + row['n'] % 9}-11",
    }  # fmt: skip
    guess = found(log(tmp_path / "log.tsv", columns, delimiter="\t")).guess
    assert guess.values["columns"] == {
        "user": "customer_id", "item": "product_id", "rating": "star_rating", "time": "review_date",
    }  # fmt: skip
    assert guess.certain


def test_what_two_columns_may_be_is_asked(tmp_path):
    columns = {"user_id": "user", "artist_id": lambda row: int(row["item"]) % 7, "track_id": "item"}
    (question,) = found(log(tmp_path / "log.csv", columns)).guess.questions
    assert question == "which column is the item: artist_id or track_id? The map has artist_id"
    (question,) = found(log(tmp_path / "b.csv", {"a": "user", "b": "item"})).guess.questions
    assert question.startswith("which columns are the user and the item, among a, b?")
    (question,) = found(
        log(tmp_path / "c.csv", {"user": "user", "weather": lambda row: "sun"})
    ).guess.questions
    assert question == "which column is the item? None of user, weather looks like one"


def test_a_file_without_a_header_asks_one_question_and_the_yaml_answers_it(tmp_path):
    columns = {"1": "item", "2": "user", "3": "stars", "4": "seconds"}
    path = log(tmp_path / "log.txt", columns, header=False, delimiter=";")
    survey_ = found(path)
    assert len(survey_.guess.questions) == 1
    assert not survey_.files[0].header
    (tmp_path / "log.yaml").write_text(survey_.yaml().replace("user: '1', item: '2'", "user: 2, item: 1"))
    params = reader.load(tmp_path / "log.yaml").example_gen
    report = check(layouts.detect(path, params), params)
    assert report.account.tables["ratings"].rows_in == 400
    assert (report.users, report.stops) == (len({row["user"] for row in ROWS}), [])
    # Ids that say what they are need no question.
    columns = {"1": lambda row: f"i{row['item']}", "2": lambda row: f"u{row['user']}", "3": "stars"}
    guess = found(log(tmp_path / "ids.txt", columns, header=False, delimiter="|")).guess
    assert (guess.values["columns"], guess.certain) == ({"user": "2", "item": "1", "rating": "3"}, True)


@pytest.mark.parametrize(
    ("stars", "values", "questions"),
    [
        (lambda row: row["stars"], {}, 0),
        (lambda row: row["stars"] * 2, {"rating_scale": [1, 10]}, 0),
        (lambda row: row["stars"] * 20, {"rating_scale": [1, 100]}, 0),
        (lambda row: row["n"] % 2, {"rating_scale": [0, 1]}, 0),
        (lambda row: row["n"] % 11, {"rating_scale": [0, 10]}, 0),
        (lambda row: 0 if row["n"] % 3 else row["stars"] * 2, {"rating_scale": [1, 10], "unrated": [0]}, 1),
        (lambda row: -1 if row["n"] % 3 else row["stars"], {"unrated": [-1]}, 1),
        (lambda row: 99 if row["n"] % 3 else row["stars"], {"unrated": [99]}, 1),
        (lambda row: f"{row['stars']},5", {"rating_scale": [1, 10]}, 0),
    ],
)
def test_the_scale_of_ratings(tmp_path, stars, values, questions):
    columns = {"user": "user", "item": "item", "rating": stars, "time": "seconds"}
    guess = found(log(tmp_path / "log.csv", columns, delimiter=";")).guess
    assert {key: guess.values[key] for key in guess.values if key in ("rating_scale", "unrated")} == values
    assert len(guess.questions) == questions


def test_events_and_weights(tmp_path):
    kinds = ("view", "addtocart", "transaction")
    columns = {"visitorid": "user", "itemid": "item", "event": lambda row: kinds[row["n"] % 3]}
    guess = found(log(tmp_path / "a.csv", columns)).guess
    assert guess.values["event_weights"] == {"view": 1, "addtocart": 3, "transaction": 6}
    assert (guess.values["repeated"], guess.certain) == ("strongest", True)
    columns["event"] = lambda row: ("yes", "no")[row["n"] % 2]
    survey_ = found(log(tmp_path / "b.csv", columns))
    assert len(survey_.guess.questions) == 1
    assert yaml.safe_load(survey_.yaml())["example_gen"]["event_weights"] == {"yes": 1, "no": 1}
    columns = {"customer": "user", "sku": "item", "quantity": lambda row: row["n"] % 7 - 2}
    guess = found(log(tmp_path / "c.csv", columns)).guess
    assert guess.values["columns"] == {"user": "customer", "item": "sku", "weight": "quantity"}
    assert guess.values["keep"] == ["quantity > 0"]
    assert words.weight_of("remove_from_cart") is None


def test_days_before_or_behind_months_are_asked(tmp_path):
    columns = {
        "user": "user",
        "item": "item",
        "date": lambda row: f"{1 + row['n'] % 28}/{1 + row['n'] % 12}/2017",
    }
    guess = found(log(tmp_path / "a.csv", columns)).guess
    assert guess.certain  # a month is never above 12
    columns["date"] = lambda row: f"{1 + row['n'] % 9}/{1 + row['n'] % 8}/2017"
    guess = found(log(tmp_path / "b.csv", columns)).guess
    assert guess.questions[0].startswith("is the day or the month first in date (1/1/2017)?")


def test_users_that_are_missing_have_their_limit(tmp_path):
    columns = {"user": lambda row: "" if row["n"] % 4 == 0 else row["user"], "item": "item"}
    path = log(tmp_path / "log.csv", columns)
    survey_ = found(path)
    assert survey_.guess.values["max_missing_share"] == 0.28
    params = survey_.params(ExampleGenParams())
    assert not check(layouts.detect(path, params), params).stops


def test_json_lines_and_a_table_of_items_beside(tmp_path):
    with gzip.open(tmp_path / "reviews.json.gz", "wt") as file:
        for row in ROWS:
            record = {"reviewerID": row["user"], "asin": row["item"], "overall": float(row["stars"])}
            file.write(json.dumps({**record, "helpful": [0, 1], "unixReviewTime": row["seconds"]}) + "\n")
    with gzip.open(tmp_path / "meta.json.gz", "wt") as file:
        for item in sorted({row["item"] for row in ROWS})[:50]:
            about = {
                "asin": item,
                "title": f"Thing {item}",
                "categories": [["A", "B"]],
                "Brand Name": f"b{item[-1]}",
            }
            file.write(json.dumps({**about, "price": float(item)}) + "\n")
    survey_ = found(tmp_path)
    assert survey_.guess.certain
    values = survey_.guess.values
    assert values["columns"] == {
        "user": "reviewerID", "item": "asin", "rating": "overall", "time": "unixReviewTime",
    }  # fmt: skip
    assert (values["files"], values["items"]) == (["reviews.json.gz"], "meta.json.gz")
    assert values["item_columns"] == {"item": "asin", "title": "title", "genres": "categories"}
    assert values["unknown_items"] == "keep"
    params = survey_.params(ExampleGenParams())
    assert [spec.name for spec in params.item_features] == ["genres", "brand_name", "price"]
    report = check(layouts.detect(tmp_path, params), params)
    assert (report.account.tables["ratings"].rows_in, report.stops) == (400, [])
    assert "text" not in survey_.description() or "JSON lines, UTF-8, gzip" in survey_.description()


def test_a_folder_of_days_is_one_log(tmp_path):
    columns = {"user": "user", "item": "item", "time": "seconds"}
    for day in range(4):
        log(tmp_path / f"2017-01-0{day}.csv", columns, rows=ROWS[day * 100 : day * 100 + 100])
    log(tmp_path / "cities.csv", {"city": "n", "people": "stars"})
    survey_ = found(tmp_path)
    assert survey_.guess.values["files"] == ["2017-01-0*.csv"]
    params = survey_.params(ExampleGenParams())
    assert check(layouts.detect(tmp_path, params), params).account.tables["ratings"].rows_in == 400


def test_a_list_of_other_separators_is_seen(tmp_path):
    log(tmp_path / "log.csv", {"user": "user", "item": "item"})
    items = sorted({row["item"] for row in ROWS})
    text = "".join(f'{item},Thing {item},"A{item[-1]}, B"\n' for item in items)
    (tmp_path / "items.csv").write_text(f"item,title,genres\n{text}")
    values = found(tmp_path).guess.values
    assert values["list_separator"] == ", "
    params = ExampleGenParams(**{**values, "list_separator": "|"})
    report = check(layouts.detect(tmp_path, params), params)
    assert any(
        "genres is a list, and no cell has '|' while 100 % have ', '" in note for note in report.anomalies
    )


def test_a_file_per_kind_of_event(tmp_path):
    columns = {"user_id": "user", "item_id": "item", "ts": "seconds"}
    log(tmp_path / "views.csv", columns, rows=ROWS[:300])
    log(tmp_path / "buys.csv", columns, rows=ROWS[300:])
    survey_ = found(tmp_path)
    assert survey_.guess.values["event_of_file"] == {"buys.csv": "buys", "views.csv": "views"}
    assert survey_.guess.values["event_weights"] == {"buys": 6, "views": 1}
    params = survey_.params(ExampleGenParams())
    report = check(layouts.detect(tmp_path, params), params)
    assert set(report.ratings) == {"0.167", "1"}


def test_days_with_a_clock_beside_them(tmp_path):
    columns = {
        "household_key": "user", "BASKET_ID": "n", "DAY": lambda row: 1 + row["n"] // 4,
        "PRODUCT_ID": "item", "TRANS_TIME": lambda row: 100 * (row["n"] % 24) + row["n"] % 60,
    }  # fmt: skip
    path = log(tmp_path / "log.csv", columns)
    survey_ = found(path)
    values = survey_.guess.values
    assert values["columns"] == {
        "user": "household_key", "item": "PRODUCT_ID", "time": "DAY", "offset": "TRANS_TIME",
    }  # fmt: skip
    assert (values["time_unit"], values["offset_unit"]) == ("d", "clock")
    params = survey_.params(ExampleGenParams())
    report = check(layouts.detect(path, params), params)
    assert (report.stops, report.first_second) == ([], 86_400)


@pytest.mark.parametrize("day", ["%Y-%m-%d", "%d.%m.%Y", "%Y%m%d"])
@pytest.mark.parametrize("names", [("date", "time"), ("day", "hour"), ("d", "c")])
def test_days_with_a_clock_in_another_column(tmp_path, day, names):
    def at(form):
        return lambda row: f"{datetime.datetime.fromtimestamp(row['seconds'], datetime.UTC):{form}}"

    columns = {"user": "user", "item": "item", names[0]: at(day), names[1]: at("%H:%M:%S")}
    path = log(tmp_path / "log.csv", columns)
    survey_ = found(path)
    assert survey_.guess.certain
    assert survey_.guess.values["columns"] == {
        "user": "user", "item": "item", "time": names[0], "offset": names[1],
    }  # fmt: skip
    params = survey_.params(ExampleGenParams())
    report = check(layouts.detect(path, params), params)
    assert (report.first_second, report.last_second) == (ROWS[0]["seconds"], ROWS[-1]["seconds"])


def test_a_clock_beside_whole_times_is_not_added_and_what_is_not_read_is_said(tmp_path):
    columns = {"user": "user", "item": "item", "time": "seconds", "clock": lambda row: "09:05"}
    guess = found(log(tmp_path / "log.csv", columns)).guess
    assert guess.values["columns"] == {"user": "user", "item": "item", "time": "time"}
    assert "not read: clock" in guess.evidence


@pytest.mark.parametrize("share", [1, 0.8])
def test_a_table_that_has_the_users_of_orders_is_joined(tmp_path, share):
    log(tmp_path / "lines.csv", {"order_id": lambda row: row["n"] // 2, "product": "item", "n": "n"})
    orders = ROWS[0 : int(share * len(ROWS)) : 2]
    columns = {"order_id": lambda row: row["n"] // 2, "customer": "user", "placed_at": "seconds"}
    log(tmp_path / "orders.csv", columns, rows=orders)
    survey_ = found(tmp_path)
    values = survey_.guess.values
    assert survey_.guess.certain
    assert values["columns"] == {"user": "customer", "item": "product", "time": "placed_at"}
    assert (values["join"], values["join_on"], values["files"]) == ("orders.csv", "order_id", ["lines.csv"])
    params = survey_.params(ExampleGenParams(max_bad_share=1))
    rows = check(layouts.detect(tmp_path, params), params).account.tables["ratings"]
    assert sum(rows.bad.values()) == round((1 - share) * len(ROWS))
    assert rows.rows_in == len(ROWS)


def test_a_column_of_kinds_of_events_without_a_name_is_seen(tmp_path):
    columns = {"a": "user", "b": "item", "c": lambda row: ("purchase", "play")[row["n"] % 2], "d": "n"}
    guess = found(log(tmp_path / "log.csv", columns, header=False)).guess
    assert guess.values["columns"]["event"] == "3"
    assert guess.values["event_weights"] == {"purchase": 6, "play": 1}


def test_what_is_not_above_nothing_is_no_event_of_a_weight(tmp_path):
    columns = {"user": "user", "item": "item", "plays": lambda row: row["n"] % 5}
    guess = found(log(tmp_path / "log.csv", columns)).guess
    assert guess.values["keep"] == ["plays > 0"]


def test_features_with_names_of_other_things_are_left_out(tmp_path):
    log(tmp_path / "log.csv", {"user": "user", "item": "item"})
    items = sorted({row["item"] for row in ROWS})
    text = "".join(
        f"{item},Thing {item},b{item[-1]},c{item[-1]},{n},x{item[-1]}\n" for n, item in enumerate(items)
    )
    (tmp_path / "items.csv").write_text(f"item,title,tags,9 lives,rating_count,Brand Name\n{text}")
    params = found(tmp_path).params(ExampleGenParams())
    assert [spec.name for spec in params.item_features if spec.column] == ["brand_name"]


def test_a_map_without_a_time_has_no_window(tmp_path):
    guessed = found(log(tmp_path / "log.csv", {"user": "user", "item": "item"}))
    with pytest.raises(DataError, match=r"config: window needs a column time \(columns names none\)$"):
        guessed.params(ExampleGenParams(window=30))
