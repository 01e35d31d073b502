"""Identifiers that name the sample's domain in code that takes any log."""

from __future__ import annotations

import collections
import io
import re
import tokenize
from collections.abc import Iterable
from typing import Final

from tools.house.sources import Source, python_sources

_MOVIE: Final = re.compile(r"movie(?!lens)", re.IGNORECASE)
# Code that reads or writes MovieLens's own files, or makes such files up; its tests; this measure.
ALLOWED: Final = (
    "components/example_gen/reading/layouts/movielens_",
    "datasets/movielens/",
    "datasets/generated/movielens_sample.py",
    "datasets/generated/sample_words.py",
    "tests/components/example_gen/reading/test_layouts.py",
    "tests/datasets/test_sample.py",
    "tests/tools/test_house.py",
    "tools/house/",
)


def movie_identifiers(sources: Iterable[Source] | None = None) -> collections.Counter[str]:
    """path -> identifiers that say movie, outside ALLOWED; strings and comments do not count.

    Args:
      sources: None: those of the repository.
    """
    found: collections.Counter[str] = collections.Counter()
    for source in python_sources() if sources is None else sources:
        if not source.path.startswith(ALLOWED):
            tokens = tokenize.generate_tokens(io.StringIO(source.text).readline)
            count = sum(token.type == tokenize.NAME and bool(_MOVIE.search(token.string)) for token in tokens)
            if count:
                found[source.path] = count
    return found
