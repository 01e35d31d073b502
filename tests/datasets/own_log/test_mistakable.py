"""Columns and files that look like something else: not taken for it, or asked."""

import datetime
import random

import pytest

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from datasets.own_log import words
from datasets.own_log.survey import survey
from datasets.report import check

RANDOM = random.Random(17)
PAIRS = RANDOM.sample([(user, item) for user in range(40) for item in range(30)], 600)
FIRST = 1_500_000_000


def iso(n, form="%Y-%m-%d %H:%M:%S"):
    return f"{datetime.datetime.fromtimestamp(FIRST + 4_000 * n, datetime.UTC):{form}}"


def write(path, columns, header=True, delimiter=","):
    """A log; `columns` are names and what each holds, a function of user, item and number of the row."""
    rows = [[str(of(user, item, n)) for of in columns.values()] for n, (user, item) in enumerate(PAIRS)]
    path.write_text("".join(delimiter.join(row) + "\n" for row in [[*columns]] * header + rows))
    return path


def guess_of(path):
    return survey(path, ExampleGenParams()).guess


USERS = {"user_id": lambda user, item, n: 1_541_312_140 + user}
ITEMS = {"product_id": lambda user, item, n: 1_463_713_000 + item}
TIMES = {"event_time": lambda user, item, n: iso(n)}


@pytest.mark.parametrize(
    "names", [("user_id", "product_id"), ("customer", "sku"), ("uid", "isbn"), ("UserNr", "ArticleNo")]
)
@pytest.mark.parametrize("first", [0, 663_713_000, 1_463_713_000, 1_463_713_000_000, 4_710_000_000_000])
@pytest.mark.parametrize("timed", [True, False])
def test_ids_that_could_be_times_are_ids(tmp_path, names, first, timed):
    columns = {names[0]: lambda user, item, n: first + 3 * user, names[1]: lambda user, item, n: first + item}
    guess = guess_of(write(tmp_path / "log.csv", {**columns, **(TIMES if timed else {})}))
    assert guess.certain
    wanted = {"user": names[0], "item": names[1]}
    assert guess.values["columns"] == wanted | ({"time": "event_time"} if timed else {})


def test_numbers_beside_written_times_may_be_ids_where_no_name_says_so(tmp_path):
    guess = guess_of(write(tmp_path / "log.dat", {**USERS, **TIMES, **ITEMS}, header=False))
    assert guess.questions[0] == (
        "which columns are the user and the item, among 1, 3? The map has 1 as the user, 3 as the item"
    )
    assert guess.values["columns"] == {"user": "1", "item": "3", "time": "2"}


@pytest.mark.parametrize("cell", ["00012345{:02}", "0{:010}"])
def test_numbers_that_begin_with_0_are_no_times(tmp_path, cell):
    columns = {**USERS, **ITEMS, "voucher": lambda user, item, n: cell.format(1_500_000_000 % 77 + item)}
    assert "time" not in guess_of(write(tmp_path / "log.csv", columns)).values["columns"]


@pytest.mark.parametrize("name", ["members", "items", "products", "user_count", "num_items"])
def test_how_many_there_are_is_no_id(tmp_path, name):
    columns = {"user_id": lambda user, item, n: user, name: lambda user, item, n: item * 10}
    (question,) = guess_of(write(tmp_path / "log.csv", columns)).questions
    assert "item" in question


def test_a_column_of_one_value_is_no_id(tmp_path):
    columns = {**USERS, "news": lambda user, item, n: "NONE", "thing": lambda user, item, n: f"t{item}"}
    guess = guess_of(write(tmp_path / "log.csv", columns))
    assert guess.questions == ("is thing the item? Its name does not say so; the map has it",)


@pytest.mark.parametrize("name", ["date", "timestamp", "created_at", "hour"])
@pytest.mark.parametrize(
    "cell",
    [
        lambda n: 42_000 + n / 7,  # days of a spreadsheet
        lambda n: 313 + n % 28,  # months and days
        lambda n: FIRST + n if n % 2 else (FIRST + n) * 1_000,
    ],
)
def test_numbers_that_are_no_known_times_are_asked(tmp_path, name, cell):
    columns = {**USERS, **ITEMS, name: lambda user, item, n: cell(n)}
    (question,) = guess_of(write(tmp_path / "log.csv", columns)).questions
    assert question.startswith(f"is {name} a time (")


@pytest.mark.parametrize("name", ["days_since_prior_order", "order_hour_of_day", "time_spent"])
def test_lengths_and_parts_of_times_are_no_times(tmp_path, name):
    columns = {**USERS, **ITEMS, name: lambda user, item, n: n % 24}
    guess = guess_of(write(tmp_path / "log.csv", columns))
    assert guess.certain
    assert set(guess.values["columns"]) == {"user", "item"}


def test_times_in_several_spellings_are_asked_and_said_by_the_reader(tmp_path):
    forms = ("%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M:%S")
    columns = {**USERS, **ITEMS, "when": lambda user, item, n: iso(n, forms[n % 3 == 0])}
    path = write(tmp_path / "log.csv", columns)
    guess = guess_of(path)
    (question,) = guess.questions
    assert question.startswith("is when written in several ways? 67 % are times in '%d/%m/%Y %H:%M', others ")
    assert "in 'iso'. A log has one" in question
    params = ExampleGenParams(**guess.values)
    report = check(layouts.detect(path, params), params)
    assert report.account.tables["ratings"].bad == {"not a time": 200}
    assert any("where a column has several, write them all in one" in help_ for help_ in report.helps)
    params = ExampleGenParams(**guess.values, max_share_of={"not a time": 0.5})
    assert not check(layouts.detect(path, params), params).stops


@pytest.mark.parametrize("name", ["customer", "user_id"])
def test_ids_in_scientific_notation_are_asked(tmp_path, name):
    columns = {name: lambda user, item, n: f"{1e12 + user * 1e6:.3e}", **ITEMS}
    guess = guess_of(write(tmp_path / "log.csv", columns))
    assert any(
        question.startswith(f"are the ids of {name} whole (1.000e+12)?") for question in guess.questions
    )


@pytest.mark.parametrize("values", [(0, 1, 2, 3, 4, 5), (0, 3, 4, 5), (0, 2, 4, 6, 8, 10)])
def test_a_0_that_no_star_is_is_asked(tmp_path, values):
    columns = {**USERS, **ITEMS, "rating": lambda user, item, n: values[n % len(values)]}
    guess = guess_of(write(tmp_path / "log.csv", columns))
    (question,) = guess.questions
    assert question.startswith("do ratings of 0 (")
    assert guess.values["unrated"] == [0]


def test_what_is_said_of_items_is_no_log(tmp_path):
    columns = {"user_id": lambda user, item, n: user, "anime_id": lambda user, item, n: item}
    write(tmp_path / "rating.csv", {**columns, "rating": lambda user, item, n: (-1, 6, 8, 10)[n % 4]})
    about = "".join(f"{n},Thing {n},{7 + n / 100},{1000 * n}\n" for n in range(30))
    (tmp_path / "anime.csv").write_text(f"anime_id,name,rating,members\n{about}")
    found = survey(tmp_path, ExampleGenParams())
    assert found.guess.values["columns"] == {"user": "user_id", "item": "anime_id", "rating": "rating"}
    assert found.guess.values["items"] == "anime.csv"
    assert len(found.guess.questions) == 1


def test_a_table_whose_name_says_what_its_ids_are(tmp_path):
    columns = {"userID": lambda user, item, n: user, "artistID": lambda user, item, n: item}
    write(tmp_path / "plays.csv", {**columns, "weight": lambda user, item, n: 1 + n % 50})
    (tmp_path / "artists.csv").write_text("id,name\n" + "".join(f"{n},Band {n}\n" for n in range(30)))
    (tmp_path / "tags.csv").write_text("id,name\n" + "".join(f"{n},tag {n}\n" for n in range(60)))
    values = guess_of(tmp_path).values
    assert (values["items"], values["item_columns"]) == ("artists.csv", {"item": "id", "title": "name"})


def test_numbers_without_a_name_beside_events_are_asked_but_where_an_item_is(tmp_path):
    columns = {**USERS, **ITEMS, "lat": lambda user, item, n: 40 + item / 7}
    path = tmp_path / "log.tsv"
    questions = guess_of(write(path, columns, header=False, delimiter="\t")).questions
    assert len(questions) == 1
    columns["count"] = lambda user, item, n: 1 + n * n % 400
    questions = guess_of(write(path, columns, header=False, delimiter="\t")).questions
    assert questions[1].startswith("do the numbers in column 4 say how much an event counts")


def test_files_without_a_header_are_one_log_only_if_somebody_says_so(tmp_path):
    columns = {"a": lambda user, item, n: user, "b": lambda user, item, n: 500 + item}
    write(tmp_path / "ratings_1.txt", {**columns, "c": lambda user, item, n: 1 + n % 5}, False, " ")
    write(tmp_path / "ratings_2.txt", {**columns, "c": lambda user, item, n: 1 + n % 5}, False, " ")
    assert not any("one log?" in question for question in guess_of(tmp_path).questions)
    write(tmp_path / "trust.txt", {**columns, "c": lambda user, item, n: 1}, False, " ")
    assert any("and trust.txt one log?" in question for question in guess_of(tmp_path).questions)


def test_which_of_two_files_without_a_header_is_the_log_is_asked(tmp_path):
    columns = {**USERS, **TIMES, **ITEMS}
    write(tmp_path / "buys.dat", {**columns, "n": lambda user, item, n: 1 + n % 5}, header=False)
    write(tmp_path / "clicks.dat", columns, header=False)
    assert any(
        "buys.dat" in question and "clicks.dat" in question for question in guess_of(tmp_path).questions
    )


def test_repeats_that_were_not_looked_at_have_a_rule(tmp_path):
    columns = {"user_id": lambda user, item, n: user, "item_id": lambda user, item, n: item}
    write(tmp_path / "2017.csv", columns)
    write(tmp_path / "2018.csv", columns)
    values = guess_of(tmp_path).values
    params = ExampleGenParams(**values)
    report = check(layouts.detect(tmp_path, params), params)
    assert (values["repeated"], report.stops, report.events) == ("last", [], len(PAIRS))


def test_lines_that_are_no_records_are_said(tmp_path):
    path = write(tmp_path / "log.csv", {**USERS, **ITEMS})
    path.write_text(f"{path.read_text()}1,2,3\n4\n")
    (file,) = survey(path, ExampleGenParams()).files
    assert str(file).endswith(
        "; 2 lines that are none: line 602 has 3 columns, expected 2 (user_id, product_id)"
    )


def test_records_over_several_lines_are_said(tmp_path):
    path = write(tmp_path / "log.csv", {**USERS, **ITEMS, "review": lambda user, item, n: '"a\nb, c"'})
    found = survey(path, ExampleGenParams())
    assert "600 records over 1,200 lines" in str(found.files[0])
    params = found.params(ExampleGenParams())
    report = check(layouts.detect(path, params), params)
    assert "600 records of log.csv go over 1,200 lines: quotes enclose line ends" in report.anomalies
    assert report.events == len(PAIRS)


def test_names():
    assert words.score("parent_asin", "item") == 2
    assert words.score("product_parent", "item") == 0
    assert not words.says_id("session_start")
    assert words.says_id("category_id")
    assert words.says_yes_or_no("is_click")
    assert not words.says_yes_or_no("reordered")
