"""`marquee recommend`, from what is typed to what is printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import contract
from components.common.features import Features
from pipeline.commands.ask import recommend
from pipeline.errors import InputError

Marquee = Callable[..., tuple[int, str, str]]
Ask = Callable[..., dict[str, Any]]

# Ids of conftest's titled items, in its order.
TOY_STORY, HEAT, SABRINA_1995, SABRINA_1954, MATRIX, GOOD_BAD_UGLY = (str(10 + 3 * i) for i in range(6))


def ids(answer: dict[str, Any]) -> list[str]:
    return [result["item_id"] for result in answer["results"]]


Row = Callable[[str], dict[str, Any]]


def rated(row: dict[str, Any]) -> list[str]:
    return [*row[contract.HISTORY_ITEM_IDS], *row[contract.TARGET_ITEM_IDS]]


@pytest.mark.parametrize(
    ("scale", "mark", "stars"),
    [((1, 10), "10", 5.0), ((0, 100), "50", 2.75), ((0, 5), "0", 0.5), ((0, 100), "", 5.0)],
)
def test_a_like_is_on_the_scale_of_the_log(scale: tuple[float, float], mark: str, stars: float) -> None:
    assert recommend._mark("X", mark, Features(rating_scale=scale)) == pytest.approx(stars)
    with pytest.raises(InputError, match=rf"X=101.: expected {scale[0]} to {scale[1]}, such as"):
        recommend._mark("X", "101", Features(rating_scale=scale))


def test_a_known_user_gets_items_with_reasons(marquee_json: Ask, test_row: Row) -> None:
    answer = marquee_json("recommend", "--user", "u1", "--k", "7")
    assert (answer["known_user"], answer["popular"], answer["note"]) == (True, False, "")
    assert (answer["model"], answer["version"]) == (contract.MODEL_EXACT, 1_700_000_000)
    assert [result["rank"] for result in answer["results"]] == list(range(1, 8))
    seen = rated(test_row("u1"))
    assert not set(ids(answer)) & set(seen)
    scores = [result["score"] for result in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    reasons = [reason for result in answer["results"] for reason in result["why"]["history"]]
    assert reasons
    assert {reason["item_id"] for reason in reasons} <= set(seen)
    assert all(reason["weight"] > 0 for reason in reasons)


def test_nothing_that_the_user_has_rated_comes_back(
    marquee_json: Ask, test_row: Row, world: dict[str, Any]
) -> None:
    """Neither from the history at the cut nor from the test block, whose taste counts too."""
    users = world["timelines"][contract.TEST][contract.USER_ID].to_pylist()
    for user in map(str, users):
        answer = marquee_json("recommend", "--user", user, "--k", "20")
        assert not set(ids(answer)) & set(rated(test_row(user)))
        row = test_row(user)
        log = zip(rated(row), [*row[contract.HISTORY_RATINGS], *row[contract.TARGET_RATINGS]], strict=True)
        likes = "; ".join(f"id:{item_id}={stars}" for item_id, stars in log)
        assert ids(answer) == ids(marquee_json("recommend", "--likes", likes, "--k", "20"))


def test_where_the_timelines_are_gone_the_model_s_own_table_of_users_answers(
    marquee_json: Ask, tmp_path: Path, world: dict[str, Any], test_row: Row
) -> None:
    row = test_row("u2")
    log = zip(row[contract.HISTORY_ITEM_IDS], row[contract.HISTORY_RATINGS], strict=True)
    likes = "; ".join(f"id:{item_id}={stars}" for item_id, stars in log)
    with_history = marquee_json("recommend", "--likes", likes, "--k", "5")
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "serving_model").symlink_to(world["artifacts"] / "serving_model")
    without = marquee_json("recommend", "--user", "u2", "--k", "5", artifacts=bare)
    assert ids(without) == ids(with_history)
    assert without["known_user"] is True
    assert "the history that the model carries" in without["note"]
    assert all(result["why"]["history"] == [] for result in without["results"])
    stranger = marquee_json("recommend", "--user", "nobody", "--k", "5", artifacts=bare)
    assert (stranger["known_user"], stranger["popular"]) == (False, True)


def test_filters_without_the_timelines_say_what_is_missing(
    marquee: Marquee, tmp_path: Path, world: dict[str, Any]
) -> None:
    (tmp_path / "serving_model").symlink_to(world["artifacts"] / "serving_model")
    code, out, err = marquee("recommend", "--user", "u2", "--genres", "Drama", artifacts=tmp_path)
    assert (code, out) == (2, "")
    assert "no history can be read" in err


def test_an_unknown_user_gets_the_popular_list_and_is_told(
    marquee: Marquee, marquee_json: Ask, world: dict[str, Any]
) -> None:
    answer = marquee_json("recommend", "--user", "nobody", "--k", "4")
    assert (answer["known_user"], answer["popular"]) == (False, True)
    assert "not in the log" in answer["note"]
    assert ids(answer) == world["items"][contract.ITEM_ID].to_pylist()[:4]
    code, out, _ = marquee("recommend", "--user", "nobody")
    assert code == 0
    assert "user nobody is not in the log that this model was trained on; this is the popular list" in out


def test_the_popular_list_keeps_to_the_filters(marquee_json: Ask, world: dict[str, Any]) -> None:
    answer = marquee_json(
        "recommend",
        "--user",
        "nobody",
        "--genres",
        "drama",
        "--year-min",
        "1960",
        "--year-max",
        "1990",
        "--k",
        "20",
    )
    expected = [
        row[contract.ITEM_ID]
        for row in world["items"].to_pylist()
        if "Drama" in row[contract.GENRES] and 1960 <= row[contract.YEAR] <= 1990
    ]
    assert ids(answer) == expected
    assert f"the filters leave only {len(expected)} item" in answer["note"]
    where = ("--where", "genres=Drama", "--where", "Year >= 1960", "--where", "year<=1990")
    by_columns = marquee_json("recommend", "--user", "nobody", *where, "--k", "20")
    assert (by_columns["popular"], ids(by_columns)) == (True, expected)
    mixed = marquee_json("recommend", "--user", "nobody", "--diversity", "1", "--k", "20")
    assert mixed["popular"] and ids(mixed)[0] == world["items"][contract.ITEM_ID][0].as_py()
    assert ids(mixed) != world["items"][contract.ITEM_ID].to_pylist()[:20]


def test_only_some_items_boosted_and_so_many_of_a_genre(marquee_json: Ask, world: dict[str, Any]) -> None:
    only = ("--likes", "Heat", "--only", "Toy Story; The Matrix; Sabrina (1954)")
    plain = marquee_json("recommend", *only)
    assert set(ids(plain)) == {TOY_STORY, MATRIX, SABRINA_1954}
    assert "the filters leave only 3 items" in plain["note"]
    last = plain["results"][-1]
    boosted = marquee_json("recommend", *only, "--boost", f"id:{last['item_id']}=2")
    assert ids(boosted)[0] == last["item_id"]
    assert boosted["results"][0]["score"] == pytest.approx(last["score"] + 2, abs=1e-5)
    counted = marquee_json("recommend", "--likes", "Heat", "--at-most", "genres=1", "--not", "genres=Horror")
    genres = [genre for result in counted["results"] for genre in result["genres"]]
    assert len(genres) == len(set(genres)) and "Horror" not in genres


def test_an_unknown_user_with_likes_is_served_by_them(marquee_json: Ask) -> None:
    answer = marquee_json("recommend", "--user", "nobody", "--likes", "Heat")
    assert (answer["known_user"], answer["popular"]) == (False, False)
    assert "rests on the likes" in answer["note"]
    assert ids(answer) == ids(marquee_json("recommend", "--likes", "Heat"))


def test_likes_by_title_with_stars_and_commas(marquee_json: Ask) -> None:
    answer = marquee_json(
        "recommend",
        "--likes",
        "toy story, Good, the Bad and the Ugly, The=3.5",
        "--likes",
        "The Matrix (1999)",
    )
    assert [(like["item_id"], like["rating"]) for like in answer["likes"]] == [
        (TOY_STORY, 5.0),
        (GOOD_BAD_UGLY, 3.5),
        (MATRIX, 5.0),
    ]
    assert answer["user"] is None
    assert answer["known_user"] is None
    assert not {TOY_STORY, GOOD_BAD_UGLY, MATRIX} & set(ids(answer))
    assert {reason["item_id"] for result in answer["results"] for reason in result["why"]["history"]} <= {
        TOY_STORY,
        GOOD_BAD_UGLY,
        MATRIX,
    }


def test_a_like_changes_what_a_user_gets(marquee_json: Ask) -> None:
    plain = marquee_json("recommend", "--user", "u1", "--k", "20")
    liked = plain["results"][-1]
    answer = marquee_json("recommend", "--user", "u1", "--likes", f"id:{liked['item_id']}", "--k", "20")
    assert liked["item_id"] not in ids(answer)
    assert [r["score"] for r in answer["results"]] != [r["score"] for r in plain["results"]]


def test_tastes_alone_are_enough(marquee_json: Ask) -> None:
    answer = marquee_json("recommend", "--taste", "action=5,Comedy=3")
    assert answer["taste"] == {"Action": 5.0, "Comedy": 3.0}
    assert answer["popular"] is False
    for result in answer["results"]:
        assert result["why"]["history"] == []
        assert result["why"]["taste"] == [g for g in result["genres"] if g in ("Action", "Comedy")]
    assert ids(answer) != ids(marquee_json("recommend", "--taste", "Horror=1"))


def test_filters_and_exclusions_hold(marquee_json: Ask) -> None:
    free = marquee_json("recommend", "--likes", "Heat", "--k", "20")
    unwanted = free["results"][0]["item_id"]
    answer = marquee_json(
        "recommend", "--likes", "Heat", "--k", "20",
        "--exclude", f"id:{unwanted}", "--genres", "Drama,horror", "--year-min", "1970", "--year-max", "2000",
    )  # fmt: skip
    assert answer["results"]
    for result in answer["results"]:
        assert result["item_id"] != unwanted
        assert {"Drama", "Horror"} & set(result["genres"])
        assert 1970 <= result["year"] <= 2000


def test_diversity_changes_the_order(marquee_json: Ask) -> None:
    plain = marquee_json("recommend", "--likes", "Heat", "--k", "10")
    mixed = marquee_json("recommend", "--likes", "Heat", "--k", "10", "--diversity", "0.9")
    assert ids(mixed)[0] == ids(plain)[0]
    assert ids(mixed) != ids(plain)


def test_both_models_agree_by_exact_search(marquee_json: Ask) -> None:
    exact = marquee_json("recommend", "--likes", "Heat")
    other = marquee_json(
        "recommend", "--likes", "Heat", "--exact", "--model", contract.MODEL, "--version", "1700000000"
    )
    assert other["model"] == contract.MODEL
    assert ids(other) == ids(exact)


def test_the_table_shows_titles_years_genres_scores_and_why(marquee: Marquee) -> None:
    code, out, err = marquee("recommend", "--user", "u1", "--taste", "Drama=2", "--k", "3")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "for user u1; who wants Drama 2  (marquee-exact version 1700000000, loaded here)"
    header = next(line for line in lines if line.startswith("#"))
    assert header.split() == ["#", "title", "year", "genres", "score", "why"]
    rows = lines[lines.index(header) + 1 :]
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]
    # Columns are aligned: every title starts where its header does.
    column = header.index("title")
    assert all(row[column - 1] == " " and row[column] != " " for row in rows)


def test_framework_logs_stay_off_the_terminal(marquee: Marquee, world: dict[str, Any]) -> None:
    _, out, err = marquee("recommend", "--likes", "Heat")
    assert err == ""
    assert out.startswith("for who likes Heat (1995) 5")
    assert (world["artifacts"] / "logs" / "ask.log").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "nothing to recommend by"),
        (("--user", "u1", "--k", "0"), "--k must be at least 1, got 0"),
        (("--user", "u1", "--k", "21"), "max_k = 20"),
        (("--likes", "Sabrina"), '"Sabrina" names 2 items'),
        (("--likes", "Heta"), 'no item is called "Heta"; did you mean "Heat (1995)"'),
        (("--likes", "Heat=6"), 'expected 0.5 to 5 stars, such as "Heat (1995)=4"'),
        (("--likes", "Heat=good"), "expected 0.5 to 5 stars"),
        (("--taste", "Acton=5"), 'no item has the genre "Acton"; did you mean Action?'),
        (("--taste", "Jazz=5"), "there are Action, Comedy, Drama, Horror"),
        (("--taste", "Action"), 'taste "Action" lacks a weight; write it as "Action=5"'),
        (("--taste", "Action=-1"), "the weight must be a number above 0"),
        (("--taste", "Action=nan"), "the weight must be a number above 0"),
        (("--likes", "Heat", "--genres", "Dramma"), "did you mean Drama?"),
        (("--likes", "Heat", "--exclude", "Nonesuch"), 'no item is called "Nonesuch"'),
        (("--likes", "Heat", "--diversity", "2"), "diversity must be between 0 and 1"),
        (("--likes", "Heat", "--year-min", "-3"), "year_min must be not negative"),
        (("--likes", "Heat", "--where", "genres=Dramma"), "did you mean Drama?"),
        (
            ("--likes", "Heat", "--not", "genres=Jazz"),
            'no item has the genre "Jazz"; there are Action, Comedy,',
        ),
        (("--likes", "Heat", "--where", " "), '--where "" is no condition'),
        (
            ("--likes", "Heat", "--where", "colour=red"),
            "expected COLUMN=VALUE or COLUMN!=VALUE for genres and ",
        ),
        (("--likes", "Heat", "--where", "year<=dear"), "for year, got year<=dear"),
        (("--likes", "Heat", "--not", "genres"), '--not "genres": expected COLUMN=VALUE'),
        (("--likes", "Heat", "--not", "year<=1990"), '--not "year<=1990": expected COLUMN=VALUE'),
        (("--likes", "Heat", "--at-most", " "), '--at-most "" is no count'),
        (("--likes", "Heat", "--at-most", "year=2"), "a count from 1 on, of genres, got year=2"),
        (("--likes", "Heat", "--boost", "Heat"), 'such as "Heat (1995)=0.2"'),
        (("--likes", "Heat", "--boost", "Heat=9"), "boosts must be between -2 and 2, got 9"),
        (("--likes", "Heat", "--only", "Nonesuch"), 'no item is called "Nonesuch"'),
        (("--likes", "Heat", "--version", "5"), "no version 5 has been pushed; there are 1700000000"),
    ],
)
def test_bad_requests_exit_with_2_and_say_why(
    marquee: Marquee, arguments: tuple[str, ...], reason: str
) -> None:
    code, out, err = marquee("recommend", *arguments)
    assert (code, out) == (2, "")
    assert reason in err
    assert "Traceback" not in err


def test_nothing_pushed_says_what_to_do(marquee: Marquee, tmp_path: Path) -> None:
    code, _, err = marquee("recommend", "--likes", "Heat", artifacts=tmp_path)
    assert code == 2
    assert "no model has been pushed" in err
    assert "marquee run" in err
