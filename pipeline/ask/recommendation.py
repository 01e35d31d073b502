"""A request for recommendations, and the answer with its reasons. The model does the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import contract
from pipeline.ask.titles import Item
from pipeline.ask.user_timeline import NoTimelinesError, Timeline, UserEvents

if TYPE_CHECKING:
    from pipeline.ask.servable import Servable


@dataclasses.dataclass(frozen=True)
class Request:
    """A history, tastes and filters; everything left out is neutral.

    Attributes:
      user_id: a user of the log; None without one.
      likes: items and their stars, or weights of a log without ratings.
      tastes: weight by genre.
      k: number of results, 1 or more.
      exclude: items not to show.
      genres: any of these; none for all.
      year_min, year_max: inclusive, 0 for no bound.
      where: conditions on columns of the catalogue, as the model reads them: "brand=acme", "price<=20".
      only: the items to rank; none for all.
      at_most: counts of a column's values, as the model reads them: "brand=3".
      boosts: items and what is added to their scores.
      diversity: 0 (relevance only) to 1 (diversity only).
      exact: exact search, whatever the model's own is.
    """

    user_id: str | None = None
    likes: tuple[tuple[Item, float], ...] = ()
    tastes: dict[str, float] = dataclasses.field(default_factory=dict)
    k: int = 10
    exclude: tuple[Item, ...] = ()
    genres: tuple[str, ...] = ()
    year_min: int = 0
    year_max: int = 0
    where: tuple[str, ...] = ()
    only: tuple[Item, ...] = ()
    at_most: tuple[str, ...] = ()
    boosts: tuple[tuple[Item, float], ...] = ()
    diversity: float = 0.0
    exact: bool = False

    @property
    def filtered(self) -> bool:
        neutral = Request(self.user_id, self.likes, self.tastes, self.k, exact=self.exact)
        return self != neutral


@dataclasses.dataclass(frozen=True)
class Result:
    """One recommended item.

    Attributes:
      score: cosine of query and item; in the popular list its share of the ratings.
      because_of: items of the history and how much of the score each carries, heaviest first.
      in_taste: its genres among the request's tastes.
    """

    item: Item
    score: float
    because_of: tuple[tuple[Item, float], ...] = ()
    in_taste: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Answer:
    """
    Attributes:
      results: best first; fewer than k where the filters leave no more.
      known_user: whether the request's user is in the log; None without a user.
      popular: whether this is the popular list, the same for everybody.
      history: number of events that the model was given; None if it used its own.
    """

    results: tuple[Result, ...]
    known_user: bool | None
    popular: bool
    history: int | None


def signature(exact: bool) -> str:
    """The signature of the contract that answers; `exact` as in `Request`."""
    return contract.RECOMMEND_EXACT if exact else contract.RECOMMEND


def recommend(servable: Servable, request: Request, find_user: Callable[[str], Timeline | None]) -> Answer:
    """Asks the model.

    Args:
      servable: the model.
      request: see there.
      find_user: looks a user up in the log; may raise NoTimelinesError.

    Raises:
      InputError: the model refused the request, or a history is needed that is not at hand.
    """
    history, known_user = UserEvents(), None
    if request.user_id is not None:
        try:
            found = find_user(request.user_id)
        except NoTimelinesError:
            # A model may carry its users' histories, but takes nothing else with them.
            if request.filtered or request.likes or request.tastes or servable.known_users == 0:
                raise
            return _by_user_id(servable, request)
        known_user = found is not None
        # The test block too: what was rated since the cut must not be shown either.
        history = found.whole if found else history
    if request.likes:
        items, marks = zip(*request.likes, strict=True)
        stars = tuple(map(contract.rating_of_weight, marks)) if servable.features.implicit else marks
        at_unknown_time = (0,) * len(items)
        history = history.then(UserEvents(tuple(item.item_id for item in items), stars, at_unknown_time))
    history = history.newest(servable.limit("max_history") or len(history))
    popular = not history and not request.tastes
    query = {
        **history.as_inputs(),
        # To an id alone a model that reads columns of users would answer by these.
        contract.USER_ID: None if popular else request.user_id,
        contract.TASTE_GENRES: list(request.tastes),
        contract.TASTE_WEIGHTS: list(request.tastes.values()),
    }
    return Answer(_results(servable, request, query), known_user, popular, len(history))


def _results(servable: Servable, request: Request, query: dict[str, Any]) -> tuple[Result, ...]:
    """What the model answers to `query`, the inputs of contract.EMBED_QUERY, with the request's filters."""
    filters = {
        contract.K: request.k,
        contract.EXCLUDE: [item.item_id for item in request.exclude],
        contract.FILTER_GENRES: list(request.genres),
        contract.YEAR_MIN: request.year_min,
        contract.YEAR_MAX: request.year_max,
        contract.DIVERSITY: request.diversity,
        contract.WHERE: list(request.where),
        contract.CANDIDATES: [item.item_id for item in request.only],
        contract.BOOST_ITEM_IDS: [item.item_id for item, _ in request.boosts],
        contract.BOOSTS: [boost for _, boost in request.boosts],
        contract.AT_MOST: list(request.at_most),
    }
    found = scored(servable, servable.ask(signature(request.exact), **query, **filters))
    if not found:
        return ()
    why_each = reasons(servable, query, [item for item, _ in found])
    return tuple(
        Result(item, score, why, tuple(word for word in servable.tastes_of(item) if word in request.tastes))
        for (item, score), why in zip(found, why_each, strict=True)
    )


def reasons(
    servable: Servable, query: dict[str, Any], items: Sequence[Item]
) -> list[tuple[tuple[Item, float], ...]]:
    """For each item the items of the history that speak for it; no history, no reasons."""
    if not query[contract.HISTORY_ITEM_IDS]:
        return [()] * len(items)
    answer = servable.ask(contract.EXPLAIN, **query, **{contract.ITEM_IDS: [item.item_id for item in items]})
    return [
        tuple(
            (servable.item(item_id.decode()), float(weight))
            for item_id, weight in zip(ids, weights, strict=True)
            if item_id != contract.PAD_ID and weight > 0
        )
        for ids, weights in zip(answer[contract.HISTORY_ITEM_IDS], answer[contract.WEIGHTS], strict=True)
    ]


def _by_user_id(servable: Servable, request: Request) -> Answer:
    """From the history that the model carries; the popular list for a user it does not know."""

    def ask(user_id: str | None) -> list[tuple[Item, float]]:
        inputs = {contract.USER_ID: user_id, contract.K: request.k}
        return scored(servable, servable.ask(contract.RECOMMEND_USER, **inputs))

    found = ask(request.user_id)
    is_popular = [item for item, _ in found] == [item for item, _ in ask(None)]
    results = tuple(Result(item, score) for item, score in found)
    return Answer(results, known_user=not is_popular, popular=is_popular, history=None)


def scored(servable: Servable, answer: dict[str, Any]) -> list[tuple[Item, float]]:
    """The items and scores of a result row, without its padding."""
    pairs = zip(answer[contract.ITEM_IDS], answer[contract.SCORES], strict=True)
    return [
        (servable.item(item_id.decode()), float(score))
        for item_id, score in pairs
        if item_id != contract.PAD_ID
    ]
