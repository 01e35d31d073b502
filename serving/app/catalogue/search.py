"""Search by title: prefixes, typos, accents.

SQLite's FTS5 (in memory) finds words by prefix; a word that no title has
is first read as the nearest words of the titles (rapidfuzz, Damerau-Levenshtein). Both are exact and
take a millisecond or two on a hundred thousand titles, because only the vocabulary is compared.
"""

from __future__ import annotations

import bisect
import re
import sqlite3
import threading
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import OSA

_WORD = re.compile(r"[^\W_]+")
# Words that a typo may stand for, nearest first.
_CORRECTIONS = 5
# A query is cut to this many words.
_MAX_WORDS = 12


def words(text: str) -> list[str]:
    """The words of a text, without accents and capitals."""
    plain = unicodedata.normalize("NFKD", text)
    return _WORD.findall("".join(c for c in plain if not unicodedata.combining(c)).casefold())


class SearchIndex:
    """Titles, most popular first.

    Args:
      titles: [N], in the catalogue's order.
    """

    def __init__(self, titles: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._sqlite = sqlite3.connect(":memory:", check_same_thread=False)
        # `ascii` splits what `words` has made only at its blanks; unicode61 has its own idea of a letter.
        self._sqlite.execute(
            "CREATE VIRTUAL TABLE titles USING fts5(text, content='', tokenize='ascii', prefix='1 2 3')"
        )
        split = [words(title) for title in titles]
        self._sqlite.executemany(
            "INSERT INTO titles (rowid, text) VALUES (?, ?)",
            ((row, " ".join(found)) for row, found in enumerate(split)),
        )
        self._sqlite.commit()
        counts = Counter(word for found in split for word in set(found))
        self._vocabulary = sorted(counts)
        self._counts = counts
        self._first_words = [" ".join(found) for found in split]

    def find(self, query: str) -> tuple[np.ndarray, dict[str, str]]:
        """Rows that have every word of the query, and which words were read as others.

        The last word may be unfinished. Titles that begin with the query come first, then those that
        have its words as they are, then those that begin with them; among equals the more popular.

        Returns:
          int64[n] rows, best first; corrections.
        """
        typed = words(query)[:_MAX_WORDS]
        if not typed:
            return np.empty(0, np.int64), {}
        corrected: dict[str, str] = {}
        parts = []
        for word in typed:
            readings = self._readings(word)
            if readings and readings[0] != word:
                corrected[word] = readings[0]
            parts.append("(" + " OR ".join(f'"{reading}"*' for reading in readings or [word]) + ")")
        with self._lock:
            found = self._sqlite.execute(
                "SELECT rowid FROM titles WHERE titles MATCH ? ORDER BY rowid", (" AND ".join(parts),)
            ).fetchall()
        rows = np.fromiter((row for (row,) in found), np.int64, len(found))
        return rows[self._order(rows, typed, corrected)], corrected

    def _readings(self, word: str) -> list[str]:
        """The word itself where a title has one that begins so, else the nearest of the vocabulary."""
        at = bisect.bisect_left(self._vocabulary, word)
        if at < len(self._vocabulary) and self._vocabulary[at].startswith(word):
            return [word]
        if len(word) < 3:
            return []
        allowed = 1 if len(word) < 6 else 2
        near = process.extract(
            word, self._vocabulary, scorer=OSA.distance, score_cutoff=allowed, limit=4 * _CORRECTIONS
        )
        # An unfinished word with a typo: compared with beginnings of that length.
        if not near:
            stems = sorted({known[: len(word)] for known in self._vocabulary if len(known) > len(word)})
            near = process.extract(word, stems, scorer=OSA.distance, score_cutoff=1, limit=_CORRECTIONS)
        near.sort(key=lambda match: (match[1], -self._counts.get(match[0], 0), match[0]))
        return [match[0] for match in near[:_CORRECTIONS]]

    def _order(self, rows: np.ndarray, typed: Sequence[str], corrected: dict[str, str]) -> np.ndarray:
        read = [corrected.get(word, word) for word in typed]
        start, whole = " ".join(read), set(read)
        ranks = np.empty(len(rows), np.int64)
        for place, row in enumerate(rows.tolist()):
            text = self._first_words[row]
            ranks[place] = 0 if text.startswith(start) else 1 if whole <= set(text.split()) else 2
        return np.argsort(ranks, kind="stable")
