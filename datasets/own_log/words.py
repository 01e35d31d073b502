"""The names that columns have in the field, by what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from components.example_gen.reading.source import (
    EVENT,
    GENRES,
    ITEM,
    RATING,
    TIME,
    TITLE,
    USER,
    WEIGHT,
    YEAR,
)

# Words that stand alone in a name or before "id", and so say what the column means.
_WORDS: Final = {
    USER: "user visitor customer client member reviewer buyer shopper reader listener player profile account "
    "person subscriber username uid cust household session author kunde kunden nutzer benutzer cliente "
    "usuario utilisateur",
    ITEM: "item product prod sku asin isbn track song movie film book article news anime game recipe "
    "business beer course video show stock artist listing restaurant place poi venue app upc ean gtin iid "
    "hotel joke post job content material offer artikel produkt producto produit prodotto",
    RATING: "rating score star overall rate grade vote mark bewertung",
    EVENT: "event action behavior behaviour type interaction activity",
    TIME: "time timestamp date datetime unix ts at created when epoch day datum zeit fecha",
    WEIGHT: "play playcount listen hour quantity qty playtime weight amount watched count menge anzahl",
    TITLE: "title name description",
    YEAR: "year released release",
    GENRES: "genre category class tag",
}
WORDS: Final[Mapping[str, frozenset[str]]] = {role: frozenset(text.split()) for role, text in _WORDS.items()}
# Words that are ids by themselves.
_IDS: Final = ("uid", "iid", "sku", "asin", "isbn", "upc", "ean", "gtin")
_BARE: Final = ("id", "oid", "uuid", "key", "code")  # names of parts that say of nothing what it is
# What else a name may say of a user or an item than who it is.
_OF_THEM: Final = (
    "name title age country city type category url text date time count rating score price gender location "
    "description author parent group genre year summary review email zip lat lng"
)
_ATTRIBUTES: Final = frozenset(_OF_THEM.split())
# Words of numbers that are no rating of one user.
_SUMS: Final = frozenset(("helpful", "useful", "total", "count", "num", "number", "average", "avg", "mean"))
# How much events say beside a view, by words in their names.
_EVENTS: Final = {
    6: ("purchas", "buy", "bought", "order", "transaction", "sale", "paid", "checkout", "conversion"),
    3: ("cart", "basket", "fav", "wish", "like", "save", "bookmark", "share"),
    1: ("view", "click", "pv", "detail", "visit", "play", "listen", "watch", "read", "impression", "open"),
}
_BACK: Final = ("remove", "delete", "return", "refund", "cancel")
_AGAINST: Final = ("remove", "delete", "un", "dis", "return", "refund", "cancel", "skip")


def words_of(name: str) -> list[str]:
    """Lower case words of a name: "reviewerID" -> reviewer, id; "unixReviewTime" -> unix, review, time.

    Of a path the last part counts, and the one before it where that says no more than id.
    """
    path = re.split(r"[/.]", name)
    last = " ".join(path[-2:]) if path[-1].strip("_$").lower() in _BARE else path[-1]
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", last)
    return [part.lower() for part in parts]


def score(name: str, role: str) -> int:
    """How much a column's name says for a meaning: 0 nothing, 3 all."""
    found, known = words_of(name), WORDS[role]
    ids = role in (USER, ITEM)
    points = 0
    for word in found:
        plain = word.removesuffix("id") if ids and word.endswith("id") and len(word) > 4 else word
        single = f"{plain[:-3]}y" if plain.endswith("ies") else plain.removesuffix("s")
        if plain in known or single in known:
            points = max(points, 3 if word in _IDS or plain != word else 2)
    if points and ids:
        points += bool({"id", "code", "key", "no", "nr"} & set(found)) and points < 3
        points -= 2 * bool(_ATTRIBUTES & set(found))
    if points and not ids:
        points += len(found) == 1
        points -= bool(_SUMS & set(found))
        # An amount of money is what an item costs, not how much somebody likes it.
        points = 0 if role == WEIGHT and re.search(r"price|cost|tax", name, re.IGNORECASE) else points
    return max(points, 0)


def weight_of(event: str) -> int | None:
    """How much a kind of event says, None if its name is none of the known."""
    lower = event.lower()
    if any(lower.startswith(word) or f"_{word}" in lower for word in _AGAINST):
        return None
    return next((weight for weight, parts in _EVENTS.items() if any(part in lower for part in parts)), None)


def takes_back(event: str) -> bool:
    """Whether an event undoes another one, by its name."""
    return any(re.search(rf"(^|[_ -]){word}", event.lower()) for word in _BACK)
