"""From what a person says to recommendations with their reasons."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import contract
from pipeline.ask.titles import Movie
from pipeline.ask.user_timeline import Events, NoTimelinesError, Timeline
from pipeline.ask.where import Condition, meets
from pipeline.errors import InputError

if TYPE_CHECKING:
    from pipeline.ask.servable import Servable

# How a liked movie counts if no stars are given.
LIKE = contract.MAX_RATING


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked for; everything left out is neutral.

    Attributes:
      user_id: of the log, None if nobody is named.
      likes: movies and their stars.
      tastes: weight by genre.
      k: number of results, 1 or more.
      exclude: movies not to show.
      genres: any of these; none for all.
      year_min, year_max: inclusive, 0 for no bound.
      where: conditions on columns of the catalogue.
      diversity: 0 (relevance only) to 1 (diversity only).
      exact: exact search, whatever the model's own is.
    """

    user_id: str | None = None
    likes: tuple[tuple[Movie, float], ...] = ()
    tastes: dict[str, float] = dataclasses.field(default_factory=dict)
    k: int = 10
    exclude: tuple[Movie, ...] = ()
    genres: tuple[str, ...] = ()
    year_min: int = 0
    year_max: int = 0
    where: tuple[Condition, ...] = ()
    diversity: float = 0.0
    exact: bool = False

    @property
    def filtered(self) -> bool:
        return bool(
            self.exclude or self.genres or self.year_min or self.year_max or self.where or self.diversity
        )


@dataclasses.dataclass(frozen=True)
class Result:
    """One recommended movie.

    Attributes:
      score: cosine of query and movie; for a popular one its share of the ratings.
      because_of: movies of the history and how much of the score each carries, heaviest first.
      in_taste: its genres that were asked for as tastes.
    """

    movie: Movie
    score: float
    because_of: tuple[tuple[Movie, float], ...] = ()
    in_taste: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Answer:
    """
    Attributes:
      results: best first; fewer than k where the filters leave no more.
      known_user: whether the named user is in the log; None if nobody is named.
      popular: whether this is the popular list, the same for everybody.
      history: number of events that the model was given; None if it used its own.
    """

    results: tuple[Result, ...]
    known_user: bool | None
    popular: bool
    history: int | None


def recommend(servable: Servable, request: Request, find_user: Callable[[str], Timeline | None]) -> Answer:
    """Asks the model.

    Args:
      servable: the model.
      request: what is asked for.
      find_user: looks a user up in the log; may raise NoTimelinesError.

    Raises:
      InputError: the model refused the request, or a history is needed that is not at hand.
    """
    history, known_user = Events(), None
    if request.user_id is not None:
        try:
            found = find_user(request.user_id)
        except NoTimelinesError:
            # A model may carry its users' histories, but takes nothing else with them.
            if request.filtered or request.likes or request.tastes or servable.known_users == 0:
                raise
            return _by_user_id(servable, request)
        known_user = found is not None
        # The test block too: nobody wants to be shown what they have rated since the cut.
        history = found.whole if found else history
    if request.likes:
        movies, stars = zip(*request.likes, strict=True)
        at_unknown_time = (0,) * len(movies)
        history = history.then(Events(tuple(movie.movie_id for movie in movies), stars, at_unknown_time))
    if not history and not request.tastes:
        return Answer(_popular(servable, request), known_user, popular=True, history=0)
    history = history.newest(servable.limit("max_history") or len(history))
    return Answer(_ask(servable, request, history), known_user, popular=False, history=len(history))


def _ask(servable: Servable, request: Request, history: Events) -> tuple[Result, ...]:
    query = {
        **history.as_inputs(),
        contract.USER_ID: request.user_id,
        contract.TASTE_GENRES: list(request.tastes),
        contract.TASTE_WEIGHTS: list(request.tastes.values()),
    }
    signature = contract.RECOMMEND_EXACT if request.exact else contract.RECOMMEND
    conditions = {}
    if request.where:
        if request.exact and servable.model != contract.MODEL_EXACT:
            raise InputError(
                f"--exact together with --where is what {contract.MODEL_EXACT} does; add --model "
                f"{contract.MODEL_EXACT}, or leave --exact out"
            )
        signature = contract.RECOMMEND_WHERE
        conditions = {contract.WHERE: [str(condition) for condition in request.where]}
    answer = servable.ask(
        signature,
        **query,
        **conditions,
        **{
            contract.K: request.k,
            contract.EXCLUDE: [movie.movie_id for movie in request.exclude],
            contract.FILTER_GENRES: list(request.genres),
            contract.YEAR_MIN: request.year_min,
            contract.YEAR_MAX: request.year_max,
            contract.DIVERSITY: request.diversity,
        },
    )
    found = scored(servable, answer)
    if not found:
        return ()
    reasons = _reasons(servable, query, [movie for movie, _ in found])
    return tuple(
        Result(movie, score, why, tuple(word for word in servable.tastes_of(movie) if word in request.tastes))
        for (movie, score), why in zip(found, reasons, strict=True)
    )


def _reasons(
    servable: Servable, query: dict[str, Any], movies: Sequence[Movie]
) -> list[tuple[tuple[Movie, float], ...]]:
    """For each movie the history movies that speak for it; no history, no reasons."""
    if not query[contract.HISTORY_MOVIE_IDS]:
        return [()] * len(movies)
    answer = servable.ask(
        contract.EXPLAIN, **query, **{contract.MOVIE_IDS: [movie.movie_id for movie in movies]}
    )
    return [
        tuple(
            (servable.movie(movie_id.decode()), float(weight))
            for movie_id, weight in zip(ids, weights, strict=True)
            if movie_id != contract.PAD_ID and weight > 0
        )
        for ids, weights in zip(answer[contract.HISTORY_MOVIE_IDS], answer[contract.WEIGHTS], strict=True)
    ]


def _by_user_id(servable: Servable, request: Request) -> Answer:
    answer = servable.ask(
        contract.RECOMMEND_USER, **{contract.USER_ID: request.user_id, contract.K: request.k}
    )
    results = tuple(Result(movie, score) for movie, score in scored(servable, answer))
    # The model answers for an unknown user with the popular list.
    popular = [movie.movie_id for movie, _ in _most_popular(servable, len(results))]
    is_popular = [result.movie.movie_id for result in results] == popular
    return Answer(results, known_user=not is_popular, popular=is_popular, history=None)


def _popular(servable: Servable, request: Request) -> tuple[Result, ...]:
    """The most popular movies that meet the filters."""
    if request.diversity:
        raise InputError("--diversity needs something to recommend by: a known user, --likes or --taste")
    if servable.files is None:
        if request.filtered:
            raise InputError(
                "filters on the popular list need the model's catalogue, which is not on this machine; "
                "ask for a known user, --likes or --taste, which the server filters itself"
            )
        return tuple(Result(movie, score) for movie, score in _most_popular(servable, request.k))
    excluded = {movie.movie_id for movie in request.exclude}
    first, last = request.year_min or -1, request.year_max or float("inf")
    has_bound = bool(request.year_min or request.year_max)
    results = []
    for movie_id, score in servable.files.popular:
        movie = servable.movie(movie_id)
        in_years = first <= movie.year <= last and not (has_bound and not movie.year)
        in_genres = not request.genres or not set(request.genres).isdisjoint(movie.genres)
        met = not request.where or meets(servable.files.items[movie_id], request.where)
        if in_years and in_genres and met and movie_id not in excluded:
            results.append(Result(movie, score))
        if len(results) == request.k:
            break
    return tuple(results)


def _most_popular(servable: Servable, count: int) -> list[tuple[Movie, float]]:
    """The first movies of the popular list and their shares of the ratings."""
    if servable.files is None:
        # The model answers so for a user that it does not know.
        nobody = {contract.USER_ID: "", contract.K: count}
        return scored(servable, servable.ask(contract.RECOMMEND_USER, **nobody))
    return [(servable.movie(movie_id), share) for movie_id, share in servable.files.popular[:count]]


def scored(servable: Servable, answer: dict[str, Any]) -> list[tuple[Movie, float]]:
    """The movies and scores of a result row, without its padding."""
    pairs = zip(answer[contract.MOVIE_IDS], answer[contract.SCORES], strict=True)
    return [
        (servable.movie(movie_id.decode()), float(score))
        for movie_id, score in pairs
        if movie_id != contract.PAD_ID
    ]
