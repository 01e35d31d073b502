"""Logs by how files, columns and events are laid out."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from support.gallery.entries import EVENTS, ITEMS, Entry, Event, csv, lines, named


def _quoted_latin1() -> Entry:
    rows = [f'"{e.user}";"{e.item}";"{0 if e.rating == 1 else e.rating}"' for e in EVENTS]

    def frame(folder: Path) -> pd.DataFrame:
        found = named(
            csv(folder / "BX.csv", sep=";", encoding="latin-1"),
            user="User-ID",
            item="ISBN",
            value="Book-Rating",
        )
        return found[found.value != "0"]

    return Entry(
        {"BX.csv": lines('"User-ID";"ISBN";"Book-Rating"', *rows, end="\r\n", encoding="latin-1")},
        {
            "columns": {"user": "User-ID", "item": "ISBN", "rating": "Book-Rating"},
            "rating_scale": (1, 10),
            "unrated": [0],
        },
        frame,
        "BX.csv",
    )


def _empty_column_name() -> Entry:
    rows = [f"{e.user},{e.item},{e.rating / 2},{e.time}," for e in EVENTS]
    return Entry(
        {"log.csv": lines("uid,iid,score,ts,", *rows)},
        {"columns": {"user": "uid", "item": "iid", "rating": "score", "time": "ts"}},
        lambda folder: named(csv(folder / "log.csv"), user="uid", item="iid", value="score", time="ts"),
        "log.csv",
    )


def _item_first_no_header() -> Entry:
    rows = [f"{e.item},{e.user},{e.rating / 2},{e.time}" for e in EVENTS]
    names = ["item", "user", "value", "time"]
    return Entry(
        {"ratings_Books.csv": lines(*rows)},
        {
            "names": ["asin", "reviewer", "stars", "unix"],
            "columns": {"user": "reviewer", "item": "asin", "rating": "stars", "time": "unix"},
        },
        lambda folder: csv(folder / "ratings_Books.csv", names=names, header=None),
        "ratings_Books.csv",
    )


def _json_lines() -> Entry:
    rows = [
        json.dumps(
            {"reviewerID": e.user, "asin": e.item, "overall": e.rating / 2, "helpful": [1, 2]}
            | ({"style": {"color": "x", "size": [1]}} if e.rating % 2 else {})
            | {"unixReviewTime": e.time, "text": 'said "no,\nnot"'},
            ensure_ascii=bool(e.rating % 2),
        )
        for e in EVENTS
    ]

    def frame(folder: Path) -> pd.DataFrame:
        text = gzip.decompress((folder / "reviews.json.gz").read_bytes()).decode()
        found = [json.loads(line) for line in text.splitlines()]
        return named(
            pd.DataFrame(found).astype(str),
            user="reviewerID",
            item="asin",
            value="overall",
            time="unixReviewTime",
        )

    return Entry(
        {"reviews.json.gz": gzip.compress(lines(*rows), mtime=0)},
        {"columns": {"user": "reviewerID", "item": "asin", "rating": "overall", "time": "unixReviewTime"}},
        frame,
        "reviews.json.gz",
    )


def _nested_json() -> Entry:
    rows = [json.dumps({"who": {"id": e.user}, "what": {"id": e.item}, "at": e.time * 1000}) for e in EVENTS]

    def frame(folder: Path) -> pd.DataFrame:
        found = pd.json_normalize(
            [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        )
        found = named(found, user="who.id", item="what.id", time="at")
        return found.assign(time=found.time // 1000).astype(str)

    return Entry(
        {"log.jsonl": lines(*rows)},
        {"columns": {"user": "who.id", "item": "what.id", "time": "at"}, "time_unit": "ms"},
        frame,
        "log.jsonl",
    )


def _stray_quotes() -> Entry:
    tracks = ('12" single', '"open', "plain", 'a "b" c')
    rows = [
        f"{e.user}\t{e.item}\t{e.at('%Y-%m-%dT%H:%M:%SZ')}\t{tracks[e.rating % len(tracks)]}" for e in EVENTS
    ]

    def frame(folder: Path) -> pd.DataFrame:
        found = csv(folder / "plays.tsv", sep="\t", quoting=3)
        found = named(found, user="userid", item="artist", time="timestamp")
        return found.assign(time=pd.to_datetime(found.time).astype("int64") // 10**9)

    return Entry(
        {"plays.tsv": lines("userid\tartist\ttimestamp\ttrack", *rows)},
        {"columns": {"user": "userid", "item": "artist", "time": "timestamp"}},
        frame,
        "plays.tsv",
    )


def _two_colons() -> Entry:
    rows = [f"{e.user}::{e.item}::{e.rating / 2}::{e.time}" for e in EVENTS]
    return Entry(
        {"log.dat": lines(*rows)},
        {
            "names": ["u", "i", "r", "t"],
            "delimiter": "::",
            "columns": {"user": "u", "item": "i", "rating": "r", "time": "t"},
        },
        lambda folder: csv(
            folder / "log.dat",
            sep="::",
            engine="python",
            header=None,
            names=["user", "item", "value", "time"],
        ),
        "log.dat",
    )


def _typed_header() -> Entry:
    rows = [f"{e.user}\t{e.item}\t{e.rating / 2}\t{e.time}.0" for e in EVENTS]

    def frame(folder: Path) -> pd.DataFrame:
        found = csv(folder / "shop.inter", sep="\t")
        found.columns = ["user", "item", "value", "time"]
        return found.assign(time=found.time.astype(float).astype(int))

    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    columns = {
        "user": "user_id",
        "item": "item_id",
        "rating": "rating",
        "time": "timestamp",
    }
    return Entry({"shop.inter": lines(header, *rows)}, {"columns": columns}, frame, "shop.inter")


def _a_file_a_day() -> Entry:
    days: dict[str, list[Event]] = {}
    for e in EVENTS:
        days.setdefault(e.at("%Y-%m-%d"), []).append(e)
    files = {
        f"{day}.csv": lines(
            "session,product,when", *(f"{e.user},{e.item},{e.at('%Y/%-m/%-d %H:%M')}" for e in rows)
        )
        for day, rows in days.items()
    }

    def frame(folder: Path) -> pd.DataFrame:
        found = pd.concat([csv(folder / name) for name in sorted(files)])
        found = named(found, user="session", item="product", time="when")
        return found.assign(time=pd.to_datetime(found.time, format="%Y/%m/%d %H:%M").astype("int64") // 10**9)

    minutes = {
        "columns": {"user": "session", "item": "product", "time": "when"},
        "time_unit": "%Y/%m/%d %H:%M",
    }
    return Entry({**files, "README.txt": b"not,a,log\n"}, minutes, frame)


def _a_file_an_event() -> Entry:
    files = {
        f"{kind}s.csv": lines(
            "visitor,product,t", *(f"{e.user},{e.item},{e.time}" for e in EVENTS if e.kind == kind)
        )
        for kind in ("view", "cart", "buy")
    }

    def frame(folder: Path) -> pd.DataFrame:
        weights = {"view": 1 / 6, "cart": 0.5, "buy": 1.0}
        parts = [csv(folder / f"{kind}s.csv").assign(value=weight) for kind, weight in weights.items()]
        return named(pd.concat(parts), user="visitor", item="product", time="t")

    params = {
        "columns": {"user": "visitor", "item": "product", "time": "t"},
        "event_of_file": {"view*": "view", "cart*": "cart", "buy*": "buy"},
        "event_weights": {"view": 1, "cart": 3, "buy": 6},
    }
    return Entry(files, params, frame)


def _event_column() -> Entry:
    rows = [f"{e.time * 1000}|{e.user}|{e.kind}|{e.item}" for e in EVENTS]

    def frame(folder: Path) -> pd.DataFrame:
        found = named(csv(folder / "events.csv", sep="|"), user="visitorid", item="itemid", time="timestamp")
        values = found.event.map({"view": 1 / 6, "cart": 0.5, "buy": 1.0})
        return found.assign(value=values, time=found.time.astype("int64") // 1000)

    params = {
        "columns": {"user": "visitorid", "item": "itemid", "event": "event", "time": "timestamp"},
        "event_weights": {"view": 1, "cart": 3, "buy": 6},
    }
    return Entry(
        {"events.csv": lines("timestamp|visitorid|event|itemid", *rows)}, params, frame, "events.csv"
    )


def _play_counts() -> Entry:
    rows = [f"{e.user}\t{e.item}\t{max(e.count, 1)}" for e in EVENTS]

    def frame(folder: Path) -> pd.DataFrame:
        found = named(csv(folder / "plays.tsv", sep="\t"), user="userID", item="artistID", value="weight")
        plays = found.value.astype(float)
        return found.assign(value=np.log1p(plays) / np.log1p(plays.max()))

    columns = {"user": "userID", "item": "artistID", "weight": "weight"}
    return Entry(
        {"plays.tsv": lines("userID\tartistID\tweight", *rows)}, {"columns": columns}, frame, "plays.tsv"
    )


def _cancellations() -> Entry:
    rows = [
        ",".join(
            (
                f"{'C' if e.count < 0 else ''}{n}",
                e.item,
                '"A, mug"',
                str(e.count),
                e.at("%-m/%-d/%Y %I:%M:%S %p"),
                e.user,
            )
        )
        for n, e in enumerate(EVENTS)
    ]

    def frame(folder: Path) -> pd.DataFrame:
        found = named(csv(folder / "retail.csv"), user="CustomerID", item="StockCode", time="InvoiceDate")
        found = found[found.Quantity.astype(int) > 0]
        times = pd.to_datetime(found.time, format="%m/%d/%Y %I:%M:%S %p")
        return found.assign(time=times.astype("int64") // 10**9)

    params = {
        "columns": {"user": "CustomerID", "item": "StockCode", "time": "InvoiceDate"},
        "time_unit": "%m/%d/%Y %I:%M:%S %p",
        "keep": ["Quantity > 0"],
    }
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,CustomerID"
    return Entry({"retail.csv": lines(header, *rows)}, params, frame, "retail.csv")


def _no_time_sorted() -> Entry:
    rows = [f"{e.user} {e.item.replace(' ', '_')}" for e in sorted(EVENTS, key=lambda e: (e.user, e.item))]
    params = {"columns": {"user": "u", "item": "i"}, "names": ["u", "i"], "delimiter": " ", "split": "random"}

    def frame(folder: Path) -> pd.DataFrame:
        return csv(folder / "pairs.txt", sep=" ", header=None, names=["user", "item"])

    return Entry({"pairs.txt": lines(*rows)}, params, frame, "pairs.txt")


def _markers() -> Entry:
    marks = ("NA", "NULL", "\\N", "", "Unknown")
    rows = [f"{e.user},{e.item},{e.rating / 2}" for e in EVENTS]
    none = [f"{mark},{EVENTS[0].item},4" for mark in marks] + [
        f"u,i{n},{r}" for n, r in enumerate(("-1", "99", "99"))
    ]

    def frame(folder: Path) -> pd.DataFrame:
        found = csv(folder / "jester.csv")
        return found[~found.user.isin(marks) & ~found.value.isin(["-1", "99"])]

    params = {
        "columns": {"user": "user", "item": "item", "rating": "value"},
        "missing": ["Unknown"],
        "unrated": [-1, 99],
        "max_missing_share": 1,
    }
    content = lines("user,item,value", *rows, *none)
    return Entry({"jester.csv": content}, params, frame, "jester.csv", len(rows) + len(none))


def _half_a_catalogue() -> Entry:
    half = ITEMS[::2]
    items = lines(
        "id;titel;preis",
        *(f"{item};Titel {item};{n},5" for n, item in enumerate(half)),
        f"{half[0]};Titel {half[0]};0,5",
    )

    def frame(folder: Path) -> pd.DataFrame:
        found = named(
            csv(folder / "log.csv", sep=";", decimal=","), user="kunde", item="artikel", time="zeit"
        )
        return found[found.item.isin(csv(folder / "artikel.csv", sep=";").id)]

    params = {
        "columns": {"user": "kunde", "item": "artikel", "time": "zeit"},
        "items": "artikel.csv",
        "item_columns": {"item": "id", "title": "titel"},
        "item_features": [{"name": "preis", "kind": "number"}],
        "unknown_items": "drop",
    }
    log = lines("kunde;artikel;zeit", *(f"{e.user};{e.item};{e.time}" for e in EVENTS))
    return Entry({"log.csv": log, "artikel.csv": items}, params, frame, "log.csv")


def _day_and_clock() -> Entry:
    rows = [f"{e.user},{e.item},{e.at('%Y-%m-%d')},{e.at('%H:%M:%S')}" for e in EVENTS]

    def frame(folder: Path) -> pd.DataFrame:
        found = csv(folder / "visits.csv")
        times = pd.to_datetime(found.day + " " + found.clock)
        return found.assign(time=times.astype("int64") // 10**9)

    params = {
        "columns": {"user": "user", "item": "item", "time": "day", "offset": "clock"},
        "offset_unit": "clock",
    }
    return Entry({"visits.csv": lines("user,item,day,clock", *rows)}, params, frame, "visits.csv")


def _orders() -> Entry:
    order = {(e.user, e.at("%Y-%m-%d")): 0 for e in EVENTS}
    numbers = {key: str(n) for n, key in enumerate(order)}
    baskets = [f"{number},{user},{day}" for (user, day), number in numbers.items()]
    rows = [f"{numbers[e.user, e.at('%Y-%m-%d')]},{e.item}" for e in EVENTS]

    def frame(folder: Path) -> pd.DataFrame:
        found = csv(folder / "lines.csv").merge(csv(folder / "orders.csv"), on="order_id")
        found = named(found, user="customer", item="product", time="day")
        return found.assign(time=pd.to_datetime(found.time).astype("int64") // 10**9)

    params = {
        "columns": {"user": "customer", "item": "product", "time": "day"},
        "join": "orders.csv",
        "join_on": "order_id",
    }
    files = {
        "lines.csv": lines("order_id,product", *rows),
        "orders.csv": lines("order_id,customer,day", *baskets),
    }
    return Entry(files, params, frame)


def _parquet() -> Entry:
    buffer = io.BytesIO()
    table = pd.DataFrame(
        {
            "customer": [e.user for e in EVENTS],
            "sku": [e.item for e in EVENTS],
            "at": pd.to_datetime([e.time for e in EVENTS], unit="s", utc=True),
            "stars": [e.rating / 2 for e in EVENTS],
        }
    )
    table.to_parquet(buffer)

    def frame(folder: Path) -> pd.DataFrame:
        found = named(
            pd.read_parquet(folder / "log.parquet"), user="customer", item="sku", time="at", value="stars"
        )
        return found.assign(time=[int(at.timestamp()) for at in found.time])

    columns = {"user": "customer", "item": "sku", "rating": "stars", "time": "at"}
    return Entry({"log.parquet": buffer.getvalue()}, {"columns": columns}, frame, "log.parquet")


def _utf16_with_comments() -> Entry:
    rows = [f"{e.user},{e.item},{e.time}" for e in EVENTS]
    content = lines("# an export", "user,item,time", *rows, encoding="utf-16-le")
    return Entry(
        {"log.csv": b"\xff\xfe" + content},
        {"columns": {"user": "user", "item": "item", "time": "time"}},
        lambda folder: csv(folder / "log.csv", encoding="utf-16", comment="#"),
        "log.csv",
    )


LOGS: Final[dict[str, Callable[[], Entry]]] = {
    "semicolons, all quoted, Latin-1": _quoted_latin1,
    "an empty column name": _empty_column_name,
    "no header, the item first": _item_first_no_header,
    "JSON lines, gzipped, with lists and missing keys": _json_lines,
    "JSON lines with nested keys": _nested_json,
    "tabs and stray quotes": _stray_quotes,
    "two colons": _two_colons,
    "a typed header": _typed_header,
    "a file a day": _a_file_a_day,
    "a file per kind of event": _a_file_an_event,
    "a column of kinds of events": _event_column,
    "play counts": _play_counts,
    "cancellations as negative quantities": _cancellations,
    "no time, sorted by item": _no_time_sorted,
    "markers of what is missing": _markers,
    "a catalogue of half of the items": _half_a_catalogue,
    "a day and a clock": _day_and_clock,
    "orders and their lines": _orders,
    "Parquet": _parquet,
    "UTF-16 with comments": _utf16_with_comments,
}
