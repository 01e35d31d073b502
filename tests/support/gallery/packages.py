"""Logs by what kind of file they come in."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pandas as pd
from support.gallery.entries import EVENTS, Entry, csv, lines, named


def _zip() -> Entry:
    buffer = io.BytesIO()
    rows = (f"{e.user}::{e.item}::{e.rating / 2}::{e.time}" for e in EVENTS)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log/ratings.txt", lines("user::item::rating::time", *rows))

    def frame(folder: Path) -> pd.DataFrame:
        with zipfile.ZipFile(folder / "log.zip") as archive:
            text = archive.read("log/ratings.txt").decode()
        return named(csv(io.StringIO(text), sep="::", engine="python"), value="rating")

    columns = {"user": "user", "item": "item", "rating": "rating", "time": "time"}
    return Entry({"log.zip": buffer.getvalue()}, {"columns": columns}, frame, "log.zip")


def _behaviours() -> Entry:
    """MIND's: a row has all that was shown; what was clicked ends in -1."""
    rows = [
        f"{n}\t{e.user}\t{e.at('%m/%d/%Y %I:%M:%S %p')}\t\tshown_1-0 {e.item.replace(' ', '_')}-1 shown_2-0"
        for n, e in enumerate(EVENTS)
    ]

    def frame(folder: Path) -> pd.DataFrame:
        names = ["id", "user", "time", "history", "shown"]
        found = csv(folder / "behaviors.tsv", sep="\t", header=None, names=names)
        clicked = found.shown.str.extract(r"(\S+)-1(?: |$)")[0]
        times = pd.to_datetime(found.time, format="%m/%d/%Y %I:%M:%S %p")
        return found.assign(item=clicked, time=times.astype("int64") // 10**9)

    return Entry({"behaviors.tsv": lines(*rows)}, {"layout": "mind"}, frame)


PACKAGES: Final[dict[str, Callable[[], Entry]]] = {
    "a packed file with two colons": _zip,
    "a row of everything shown": _behaviours,
}
