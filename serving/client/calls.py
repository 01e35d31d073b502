"""Every method of the client, before it is decided how it is sent.

A function here takes what a method of `Client` and `AsyncClient` takes, and
makes it into a `Call`: the inputs of a signature and what to make of the
outputs. Neither knows of gRPC, REST, threads or event loops.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypedDict, TypeVar, Unpack

import numpy as np

import contract
from contract.description import Description
from serving.client import results
from serving.client.errors import Target, TransportError
from serving.client.queries import History, Query, item_id, item_ids, sequence
from serving.client.results import Catalogued, Explanations, Prediction, Ranking, Ratings, VersionStatus
from serving.protocol.arrays import as_array
from serving.protocol.errors import Code

T = TypeVar("T")

Arrays = Mapping[str, np.ndarray]
# What a model takes of an event beside its item and time: the one, or the other.
_OF_EVENTS = {contract.HISTORY_RATINGS, contract.HISTORY_WEIGHTS}


class Options(TypedDict, total=False):
    """What every method takes besides; what is left out is as the client was made.

    Attributes:
      timeout_s: seconds for the whole call, retries included; None for no limit.
      model: name.
      version, label: one of them, to ask a version that is not the newest.
      request_id: for the server's access log; made up if left out.
      metadata: sent along, as gRPC metadata or HTTP headers.
    """

    timeout_s: float | None
    model: str
    version: int | None
    label: str | None
    request_id: str
    metadata: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One sending of a request.

    Attributes:
      target: server, model and signature.
      timeout_s: seconds until an answer is of no use, None for no limit.
      metadata: names and values to send along.
    """

    target: Target
    timeout_s: float | None
    metadata: Mapping[str, str]


class Transport(Protocol):
    """A connection to one server. Methods raise TransportError."""

    async def predict(self, attempt: Attempt, inputs: Arrays, outputs: Sequence[str]) -> Prediction: ...

    async def status(self, attempt: Attempt) -> tuple[VersionStatus, ...]: ...

    async def describe(self, attempt: Attempt) -> Mapping[str, Any] | None: ...

    async def resolve(self, attempt: Attempt) -> int: ...

    async def close(self) -> None: ...


@dataclasses.dataclass(frozen=True)
class Call(Generic[T]):
    """Something to ask.

    Attributes:
      signature: which; "" for questions about the model itself.
      send: asks once.
      options: what this call has of its own.
    """

    signature: str
    send: Callable[[Transport, Attempt], Awaitable[T]]
    options: Options


def predict(
    signature: str, inputs: Mapping[str, Any], outputs: Sequence[str] = (), **options: Unpack[Options]
) -> Call[Prediction]:
    """Any signature of any model.

    Args:
      signature: name.
      inputs: arrays (or what NumPy makes one of) by name. For a signature of
        Marquee's contract they get its types; else an array keeps its own and
        numbers with a point become float32. Strings are str or bytes.
      outputs: which to answer; none for all.

    Returns:
      The outputs as arrays; strings are bytes. Over REST, which names no types,
      a signature beyond the contract has float32 for every number with a point,
      and a single output is called "outputs", as its name is not sent.
    """
    known = [contract.signatures(implicit).get(signature) for implicit in (False, True)]
    dtypes = {item.name: item.dtype for each in known if each for item in each.inputs}
    arrays = {name: as_array(value, dtypes.get(name)) for name, value in inputs.items()}
    return _call(signature, arrays, lambda prediction: prediction, outputs, options)


def recommend(
    history: History = (),
    k: int = 0,
    *,
    exclude: Sequence[str] = (),
    genres: Sequence[str] = (),
    tastes: Mapping[str, float] | None = None,
    year_min: int = 0,
    year_max: int = 0,
    diversity: float = 0.0,
    user_id: str = "",
    now: int = 0,
    where: Sequence[str] = (),
    candidates: Sequence[str] | None = None,
    boosts: Mapping[str, float] | None = None,
    at_most: Mapping[str, int] | None = None,
    exact: bool = False,
    **options: Unpack[Options],
) -> Call[Ranking]:
    """Items for a history; the arguments are those of `Query`.

    Args:
      exact: exact search, whatever the model's own is.

    Raises:
      ServingError: no answer, or the server refused.
      TypeError, ValueError: an argument that cannot be sent.
    """
    query = Query(
        history, k, exclude, genres, tastes or {}, year_min, year_max, diversity, user_id, now, where,
        candidates, boosts or {}, at_most or {},
    )  # fmt: skip
    return _only(recommend_batch([query], exact=exact, **options))


def recommend_batch(
    queries: Sequence[Query], *, exact: bool = False, **options: Unpack[Options]
) -> Call[list[Ranking]]:
    """The same for many people in one request, one ranking each."""
    rows = [{**query.person(), **query.wishes()} for query in queries]
    signature = contract.RECOMMEND_EXACT if exact else contract.RECOMMEND
    return _rows(signature, rows, results.rankings, options)


def recommend_user(user_id: str, k: int = 0, **options: Unpack[Options]) -> Call[Ranking]:
    """Items for a user known at training, from the history known then; for others the popular list."""
    return _only(recommend_user_batch([user_id], k, **options))


def recommend_user_batch(
    user_ids: Sequence[str], k: int = 0, **options: Unpack[Options]
) -> Call[list[Ranking]]:
    """The same for many users in one request."""
    rows = [{contract.USER_ID: user, contract.K: k} for user in user_ids]
    return _rows(contract.RECOMMEND_USER, rows, results.rankings, options)


def similar(item: str, k: int = 0, **options: Unpack[Options]) -> Call[Ranking]:
    """The nearest items to one, by its id; none for an unknown one."""
    return _only(similar_batch([item], k, **options))


def similar_batch(items: Sequence[str], k: int = 0, **options: Unpack[Options]) -> Call[list[Ranking]]:
    """The same for many items in one request."""
    rows = [{contract.ITEM_ID: item_id("item", item), contract.K: k} for item in items]
    return _rows(contract.SIMILAR, rows, results.rankings, options)


def rate(
    history: History, items: Sequence[str], *, user_id: str = "", now: int = 0, **options: Unpack[Options]
) -> Call[Ratings]:
    """Stars that someone with this history would give to each of the items."""
    return _only(rate_batch([Query(history, user_id=user_id, now=now)], [items], **options))


def rate_batch(
    queries: Sequence[Query], items: Sequence[Sequence[str]], **options: Unpack[Options]
) -> Call[list[Ratings]]:
    """The same for many people in one request.

    Args:
      queries: the users; `k` and filters play no part.
      items: for each of them the ids to rate.
    """
    rows, counts = _rated_rows(queries, items)
    return _rows(contract.RATE, rows, lambda prediction: results.ratings(prediction, counts), options)


def explain(
    history: History,
    items: Sequence[str],
    *,
    tastes: Mapping[str, float] | None = None,
    user_id: str = "",
    now: int = 0,
    **options: Unpack[Options],
) -> Call[Explanations]:
    """Which items of the history speak for each of the items, and how much."""
    query = Query(history, tastes=tastes or {}, user_id=user_id, now=now)
    return _only(explain_batch([query], [items], **options))


def explain_batch(
    queries: Sequence[Query], items: Sequence[Sequence[str]], **options: Unpack[Options]
) -> Call[list[Explanations]]:
    """The same for many people in one request; the arguments are those of `rate_batch`."""
    rows, counts = _rated_rows(queries, items)
    return _rows(contract.EXPLAIN, rows, lambda prediction: results.explanations(prediction, counts), options)


def details(
    items: Sequence[str], columns: Sequence[str] = (), **options: Unpack[Options]
) -> Call[Catalogued]:
    """What the model's catalogue holds of items, as text.

    Args:
      items: ids; one that the model does not know has "" in every column.
      columns: which; none for all.
    """
    arrays = {
        contract.ITEM_IDS: as_array([item_ids("items", items)], "string"),
        # Left out, it means all: the neutral value would mean none.
        **({contract.COLUMNS: as_array([list(sequence("columns", columns))], "string")} if columns else {}),
    }
    count = len(items)
    return _call(contract.DETAILS, arrays, lambda found: results.catalogued(found, count), (), options)


def status(**options: Unpack[Options]) -> Call[tuple[VersionStatus, ...]]:
    """Which versions of the model the server has, and in what state."""
    return Call("", lambda transport, attempt: transport.status(attempt), options)


def describe(**options: Unpack[Options]) -> Call[Description]:
    """What the model may be asked: its columns, limits, defaults and what an item is called.

    Raises:
      ServingError: UNIMPLEMENTED from a server, or of a model, that does not say.
    """

    async def send(transport: Transport, attempt: Attempt) -> Description:
        document = await transport.describe(attempt)
        if document is None:
            raise TransportError(
                Code.UNIMPLEMENTED, "the model has no description: it is not one that Marquee's index built"
            )
        try:
            return Description.of(document)
        except (KeyError, TypeError, ValueError) as error:
            text = f"the description is of another version of Marquee: {type(error).__name__}: {error}"
            raise TransportError(Code.UNIMPLEMENTED, text) from error

    return Call("", send, options)


def resolve(**options: Unpack[Options]) -> Call[int]:
    """The number of the version that a label, or no word on the version, means at present."""
    return Call("", lambda transport, attempt: transport.resolve(attempt), options)


def _rated_rows(
    queries: Sequence[Query], items: Sequence[Sequence[str]]
) -> tuple[list[dict[str, Any]], list[int]]:
    """Rows of `rate` and `explain`, and how many items each asks about."""
    if len(queries) != len(items):
        raise ValueError(f"{len(queries)} queries and {len(items)} lists of items; they go together")
    listed = [item_ids("items", row) for row in items]
    rows = [
        {**query.person(), contract.ITEM_IDS: row} for query, row in zip(queries, listed, strict=True)
    ]  # fmt: skip
    return rows, [len(row) for row in listed]


def _rows(
    name: str, rows: Sequence[Mapping[str, Any]], parse: Callable[[Prediction], T], options: Options
) -> Call[T]:
    if not rows:
        raise ValueError(f"{name}: an empty batch asks for nothing")
    events = {key for key in _OF_EVENTS for row in rows if row.get(key) is not None}
    if len(events) > 1:
        raise ValueError(
            f"{name}: histories have {' and '.join(sorted(_OF_EVENTS))}; a model takes one of them"
        )
    signature = contract.signatures(contract.HISTORY_WEIGHTS in events)[name]
    unsent = _OF_EVENTS - events
    kept = [{key: value for key, value in row.items() if key not in unsent} for row in rows]
    # Most of what may be asked is not: an empty list is as good as nothing.
    said = {key for row in kept for key, value in row.items() if value not in (None, [])}
    filled = signature.filled(kept)
    arrays = {
        item.name: as_array(filled[item.name], item.dtype) if item.name in said else _neutral(item, len(rows))
        for item in signature.inputs
        if item.name not in unsent
    }
    return _call(name, arrays, parse, (), options)


@functools.lru_cache(maxsize=256)
def _neutral(item: contract.Input, rows: int) -> np.ndarray:
    """What stands for nothing in a batch; not to be written to."""
    array = as_array([item.neutral if item.columns is None else [item.neutral]] * rows, item.dtype)
    array.flags.writeable = False
    return array


def _call(
    signature: str,
    inputs: Arrays,
    parse: Callable[[Prediction], T],
    outputs: Sequence[str],
    options: Options,
) -> Call[T]:
    async def send(transport: Transport, attempt: Attempt) -> T:
        return parse(await transport.predict(attempt, inputs, outputs))

    return Call(signature, send, options)


def _only(batch: Call[list[T]]) -> Call[T]:
    """The call of a batch of one, answered by its only row."""

    async def send(transport: Transport, attempt: Attempt) -> T:
        [result] = await batch.send(transport, attempt)
        return result

    return Call(batch.signature, send, batch.options)
