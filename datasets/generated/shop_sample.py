"""A generated shop: what customers viewed, put into the cart and bought, and tables of items and customers.

What can be learnt from it, beyond what `choices` says:

- A cluster of items has categories, brands, a language and a price level of its own.
- Customers prefer clusters in the language of their country and at a price level
  that goes with their age, so a new customer's profile says something.
- The better an item fits, the likelier it is that a view becomes a cart and a purchase.
"""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from datasets import folder
from datasets.generated import choices

README: Final = "README.txt"
TITLE: Final = "Generated shop"
EVENTS: Final = "events.csv"
ITEMS: Final = "items.csv"
CUSTOMERS: Final = "customers.csv"
KINDS: Final = ("view", "cart", "purchase")
MIN_EVENTS: Final = 4

_COUNTRIES: Final = {"AT": "de", "DE": "de", "ES": "es", "FR": "fr", "GB": "en", "IT": "it", "US": "en"}
_LANGUAGES: Final = ("de", "en", "es", "fr", "it")
# Categories, each with words of its items' descriptions.
_CATEGORIES: Final = {
    "audio": ("wireless", "speaker", "cable", "stereo", "bass"),
    "beauty": ("soap", "cream", "scent", "brush", "mild"),
    "books": ("paperback", "novel", "atlas", "poems", "illustrated"),
    "games": ("dice", "cards", "puzzle", "strategy", "party"),
    "garden": ("seeds", "spade", "pot", "hose", "bench"),
    "kitchen": ("mug", "pan", "knife", "bowl", "steel"),
    "lighting": ("lamp", "bulb", "candle", "warm", "dimmable"),
    "office": ("paper", "pen", "folder", "desk", "stapler"),
    "outdoor": ("tent", "rope", "stove", "waterproof", "light"),
    "sports": ("ball", "racket", "mat", "weights", "bottle"),
    "tools": ("drill", "saw", "hammer", "screws", "level"),
    "toys": ("wooden", "blocks", "train", "doll", "kite"),
}
_ADJECTIVES: Final = (
    "blue",
    "classic",
    "compact",
    "green",
    "large",
    "plain",
    "red",
    "small",
    "soft",
    "sturdy",
)


@dataclasses.dataclass(frozen=True)
class Summary:
    """What was written; `interactions` counts pairs of customer and item, `events` rows."""

    path: Path
    users: int
    items: int
    interactions: int
    events: int


@dataclasses.dataclass(frozen=True)
class _Shop:
    """N items in C clusters.

    Attributes:
      ids: string[N].
      stock: clusters and weights.
      language: int64[C], position in _LANGUAGES.
      level: float64[C], price level, 0 on average.
      category: int64[C], position of the main one.
    """

    ids: pa.Array
    stock: choices.Stock
    language: np.ndarray
    level: np.ndarray
    category: np.ndarray


def generate(
    path: str | Path, users: int = 600, items: int = 1500, interactions: int = 40_000, seed: int = 7
) -> Summary:
    """Writes events.csv, items.csv, customers.csv and README.txt to the folder `path`.

    The folder appears at once and whole; a generated shop that stood there is replaced.
    The same arguments give the same bytes.

    Raises:
      ValueError: numbers that fit no shop.
      FileExistsError: something else stands at `path`.
    """
    if users < 1 or items < 20 or seed < 0:
        raise ValueError(
            f"expected 1 user, 20 items and a seed of 0 or more; got {users}, {items} and {seed}"
        )
    if not MIN_EVENTS * users <= interactions <= users * items:
        raise ValueError(
            f"interactions must be at least {MIN_EVENTS} per user and at most users x items, from "
            f"{MIN_EVENTS * users:,} to {users * items:,}; got {interactions:,}"
        )
    path = Path(path)
    if path.exists() and not folder.begins(path, README, TITLE):
        raise FileExistsError(f"{path} exists and is no generated shop; choose another folder or remove it")
    rng = np.random.default_rng([seed, 0])
    counts = choices.counts(rng, users, items, interactions, MIN_EVENTS)
    with folder.whole(path) as new:
        shop = _write_items(rng, new / ITEMS, items)
        events = _write_log(new, shop, counts, seed)
        (new / README).write_text(
            f"{TITLE}: {users} customers, {items} items, {events} events, seed {seed}.\n"
            "No person, item or brand in it is real.\n",
            encoding="utf-8",
        )
    return Summary(path, users, items, interactions, events)


def _write_items(rng: np.random.Generator, path: Path, count: int) -> _Shop:
    """Draws the items and writes items.csv."""
    names = list(_CATEGORIES)
    clusters = max(4, round(np.sqrt(count) / 2))
    cluster = rng.choice(clusters, count, p=rng.dirichlet(np.full(clusters, 5.0)))
    cluster[rng.permutation(count)[:clusters]] = np.arange(clusters)  # none is empty
    language = rng.permutation(np.arange(clusters) % len(_LANGUAGES))
    level = rng.permutation(np.linspace(-1.2, 1.2, clusters))
    main = rng.permutation(np.arange(clusters) % len(names))
    second = (main + rng.integers(1, len(names), clusters)) % len(names)
    brands = rng.integers(0, 3 * clusters, (clusters, 4))
    stock = choices.Stock.of(cluster, clusters, choices.weights(rng, rng.normal(0.0, 0.4, count)))

    brand = brands[cluster, rng.integers(0, 4, count)]
    brand = np.where(rng.random(count) < 0.1, rng.integers(0, 3 * clusters, count), brand)
    spoken = np.where(rng.random(count) < 0.9, language[cluster], rng.integers(0, len(_LANGUAGES), count))
    price = np.exp(3.2 + level[cluster] + rng.normal(0.0, 0.35, count)).round(2)
    also, more = rng.random(count) < 0.5, rng.random(count) < 0.1
    chance = rng.integers(0, len(names), count)
    no_brand, no_price = rng.random(count) < 0.02, rng.random(count) < 0.03
    ids = [f"p{number:06d}" for number in range(1, count + 1)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("sku", "name", "brand", "category", "language", "price", "description"))
        for i, sku in enumerate(ids):
            of = cluster[i]
            listed = [main[of], *([second[of]] if also[i] else []), *([chance[i]] if more[i] else [])]
            words = [str(word) for word in rng.choice(_CATEGORIES[names[main[of]]], 2, replace=False)]
            adjectives = [str(word) for word in rng.choice(_ADJECTIVES, 2, replace=False)]
            writer.writerow(
                (
                    sku,
                    f"{adjectives[0]} {words[0]} {i + 1}".capitalize(),
                    "" if no_brand[i] else f"brand-{brand[i]:03d}",
                    "|".join(dict.fromkeys(names[category] for category in listed)),
                    _LANGUAGES[spoken[i]],
                    "" if no_price[i] else price[i],
                    f"A {adjectives[0]}, {adjectives[1]} {' '.join(words)}",
                )
            )
    return _Shop(pa.array(ids), stock, language, level, main)


def _write_log(target: Path, shop: _Shop, counts: np.ndarray, seed: int) -> int:
    """Writes events.csv and customers.csv block by block; returns the number of events."""
    options = pa_csv.WriteOptions(include_header=False, quoting_style="none")
    total = 0
    with (
        (target / EVENTS).open("wb") as events_file,
        (target / CUSTOMERS).open("w", encoding="utf-8", newline="") as customers_file,
    ):
        events_file.write(b"customer_id,sku,event,created_at\n")
        customers = csv.writer(customers_file, lineterminator="\n")
        customers.writerow(("customer_id", "country", "age", "interests"))
        for number, (first, block) in enumerate(choices.blocks(counts, len(shop.ids))):
            rng = np.random.default_rng([seed, 1, number])
            mass = _write_customers(rng, customers, shop, first, len(block))
            user, item, kind, second = _events(rng, shop, block, mass)
            order = np.lexsort((kind, second, user))
            table = pa.table(
                {
                    "customer_id": pa.array([f"c{i}" for i in (first + 1 + user[order]).tolist()]),
                    "sku": shop.ids.take(pa.array(item[order])),
                    "event": pa.array(KINDS).take(pa.array(kind[order])),
                    "created_at": pa.array(np.datetime_as_string(second[order].astype("datetime64[s]"))),
                }
            )
            pa_csv.write_csv(table, events_file, options)
            total += len(table)
    return total


def _write_customers(
    rng: np.random.Generator, writer: Any, shop: _Shop, first: int, count: int
) -> np.ndarray:
    """Draws the block's customers; float64[count, C], how likely each cluster is for each, sum 1."""
    country = rng.integers(0, len(_COUNTRIES), count)
    age = np.clip(rng.normal(42, 14, count), 18, 90).astype(np.int64)
    spoken = np.array([_LANGUAGES.index(language) for language in _COUNTRIES.values()])[country]
    budget = (age - 42) / 14 + rng.normal(0.0, 0.4, count)
    likely = shop.stock.mass * np.where(shop.language == spoken[:, np.newaxis], 4.0, 0.5)
    likely = likely * np.exp(-np.abs(shop.level - budget[:, np.newaxis]))
    likely /= likely.sum(axis=1, keepdims=True)
    names = np.array(list(_CATEGORIES))
    # What they say of themselves is mostly what suits them.
    favourite = np.argsort(-likely * rng.gumbel(1.0, 0.5, likely.shape).clip(0.01), axis=1)[:, :2]
    silent = rng.random((count, 3)) < 0.1
    for i in range(count):
        interests = (
            "" if silent[i, 2] else "|".join(dict.fromkeys(names[shop.category[favourite[i]]].tolist()))
        )
        writer.writerow(
            (
                f"c{first + 1 + i}",
                "" if silent[i, 0] else list(_COUNTRIES)[country[i]],
                "" if silent[i, 1] else age[i],
                interests,
            )
        )
    return likely


def _events(
    rng: np.random.Generator, shop: _Shop, counts: np.ndarray, mass: np.ndarray
) -> tuple[np.ndarray, ...]:
    """(user, item, kind, second) of each event of a block; int64[events] each."""
    user = np.repeat(np.arange(len(counts)), counts)
    position = np.arange(len(user)) - np.repeat(np.cumsum(counts) - counts, counts)
    late = position / counts[user]
    early_taste, late_taste = choices.tastes(rng, mass, len(counts))
    wanted = choices.interests(rng, mass, early_taste, late_taste, user, position, late)
    item = choices.distinct_items(rng, shop.stock, user, wanted)
    cluster = shop.stock.cluster[item]
    fit = (1 - late) * early_taste[user, cluster] + late * late_taste[user, cluster]
    affinity = np.clip(np.log(fit / shop.stock.mass[cluster] + 0.1), -1.5, 1.5)
    reached = rng.random(len(user))
    chance = 1 / (1 + np.exp(1.0 - affinity))
    stage = (reached < chance).astype(np.int64) + (reached < 0.4 * chance)
    second = choices.seconds(rng, user, position)
    rows = np.repeat(np.arange(len(user)), stage + 1)
    kind = np.arange(len(rows)) - np.repeat(np.cumsum(stage + 1) - stage - 1, stage + 1)
    return user[rows], item[rows], kind, second[rows] + kind * 7
