"""A path that no layout knows: its files, which of them are the log and the items, and the map to save."""

from __future__ import annotations

import dataclasses
import fnmatch
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pydantic
import yaml

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import tables
from components.example_gen.reading.detection import formats
from components.example_gen.reading.layouts import own
from components.example_gen.reading.places import Place
from components.example_gen.reading.source import EVENT, ITEM, RATING, USER, WEIGHT, Format
from datasets.own_log import beside, words
from datasets.own_log.guess import Guess, guess
from datasets.own_log.looks import FileLook, look

_MOST_FILES: Final = 200  # whose headers are looked at


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
    found = _groups(path, params)
    groups = [files for _, files in found]
    looks = [look(files[0], params, format_) for format_, files in found]
    every = [
        _joined(file, guess(file), {other: looks[other] for other in range(len(looks)) if other != n})
        for n, file in enumerate(looks)
    ]
    logs = _logs([seen for seen, _, _ in every], [best for _, best, _ in every])
    log = max(logs, key=lambda n: sum(file.stat().st_size for file in groups[n]))
    left = {n: file for n, file in enumerate(looks) if n != log}
    seen, best, joined = every[log]
    values, questions = dict(best.values), list(best.questions)
    evidence = list(best.evidence)
    if joined is not None:
        values["join"] = _relative(left.pop(joined).path, path)
    if len(logs) > 1:
        questions += _which(log, logs, looks, groups)
    questions += _one_log(groups[log], looks[log])
    if "repeated" not in values and (len(groups[log]) > 1 or not seen.whole):
        values["repeated"] = "strongest" if {EVENT, WEIGHT} & values["columns"].keys() else "last"
        evidence.append("repeated: a user may have an item again in what was not looked at")
    if len(groups) > 1:
        beside_it = [file.name for n, files in enumerate(groups) if n != log for file in files]
        values["files"] = _pattern(groups[log], beside_it)
        evidence.append(
            f"files: the log is {looks[log].path.name}" + (" and others" * (len(groups[log]) > 1))
        )
    if of_file := _events_of_files(groups[log], values["columns"]):
        values |= {**of_file, "repeated": "strongest"}
        evidence.append("event_of_file: the files are named after kinds of events")
    for table, of, role, keys in (
        ("items", beside.items, ITEM, "item_columns"),
        ("users", beside.users, USER, "user_features"),
    ):
        ids = values["columns"].get(role)
        tables_ = {n: about for n, file in left.items() if (about := of(file, seen, ids))}
        if tables_:
            # That which says the most, where several have each of them once.
            fullest = max(tables_, key=lambda n: len(tables_[n][keys]))
            file, about = left.pop(fullest).path, tables_[fullest]
            values |= {table: _relative(file, path), **about}
            evidence.append(f"{table}: {file.name} has each {about[f'{role}_columns'][role]} once")
    order = [log, *(n for n in range(len(looks)) if n != log)]
    return Survey(
        tuple(looks[n] for n in order),
        tuple(len(groups[n]) for n in order),
        Guess(values, tuple(questions), tuple(evidence)),
    )


def _joined(
    log: FileLook, alone: Guess, others: Mapping[int, FileLook]
) -> tuple[FileLook, Guess, int | None]:
    """The log and its map with the table that answers what it leaves open, as that of orders has the users.

    Also which table that is, None if there is none.
    """
    for n, table in others.items() if not alone.certain else ():
        for key in beside.keys(log, table):
            both = beside.joined(log, table, key)
            found = guess(both)
            if len(found.questions) < len(alone.questions):
                values = {**found.values, "join_on": key}
                why = f"join: {table.path.name} has each {key} once, which answers what the log leaves open"
                return both, dataclasses.replace(found, values=values, evidence=(*found.evidence, why)), n
    return log, alone, None


def _groups(path: Place, params: ExampleGenParams) -> list[tuple[Format, list[Place]]]:
    """The files, those of one format and header together, with the first one's format."""
    files = own.log_files(path, params)
    if not files:
        raise DataError(path.name, "has no file that may be a log; example_gen.files names patterns")
    found: dict[Any, tuple[Format, list[Place]]] = {}
    for file in files[:_MOST_FILES]:
        if not file.stat().st_size:
            raise DataError(file.name, "is empty; expected a table")
        format_ = formats.format_of(file, params)
        names = tables.header(format_, file, params.max_line_bytes)
        headless = any(name.strip().replace(".", "").isdigit() for name in names)
        key = type(format_), len(names) if headless else tuple(sorted(names))
        found.setdefault(key, (format_, []))[1].append(file)
    return list(found.values())


def _logs(looks: list[FileLook], guesses: list[Guess]) -> list[int]:
    """Files with user and item: if possible with several rows of each, a rating or event, and for certain.

    What a file without a header has in its columns is too uncertain to choose by.
    """
    found = [n for n, guess_ in enumerate(guesses) if {USER, ITEM} <= guess_.values["columns"].keys()]
    for narrower in (
        [n for n in found if not _of_ids(looks[n], guesses[n].values["columns"])],
        [n for n in found if {RATING, EVENT} & guesses[n].values["columns"].keys() or not looks[n].header],
        [n for n in found if guesses[n].certain],
    ):
        found = [n for n in found if n in narrower] or found
    return found or [0]


def _of_ids(file: FileLook, columns: dict[str, str]) -> bool:
    """Whether each user, or each item, has one row."""
    return any(
        beside.is_id(column, file) for column in file.columns if column.name in (columns[USER], columns[ITEM])
    )


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


def _one_log(files: list[Place], first: FileLook) -> Iterator[str]:
    """A question about files without a header that have as many columns, and names that are not alike."""
    names = {re.sub(r"\d+", "", file.name) for file in files}
    if not first.header and len(names) > 1:
        *some, last = [file.name for file in files[:4]] + ["others"] * (len(files) > 4)
        yield (
            f"are {', '.join(some)} and {last} one log? They have no header, and as many columns; the map "
            "has all of them: example_gen.files names those that are the log"
        )


def _which(log: int, logs: list[int], looks: list[FileLook], groups: list[list[Place]]) -> Iterator[str]:
    """Questions about further files that may be the log, or a part of it with other columns."""
    first = looks[log]
    for n in logs:
        lacks = [name for name in first.names if name not in looks[n].names]
        more = [name for name in looks[n].names if name not in first.names]
        if n == log:
            continue
        name = looks[n].path.name + (f" and {len(groups[n]) - 1} more" if len(groups[n]) > 1 else "")
        if len(lacks) + len(more) < len(first.names) / 2:
            differs = [f"lacks {', '.join(lacks)}"] if lacks else []
            differs += [f"also has {', '.join(more)}"] if more else []
            yield (
                f"is {name} a part of the log, too? Unlike {first.path.name} it {' and '.join(differs)}; "
                "the map leaves it out"
            )
        else:
            yield f"which file is the log: {first.path.name} or {name}? The map has {first.path.name}"


def _pattern(files: list[Place], others: list[str]) -> list[str]:
    """Patterns of names that mean these files: one for all with the same letters before their number.

    Args:
      others: names of files that they shall not mean.
    """
    names = [file.name for file in files]
    if len(names) < 3:
        return names
    stem = names[0]
    while not all(name.startswith(stem) for name in names):
        stem = stem[:-1]
    endings = sorted({name.partition(".")[2] for name in names})
    patterns = [f"{stem}*.{ending}" for ending in endings]
    fitting = [name for name in others if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    return [*patterns, *(f"!{name}" for name in fitting)]


def _relative(file: Place, path: Place) -> str:
    root = path if path.is_dir() else path.parent
    return str(file)[len(str(root)) :].lstrip("/")
