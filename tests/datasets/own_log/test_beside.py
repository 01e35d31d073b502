"""Tables beside a log: the users' and the items' are told apart, and their columns are guessed."""

import random

import pandas as pd
import pytest

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from components.example_gen.reading.quarantine import Quarantine
from components.example_gen.sorting.gather import gather
from datasets.own_log.survey import survey
from datasets.report import check

RANDOM = random.Random(5)
USERS, ITEMS = [f"{n}" for n in range(60)], [f"{1000 + n}" for n in range(30)]
PAIRS = RANDOM.sample([(user, item) for user in USERS for item in ITEMS], 600)


def write(folder, user="user_id", users=USERS, **more):
    """A log of ratings, and a table of users under the name of the log's column or another."""
    log = pd.DataFrame(PAIRS, columns=["user_id", "item_id"])
    log = log.assign(
        rating=[RANDOM.randint(1, 5) for _ in PAIRS], timestamp=range(1_500_000_000, 1_500_000_600)
    )
    log.to_csv(folder / "ratings.csv", index=False)
    about = pd.DataFrame(
        {
            user: users,
            "age": [18 + RANDOM.randrange(60) for _ in users],
            "Gender": [RANDOM.choice("MF") for _ in users],
            "occupation": [RANDOM.randrange(8) for _ in users],
            "zip": [10_000 + n for n in range(len(users))],
            "signed_up": [f"2016-01-{1 + n % 28:02}" for n in range(len(users))],
            **more,
        }
    )
    about.to_csv(folder / "users.csv", index=False)
    return folder


@pytest.mark.parametrize("user", ["user_id", "UserID", "customer", "id_of_reader"])
@pytest.mark.parametrize("with_items", [False, True])
def test_a_table_of_users_is_guessed(tmp_path, user, with_items):
    write(tmp_path, user)
    if with_items:
        items = pd.DataFrame({"item_id": ITEMS, "title": [f"Thing {item}" for item in ITEMS]})
        items.to_csv(tmp_path / "things.csv", index=False)
    found = survey(tmp_path, ExampleGenParams())
    values = found.guess.values
    assert found.guess.certain
    assert values["columns"] == {
        "user": "user_id", "item": "item_id", "rating": "rating", "time": "timestamp",
    }  # fmt: skip
    assert (values["users"], values["user_columns"]) == ("users.csv", {"user": user})
    assert values.get("items") == ("things.csv" if with_items else None)
    assert [(spec["name"], spec["kind"]) for spec in values["user_features"]] == [
        ("age", "number"), ("Gender", "categorical"), ("occupation", "categorical"),
    ]  # fmt: skip
    assert f"# users: users.csv has each {user} once" in found.yaml()
    # What is read by that map is what pandas reads.
    params = found.params(ExampleGenParams())
    (tmp_path / "scratch").mkdir()
    with Quarantine() as bad:
        data = gather(layouts.detect(tmp_path, params), params, bad, tmp_path / "scratch")
    wanted = pd.read_csv(tmp_path / "users.csv", dtype=str).set_index(user).loc[data.log.user_ids.to_pylist()]
    assert [x[0] for x in data.users["user_gender"].to_pylist()] == wanted.Gender.tolist()
    assert [x[0] for x in data.users["user_age"].to_pylist()] == wanted.age.astype(float).tolist()
    assert [x[0] for x in data.users["user_occupation"].to_pylist()] == wanted.occupation.tolist()
    report = check(layouts.detect(tmp_path, params), params)
    assert (report.events, report.stops) == (len(PAIRS), [])


@pytest.mark.parametrize(
    ("user", "users", "more"),
    [
        ("user_id", [f"x{n}" for n in range(60)], {}),  # of others than the log's
        ("user_id", [USERS[n % 20] for n in range(60)], {}),  # several rows of each
        ("nobody", USERS, {}),  # no name of a user
        ("user_id", USERS, {"item_id": ITEMS + ITEMS}),  # says something of an item, too
    ],
)
def test_other_tables_are_none_of_users(tmp_path, user, users, more):
    write(tmp_path, user, users, **more)
    found = survey(tmp_path, ExampleGenParams())
    assert "users" not in found.guess.values
    assert found.guess.values["columns"]["item"] == "item_id"
    assert found.guess.values["files"] == ["ratings.csv"]


def test_a_table_of_users_is_no_log_where_the_log_asks(tmp_path):
    """The log asks which column is the item, and the table has nothing else that could be one."""
    write(tmp_path)
    log = pd.read_csv(tmp_path / "ratings.csv").drop(columns=["rating"]).rename(columns={"item_id": "what"})
    log.to_csv(tmp_path / "ratings.csv", index=False)
    found = survey(tmp_path, ExampleGenParams())
    assert not found.guess.certain
    assert found.guess.values["columns"]["item"] == "what"
    assert found.guess.values["users"] == "users.csv"
    assert not any("which file is the log" in question for question in found.guess.questions)


def test_a_file_called_ratings_is_movielens_by_its_columns_alone(tmp_path):
    write(tmp_path)
    assert not layouts.known(tmp_path, ExampleGenParams())
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,3,4\n")
    assert layouts.known(tmp_path, ExampleGenParams())
