"""Files in other shapes than a row per event are called so, and what is printed makes a log of them."""

import json
import random
import re
import shutil
import subprocess
import sys

import pytest

from components.example_gen.params import ExampleGenParams
from datasets.own_log.survey import survey

RANDOM = random.Random(11)
USERS, ITEMS = [f"{100 + n}" for n in range(30)], [f"{1 + n}" for n in range(25)]
PAIRS = sorted(RANDOM.sample([(user, item) for user in USERS for item in ITEMS], 300))
STARS = {pair: RANDOM.randint(1, 5) for pair in PAIRS}


def of(user):
    return [item for user_, item in PAIRS if user_ == user]


def asked(path):
    """The only question about a file, and the program in it."""
    (question,) = survey(path, ExampleGenParams()).guess.questions
    program = re.search(r": ((?:awk|python3|jq) .*)", question)
    return question, program[1] if program else None


def run(program, path):
    """What the program makes of a file."""
    log = re.search(r"to_csv\('(.*?)'|> (\S+)", program)
    name = log[1] or log[2]
    program = program.replace("FILES", "FILE").replace("FILE", path.name).replace("python3", sys.executable)
    subprocess.run(program, shell=True, check=True, cwd=path.parent)
    return path.parent / name


def test_rows_below_the_id_of_their_item(tmp_path):
    lines = []
    for item in ITEMS:
        lines.append(f"{item}:")
        lines += [
            f"{user},{STARS[user, item]},2005-09-0{1 + n % 9}"
            for n, user in enumerate(USERS)
            if (user, item) in STARS
        ]
    (tmp_path / "ratings.txt").write_text("".join(f"{line}\n" for line in lines))
    question, program = asked(tmp_path / "ratings.txt")
    assert question.startswith("do the rows below the line '1:' belong to it")
    made = run(program, tmp_path / "ratings.txt").read_text().splitlines()
    rows = {tuple(row.split(",")[:3]) for row in made}
    assert rows == {(item, user, str(stars)) for (user, item), stars in STARS.items()}
    assert len(made) == len(PAIRS)


def test_records_over_several_lines(tmp_path):
    rows = "\n".join(
        f"beer/beerId: {item}\nreview/profileName: user {user}\nreview/overall: {STARS[user, item]}\n"
        for user, item in PAIRS
    )
    (tmp_path / "beers.txt").write_text(rows)
    question, _ = asked(tmp_path / "beers.txt")
    assert question.startswith("does each record go over several lines, such as 'beer/beerId' and ")


@pytest.mark.parametrize("counted", [True, False])
def test_a_line_per_user(tmp_path, counted):
    rows = [[str(len(of(user)))] * counted + [user] * (not counted) + of(user) for user in USERS]
    (tmp_path / "users.dat").write_text("".join(f"{' '.join(row)}\n" for row in rows))
    question, program = asked(tmp_path / "users.dat")
    assert question.startswith("has each line a user and then the items (")
    made = [tuple(row.split()) for row in run(program, tmp_path / "users.dat").read_text().splitlines()]
    numbers = {user: str(n + 1) for n, user in enumerate(USERS)}
    assert made == [(numbers[user] if counted else user, item) for user in USERS for item in of(user)]


@pytest.mark.parametrize("gaps", ["", "0"])
@pytest.mark.parametrize("header", [True, False])
def test_a_row_per_user_and_a_column_per_item(tmp_path, header, gaps):
    rows = [
        [*([user] if header else []), *(str(STARS.get((user, item), gaps)) for item in ITEMS)]
        for user in USERS
    ]
    first = [["who", *(f"Film {item}" for item in ITEMS)]] if header else []
    (tmp_path / "matrix.csv").write_text("".join(",".join(row) + "\n" for row in [*first, *rows]))
    question, program = asked(tmp_path / "matrix.csv")
    assert "a row per user and a column per item" in question
    made = [row.split(",") for row in run(program, tmp_path / "matrix.csv").read_text().splitlines()]
    assert made[0] == ["who" if header else "index", "item", "rating"]
    found = [
        (
            row[0] if header else USERS[int(row[0])],
            row[1].removeprefix("Film ") if header else ITEMS[int(row[1])],
            float(row[2]),
        )
        for row in made[1:]
        if float(row[2])
    ]
    assert sorted(found) == [(*pair, float(STARS[pair])) for pair in PAIRS]


@pytest.mark.parametrize("write", [json.dumps, repr])
@pytest.mark.parametrize("of_objects", [True, False])
def test_an_object_per_user_with_a_list(tmp_path, write, of_objects):
    rows = [
        {
            "session": user,
            "events_count": len(of(user)),
            "events": [{"aid": item, "type": "clicks"} if of_objects else item for item in of(user)],
        }
        for user in USERS
    ]
    (tmp_path / "log.jsonl").write_text("".join(f"{write(row)}\n" for row in rows))
    question, program = asked(tmp_path / "log.jsonl")
    assert question.startswith("is each value of events an event of its session?")
    assert program.startswith("python3 -c" if write is repr else "jq -c")
    if shutil.which("jq"):
        made = [json.loads(row) for row in run(program, tmp_path / "log.jsonl").read_text().splitlines()]
        found = [(row["session"], row["aid"] if of_objects else row["events"]) for row in made]
        assert found == [(user, item) for user in USERS for item in of(user)]


def test_lists_beside_a_user_and_an_item_are_no_events(tmp_path):
    rows = [{"user_id": user, "item_id": item, "tags": ["a", "b"], "of": [{"x": 1}]} for user, item in PAIRS]
    (tmp_path / "log.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert survey(tmp_path / "log.jsonl", ExampleGenParams()).guess.certain
