"""A generated set in MovieLens's layout, for where there is no data and no network.

What can be learnt from it, and where it comes from:

- Films lie in latent clusters; a cluster has genres, an era and tags of its own.
- Films are rated with a Zipf-Mandelbrot skew: rank r has weight (r + q)^-s.
- A person's taste is a Dirichlet draw over clusters that moves from an early
  taste to a late one, and interest comes in phases of about thirty ratings that
  favour one cluster: what was rated last says most about what comes next.
- Stars = the person's bias + the film's quality + how well the cluster fits the
  taste of the moment + noise, in half stars (some people give whole stars only).
- Nobody rates a film twice; ratings come in bursts, people with one visit and
  people who return; how many ratings a person gives has a long tail.

Everything is drawn per block of users with a generator of its own, so memory
does not grow with the number of ratings, and the same arguments give the same
bytes.
"""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from datasets import folder
from datasets.generated import choices, sample_words

# MovieLens has nobody with fewer ratings.
MIN_RATINGS: Final = 20
README: Final = "README.txt"
_README_TITLE: Final = "Generated sample in MovieLens's layout"

# Older than the log's first day, so nobody rates a film before its release.
_NEWEST_YEAR: Final = 2014
_OLDEST_YEAR: Final = 1922

_SHARE_TAGGERS: Final = 0.1
_SHARE_TAGGED: Final = 0.3  # of a tagger's ratings


@dataclasses.dataclass(frozen=True)
class Summary:
    """What was written."""

    path: Path
    users: int
    items: int
    ratings: int
    tags: int


@dataclasses.dataclass(frozen=True)
class _Movies:
    """The catalogue, N films in ascending id.

    Attributes:
      ids: int64[N].
      quality: float64[N], stars above the average.
      stock: their clusters and weights.
      tags: the words of each cluster.
    """

    ids: np.ndarray
    quality: np.ndarray
    stock: choices.Stock
    tags: list[list[str]]


@dataclasses.dataclass(frozen=True)
class _Events:
    """The ratings of a block of users, by user and time: E events."""

    user: np.ndarray  # int64[E], from 0 within the block
    movie: np.ndarray  # int64[E], row of the catalogue
    stars: np.ndarray  # float64[E], 0.5, 1.0 ... 5.0
    second: np.ndarray  # int64[E], Unix time


def generate(
    path: str | Path, users: int = 600, items: int = 3000, ratings: int = 60_000, seed: int = 7
) -> Summary:
    """Writes ratings.csv, movies.csv, tags.csv and README.txt to the folder `path`.

    The folder appears at once and whole; a sample that stood there is replaced.

    Raises:
      ValueError: numbers that fit no set (a user has at least 20 ratings and
        rates a movie at most once).
      FileExistsError: something else than a generated sample stands at `path`.
    """
    _check(users, items, ratings, seed)
    path = Path(path)
    if path.exists() and not folder.begins(path, README, _README_TITLE):
        raise FileExistsError(f"{path} exists and is no generated sample; choose another folder or remove it")
    rng = np.random.default_rng([seed, 0])
    counts = choices.counts(rng, users, items, ratings, MIN_RATINGS)
    with folder.whole(path) as new:
        catalogue = _write_movies(rng, new / "movies.csv", items)
        tags = _write_log(new, catalogue, counts, seed)
        (new / README).write_text(
            f"{_README_TITLE}: {users} users, {items} movies, {ratings} ratings, {tags} tags, seed {seed}.\n"
            "No person, rating or film in it is real, and none of it comes from MovieLens.\n",
            encoding="utf-8",
        )
    return Summary(path, users, items, ratings, tags)


def _check(users: int, items: int, ratings: int, seed: int) -> None:
    if users < 1:
        raise ValueError(f"users must be at least 1, got {users}")
    if items < MIN_RATINGS:
        raise ValueError(f"items must be at least {MIN_RATINGS} (every user rates so many), got {items}")
    if ratings < MIN_RATINGS * users:
        raise ValueError(
            f"ratings must be at least {MIN_RATINGS} per user, {MIN_RATINGS * users:,} for {users:,} users, "
            f"got {ratings:,}: ask for more ratings or fewer users"
        )
    if ratings > users * items:
        raise ValueError(
            f"ratings must be at most users x items = {users * items:,} (a user rates a movie once), got "
            f"{ratings:,}: ask for fewer ratings, or more users or items"
        )
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")


# --- films --------------------------------------------------------------------


def _write_movies(rng: np.random.Generator, path: Path, count: int) -> _Movies:
    """Draws the catalogue and writes movies.csv."""
    clusters = max(2, round(np.sqrt(count) / 2))
    cluster = rng.choice(clusters, count, p=rng.dirichlet(np.full(clusters, 5.0)))
    # None is empty: count >= 20 > clusters here.
    cluster[rng.permutation(count)[:clusters]] = np.arange(clusters)
    ids = np.cumsum(rng.geometric(0.4, count))
    quality = rng.normal(0.0, 0.4, count)
    weight = choices.weights(rng, quality)

    genres, tags = _genres(rng, cluster, clusters)
    titles = _titles(rng, _years(rng, cluster, clusters))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("movieId", "title", "genres"))
        writer.writerows(zip(ids.tolist(), titles, genres, strict=True))
    return _Movies(ids, quality, choices.Stock.of(cluster, clusters, weight), tags)


def _genres(
    rng: np.random.Generator, cluster: np.ndarray, clusters: int
) -> tuple[list[str], list[list[str]]]:
    """The genres column of each film, and each cluster's tags.

    A cluster has three genres, which its films carry with falling probability.
    """
    names = np.array(list(sample_words.GENRES))
    share = np.array([weight for weight, _ in sample_words.GENRES.values()], float)
    # The three largest of log(share) + Gumbel noise: a draw without replacement.
    core = np.argsort(-np.log(share) - rng.gumbel(size=(clusters, len(names))), axis=1)[:, :3]
    chance = np.full((clusters, len(names)), 0.02)
    np.put_along_axis(chance, core, np.array([[0.9, 0.55, 0.3]]), axis=1)
    has = rng.random((len(cluster), len(names))) < chance[cluster]
    has[np.arange(len(cluster)), core[cluster, 0]] |= ~has.any(axis=1)
    has[rng.random(len(cluster)) < 0.01] = False
    order = np.argsort(names)  # MovieLens lists them by name
    rows = ["|".join(names[order][row]) or sample_words.NO_GENRES for row in has[:, order]]
    tags = []
    for genre_rows in core:
        words = [word for row in genre_rows for word in sample_words.GENRES[names[row]][1]]
        tags.append([str(word) for word in rng.choice(words, 6, replace=False)])
    return rows, tags


def _years(rng: np.random.Generator, cluster: np.ndarray, clusters: int) -> np.ndarray:
    """int64[N]: most films are recent, and each cluster has an era; 0 for the few without."""
    era = rng.lognormal(0.0, 0.5, clusters)
    age = rng.gamma(1.4, 12.0 * era[cluster])
    years = np.maximum(_NEWEST_YEAR - age.astype(np.int64), _OLDEST_YEAR)
    years[rng.random(len(cluster)) < 0.004] = 0
    return years


def _titles(rng: np.random.Generator, years: np.ndarray) -> list[str]:
    """Titles with years; a title that comes up again is a sequel or a remake."""
    weights = np.array(sample_words.PATTERN_WEIGHTS)
    patterns = rng.choice(len(weights), len(years), p=weights / weights.sum())
    numbers = rng.integers(0, np.array(sample_words.PATTERN_SIZES)[patterns])
    again = rng.random(len(years)) < 0.02
    result: list[str] = []
    bases: list[str] = []
    times: dict[str, int] = {}
    used: set[str] = set()
    drawn = zip(patterns.tolist(), numbers.tolist(), years.tolist(), strict=True)
    for row, (pattern, number, year) in enumerate(drawn):
        base = bases[number % row] if again[row] and row else sample_words.title(pattern, number)
        bases.append(base)
        times[base] = time = times.get(base, 0) + 1
        name = base if time < 3 else f"{base} {time - 1}"
        full = f"{name} ({year})" if year else name
        # Two films of one name are told apart by their years.
        while full in used:
            year = year + 1 if 0 < year < _NEWEST_YEAR else _OLDEST_YEAR
            full = f"{name} ({year})"
        used.add(full)
        result.append(full)
    return result


# --- ratings ------------------------------------------------------------------


def _write_log(target: Path, movies: _Movies, counts: np.ndarray, seed: int) -> int:
    """Writes ratings.csv and tags.csv block by block; returns the number of tags."""
    stars = pa.array([f"{half / 2:.1f}" for half in range(11)])
    options = pa_csv.WriteOptions(include_header=False, quoting_style="none")
    tags = 0
    with (
        (target / "ratings.csv").open("wb") as ratings_file,
        (target / "tags.csv").open("w", encoding="utf-8", newline="") as tags_file,
    ):
        ratings_file.write(b"userId,movieId,rating,timestamp\n")
        writer = csv.writer(tags_file, lineterminator="\n")
        writer.writerow(("userId", "movieId", "tag", "timestamp"))
        for number, (first, block) in enumerate(choices.blocks(counts, len(movies.ids))):
            rng = np.random.default_rng([seed, 1, number])
            events = _events(rng, movies, block)
            order = np.lexsort((events.movie, events.user))  # MovieLens's order of rows
            table = pa.table(
                {
                    "userId": first + 1 + events.user[order],
                    "movieId": movies.ids[events.movie[order]],
                    "rating": stars.take(pa.array((2 * events.stars[order]).astype(np.int64))),
                    "timestamp": events.second[order],
                }
            )
            pa_csv.write_csv(table, ratings_file, options)
            rows = _tags(rng, movies, events, first)
            writer.writerows(rows)
            tags += len(rows)
    return tags


def _events(rng: np.random.Generator, movies: _Movies, counts: np.ndarray) -> _Events:
    user = np.repeat(np.arange(len(counts)), counts)
    start = np.repeat(np.cumsum(counts) - counts, counts)
    position = np.arange(len(user)) - start  # of the event among its user's
    late = position / counts[user]  # from 0 to almost 1

    stock = movies.stock
    early_taste, late_taste = choices.tastes(rng, stock.mass, len(counts))
    cluster = choices.interests(rng, stock.mass, early_taste, late_taste, user, position, late)
    movie = choices.distinct_items(rng, stock, user, cluster)
    # What was drawn by popularity in the end has another cluster than planned.
    cluster = stock.cluster[movie]
    fit = (1 - late) * early_taste[user, cluster] + late * late_taste[user, cluster]
    affinity = np.clip(np.log(fit / stock.mass[cluster] + 0.1), -1.5, 1.5)
    bias = rng.normal(3.4, 0.4, len(counts))
    noise = rng.normal(0.0, 0.75, len(user))
    liking = bias[user] + movies.quality[movie] + 0.4 * affinity + noise
    whole_stars = (rng.random(len(counts)) < 0.3)[user]
    step = np.where(whole_stars, 1.0, 0.5)
    stars = np.clip(np.round(liking / step) * step, step, 5.0)
    return _Events(user, movie, stars, choices.seconds(rng, user, position))


def _tags(rng: np.random.Generator, movies: _Movies, events: _Events, first: int) -> list[tuple]:
    """Rows of tags.csv: mostly a word of the film's cluster, in the tagger's own case."""
    tagger = rng.random(events.user[-1] + 1) < _SHARE_TAGGERS
    rows = np.flatnonzero(tagger[events.user] & (rng.random(len(events.user)) < _SHARE_TAGGED))
    movie = events.movie[rows]
    words = np.array([[*own, *sample_words.COMMON_TAGS] for own in movies.tags])
    own_count = len(movies.tags[0])
    # One tag in seven says nothing about the cluster.
    common = rng.random(len(rows)) < 1 / 7
    column = np.where(
        common, rng.integers(own_count, words.shape[1], len(rows)), rng.integers(0, own_count, len(rows))
    )
    spelling = words[movies.stock.cluster[movie], column]
    spelling = np.stack([spelling, spelling, np.char.title(spelling), np.char.upper(spelling)])
    return list(
        zip(
            (first + 1 + events.user[rows]).tolist(),
            movies.ids[movie].tolist(),
            spelling[rng.integers(0, len(spelling), len(rows)), np.arange(len(rows))].tolist(),
            (events.second[rows] + rng.integers(5, 120, len(rows))).tolist(),
            strict=True,
        )
    )
