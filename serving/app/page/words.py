"""The words of the data: titles and names of columns as people write them."""

from __future__ import annotations

import re
from typing import Final

# MovieLens and libraries sort titles without their article: "Matrix, The", "Avventura, L'".
_MOVED_ARTICLE: Final = re.compile(
    r"^(?P<rest>.+), (?P<article>the|an?|las?|les?|el|los|il|lo|gli|une?|der|die|das|ein|eine|den|l')"
    # Behind it the title may stand in another language.
    r"(?P<more>( \([^()]*\))*)$",
    re.IGNORECASE,
)


def spoken(title: str) -> str:
    """The title as people say it: "Matrix, The" -> "The Matrix"."""
    found = _MOVED_ARTICLE.match(title)
    if found is None:
        return title
    space = "" if found["article"].endswith("'") else " "
    return f"{found['article']}{space}{found['rest']}{found['more']}"


def sentence(name: str) -> str:
    """A column's name as a label: "rating_count" -> "Rating count"."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]
