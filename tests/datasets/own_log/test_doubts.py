"""What a guess could get wrong in silence is asked, and what it can know of values it takes."""

import json
import random

import pytest

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from datasets.own_log import words
from datasets.own_log.survey import survey
from datasets.report import check

RANDOM = random.Random(8)
PAIRS = RANDOM.sample([(f"u{user}", f"i{item}") for user in range(30) for item in range(25)], 400)
TIMES = range(1_500_000_000, 1_500_000_400)


def guess_of(folder, third, values, time="time", times=TIMES):
    """The guess of a log with a third column."""
    rows = zip(PAIRS, values, times, strict=True)
    text = "".join(f"{u}\t{i}\t{value}\t{at}\n" for (u, i), value, at in rows)
    (folder / "log.tsv").write_text(f"user_id\titem_id\t{third}\t{time}\n{text}")
    return survey(folder / "log.tsv", ExampleGenParams()).guess


def some(*values):
    return [RANDOM.choice(values) for _ in PAIRS]


@pytest.mark.parametrize(
    ("third", "values"),
    [
        ("rating", some("1 star", "2 stars", "5 stars")),
        ("grade", some("A", "B", "F")),
        ("stars", some("'1'", "'5'")),
        ("watched", some("5%", "98%")),
        ("amount", some("$1,200.50", "€ 3")),
    ],
)
def test_what_may_say_how_much_an_event_counts_and_is_no_number_is_asked(tmp_path, third, values):
    (question,) = guess_of(tmp_path, third, values).questions
    assert question.startswith(f"does {third} say how much an event counts? Its values (")


@pytest.mark.parametrize(("third", "values"), [("colour", some("red", "blue")), ("price", some("$3", "$4"))])
def test_other_texts_are_not_read_and_not_asked(tmp_path, third, values):
    guess = guess_of(tmp_path, third, values)
    assert guess.certain
    assert f"not read: {third}" in guess.evidence


@pytest.mark.parametrize("times", [["09:05:07", "23:00:00"], ["yesterday", "today"], ["week 3", "week 4"]])
def test_times_that_cannot_be_read_are_asked(tmp_path, times):
    (question,) = guess_of(tmp_path, "colour", some("red"), "created_at", some(*times)).questions
    assert question.startswith("is created_at a time (")
    assert "example_gen.time_unit" in question


@pytest.mark.parametrize("yes_no", [("true", "false"), ("Yes", "No"), ("1", "0"), ("T", "F"), ("y", "n")])
@pytest.mark.parametrize("third", ["liked", "is_click", "purchased"])
def test_rows_that_say_no_are_asked_and_left_out(tmp_path, third, yes_no):
    values = some(*yes_no)
    guess = guess_of(tmp_path, third, values)
    assert guess.values["keep"] == [f"{third} = {yes_no[0]}"]
    (question,) = guess.questions
    assert question.startswith(f"are rows whose {third} is {yes_no[1]} no events?")
    params = ExampleGenParams(**guess.values)
    report = check(layouts.detect(tmp_path / "log.tsv", params), params)
    assert report.events == values.count(yes_no[0])


@pytest.mark.parametrize("cell", ["{0} {0}1", "{0},{0}2,{0}3", "{0}; {0}9", "{0}|{0}4"])
def test_several_items_in_one_cell_are_asked(tmp_path, cell):
    rows = "".join(f"{u}\t{cell.format(i[1:])}\n" for u, i in PAIRS)
    (tmp_path / "log.tsv").write_text(f"user_id\tproducts\n{rows}")
    (question,) = survey(tmp_path / "log.tsv", ExampleGenParams()).guess.questions
    assert question.startswith("does products hold several items in one cell (")


@pytest.mark.parametrize("item", ["item{}", "Film {}", "{}"])
@pytest.mark.parametrize("gaps", [True, False])
def test_a_row_per_user_and_a_column_per_item_is_asked(tmp_path, item, gaps):
    header = ["user", *(item.format(n + 100) for n in range(20))]
    rows = [
        [f"u{n}", *(str(RANDOM.choice([*range(1, 6), *[""] * gaps])) for _ in range(20))] for n in range(40)
    ]
    (tmp_path / "log.csv").write_text("".join(",".join(row) + "\n" for row in [header, *rows]))
    questions = survey(tmp_path / "log.csv", ExampleGenParams()).guess.questions
    assert any("a row per user and a column per item" in question for question in questions)


def test_events_that_take_others_back_are_left_out(tmp_path):
    kinds = ("view", "remove_from_cart", "purchase", "refund", "Cancelled order")
    values = some(*kinds)
    guess = guess_of(tmp_path, "event", values)
    (condition,) = guess.values["drop"]
    assert set(guess.values["event_weights"]) == {"view", "purchase"}
    assert guess.certain
    params = ExampleGenParams(**guess.values)
    report = check(layouts.detect(tmp_path / "log.tsv", params), params)
    assert report.events == values.count("view") + values.count("purchase")
    assert report.account.tables["ratings"].left_out == {condition: len(PAIRS) - report.events}
    assert report.stops == []
    # What only begins like such a word is asked.
    guess = guess_of(tmp_path, "event", some("view", "display", "unit"))
    assert "drop" not in guess.values
    assert "how much do the events" in guess.questions[0]


def test_nested_keys_say_of_whom_an_id_is(tmp_path):
    rows = [
        {
            "user": {"id": u},
            "product": {"id": i, "price": {"amount": n % 7}},
            "meta": {"at": 1_500_000_000 + n},
        }
        for n, (u, i) in enumerate(PAIRS)
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    guess = survey(tmp_path / "log.jsonl", ExampleGenParams()).guess
    assert guess.certain
    assert guess.values["columns"] == {"user": "user.id", "item": "product.id", "time": "meta.at"}
    assert words.score("product.price.amount", "weight") == 0


@pytest.mark.parametrize(
    ("odd", "differs"),
    [
        ("user_id,item_id,rating", "lacks timestamp"),
        ("user_id,item_id,rating,timestamp,device", "also has device"),
    ],
)
def test_a_month_with_other_columns_is_asked_and_left_out(tmp_path, odd, differs):
    whole = "user_id,item_id,rating,timestamp"
    for month in range(1, 7):
        header = odd if month == 4 else whole
        rows = PAIRS[month * 50 : month * 50 + 50]
        cells = {"user_id": 0, "item_id": 1}
        text = "".join(
            ",".join(
                pair[cells[name]]
                if name in cells
                else {"rating": "3", "device": "tv"}.get(name, str(1_500_000_000 + month * 50 + n))
                for name in header.split(",")
            )
            + "\n"
            for n, pair in enumerate(rows)
        )
        (tmp_path / f"2017-{month:02}.csv").write_text(f"{header}\n{text}")
    guess = survey(tmp_path, ExampleGenParams()).guess
    (question,) = guess.questions
    assert question == (
        f"is 2017-04.csv a part of the log, too? Unlike 2017-01.csv it {differs}; the map leaves it out"
    )
    assert guess.values["files"] == ["2017-0*.csv", "!2017-04.csv"]
    params = ExampleGenParams(**guess.values)
    assert check(layouts.detect(tmp_path, params), params).events == 250


@pytest.mark.parametrize(
    ("name", "text", "question"),
    [
        ("log.csv", "user_id,item_id,rating\n", "has log.csv no rows below its header?"),
        (
            "log.csv",
            "user_id,item_id,item_id\n" + "1,2,3\n4,5,6\n" * 9,
            "which of the columns called item_id",
        ),
        (
            "log.json",
            json.dumps({"ratings": [{"user": u, "item": i} for u, i in PAIRS]}),
            "is each value of ratings an event? The file is one JSON object",
        ),
    ],
)
def test_files_that_are_no_log_yet_are_asked_for_what_they_lack(tmp_path, name, text, question):
    (tmp_path / name).write_text(text)
    assert any(
        asked.startswith(question) for asked in survey(tmp_path / name, ExampleGenParams()).guess.questions
    )


def test_json_over_several_lines_is_called_so(tmp_path):
    rows = [{"user": u, "item": i} for u, i in PAIRS]
    (tmp_path / "log.json").write_text("\n".join(json.dumps(row, indent=1) for row in rows))
    for columns in ({}, {"user": "user", "item": "item"}):
        with pytest.raises(DataError, match="is JSON whose objects go over several lines; expected one"):
            layouts.known(tmp_path / "log.json", ExampleGenParams(columns=columns))


@pytest.mark.parametrize("cell", ["", "NA"])
def test_rows_without_a_rating_are_said_with_what_leaves_them_out(tmp_path, cell):
    values = some("1", "5", cell)
    guess = guess_of(tmp_path, "rating", values)
    params = ExampleGenParams(**guess.values)
    report = check(layouts.detect(tmp_path / "log.tsv", params), params)
    assert report.stops
    assert any("example_gen.keep: ['COLUMN is not missing']" in help_ for help_ in report.helps)
    params = ExampleGenParams(**guess.values, keep=["rating is not missing"])
    report = check(layouts.detect(tmp_path / "log.tsv", params), params)
    assert (report.stops, report.events) == ([], len(PAIRS) - values.count(cell))
