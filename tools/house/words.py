"""Identifiers that name the sample's domain in code that takes any log."""

from __future__ import annotations

import collections
import io
import re
import tokenize
from typing import Final

from tools.house.sources import python_sources

_ITEM: Final = re.compile(r"item(?!lens)", re.IGNORECASE)
# Code that reads or writes MovieLens's own files.
ALLOWED: Final = ("datasets/movielens/", "tests/datasets/movielens/")


def item_identifiers() -> collections.Counter[str]:
    """path -> identifiers that say item, outside ALLOWED; strings and comments do not count."""
    found: collections.Counter[str] = collections.Counter()
    for source in python_sources():
        if not source.path.startswith(ALLOWED):
            tokens = tokenize.generate_tokens(io.StringIO(source.text).readline)
            count = sum(token.type == tokenize.NAME and bool(_ITEM.search(token.string)) for token in tokens)
            if count:
                found[source.path] = count
    return found
