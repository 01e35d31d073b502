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
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from components.example_gen import folder, sample_words

# MovieLens has nobody with fewer ratings.
MIN_RATINGS: Final = 20
README: Final = "README.txt"
_README_TITLE: Final = "Generated sample in MovieLens's layout"

# The log is later than the newest film, so nobody rates one before its release.
_FIRST_SECOND: Final = 1_420_070_400  # 2015-01-01 UTC
_LAST_SECOND: Final = 1_704_067_199  # 2023-12-31 UTC
_NEWEST_YEAR: Final = 2014
_OLDEST_YEAR: Final = 1922

# Tuned so that popularity, item-kNN and EASE stand to each other about as on
# MovieLens's ml-latest-small.
_ZIPF_EXPONENT: Final = 1.0
_ZIPF_SHIFT: Final = 15.0
_TASTE_CONCENTRATION: Final = 2.0  # sum of the Dirichlet's parameters: a few clusters per person
_TASTE_KEPT: Final = 0.2  # share of the early taste in the late one
_PHASE_LENGTH: Final = 30  # ratings
_FROM_PHASE: Final = 0.5  # shares of the ratings that follow the phase,
_FROM_TASTE: Final = 0.1  # the taste of the moment, and (the rest) popularity

_SHARE_TAGGERS: Final = 0.1
_SHARE_TAGGED: Final = 0.3  # of a tagger's ratings
_SEEN_CELLS: Final = 64_000_000  # users x movies of one block: one byte each
_BLOCK_USERS: Final = 20_000


@dataclasses.dataclass(frozen=True)
class Summary:
    """What was written."""

    path: Path
    users: int
    movies: int
    ratings: int
    tags: int


@dataclasses.dataclass(frozen=True)
class _Movies:
    """The catalogue, films in ascending id; N films, C clusters.

    Attributes:
      ids: int64[N].
      cluster: int64[N].
      quality: float64[N], stars above the average.
      weight: float64[N], how often a film is rated, sum 1.
      mass: float64[C], the sum of `weight` by cluster.
      tags: the words of each cluster.
      by_cluster: int64[N], films in the order of their clusters.
      starts: int64[C + 1], where each cluster starts in `by_cluster`.
    """

    ids: np.ndarray
    cluster: np.ndarray
    quality: np.ndarray
    weight: np.ndarray
    mass: np.ndarray
    tags: list[list[str]]
    by_cluster: np.ndarray
    starts: np.ndarray


@dataclasses.dataclass(frozen=True)
class _Events:
    """The ratings of a block of users, by user and time: E events."""

    user: np.ndarray  # int64[E], from 0 within the block
    movie: np.ndarray  # int64[E], row of the catalogue
    stars: np.ndarray  # float64[E], 0.5, 1.0 ... 5.0
    second: np.ndarray  # int64[E], Unix time


def generate(
    path: str | Path, users: int = 600, movies: int = 3000, ratings: int = 60_000, seed: int = 7
) -> Summary:
    """Writes ratings.csv, movies.csv, tags.csv and README.txt to the folder `path`.

    The folder appears at once and whole; a sample that stood there is replaced.

    Raises:
      ValueError: numbers that fit no set (a user has at least 20 ratings and
        rates a movie at most once).
      FileExistsError: something else than a generated sample stands at `path`.
    """
    _check(users, movies, ratings, seed)
    path = Path(path)
    if path.exists() and not _is_sample(path):
        raise FileExistsError(f"{path} exists and is no generated sample; choose another folder or remove it")
    rng = np.random.default_rng([seed, 0])
    counts = _counts(rng, users, movies, ratings)
    with folder.whole(path) as new:
        catalogue = _write_movies(rng, new / "movies.csv", movies)
        tags = _write_log(new, catalogue, counts, seed)
        (new / README).write_text(
            f"{_README_TITLE}: {users} users, {movies} movies, {ratings} ratings, {tags} tags, seed {seed}.\n"
            "No person, rating or film in it is real, and none of it comes from MovieLens.\n",
            encoding="utf-8",
        )
    return Summary(path, users, movies, ratings, tags)


def _check(users: int, movies: int, ratings: int, seed: int) -> None:
    if users < 1:
        raise ValueError(f"users must be at least 1, got {users}")
    if movies < MIN_RATINGS:
        raise ValueError(f"movies must be at least {MIN_RATINGS} (every user rates so many), got {movies}")
    if ratings < MIN_RATINGS * users:
        raise ValueError(
            f"ratings must be at least {MIN_RATINGS} per user, {MIN_RATINGS * users:,} for {users:,} users, "
            f"got {ratings:,}: ask for more ratings or fewer users"
        )
    if ratings > users * movies:
        raise ValueError(
            f"ratings must be at most users x movies = {users * movies:,} (a user rates a movie once), got "
            f"{ratings:,}: ask for fewer ratings, or more users or movies"
        )
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")


def _is_sample(path: Path) -> bool:
    if not path.is_dir():
        return False
    readme = path / README
    if readme.is_file():
        return readme.read_text(encoding="utf-8", errors="replace").startswith(_README_TITLE)
    return not any(path.iterdir())


def _counts(rng: np.random.Generator, users: int, movies: int, ratings: int) -> np.ndarray:
    """int64[users]: ratings per user, log-normal above the minimum, summing to `ratings`."""
    # Nobody has seen more than half the films, unless the request leaves no choice.
    most = min(movies, max(movies // 2, 2 * (ratings // users)))
    room = float(most - MIN_RATINGS)
    extra = ratings - MIN_RATINGS * users
    weight = rng.lognormal(0.0, 1.4, users)
    # Water-filling: who would pass `room` gets `room`, the others share the rest.
    order = np.argsort(weight)
    below = np.cumsum(weight[order])  # weight of the i lightest users
    full = np.arange(users)[::-1]  # how many are heavier
    scale = (extra - full * room) / below
    fits = scale * weight[order] <= room
    share = np.minimum(weight * (scale[np.flatnonzero(fits)[-1]] if fits.any() else np.inf), room)
    counts = np.floor(share).astype(np.int64)
    # Rounding leaves less than one rating per user; it goes where most was cut off.
    short = extra - int(counts.sum())
    counts[np.argsort(counts - share, kind="stable")[:short]] += 1
    return MIN_RATINGS + counts


# --- films --------------------------------------------------------------------


def _write_movies(rng: np.random.Generator, path: Path, count: int) -> _Movies:
    """Draws the catalogue and writes movies.csv."""
    clusters = max(2, round(np.sqrt(count) / 2))
    cluster = rng.choice(clusters, count, p=rng.dirichlet(np.full(clusters, 5.0)))
    # None is empty: count >= 20 > clusters here.
    cluster[rng.permutation(count)[:clusters]] = np.arange(clusters)
    ids = np.cumsum(rng.geometric(0.4, count))
    quality = rng.normal(0.0, 0.4, count)
    rank = rng.permutation(count)
    weight = (rank + 1 + _ZIPF_SHIFT) ** -_ZIPF_EXPONENT * np.exp(0.5 * quality)
    weight /= weight.sum()

    genres, tags = _genres(rng, cluster, clusters)
    titles = _titles(rng, _years(rng, cluster, clusters))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("movieId", "title", "genres"))
        writer.writerows(zip(ids.tolist(), titles, genres, strict=True))
    mass = np.bincount(cluster, weights=weight, minlength=clusters)
    by_cluster = np.argsort(cluster, kind="stable")
    starts = np.searchsorted(cluster[by_cluster], np.arange(clusters + 1))
    return _Movies(ids, cluster, quality, weight, mass, tags, by_cluster, starts)


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
        for number, (first, block) in enumerate(_blocks(counts, len(movies.ids))):
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


def _blocks(counts: np.ndarray, movies: int) -> Iterator[tuple[int, np.ndarray]]:
    """(first user, counts of the block's users): bounded in users and in users x movies."""
    size = min(_BLOCK_USERS, max(1, _SEEN_CELLS // movies))
    for first in range(0, len(counts), size):
        yield first, counts[first : first + size]


def _events(rng: np.random.Generator, movies: _Movies, counts: np.ndarray) -> _Events:
    user = np.repeat(np.arange(len(counts)), counts)
    start = np.repeat(np.cumsum(counts) - counts, counts)
    position = np.arange(len(user)) - start  # of the event among its user's
    late = position / counts[user]  # from 0 to almost 1

    early_taste, late_taste = _tastes(rng, movies.mass, len(counts))
    cluster = _interests(rng, movies.mass, early_taste, late_taste, user, position, late)
    movie = _distinct_movies(rng, movies, user, cluster)
    # What was drawn by popularity in the end has another cluster than planned.
    cluster = movies.cluster[movie]
    fit = (1 - late) * early_taste[user, cluster] + late * late_taste[user, cluster]
    affinity = np.clip(np.log(fit / movies.mass[cluster] + 0.1), -1.5, 1.5)
    bias = rng.normal(3.4, 0.4, len(counts))
    noise = rng.normal(0.0, 0.75, len(user))
    liking = bias[user] + movies.quality[movie] + 0.4 * affinity + noise
    whole_stars = (rng.random(len(counts)) < 0.3)[user]
    step = np.where(whole_stars, 1.0, 0.5)
    stars = np.clip(np.round(liking / step) * step, step, 5.0)
    return _Events(user, movie, stars, _seconds(rng, user, position))


def _tastes(rng: np.random.Generator, mass: np.ndarray, users: int) -> tuple[np.ndarray, np.ndarray]:
    """Two float64[users, C] whose rows sum to 1: the taste at the start and at the end."""
    alpha = _TASTE_CONCENTRATION * mass

    def dirichlet() -> np.ndarray:
        gamma = rng.standard_gamma(alpha, (users, len(mass))) + 1e-9  # never all zero
        return gamma / gamma.sum(axis=1, keepdims=True)

    early = dirichlet()
    return early, _TASTE_KEPT * early + (1 - _TASTE_KEPT) * dirichlet()


def _interests(
    rng: np.random.Generator,
    mass: np.ndarray,
    early: np.ndarray,
    late_taste: np.ndarray,
    user: np.ndarray,
    position: np.ndarray,
    late: np.ndarray,
) -> np.ndarray:
    """int64[E]: the cluster each event's movie is to come from."""

    def from_taste(rows: np.ndarray) -> np.ndarray:
        return np.where(
            rng.random(len(rows)) < late[rows],
            _pick(rng, late_taste, user[rows]),
            _pick(rng, early, user[rows]),
        )

    new_phase = (position == 0) | (rng.random(len(user)) < 1 / _PHASE_LENGTH)
    phase = np.cumsum(new_phase) - 1
    of_phase = from_taste(np.flatnonzero(new_phase))[phase]
    of_taste = from_taste(np.arange(len(user)))
    of_all = rng.choice(len(mass), len(user), p=mass / mass.sum())
    source = rng.random(len(user))
    return np.select([source < _FROM_PHASE, source < _FROM_PHASE + _FROM_TASTE], [of_phase, of_taste], of_all)


def _pick(rng: np.random.Generator, rows: np.ndarray, row: np.ndarray) -> np.ndarray:
    """int64[len(row)]: a draw from the distribution `rows[row]` for each entry of `row`.

    One search in the rows' cumulative sums laid end to end, row i shifted by i.
    """
    width = rows.shape[1]
    ends = np.cumsum(rows, axis=1)
    ends /= ends[:, -1:]
    ends += np.arange(len(rows))[:, None]
    found = np.searchsorted(ends.ravel(), row + rng.random(len(row)), side="right")
    return np.clip(found - row * width, 0, width - 1)


def _distinct_movies(
    rng: np.random.Generator, movies: _Movies, user: np.ndarray, cluster: np.ndarray
) -> np.ndarray:
    """int64[E]: a movie of each event's cluster by weight, none twice for one user.

    Draws and rejects what the user has; after some rounds the draw is from the
    whole catalogue; who has nearly everything gets the rest by weighted sampling
    without replacement. `user` ascends.
    """
    count = len(movies.ids)
    by_cluster, starts = movies.by_cluster, movies.starts
    ends = np.cumsum(movies.weight[by_cluster])
    before = np.concatenate(([0.0], ends))[starts]  # weight before each cluster's first movie

    seen = np.zeros((user[-1] + 1) * count, bool)
    chosen = np.full(len(user), -1)
    unfilled = np.arange(len(user))
    for attempt in range(12):
        if attempt < 6:
            wanted = cluster[unfilled]
            low, high = before[wanted], before[wanted + 1]
            found = np.searchsorted(ends, low + (high - low) * rng.random(len(unfilled)), side="right")
            found = np.clip(found, starts[wanted], starts[wanted + 1] - 1)
        else:
            found = np.searchsorted(ends, ends[-1] * rng.random(len(unfilled)), side="right")
            found = np.minimum(found, count - 1)
        movie = by_cluster[found]
        cell = user[unfilled] * count + movie
        _, first = np.unique(cell, return_index=True)  # the earliest event keeps it
        first = first[~seen[cell[first]]]
        seen[cell[first]] = True
        chosen[unfilled[first]] = movie[first]
        unfilled = unfilled[chosen[unfilled] < 0]
        if not len(unfilled):
            return chosen
    people, begin = np.unique(user[unfilled], return_index=True)
    for person, events in zip(people, np.split(unfilled, begin[1:]), strict=True):
        rest = np.flatnonzero(~seen[person * count : (person + 1) * count])
        # Exponential clocks (Efraimidis and Spirakis 2006): the first to ring.
        clock = rng.exponential(size=len(rest)) / movies.weight[rest]
        chosen[events] = rest[np.argsort(clock)[: len(events)]]
    return chosen


def _seconds(rng: np.random.Generator, user: np.ndarray, position: np.ndarray) -> np.ndarray:
    """int64[E]: Unix times in bursts, ascending within a user."""
    users = int(user[-1]) + 1
    returning = rng.random(users) < 0.4  # most of MovieLens's people came on one day only
    gap = 2.0 + rng.exponential(12.0, len(user))
    visit = returning[user] & (rng.random(len(user)) < 1 / 25)
    gap += np.where(visit, rng.exponential(30.0 * 86_400, len(user)), 0.0)
    total = np.cumsum(np.where(position == 0, 0.0, gap))
    first = np.flatnonzero(position == 0)
    elapsed = total - total[first][user]
    span = elapsed[np.append(first[1:], len(user)) - 1]
    window = float(_LAST_SECOND - _FIRST_SECOND)
    elapsed *= np.minimum(1.0, window / np.maximum(span, 1.0))[user]
    begin = _FIRST_SECOND + rng.random(users) * np.maximum(window - span, 0.0)
    return np.floor(begin[user] + elapsed).astype(np.int64)


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
    spelling = words[movies.cluster[movie], column]
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
