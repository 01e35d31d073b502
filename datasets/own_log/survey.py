"""A path that no layout knows: its files, which of them are the log and the items, and the map to save."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pydantic
import yaml

from components.common.features import MOVIELENS_NAMES, RESERVED, FeatureSpec
from components.example_gen.errors import DataError
from components.example_gen.params import ITEM_ROLES, ExampleGenParams
from components.example_gen.reading import tables
from components.example_gen.reading.detection import formats
from components.example_gen.reading.layouts import own
from components.example_gen.reading.places import Place
from components.example_gen.reading.source import EVENT, GENRES, ITEM, RATING, TITLE, USER, WEIGHT, YEAR
from datasets.own_log import words
from datasets.own_log.guess import Guess, guess
from datasets.own_log.looks import FileLook, Look, look
from datasets.own_log.profile import SEPARATORS

_MOST_FILES: Final = 200  # whose headers are looked at
_FEATURES: Final = 5
_KNOWN_ENOUGH: Final = 0.999  # of the log's items


@dataclasses.dataclass(frozen=True)
class Survey:
    """What a path holds.

    Attributes:
      files: a look at one of each kind of its files, the log's first.
      counts: how many files there are of each kind.
      guess: the map.
    """

    files: tuple[FileLook, ...]
    counts: tuple[int, ...]
    guess: Guess

    def description(self) -> str:
        """Several lines: what each file is, and its columns."""
        lines = []
        for file, count in zip(self.files, self.counts, strict=True):
            more = f" and {count - 1} more" if count > 1 else ""
            lines.append(f"{file.path.name}{more}: {file}")
            width = max((len(column.name) for column in file.columns), default=0)
            lines += [f"  {column.name:<{width}}  {column}" for column in file.columns]
        return "\n".join(lines)

    def yaml(self) -> str:
        """The config to save."""
        lines = [f"# {line}" for line in self.guess.evidence]
        lines += [f"# question: {question}" for question in self.guess.questions]
        lines.append("example_gen:")
        for key, value in self.guess.values.items():
            text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
            lines.append(f"  {key}: {text.splitlines()[0]}")
        return "\n".join(lines) + "\n"

    def params(self, given: ExampleGenParams) -> ExampleGenParams:
        """The options with the map in them.

        Raises:
          DataError: they do not go together.
        """
        try:
            return ExampleGenParams.model_validate({**given.model_dump(), **self.guess.values})
        except pydantic.ValidationError as error:
            file = self.files[0].path.name
            why = "; ".join(detail["msg"].removeprefix("Value error, ") for detail in error.errors())
            raise DataError(file, f"the guessed map does not go with the config: {why}") from error


def survey(path: Place, params: ExampleGenParams) -> Survey:
    """Looks at a file, or at the files of a folder.

    Raises:
      DataError: there is nothing that may be a log, or a file is damaged.
    """
    groups = _groups(path, params)
    looks = [look(files[0], params) for files in groups]
    guesses = [guess(file) for file in looks]
    logs = _logs(looks, guesses)
    log = max(logs, key=lambda n: sum(file.stat().st_size for file in groups[n]))
    values, questions = dict(guesses[log].values), list(guesses[log].questions)
    evidence = list(guesses[log].evidence)
    if len(logs) > 1:
        names = " or ".join(looks[n].path.name for n in logs)
        questions.append(f"which file is the log: {names}? The map has {looks[log].path.name}")
    if len(groups) > 1:
        values["files"] = _pattern(groups[log])
        evidence.append(
            f"files: the log is {looks[log].path.name}" + (" and others" * (len(groups[log]) > 1))
        )
    if of_file := _events_of_files(groups[log], values["columns"]):
        values |= {**of_file, "repeated": "strongest"}
        evidence.append("event_of_file: the files are named after kinds of events")
    item = values["columns"].get(ITEM)
    tables_ = [(n, _items(file, looks[log], item)) for n, file in enumerate(looks) if n != log]
    # That with a title and such, where several have each item once.
    best = max(tables_, key=lambda pair: len((pair[1] or {}).get("item_columns", ())), default=(0, None))
    if best[1] is not None:
        file = looks[best[0]].path
        values |= {"items": _relative(file, path), **best[1]}
        evidence.append(f"items: {file.name} has each {best[1]['item_columns'][ITEM]} once")
    order = [log, *(n for n in range(len(looks)) if n != log)]
    return Survey(
        tuple(looks[n] for n in order),
        tuple(len(groups[n]) for n in order),
        Guess(values, tuple(questions), tuple(evidence)),
    )


def _groups(path: Place, params: ExampleGenParams) -> list[list[Place]]:
    """The files, those of one format and header together."""
    files = own.log_files(path, params)
    if not files:
        raise DataError(path.name, "has no file that may be a log; example_gen.files names patterns")
    found: dict[Any, list[Place]] = collections.defaultdict(list)
    for file in files[:_MOST_FILES]:
        if not file.stat().st_size:
            raise DataError(file.name, "is empty; expected a table")
        format_ = formats.format_of(file, params)
        names = tables.header(format_, file, params.max_line_bytes)
        headless = any(name.strip().replace(".", "").isdigit() for name in names)
        found[type(format_), len(names) if headless else tuple(sorted(names))].append(file)
    return list(found.values())


def _logs(looks: list[FileLook], guesses: list[Guess]) -> list[int]:
    """Files with user and item, if possible for certain, and with a rating or an event."""
    found = [n for n, guess_ in enumerate(guesses) if {USER, ITEM} <= guess_.values["columns"].keys()]
    for narrower in (
        [n for n in found if guesses[n].certain],
        [n for n in found if {RATING, EVENT} & guesses[n].values["columns"].keys()],
    ):
        found = [n for n in found if n in narrower] or found
    return found or [0]


def _events_of_files(files: list[Place], columns: dict[str, str]) -> dict[str, Any]:
    """Keys for a log of a file per kind of event, none where the names are of no such kinds."""
    weights = {file.name: words.weight_of(file.name) for file in files}
    known = {name: weight for name, weight in weights.items() if weight is not None}
    if len(known) < len(weights) or len(set(known.values())) < 2 or {RATING, EVENT, WEIGHT} & columns.keys():
        return {}
    events = {name: name.partition(".")[0] for name in known}
    return {
        "event_of_file": events,
        "event_weights": {events[name]: weight for name, weight in known.items()},
    }


def _pattern(files: list[Place]) -> list[str]:
    """Patterns of names that mean these files: one for all with the same letters before their number."""
    names = [file.name for file in files]
    if len(names) < 3:
        return names
    stem = names[0]
    while not all(name.startswith(stem) for name in names):
        stem = stem[:-1]
    endings = sorted({name.partition(".")[2] for name in names})
    return [f"{stem}*.{ending}" for ending in endings]


def _relative(file: Place, path: Place) -> str:
    root = path if path.is_dir() else path.parent
    return str(file)[len(str(root)) :].lstrip("/")


def _items(file: FileLook, log: FileLook, item: str | None) -> dict[str, Any] | None:
    """Keys for a table of items, None if the file is none."""
    if not file.header:
        return None
    scores = {column.name: words.score(column.name, ITEM) for column in file.columns}
    most = max(scores.values(), default=0)
    ids = [column for column in file.columns if column.name == item] or [
        column for column in file.columns if most and scores[column.name] == most
    ]
    if not ids or ids[0].distinct < 0.99 * file.rows or any(words.score(n, USER) > 1 for n in file.names):
        return None
    columns = {ITEM: ids[0].name}
    for role in (TITLE, YEAR, GENRES):
        free = [column for column in file.columns if column.name not in columns.values()]
        named = [(words.score(column.name, role), column.name) for column in free if column.what != "empty"]
        best = max(named, key=lambda pair: pair[0], default=(0, ""))
        if best[0] and (role != YEAR or _is_year(file, best[1])):
            columns[role] = best[1]
    found: dict[str, Any] = {"item_columns": columns}
    lists = [
        column for column in file.columns if column.name == columns.get(GENRES) and column.what == "text"
    ]
    if lists and (separator := _separator(lists[0])) not in (None, "|"):
        found["list_separator"] = separator
    if features := _features(file, columns):
        found["item_features"] = features
    known = [column for column in log.columns if column.name == item]
    if known:
        share = pc.mean(pc.is_in(known[0].text.drop_null(), ids[0].text).cast(pa.float64())).as_py() or 0.0
        if share < _KNOWN_ENOUGH and file.whole:
            found["unknown_items"] = "keep"
    return found


def _is_year(file: FileLook, name: str) -> bool:
    (column,) = [column for column in file.columns if column.name == name]
    return bool(column.units) or (column.what == "whole numbers" and column.high < 2_200)


def _separator(column: Look) -> str | None:
    texts = column.text.drop_null()
    shares = {s: pc.mean(pc.match_substring(texts, s).cast(pa.float64())).as_py() for s in SEPARATORS}
    return next((separator for separator, share in shares.items() if share > 0.2), None)


def _features(file: FileLook, columns: dict[str, str]) -> list[dict[str, Any]]:
    """What the model may read of further columns: numbers, and texts of few different values."""
    own_: list[dict[str, Any]] = []
    taken = {*RESERVED, *ITEM_ROLES, *MOVIELENS_NAMES}
    for column in file.columns:
        is_id = words.words_of(column.name)[-1:] == ["id"] or words.score(column.name, ITEM) > 1
        if column.name in columns.values() or column.units or not column.filled or is_id:
            continue
        spec: dict[str, Any]
        if column.what.endswith("numbers") and column.distinct > 1:
            wide = column.low >= 0 and column.high > 100
            spec = {"kind": "number", **({"log": True} if wide else {})}
        elif column.what == "list":
            spec = {"kind": "multi"}
        elif column.what == "text" and 1 < column.distinct <= min(5_000, 0.5 * file.rows):
            spec = {"kind": "categorical"}
        else:
            continue
        try:
            plain = FeatureSpec.model_validate({"name": column.name, **spec}).name
        except ValueError:
            continue  # a name that needs another one
        if plain not in taken:
            taken.add(plain)
            own_.append({"name": column.name, **spec})
    if not own_:
        return []
    usual: list[dict[str, Any]] = []
    if GENRES in columns:
        usual.append({"name": GENRES, "kind": "multi", "taste": True})
    if YEAR in columns:
        usual.append({"name": YEAR, "kind": "number"})
    return [*usual, *own_[:_FEATURES]]
