"""Unusual logs through a whole run: ratings that mean none as events, and a dozen items."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.workspace import REPOSITORY, Workspace, marquee, settings

import contract
from components.common.metrics import names

USERS, ITEMS = 250, 120
CONFIG = """
example_gen:
  columns: {user: User-ID, item: ISBN, rating: Book-Rating}
  rating_scale: [1, 10]
  unrated: [0]
  unrated_as: events
  item_noun: book
  split: random
"""
CASES = REPOSITORY / "tests" / "datasets" / "own_data_cases"


def ratings() -> list[tuple[str, str, int]]:
    """Books as people rate them: most are read without a rating, which is 0."""
    random = np.random.default_rng(4)
    found = []
    for user in range(USERS):
        # Each reads of one of four shelves above all.
        likes = np.where(np.arange(ITEMS) % 4 == user % 4, 12.0, 1.0) / (3 + np.arange(ITEMS) // 4)
        for item in random.choice(ITEMS, 20, replace=False, p=likes / likes.sum()).tolist():
            rated = random.random() > 0.6
            found.append((f"{1000 + user}", f"{item:010}", int(random.integers(5, 11)) if rated else 0))
    return found


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    folder = tmp_path_factory.mktemp("books")
    rows = "".join(f'"{user}";"{item}";"{rating}"\n' for user, item, rating in ratings())
    (folder / "BX-Book-Ratings.csv").write_text(f'"User-ID";"ISBN";"Book-Rating"\n{rows}', "latin-1")
    (folder / "log.yaml").write_text(CONFIG)
    return folder


def ask(folder, *args):
    return marquee(*args, "--config", "log.yaml", *settings(artifacts="artifacts"), cwd=folder, timeout=3_000)


@pytest.fixture(scope="module")
def run(books):
    finished = ask(books, "run", "--json", "--data", "BX-Book-Ratings.csv")
    assert finished.code == 0, finished.out + finished.err
    return finished


@pytest.mark.nightly("components/example_gen", "components/trainer", "pipeline/report")
def test_ratings_that_mean_none_are_events_from_the_split_to_the_report(books, run):
    assert "no ratings: events count by Book-Rating" in run.err
    found = run.json()
    assert found["state"] == "pushed"
    # No row is left out, and those with a rating weigh by it.
    report = ask(books, "data", "check", "--json", "BX-Book-Ratings.csv").json()
    tables = report["account"]["ratings"]
    assert (tables["used"], tables["left_out"], tables["bad"]) == (USERS * 20, {}, {})
    unrated = sum(rating == 0 for _, _, rating in ratings())
    assert report["ratings"]["0.55"] == unrated  # the middle of 0.1 to 1
    assert (report["implicit"], report["rating_scale"]) == (True, None)
    assert report["splits"]["test"]["targets"] == USERS * 2
    # The model: no rating head, and nothing is judged by one.
    gates = {gate["name"]: gate for gate in found["gates"]}
    assert not gates["rating head"]["applies"]
    assert found["metrics"]["rmse"] is None
    assert found["metrics"][names.RECALL_10] > found["metrics"][names.POPULARITY_RECALL_10]
    (version,) = Workspace(books).pushed
    described = json.loads((version / contract.ASSETS_EXTRA / contract.DESCRIPTION).read_text())
    assert (described["feedback"], described["rating_scale"]) == ("implicit", None)
    rate = ask(books, "rate", "--user", "1000")
    assert rate.code == 2
    assert "this model was trained on events without ratings, so it predicts none" in rate.err
    # The command that comes next works as it is printed.
    (next_,) = [line for line in run.err.splitlines() if line.startswith("next ")]
    told = marquee(*shlex.split(next_.removeprefix("next"))[1:], "--json", cwd=books)
    assert told.code == 0, told.err
    assert told.json()["results"] and not told.json().get("popular")
    # The report speaks of events, and of no rating.
    (path,) = (books / "artifacts" / "reports").glob("*.html")
    page = path.read_text()
    assert "the log has no ratings, so there is no rating head" in page
    assert "an event" in page and "book" in page
    assert " stars" not in page


@pytest.mark.nightly("components/evaluator", "components/example_gen")
def test_a_catalogue_of_a_dozen_items_can_be_pushed(tmp_path):
    (case,) = CASES.glob("35_*")
    done = marquee(
        "run", "--json", "--config", str(case / "config.yaml"), "--data", str(case / "log.csv"),
        *settings(artifacts="artifacts"), cwd=tmp_path, timeout=3_000,
    )  # fmt: skip
    assert done.code == 0, done.out + done.err
    found = done.json()
    gates = {gate["name"]: gate for gate in found["gates"]}
    assert found["state"] == "pushed"
    # A perfect list of ten of fourteen beats no bound, so popularity does not judge it; nor are there ghosts.
    assert not gates["popularity"]["applies"]
    assert gates["recall@10 floor"]["ok"]
    (version,) = Workspace(tmp_path).pushed
    catalogue = pq.read_table(version / contract.ASSETS_EXTRA / contract.CATALOGUE)
    assert sorted(catalogue[contract.ITEM_ID].to_pylist()) == sorted(f"i{n}" for n in range(1, 15))
