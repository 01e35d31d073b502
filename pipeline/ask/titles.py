"""Items by what people type: "the matrix", "Matrix, The (1999)", "amelie 2001", "id:318".

Case, diacritics and punctuation do not count, nor where the article stands. A
query that names several items, or none, is an error that lists what to type.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import heapq
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from contract.nouns import counted
from pipeline.errors import InputError

_SUGGESTIONS = 5
_LISTED = 10  # candidates of an ambiguous title
_CLOSE_ENOUGH = 0.6  # difflib's ratio below which a title is no suggestion

# Articles that MovieLens moves behind a comma: "Matrix, The", "Ciénaga, La", "Avventura, L'".
_ARTICLES = "the|a|an|la|le|les|l|el|los|las|il|lo|gli|i|un|une|una|der|die|das|ein|eine|den|det|de|het"
_MOVED_ARTICLE = re.compile(rf"^(.+), ({_ARTICLES})'?$", re.IGNORECASE)
_LEADING_ARTICLE = re.compile(rf"^({_ARTICLES}) (?=\S)")
_ALTERNATIVE = re.compile(r"\s*\(([^()]*)\)")
_YEAR = re.compile(r"^(?P<title>.*\S)\s*(?:\((?P<year>\d{4})\)|\s(?P<bare>\d{4}))$")
_ID = re.compile(r"^id:\s*([^,\s]+)$", re.IGNORECASE)
_MARK = re.compile(r"^(?P<title>.*)=(?P<mark>[^=,]*)$")
# Letters that Unicode does not take apart into a base letter and a mark.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


class TitleError(InputError):
    """A title that names no item, or more than one."""


@dataclasses.dataclass(frozen=True)
class Item:
    """One item of a model's catalogue; `own` are values by column of its own.

    `year` is 0 and `genres` are () where they are unknown, and None where no item has any.
    """

    item_id: str
    title: str
    year: int | None = 0
    genres: tuple[str, ...] | None = ()
    rating_count: int = 0
    own: tuple[tuple[str, tuple[str | float, ...]], ...] = ()

    @property
    def label(self) -> str:
        return f"{self.title} ({self.year})" if self.year else self.title


class TitleIndex:
    """The items of a catalogue, by title.

    A query is tried as (1) a whole title, (2) one without its leading article,
    (3) the part before a colon, or another title given in parentheses; the
    first that names any item decides.

    Args:
      items: of the catalogue.
      noun: what an item is called.
    """

    def __init__(self, items: Iterable[Item], noun: str = "item") -> None:
        self._noun = noun
        self.by_id = {item.item_id: item for item in items}

    @functools.cached_property
    def _tiers(self) -> tuple[dict[str, list[Item]], ...]:
        """Made with the first title: who gives ids alone need not wait for it."""
        tiers: tuple[dict[str, list[Item]], ...] = tuple(defaultdict(list) for _ in range(3))
        for item in self.by_id.values():
            for tier, keys in zip(tiers, _keys(item.title), strict=True):
                for key in keys:
                    tier[key].append(item)
        return tiers

    def find(self, query: str) -> Item:
        """The one item that `query` names.

        Raises:
          TitleError: none, with suggestions; or several, with how to choose.
        """
        found = self._candidates(query)
        if not found:
            raise TitleError(self._unknown(query))
        if len(found) > 1:
            raise TitleError(_ambiguous(query, found, self._noun))
        return found[0]

    def find_all(self, text: str) -> list[tuple[Item, str]]:
        """The items of a list, each with what follows its `=` ("" without one).

        "Toy Story, Heat=4" are two, "Good, the Bad and the Ugly, The" is one:
        at each comma the longest stretch that is a title wins. A semicolon
        always separates.

        Raises:
          TitleError: as `find`.
        """
        return [item for part in text.split(";") if part.strip() for item in self._listed(part)]

    def _listed(self, text: str) -> Iterator[tuple[Item, str]]:
        pieces = text.split(",")
        start = 0
        while start < len(pieces):
            for end in range(len(pieces), start, -1):
                query, mark = _split_mark(",".join(pieces[start:end]))
                if self._candidates(query):
                    break
            if query:  # nothing between two commas asks for nothing
                yield self.find(query), mark
            start = end

    def _candidates(self, query: str) -> list[Item]:
        """Every item that the query names, most rated first; none if nothing matches."""
        query = query.strip()
        if query.lower().startswith("id:"):
            item = self.by_id.get(query[3:].strip())
            return [item] if item else []
        title, year = _split_year(query)
        # The whole first: a number at the end may belong to the title.
        return self._titled(query) or (self._titled(title, year) if year else [])

    def _titled(self, title: str, year: int | None = None) -> list[Item]:
        key = normalised(title)
        bare = _without_article(key)
        for tier, wanted in zip(self._tiers, (key, bare, bare), strict=True):
            found = [item for item in tier.get(wanted, ()) if year in (None, item.year)]
            if found:
                return sorted(found, key=lambda item: -item.rating_count)
        return []

    def _unknown(self, query: str) -> str:
        title, year = _split_year(query)
        others = self._titled(title) if year else []
        if others:
            return f'there is no "{title}" of {year} in the catalogue, but {_quoted(others[:_LISTED])}'
        if query.lower().startswith("id:"):
            return f'the catalogue has no {self._noun} "{query}"; give a title, or an id as the data has it'
        near = self.suggestions(query)
        if near:
            return f'no {self._noun} is called "{query}"; did you mean {_quoted(near)}?'
        known = counted(len(self.by_id), self._noun)
        return f'no {self._noun} is called "{query}", nor anything like it; the model knows {known}'

    def suggestions(self, query: str) -> list[Item]:
        """Up to five items whose titles look most like `query`, best first."""
        wanted = _without_article(normalised(_split_year(query)[0]))
        if not wanted:
            return []
        trigrams = _trigrams(wanted)

        def overlap(key: str) -> float:
            other = _trigrams(key)
            return 2 * len(trigrams & other) / (len(trigrams) + len(other))

        def likeness(key: str) -> float:
            # Part of a title counts as much as a slip of the pen.
            if f" {wanted} " in f" {key} ":
                return 0.9
            return difflib.SequenceMatcher(None, wanted, key).ratio()

        keys = {key for tier in self._tiers[1:] for key in tier}
        # difflib takes 0.1 ms a title: only those that share letters get there.
        best: dict[str, tuple[float, Item]] = {}
        for key in heapq.nlargest(100, keys, key=lambda key: (overlap(key), key)):
            score = likeness(key)
            for tier in self._tiers[1:]:
                for item in tier.get(key, ()):
                    if score >= max(_CLOSE_ENOUGH, best.get(item.item_id, (0.0,))[0]):
                        best[item.item_id] = (score, item)
        ranked = sorted(best.values(), key=lambda item: (-item[0], -item[1].rating_count, item[1].label))
        return [item for _, item in ranked[:_SUGGESTIONS]]


class IdsOnly(TitleIndex):
    """Stands for a catalogue that is not at hand: "id:318" is item 318, titles name nothing."""

    def __init__(self) -> None:
        super().__init__(())

    def _candidates(self, query: str) -> list[Item]:
        found = _ID.match(query.strip())
        return [Item(found[1], f"id:{found[1]}")] if found else []

    def _unknown(self, query: str) -> str:
        return f'"{query}": there is no catalogue here to look titles up in; give ids, such as id:318'


def normalised(title: str) -> str:
    """Lower-case words of plain letters and digits, a moved article in front again."""
    title = title.strip()
    if moved := _MOVED_ARTICLE.match(title):
        title = f"{moved[2]} {moved[1]}"
    folded = unicodedata.normalize("NFKD", title).casefold().translate(_PLAIN)
    letters = "".join(char for char in folded if not unicodedata.combining(char))
    letters = letters.replace("&", " and ").replace("'", "").replace("’", "")
    # Titles of signs alone ("$", "!!!") stay as they are, or nothing would be left.
    return " ".join(re.findall(r"\w+", letters)) or letters.strip()


def _keys(title: str) -> tuple[set[str], set[str], set[str]]:
    """What each tier of `TitleIndex` knows a title by."""
    main = _ALTERNATIVE.sub("", title)
    whole = {normalised(title), normalised(main)}
    parts = [
        re.sub(r"^a\.?k\.?a\.?\s+", "", part, flags=re.IGNORECASE) for part in _ALTERNATIVE.findall(title)
    ]
    head, colon, _ = main.partition(":")
    if colon:
        parts.append(head)
    loose = {_without_article(normalised(part)) for part in parts if part.strip()}
    return whole - {""}, {_without_article(key) for key in whole} - {""}, loose - {""}


def _without_article(key: str) -> str:
    return _LEADING_ARTICLE.sub("", key)


def _split_year(query: str) -> tuple[str, int]:
    """ "Heat (1995)" and "Heat 1995" -> "Heat", 1995; without a year 0."""
    found = _YEAR.match(query.strip())
    if found is None:
        return query, 0
    return found["title"], int(found["year"] or found["bare"])


def _split_mark(text: str) -> tuple[str, str]:
    found = _MARK.match(text)
    return (found["title"].strip(), found["mark"].strip()) if found else (text.strip(), "")


def _trigrams(key: str) -> set[str]:
    padded = f" {key} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}


def _quoted(items: Sequence[Item]) -> str:
    return ", ".join(f'"{item.label}"' for item in items)


def _ambiguous(query: str, found: Sequence[Item], noun: str) -> str:
    lines = [f'"{query}" names {counted(len(found), noun)}:']
    for item in found[:_LISTED]:
        known = "" if item.genres is None else f"  {', '.join(item.genres) or 'no genres'}"
        lines.append(f"  {item.label}{known}  id:{item.item_id}")
    if len(found) > _LISTED:
        lines.append(f"  and {len(found) - _LISTED} more")
    labels = [item.label for item in found]
    chosen = found[0].label if labels.count(found[0].label) == 1 else f"id:{found[0].item_id}"
    year = "" if found[0].year is None else " and year"
    lines.append(f'say which by its whole title{year}, or by its id: "{chosen}"')
    return "\n".join(lines)
