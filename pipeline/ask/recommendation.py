"""From what a person says to recommendations with their reasons."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import contract
from pipeline.ask.titles import Item
from pipeline.ask.user_timeline import Events, NoTimelinesError, Timeline
from pipeline.ask.where import Condition, meets
from pipeline.errors import InputError

if TYPE_CHECKING:
    from pipeline.ask.servable import Servable

# How a liked item counts if no stars are given.
LIKE = contract.MAX_RATING


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked for; everything left out is neutral.

    Attributes:
      user_id: of the log, None if nobody is named.
      likes: items and their stars.
      tastes: weight by genre.
      k: number of results, 1 or more.
      exclude: items not to show.
      genres: any of these; none for all.
      year_min, year_max: inclusive, 0 for no bound.
      where: conditions on columns of the catalogue.
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
    """One recommended item.

    Attributes:
      score: cosine of query and item; for a popular one its share of the ratings.
      because_of: items of the history and how much of the score each carries, heaviest first.
      in_taste: its genres that were asked for as tastes.
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
        items, stars = zip(*request.likes, strict=True)
        at_unknown_time = (0,) * len(items)
        history = history.then(Events(tuple(item.item_id for item in items), stars, at_unknown_time))
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
            contract.EXCLUDE: [item.item_id for item in request.exclude],
            contract.FILTER_GENRES: list(request.genres),
            contract.YEAR_MIN: request.year_min,
            contract.YEAR_MAX: request.year_max,
            contract.DIVERSITY: request.diversity,
        },
    )
    found = scored(servable, answer)
    if not found:
        return ()
    reasons = _reasons(servable, query, [item for item, _ in found])
    return tuple(
        Result(item, score, why, tuple(word for word in servable.tastes_of(item) if word in request.tastes))
        for (item, score), why in zip(found, reasons, strict=True)
    )


def _reasons(
    servable: Servable, query: dict[str, Any], items: Sequence[Item]
) -> list[tuple[tuple[Item, float], ...]]:
    """For each item the history items that speak for it; no history, no reasons."""
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
    answer = servable.ask(
        contract.RECOMMEND_USER, **{contract.USER_ID: request.user_id, contract.K: request.k}
    )
    results = tuple(Result(item, score) for item, score in scored(servable, answer))
    # The model answers for an unknown user with the popular list.
    popular = [item.item_id for item, _ in _most_popular(servable, len(results))]
    is_popular = [result.item.item_id for result in results] == popular
    return Answer(results, known_user=not is_popular, popular=is_popular, history=None)


def _popular(servable: Servable, request: Request) -> tuple[Result, ...]:
    """The most popular items that meet the filters."""
    if request.diversity:
        raise InputError("--diversity needs something to recommend by: a known user, --likes or --taste")
    if servable.files is None:
        if request.filtered:
            raise InputError(
                "filters on the popular list need the model's catalogue, which is not on this machine; "
                "ask for a known user, --likes or --taste, which the server filters itself"
            )
        return tuple(Result(item, score) for item, score in _most_popular(servable, request.k))
    excluded = {item.item_id for item in request.exclude}
    first, last = request.year_min or -1, request.year_max or float("inf")
    has_bound = bool(request.year_min or request.year_max)
    results = []
    for item_id, score in servable.files.popular:
        item = servable.item(item_id)
        in_years = first <= item.year <= last and not (has_bound and not item.year)
        in_genres = not request.genres or not set(request.genres).isdisjoint(item.genres)
        met = not request.where or meets(servable.files.items[item_id], request.where)
        if in_years and in_genres and met and item_id not in excluded:
            results.append(Result(item, score))
        if len(results) == request.k:
            break
    return tuple(results)


def _most_popular(servable: Servable, count: int) -> list[tuple[Item, float]]:
    """The first items of the popular list and their shares of the ratings."""
    if servable.files is None:
        # The model answers so for a user that it does not know.
        nobody = {contract.USER_ID: "", contract.K: count}
        return scored(servable, servable.ask(contract.RECOMMEND_USER, **nobody))
    return [(servable.item(item_id), share) for item_id, share in servable.files.popular[:count]]


def scored(servable: Servable, answer: dict[str, Any]) -> list[tuple[Item, float]]:
    """The items and scores of a result row, without its padding."""
    pairs = zip(answer[contract.ITEM_IDS], answer[contract.SCORES], strict=True)
    return [
        (servable.item(item_id.decode()), float(score))
        for item_id, score in pairs
        if item_id != contract.PAD_ID
    ]
