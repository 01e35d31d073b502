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
    TIME: "time timestamp date datetime unix ts at created when epoch day hour datum zeit fecha",
    WEIGHT: "play playcount listen hours quantity qty playtime weight amount watched count menge anzahl",
    TITLE: "title name description",
    YEAR: "year released release",
    GENRES: "genre category class tag",
}
WORDS: Final[Mapping[str, frozenset[str]]] = {role: frozenset(text.split()) for role, text in _WORDS.items()}
# Words that are ids by themselves.
_IDS: Final = ("uid", "iid", "sku", "asin", "isbn", "upc", "ean", "gtin")
_OF_IDS: Final = frozenset(("id", "code", "key", "no", "nr"))  # words of names of ids
_BARE: Final = ("id", "oid", "uuid", "key", "code")  # names of parts that say of nothing what it is
# What else a name may say of a user or an item than who it is.
_OF_THEM: Final = (
    "name title age country city type category url text date time count rating score price gender location "
    "description author parent group genre year summary review email zip lat lng status level segment "
    "frequency"
)
_ATTRIBUTES: Final = frozenset(_OF_THEM.split())
# Words of lengths of time, and of parts of one: no moment by themselves.
_LENGTHS: Final = "since spent duration of diff between ago days hours times"
_SPANS: Final = frozenset(_LENGTHS.split())
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
        points += bool(_OF_IDS & set(found)) and points < 3
        of_them = _ATTRIBUTES & set(found)
        # A product that others are variants of is one by its number: parent_asin.
        points -= 2 * bool(of_them) - (of_them == {"parent"} and points > 2)
    if points and not ids:
        points += len(found) == 1
        points -= bool(_SUMS & set(found))
        # An amount of money is what an item costs, not how much somebody likes it.
        points = 0 if role == WEIGHT and re.search(r"price|cost|tax", name, re.IGNORECASE) else points
    return max(points, 0)


def is_number_of(name: str) -> bool:
    """Whether a column of numbers says how many there are of something, by its name: members, item_count."""
    found = words_of(name)
    return bool(_SUMS & set(found)) or (_is_plural(found) and not _OF_IDS & set(found))


def _is_plural(found: list[str]) -> bool:
    ids = WORDS[USER] | WORDS[ITEM]
    return bool(found) and found[-1] not in ids and found[-1].removesuffix("s") in ids


def says_id(name: str) -> bool:
    """Whether a column holds ids by its name, whatever they look like."""
    found = words_of(name)
    if not found or score(name, TIME):
        return False
    best = max(score(name, USER), score(name, ITEM))
    alone = len(found) == 1 and not _is_plural(found)
    return best > 2 or (best == 2 and alone) or found[-1] in _OF_IDS or found[-1] in _IDS


def says_moment(name: str) -> bool:
    """Whether a column holds times, and no lengths or parts of one, by its name."""
    return score(name, TIME) > 1 and not _SPANS & set(words_of(name)) and not score(name, WEIGHT)


def says_yes_or_no(name: str) -> bool:
    """Whether a column of two values says by its name that there was an event, or none."""
    known = ("label", "target", *(part for parts in _EVENTS.values() for part in parts))
    return any(word.startswith(known) for word in words_of(name))


def weight_of(event: str) -> int | None:
    """How much a kind of event says, None if its name is none of the known."""
    lower = event.lower()
    if any(lower.startswith(word) or f"_{word}" in lower for word in _AGAINST):
        return None
    return next((weight for weight, parts in _EVENTS.items() if any(part in lower for part in parts)), None)


def takes_back(event: str) -> bool:
    """Whether an event undoes another one, by its name."""
    return any(re.search(rf"(^|[_ -]){word}", event.lower()) for word in _BACK)
