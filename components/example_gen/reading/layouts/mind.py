"""MIND: behaviors.tsv, a row per impression with the news that were shown, and news.tsv; no headers.

Fangzhao Wu et al., "MIND: A Large-scale Dataset for News Recommendation", ACL 2020. Events are the clicks
of the impressions (`N1-1`); what was shown and not clicked (`N1-0`), and the history of a row, which has no
times, are not read.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.common import ragged
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.layouts.layout import Layout, folder_of, has, present
from components.example_gen.reading.places import Place
from components.example_gen.reading.source import (
    GENRES,
    ITEM,
    TIME,
    TITLE,
    USER,
    Dataset,
    Delimited,
    Kind,
    Source,
)

_LOG: Final = "behaviors.tsv"
_BEHAVIOURS: Final = ("impression id", "user", "time", "history", "impressions")
_NEWS: Final = ("news id", "category", "subcategory", "title", "abstract", "url", "entities", "of abstract")
_CATEGORIES: Final = ("category", "subcategory")


def _detect(path: Place, params: ExampleGenParams) -> bool:
    return not params.columns and has(path, _LOG)


def _describe(path: Place, params: ExampleGenParams) -> Dataset:
    folder, encoding = folder_of(path), params.encoding or "utf-8"
    news = present(folder, "news.tsv")
    kinds: dict[str, Kind] = {USER: "id", TIME: "time:%m/%d/%Y %I:%M:%S %p", ITEM: "text"}
    of_news: dict[str, Kind] = {ITEM: "id", TITLE: "text", **dict.fromkeys(_CATEGORIES, "cell")}
    columns = {ITEM: _NEWS[0], TITLE: "title", **{name: name for name in _CATEGORIES}}
    return Dataset(
        LAYOUT.name,
        Source(
            "ratings",
            (present(folder, _LOG),),
            Delimited("\t", _BEHAVIOURS, quoted=False, encoding=encoding),
            {USER: "user", TIME: "time", ITEM: "impressions"},
            kinds,
            rows=_clicks,
        ),
        Source(
            "items",
            (news,),
            Delimited("\t", _NEWS, quoted=False, encoding=encoding),
            columns,
            of_news,
            frozenset(columns) - {ITEM},
            rows=_with_genres,
        )
        if news.exists()
        else None,
    )


def _clicks(table: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """A row per click instead of a row per impression."""
    shown = pc.split_pattern(pc.utf8_trim_whitespace(table[ITEM].combine_chunks()), " ")
    each = pc.list_flatten(shown)
    clicked = pc.ends_with(each, "-1")
    rows = pc.list_parent_indices(shown).filter(clicked)
    items = pc.replace_substring_regex(each.filter(clicked), r"-1$", "").dictionary_encode()
    clicks = pa.table({USER: table[USER].take(rows), ITEM: items, TIME: table[TIME].take(rows)})
    return clicks, rows.to_numpy()


def _with_genres(table: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """Category and subcategory as genres."""
    names = pa.concat_arrays([table[name].combine_chunks().cast(pa.string()) for name in _CATEGORIES])
    rows = np.tile(np.arange(len(table)), 2)
    order = np.argsort(rows, kind="stable")
    there = pc.not_equal(names.take(pa.array(order)), "").to_numpy(zero_copy_only=False)
    order = order[there]
    genres = ragged.from_rows(rows[order], names.take(pa.array(order)), len(table))
    return table.select([ITEM, TITLE]).append_column(GENRES, genres), np.arange(len(table))


LAYOUT: Final = Layout("mind", "a folder with behaviors.tsv and news.tsv (MIND)", _detect, _describe)
