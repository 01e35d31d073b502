"""Models that need no iteration, against loops or dense algebra."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

import contract
from leaderboard import protocols
from leaderboard.models.linear import ease, factors, item_knn
from leaderboard.models.simple import bias, content, popularity
from leaderboard.split import Histories


@pytest.fixture(scope="module")
def split(protocol):
    return protocol(protocols.USER_TIME).final


@pytest.fixture(scope="module")
def asked(split):
    """The test queries of ten users."""
    return split.queries(split.test, np.flatnonzero(split.test.targets.lengths > 0)[:10])


def fitted(model, split):
    model.fit(split.without_test())
    return model


def lists(histories: Histories) -> list[list[tuple[int, float, int]]]:
    """(row, stars, how many events ago) of every list."""
    found = []
    for low, high in zip(histories.offsets[:-1], histories.offsets[1:], strict=True):
        rows, stars = histories.rows[low:high].tolist(), histories.ratings[low:high].tolist()
        found.append(
            [(row, s, high - low - 1 - i) for i, (row, s) in enumerate(zip(rows, stars, strict=True))]
        )
    return found


def dense(histories: Histories, items: int) -> np.ndarray:
    found = np.zeros((len(histories), items))
    for user, events in enumerate(lists(histories)):
        for row, _, _ in events:
            found[user, row] = 1.0
    return found


def test_popularity_counts(split, asked) -> None:
    scores = fitted(popularity.Popularity(), split).score_many(asked)
    np.testing.assert_array_equal(
        scores, np.tile(dense(split.train, split.catalogue.size).sum(axis=0), (10, 1))
    )


def test_decayed_popularity_halves(split, asked) -> None:
    model = fitted(popularity.DecayedPopularity(half_life_days=100.0), split)
    last = split.train.timestamps.max()
    expected = np.zeros(split.catalogue.size)
    for row, at in zip(split.train.rows, split.train.timestamps, strict=True):
        expected[row] += 0.5 ** ((last - at) / 86_400 / 100.0)
    np.testing.assert_allclose(model.score_many(asked)[0], expected)


def test_top_per_genre_follows_what_somebody_watches(split) -> None:
    model = fitted(popularity.TopPerGenre(), split)
    genre = split.catalogue.genres[:, 0].toarray().ravel() > 0
    watched = np.flatnonzero(genre)[:6]
    scores = model.score("new", Histories.one(watched))
    names = split.catalogue.table[contract.GENRES].to_pylist()
    shown = np.argsort(-scores)[:10]
    share = sum(names[row].count(split.catalogue.genre_names[0]) for row in shown) / 10
    assert share > genre.mean() * 2


@pytest.mark.parametrize("half_life", [0.0, 4.0])
@pytest.mark.parametrize("liked", ["none", "fit", "both"])
def test_ease_is_the_papers_formula(split, asked, half_life, liked) -> None:
    """Fewer users than items, where the code never builds what the formula inverts."""
    model = fitted(ease.Ease(regularisation=20.0, half_life=half_life, liked=liked), split)
    assert model.weights.by_users
    check_ease(model, split, asked)


def test_ease_with_more_users_than_items(split, asked) -> None:
    few = np.unique(split.train.rows)[:60]
    train = split.train.where(np.isin(split.train.rows, few))
    small = dataclasses.replace(split, train=train)
    model = fitted(ease.EaseRecency(regularisation=20.0), small)
    assert not model.weights.by_users
    check_ease(model, small, asked)


def check_ease(model: ease.Ease, split, asked) -> None:
    def used(histories: Histories, *leaving_out: str) -> Histories:
        return histories.where(histories.ratings >= 4.0) if model.liked in leaving_out else histories

    seen = dense(used(split.train, "fit", "both"), split.catalogue.size)
    known = seen.sum(axis=0) > 0
    gram = seen[:, known].T @ seen[:, known]
    inverse = np.linalg.inv(gram + model.regularisation * np.eye(len(gram)))
    b = -inverse / np.diag(inverse)
    np.fill_diagonal(b, 0.0)
    weights = np.zeros((len(asked), split.catalogue.size))
    for user, events in enumerate(lists(used(asked.history, "both"))):
        for row, _, age in events:
            weights[user, row] = 0.5 ** (age / model.half_life) if model.half_life else 1.0
    scores = model.score_many(asked)
    np.testing.assert_allclose(scores[:, known], weights[:, known] @ b, atol=1e-6)
    assert (scores[:, ~known] == -np.inf).all()
    assert model.parameters == known.sum() ** 2


@pytest.mark.parametrize(("neighbours", "half_life"), [(0, 0.0), (7, 0.0), (7, 3.0)])
def test_item_knn_is_the_papers_formula(split, asked, neighbours, half_life) -> None:
    model = fitted(item_knn.ItemKnn(shrink=3.0, neighbours=neighbours, half_life=half_life), split)
    seen = dense(split.train, split.catalogue.size)
    count = seen.sum(axis=0)
    similarity = (seen.T @ seen) / (np.sqrt(np.outer(count, count)) + 3.0)
    np.fill_diagonal(similarity, 0.0)
    if neighbours:
        for row in similarity:
            row[np.argsort(-row.astype(np.float32), kind="stable")[neighbours:]] = 0.0
    expected = np.zeros((len(asked), len(count)))
    for user, events in enumerate(lists(asked.history)):
        for row, _, age in events:
            expected[user] += similarity[:, row] * (0.5 ** (age / half_life) if half_life else 1.0)
    scores = model.score_many(asked)
    np.testing.assert_allclose(scores[:, count > 0], expected[:, count > 0], rtol=1e-4, atol=1e-6)
    assert (scores[:, count == 0] == -np.inf).all()


def test_content_cosine_of_tfidf(split, asked) -> None:
    model = fitted(content.ContentCosine(tag_weight=0.5, neutral=3.0, half_life=8.0), split)
    genres = split.catalogue.table[contract.GENRES].to_pylist()
    tags = split.catalogue.table[contract.TAGS].to_pylist()
    assert any(tags)
    size = len(tags)
    vectors = []
    for of_item, tagged in zip(genres, tags, strict=True):
        vector = {("genre", name): 1 / math.sqrt(len(of_item)) for name in of_item}
        idf = {tag: math.log((1 + size) / (1 + sum(tag in other for other in tags))) + 1 for tag in tagged}
        length = math.sqrt(sum(value**2 for value in idf.values()))
        vector |= {("tag", tag): 0.5 * value / length for tag, value in idf.items()}
        whole = math.sqrt(sum(value**2 for value in vector.values()))
        vectors.append({key: value / whole for key, value in vector.items()})
    scores = model.score_many(asked)
    for user, events in enumerate(lists(asked.history)[:3]):
        profile: dict = {}
        for row, stars, age in events:
            for key, value in vectors[row].items():
                profile[key] = profile.get(key, 0.0) + (stars - 3.0) / 5 * 0.5 ** (age / 8.0) * value
        length = math.sqrt(sum(value**2 for value in profile.values()))
        expected = [sum(profile.get(k, 0.0) * v for k, v in vector.items()) / length for vector in vectors]
        np.testing.assert_allclose(scores[user], expected, atol=1e-5)


def test_bias_is_two_shrunken_means(split, asked) -> None:
    model = fitted(bias.Bias(item_shrinkage=3.0, user_shrinkage=2.0), split)
    history_model = fitted(bias.BiasHistory(item_shrinkage=3.0, user_shrinkage=2.0), split)
    stars = split.train.ratings.astype(float)
    mean = stars.mean()
    item = np.array([
        (stars[split.train.rows == row] - mean).sum() / ((split.train.rows == row).sum() + 3.0)
        for row in range(split.catalogue.size)
    ])  # fmt: skip

    def user_bias(events: list[tuple[int, float, int]]) -> float:
        return sum(s - mean - item[row] for row, s, _ in events) / (len(events) + 2.0)

    rows = [4, 9, 30]
    wanted = Histories(np.tile(np.array(rows, np.int32), 10), np.zeros(30), np.zeros(30), np.arange(0, 31, 3))
    users = [split.user_ids.index(id_) for id_ in asked.user_ids]
    in_train = [user_bias(lists(split.train)[user]) for user in users]
    in_history = [user_bias(events) for events in lists(asked.history)]
    assert in_train != in_history
    for found, biases in ((model, in_train), (history_model, in_history)):
        expected = [mean + b + item[row] for b in biases for row in rows]
        np.testing.assert_allclose(found.predict_ratings(asked, wanted), expected)


def test_truncated_svd_reconstructs_as_numpys(split) -> None:
    model = fitted(factors.TruncatedSvd(factors=12), split)
    users = np.flatnonzero(split.train.lengths > 0)
    queries = split.queries(split.test, users)
    queries = dataclasses.replace(queries, history=split.train.take(users))
    matrix, means = np.zeros((len(users), split.catalogue.size)), []
    for user, events in enumerate(lists(split.train.take(users))):
        means.append(np.mean([s for _, s, _ in events]))
        for row, s, _ in events:
            matrix[user, row] = s - means[-1]
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    expected = (u[:, :12] * s[:12]) @ v[:12]
    np.testing.assert_allclose(model.score_many(queries), expected, atol=1e-4)
    stars = model.predict_ratings(queries.take(np.array([3])), Histories.one(range(20)))
    np.testing.assert_allclose(stars, means[3] + expected[3, :20], atol=1e-4)
