"""What is compared, and what is drift. Pure: logs in, findings out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterator
from typing import Final

import numpy as np

from pipeline.drift import comparators
from pipeline.drift.log import Log
from pipeline.drift.params import DriftParams

_DRAWS: Final = 20
_SEED: Final = 20260131


@dataclasses.dataclass(frozen=True)
class Finding:
    """One check.

    Attributes:
      check: its name, such as `popularity` or `units of price`.
      value: None where there was too little to judge.
      bound: past it, it is drift.
      drifted: whether it is.
      why: one sentence for a person.
    """

    check: str
    value: float | None
    bound: float
    drifted: bool
    why: str


def of_logs(before: Log, now: Log, known: Collection[bytes], params: DriftParams) -> list[Finding]:
    """Every check that needs no model and no request.

    Args:
      before: the log that the model was fitted and tested on.
      now: the log as it is.
      known: ids of the items of the model.
    """
    since = now.after(before.last) if before.last else now
    findings = list(_columns(before, now, params))
    enough = len(since) >= params.min_events
    few = f"{len(since)} newer events, fewer than drift.min_events = {params.min_events}"
    if not enough:
        names = ("activity", "histories", "popularity", "unseen items", "tastes", "ratings")
        return findings + [Finding(name, None, math.nan, drifted=False, why=few) for name in names]
    findings += _people(before, now, since, params)
    findings.append(_unseen(since, known, params))
    findings.append(_popularity(before, since, known, params))
    findings += _events(before, since, params)
    return findings


def _columns(before: Log, now: Log, params: DriftParams) -> Iterator[Finding]:
    old, new = (comparators.item_columns(log.catalogue, log.features.item) for log in (before, now))
    for name in sorted(old.keys() - new.keys()):
        yield Finding(f"missing {name}", 1.0, params.missing, True, f"column {name} is not read any more")
    enough = min(len(before.catalogue), len(now.catalogue)) * 10 >= params.min_events
    for name, found in comparators.compare(old, new).items() if enough else ():
        gone = found.missing[1] - found.missing[0]
        yield Finding(
            f"missing {name}", gone, params.missing, abs(gone) > params.missing,
            f"items without {name}: {found.missing[0]:.1%} before, {found.missing[1]:.1%} now",
        )  # fmt: skip
        if all(map(math.isfinite, found.medians)) and found.medians[0] * found.medians[1] > 0:
            yield _ratio(f"units of {name}", found.medians, params.units, f"median of {name}")
        if found.distance is not None:
            numeric = old[name].distance == comparators.JENSEN_SHANNON
            bound = params.jensen_shannon if numeric else params.l_infinity
            yield Finding(
                f"values of {name}", found.distance, bound, found.distance > bound,
                f"{old[name].distance} between the items before and now",
            )  # fmt: skip


def _people(before: Log, now: Log, since: Log, params: DriftParams) -> Iterator[Finding]:
    span = now.last - before.last
    recent = before.after(before.last - span)
    if not before.last or len(recent) < params.min_events:
        why = "the log before has too few events in as long a time"
        yield Finding("activity", None, params.activity, drifted=False, why=why)
        yield Finding("histories", None, params.history, drifted=False, why=why)
        return
    recently, newly = (len(log) / len(np.unique(log.owner)) for log in (recent, since))
    yield _ratio("activity", (recently, newly), params.activity, "events per active user")
    # One more, so that people without a history count too.
    recently, newly = (
        float(np.median(_histories(whole, part))) + 1.0 for whole, part in ((before, recent), (now, since))
    )
    yield _ratio("histories", (recently, newly), params.history, "median history of active users, plus one")


def _histories(whole: Log, part: Log) -> np.ndarray:
    """int64: of each user in `part` the events in `whole` before it begins."""
    earlier = whole.owner[whole.times < part.times.min()]
    return np.bincount(earlier, minlength=len(whole.users))[np.unique(part.owner)]


def _unseen(since: Log, known: Collection[bytes], params: DriftParams) -> Finding:
    known = frozenset(known)  # of Python's objects NumPy would compare each with each
    share = float(np.mean([item not in known for item in since.items]))
    why = f"share of {len(since)} newer events on items that the model does not know"
    return Finding("unseen items", share, params.unseen, share > params.unseen, why)


def _popularity(before: Log, since: Log, known: Collection[bytes], params: DriftParams) -> Finding:
    """Total variation between shares of the known items, less the most that chance makes of it.

    A user's events come together, so what chance makes is drawn by user: halves of the users before.
    """
    ids = np.array(sorted(known), object)
    place = {item: row for row, item in enumerate(ids)}
    old, new = (np.array([place.get(item, -1) for item in log.items], np.int64) for log in (before, since))

    def shares(rows: np.ndarray) -> np.ndarray:
        counts = np.bincount(rows[rows >= 0], minlength=len(ids)).astype(np.float64)
        return counts / max(1.0, counts.sum())

    def distance(one: np.ndarray, other: np.ndarray) -> float:
        return 0.5 * float(np.abs(shares(one) - shares(other)).sum())

    rng = np.random.default_rng(_SEED)
    users = np.unique(before.owner)
    wanted = len(new)
    noise = []
    for _ in range(_DRAWS):
        order = rng.permutation(len(before.users))
        ranked = np.argsort(order[before.owner], kind="stable")
        part = np.sort(ranked[: min(wanted, len(ranked) // 2)])
        rest = np.ones(len(old), bool)
        rest[part] = False
        noise.append(distance(old[part], old[rest]))
    moved = distance(old, new)
    value = max(0.0, moved - max(noise))
    why = (
        f"{moved:.1%} of the traffic on known items moved, of which chance explains {max(noise):.1%} "
        f"({len(users)} users before)"
    )
    return Finding("popularity", value, params.popularity, value > params.popularity, why)


def _events(before: Log, since: Log, params: DriftParams) -> Iterator[Finding]:
    old, new = {}, {}
    taste = next((spec.name for spec in before.features.item if spec.taste), None)
    if taste and any(spec.name == taste for spec in since.features.item):
        old["tastes"] = comparators.tastes(before.catalogue, taste, before.items)
        # What an item is, is as it was known: a column that broke is another finding.
        new["tastes"] = comparators.tastes(before.catalogue, taste, since.items)
    if not before.features.implicit:
        old["ratings"], new["ratings"] = (
            comparators.numbers(before.ratings),
            comparators.numbers(since.ratings),
        )
    for name, found in comparators.compare(old, new).items():
        if found.distance is None:
            continue
        bound = params.jensen_shannon if name == "ratings" else params.l_infinity
        yield Finding(
            name, found.distance, bound, found.distance > bound,
            f"{old[name].distance} between the events before and the newer ones",
        )  # fmt: skip


def _ratio(check: str, figures: tuple[float, float], bound: float, what: str) -> Finding:
    before, now = figures
    value = now / before if before else math.inf
    drifted = not 1.0 / bound <= value <= bound
    return Finding(check, value, bound, drifted, f"{what}: {before:.4g} before, {now:.4g} now")
