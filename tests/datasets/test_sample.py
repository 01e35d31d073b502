"""The generated sample: its layout, its shape, and that there is something to learn in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contract
from datasets.generated import choices, movielens_sample, sample_words

SMALL = {"users": 120, "items": 400, "ratings": 9_000, "seed": 3}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return movielens_sample.generate(tmp_path_factory.mktemp("sample") / "small", **SMALL).path


@pytest.fixture(scope="module")
def ratings(small: Path) -> pd.DataFrame:
    return pd.read_csv(small / "ratings.csv")


@pytest.fixture(scope="module")
def movies(small: Path) -> pd.DataFrame:
    return pd.read_csv(small / "movies.csv")


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_same_arguments_same_bytes(small: Path, tmp_path: Path) -> None:
    movielens_sample.generate(tmp_path / "again", **SMALL)
    assert contents(tmp_path / "again") == contents(small)
    movielens_sample.generate(tmp_path / "other", **(SMALL | {"seed": 4}))
    other = contents(tmp_path / "other")
    assert all(other[name] != content for name, content in contents(small).items())


def test_blocks_keep_the_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "_BLOCK_USERS", 7)
    path = movielens_sample.generate(tmp_path / "blocks", **SMALL).path
    frame = pd.read_csv(path / "ratings.csv")
    assert len(frame) == SMALL["ratings"]
    assert frame.userId.unique().tolist() == list(range(1, SMALL["users"] + 1))
    # A block draws with a generator of its own: no two users get the same rows.
    assert frame.groupby("userId").movieId.apply(tuple).nunique() == SMALL["users"]


def test_summary_counts_what_was_written(tmp_path: Path) -> None:
    summary = movielens_sample.generate(tmp_path / "sample", **SMALL)
    assert (summary.users, summary.items, summary.ratings) == (120, 400, 9_000)
    assert summary.tags == len(pd.read_csv(summary.path / "tags.csv")) > 0
    assert "Generated" in (summary.path / movielens_sample.README).read_text()


def test_ratings_look_like_movielens(ratings: pd.DataFrame, movies: pd.DataFrame) -> None:
    assert ratings.columns.tolist() == ["userId", "movieId", "rating", "timestamp"]
    assert not ratings.duplicated(["userId", "movieId"]).any()
    assert set(ratings.movieId) <= set(movies.movieId)
    assert set(ratings.rating) <= set(np.arange(1, 11) / 2)
    assert 3.2 < ratings.rating.mean() < 3.8
    assert 0.8 < ratings.rating.std() < 1.2
    assert ratings.groupby("userId").size().min() >= movielens_sample.MIN_RATINGS
    assert ratings.equals(ratings.sort_values(["userId", "movieId"]))
    year = pd.to_datetime(ratings.timestamp, unit="s").dt.year
    assert year.between(2015, 2023).all()


def test_activity_and_popularity_are_skewed(ratings: pd.DataFrame) -> None:
    per_user = ratings.groupby("userId").size().sort_values()
    assert per_user.tail(12).sum() > 0.25 * len(ratings)  # the busiest tenth
    per_movie = ratings.groupby("movieId").size().sort_values()
    assert per_movie.tail(40).sum() > 0.2 * len(ratings)  # the best known tenth
    assert per_movie.head(200).sum() < 0.35 * len(ratings)  # the less known half


def test_ratings_come_in_bursts(ratings: pd.DataFrame) -> None:
    times = ratings.sort_values(["userId", "timestamp"]).groupby("userId").timestamp
    gaps = times.diff().dropna()
    assert gaps.median() < 60
    one_day = (times.max() - times.min()) < 86_400
    assert 0.4 < one_day.mean() < 0.8


def test_movies_look_like_movielens(movies: pd.DataFrame) -> None:
    assert movies.movieId.is_monotonic_increasing
    assert movies.movieId.is_unique
    assert movies.title.is_unique
    assert movies.title.str.contains(r" \((?:19|20)\d\d\)$").mean() > 0.97
    assert movies.title.str.contains(",").any()
    listed = {genre for row in movies.genres for genre in row.split("|")}
    assert listed == {*sample_words.GENRES, "(no genres listed)"}
    assert len(sample_words.GENRES) == 18


def test_titles_repeat_in_different_years_and_few_lack_one(tmp_path: Path) -> None:
    path = movielens_sample.generate(tmp_path / "wide", users=20, items=2_000, ratings=400).path
    titles = pd.read_csv(path / "movies.csv").title
    assert titles.is_unique
    names = titles.str.replace(r" \(\d{4}\)$", "", regex=True)
    assert 20 < names.duplicated().sum() < 200
    assert 1 <= (names == titles).sum() < 40


def test_tags_are_words_of_the_clusters(small: Path, ratings: pd.DataFrame) -> None:
    tags = pd.read_csv(small / "tags.csv")
    assert tags.columns.tolist() == ["userId", "movieId", "tag", "timestamp"]
    rated = tags.merge(ratings, on=["userId", "movieId"], suffixes=("", "_rated"))
    assert len(rated) == len(tags)  # nobody tags what they have not rated
    assert (rated.timestamp > rated.timestamp_rated).all()
    assert tags.tag.nunique() > tags.tag.str.lower().nunique()  # mixed case


def test_the_reader_takes_every_row(small: Path, read: Callable) -> None:
    found = read(small)
    assert not found.rows_bad
    assert len(found.ratings) == SMALL["ratings"]
    assert len(found.items) == SMALL["items"]
    assert np.mean([row[contract.YEAR] > 0 for row in found.items]) > 0.97


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_possible_request_is_met_to_the_rating(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    users = data.draw(st.integers(1, 12))
    movies = data.draw(st.integers(20, 60))
    count = data.draw(st.integers(20 * users, users * movies))
    path = tmp_path_factory.getbasetemp() / "any"
    movielens_sample.generate(path, users, movies, count, seed=data.draw(st.integers(0, 99)))
    frame = pd.read_csv(path / "ratings.csv")
    assert len(frame) == count
    assert not frame.duplicated(["userId", "movieId"]).any()
    assert frame.groupby("userId").size().between(20, movies).all()
    assert frame.userId.nunique() == users


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"users": 0}, "users must be at least 1, got 0"),
        ({"items": 19}, "items must be at least 20"),
        ({"users": 10, "ratings": 199}, "at least 20 per user, 200 for 10 users, got 199"),
        ({"users": 10, "items": 30, "ratings": 301}, "at most users x items = 300"),
        ({"seed": -1}, "seed must be 0 or more"),
    ],
)
def test_impossible_requests_say_why(tmp_path: Path, arguments: dict[str, int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        movielens_sample.generate(tmp_path / "never", **arguments)
    assert not list(tmp_path.iterdir())


def test_other_data_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("mine")
    with pytest.raises(FileExistsError, match="no generated sample"):
        movielens_sample.generate(tmp_path, **SMALL)
    assert contents(tmp_path) == {"ratings.csv": b"mine"}


def test_an_older_sample_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "sample"
    movielens_sample.generate(path, 5, 30, 120)
    before = contents(path)
    movielens_sample.generate(path, 6, 30, 150)
    assert contents(path) != before
    assert [entry.name for entry in tmp_path.iterdir()] == ["sample"]


def test_an_error_on_the_way_leaves_the_old_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sample"
    movielens_sample.generate(path, 5, 30, 120)
    before = contents(path)

    def full(*_: object) -> Iterator[object]:
        raise OSError("no space left on device")

    monkeypatch.setattr(choices, "blocks", full)
    with pytest.raises(OSError, match="no space"):
        movielens_sample.generate(path, 6, 30, 150)
    assert contents(path) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["sample"]


# --- what can be learnt ------------------------------------------------------


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """float[U, N] train, float[U, N] age in ratings + 1 of what is known (0 = not), relevant test movies."""
    path = movielens_sample.generate(
        tmp_path_factory.mktemp("learn") / "set", users=400, items=1_200, ratings=36_000
    ).path
    frame = pd.read_csv(path / "ratings.csv").sort_values(["userId", "timestamp"], kind="stable")
    user = frame.userId.to_numpy() - 1
    movie = pd.factorize(frame.movieId)[0]
    count = np.bincount(user)
    held = np.maximum(1, count // 10)
    position = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    test = position >= (count - held)[user]
    train = position < (count - 2 * held)[user]
    fitted, age = np.zeros((2, len(count), movie.max() + 1))
    fitted[user[train], movie[train]] = 1
    age[user[~test], movie[~test]] = ((count - held)[user] - position)[~test]
    liked = test & (frame.rating.to_numpy() >= contract.RELEVANT_RATING)
    return fitted, age, [movie[liked & (user == row)] for row in range(len(count))]


def recall_at_10(scores: np.ndarray, age: np.ndarray, relevant: list[np.ndarray]) -> float:
    top = np.argsort(-np.where(age > 0, -np.inf, scores), axis=1, kind="stable")[:, :10]
    return float(
        np.mean(
            [np.isin(wanted, row).mean() for row, wanted in zip(top, relevant, strict=True) if len(wanted)]
        )
    )


def ease(fitted: np.ndarray, regularisation: float = 200.0) -> np.ndarray:
    """Item-item weights with a zero diagonal (Steck, "Embarrassingly Shallow Autoencoders", WWW 2019)."""
    inverse = np.linalg.inv(fitted.T @ fitted + regularisation * np.eye(fitted.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def test_taste_and_recency_can_be_learnt(split: tuple[np.ndarray, np.ndarray, list[np.ndarray]]) -> None:
    fitted, age, relevant = split
    weights = ease(fitted)
    known = age > 0
    popularity = recall_at_10(np.tile(fitted.sum(0), (len(age), 1)), age, relevant)
    even = recall_at_10(known @ weights, age, relevant)
    recent = recall_at_10((known * 0.5 ** (age / 20)) @ weights, age, relevant)
    assert 0.02 < popularity < 0.15
    assert even > 1.5 * popularity
    assert recent > even


def test_content_tells_what_comes_next(ratings: pd.DataFrame, movies: pd.DataFrame) -> None:
    """A genre follows itself more often than chance has it: what a movie tower can use."""
    first = movies.set_index("movieId").genres.str.split("|").str[0].rename("genre")
    frame = ratings.join(first, on="movieId").sort_values(["userId", "timestamp"], kind="stable")
    follows = frame.genre == frame.groupby("userId").genre.shift(1)
    chance = (frame.genre.value_counts(normalize=True) ** 2).sum()
    assert follows.mean() > 1.2 * chance
