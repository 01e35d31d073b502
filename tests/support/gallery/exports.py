"""Logs as programs write them out, with what stands beside the events: counts, titles, users."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from support.gallery.entries import EVENTS, FIRST, ITEMS, USERS, Entry, csv, lines, named
from support.gallery.sheets import sheet

_A_DAY: Final = 86_400


def _hours() -> Entry:
    """A shop of games: a row for what was bought, with 1, and one for the hours of who played it."""
    rows = []
    for e in EVENTS:
        rows.append(f'{e.user},"{e.item}",purchase,1.0,0')
        if e.count > 0:
            rows.append(f'{e.user},"{e.item}",play,{e.count / 10},0')
    names = ["who", "game", "behaviour", "hours", "zero"]

    def frame(folder: Path) -> pd.DataFrame:
        found = csv(folder / "games.csv", header=None, names=["user", "item", *names[2:]])
        found = found[found.behaviour == "play"]
        hours = found.hours.astype(float)
        return found.assign(value=np.log1p(hours) / np.log1p(hours.max()))

    params = {
        "names": names,
        "columns": {"user": "who", "item": "game", "weight": "hours"},
        "keep": ["behaviour = play"],
    }
    return Entry({"games.csv": lines(*rows)}, params, frame, "games.csv", len(rows))


def _day_numbers() -> Entry:
    """A supermarket's: days are counted from 1 on, and clocks are 905 for 9:05."""
    first = FIRST - FIRST % _A_DAY
    rows = [
        f"{e.user},{n // 3},{1 + (e.time - first) // _A_DAY},{e.item},1,{int(e.at('%H%M'))}"
        for n, e in enumerate(EVENTS)
    ]

    def frame(folder: Path) -> pd.DataFrame:
        found = named(csv(folder / "transactions.csv"), user="household_key", item="PRODUCT_ID")
        clock = found.TRANS_TIME.astype(int)
        return found.assign(
            time=found.DAY.astype(int) * _A_DAY + clock // 100 * 3_600 + clock % 100 * 60, value="1"
        )

    params = {
        "columns": {
            "user": "household_key",
            "item": "PRODUCT_ID",
            "weight": "QUANTITY",
            "time": "DAY",
            "offset": "TRANS_TIME",
        },
        "time_unit": "d",
        "offset_unit": "clock",
    }
    header = "household_key,BASKET_ID,DAY,PRODUCT_ID,QUANTITY,TRANS_TIME"
    return Entry({"transactions.csv": lines(header, *rows)}, params, frame, "transactions.csv")


def _sheets() -> Entry:
    """Two years on two sheets, with dates as a sheet has them."""
    header = ["Invoice", "StockCode", "Quantity", "InvoiceDate", "Customer ID"]
    rows = [
        (n, e.item, max(e.count, 1), datetime.datetime.fromtimestamp(e.time, datetime.UTC), e.user)
        for n, e in enumerate(EVENTS)
    ]
    half = len(rows) // 2

    def frame(folder: Path) -> pd.DataFrame:
        parts = pd.read_excel(folder / "retail.ods", sheet_name=None, engine="calamine", dtype=str)
        found = named(pd.concat(parts.values()), user="Customer ID", item="StockCode", time="InvoiceDate")
        weights = found.Quantity.astype(float)
        times = pd.to_datetime(found.time).astype("datetime64[s]").astype("int64")
        return found.assign(time=times, value=np.log1p(weights) / np.log1p(weights.max()))

    columns = {"user": "Customer ID", "item": "StockCode", "weight": "Quantity", "time": "InvoiceDate"}
    content = sheet([header, *rows[:half]], [[header, *rows[half:]]])
    return Entry({"retail.ods": content}, {"columns": columns}, frame, "retail.ods")


def _three_tables() -> Entry:
    """Books: who rated, what, and of what age they are, which many do not say."""
    ratings = [f'"{e.user}";"{e.item}";"{e.rating}"' for e in EVENTS]
    books = [f'"{item}";"{item} & ""more""";"{1990 + n}"' for n, item in enumerate(ITEMS)]
    users = [f'"{user}";"a town, a land";{"NULL" if n % 2 else 20 + n}' for n, user in enumerate(USERS)]
    files = {
        "Ratings.csv": lines('"User-ID";"ISBN";"Book-Rating"', *ratings, encoding="latin-1"),
        "Books.csv": lines('"ISBN";"Book-Title";"Year-Of-Publication"', *books, encoding="latin-1"),
        "Users.csv": lines('"User-ID";"Location";"Age"', *users, encoding="latin-1"),
    }

    def frame(folder: Path) -> pd.DataFrame:
        found = csv(folder / "Ratings.csv", sep=";", encoding="latin-1")
        return named(found, user="User-ID", item="ISBN", value="Book-Rating")

    params = {
        "columns": {"user": "User-ID", "item": "ISBN", "rating": "Book-Rating"},
        "rating_scale": (1, 10),
        "files": ["Ratings.csv"],
        "items": "Books.csv",
        "item_columns": {"item": "ISBN", "title": "Book-Title", "year": "Year-Of-Publication"},
        "users": "Users.csv",
        "user_columns": {"user": "User-ID"},
        "user_features": [{"name": "Age", "kind": "number"}],
    }
    return Entry(files, params, frame)


def _row_numbers() -> Entry:
    """R's `write.table`: the header has no name for the numbers of rows."""
    rows = [f'"{n + 1}" "{e.user}" "{e.item}" {e.rating / 2} {e.time}' for n, e in enumerate(EVENTS)]

    def frame(folder: Path) -> pd.DataFrame:
        found = csv(folder / "ratings.txt", sep=" ", index_col=0)
        return named(found, value="rating", time="stamp")

    params = {
        "columns": {"user": "user", "item": "item", "rating": "rating", "time": "stamp"},
    }
    header = '"user" "item" "rating" "stamp"'
    return Entry({"ratings.txt": lines(header, *rows)}, params, frame, "ratings.txt")


def _titles_in_the_log() -> Entry:
    rows = [f"{n};{e.user};{e.item};Thing {e.item};{e.at('%d/%m/%Y')}" for n, e in enumerate(EVENTS)]

    def frame(folder: Path) -> pd.DataFrame:
        found = csv(folder / "export.csv", sep=";", encoding="cp1252")
        found = named(found, user="Client", item="Référence", time="Date")
        return found.assign(time=pd.to_datetime(found.time, format="%d/%m/%Y").astype("int64") // 10**9)

    params = {
        "columns": {"user": "Client", "item": "Référence", "time": "Date"},
        "item_columns": {"title": "Désignation"},
        "time_unit": "%d/%m/%Y",
    }
    content = lines("Ligne;Client;Référence;Désignation;Date", *rows, encoding="cp1252", end="\r\n")
    return Entry({"export.csv": content}, params, frame, "export.csv")


EXPORTS: Final[dict[str, Callable[[], Entry]]] = {
    "hours of games, no header": _hours,
    "days by number, clocks in digits": _day_numbers,
    "sheets": _sheets,
    "ratings, books and users, all quoted": _three_tables,
    "numbers of rows without a name": _row_numbers,
    "titles in the log": _titles_in_the_log,
}
