"""The map of a log's columns where the config has none: guessed, if that is certain, or asked for."""

from __future__ import annotations

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from components.example_gen.reading.layouts import own
from components.example_gen.reading.places import Place
from datasets.own_log.survey import Survey, survey
from pipeline.errors import InputError
from pipeline.terminal.typed import typed


class UnclearMapError(InputError):
    """Nobody can tell from a log what its columns mean; asks, with the config that answers."""


def needed(path: Place, params: ExampleGenParams) -> bool:
    """Whether a path is there, and its columns have no meaning yet.

    Raises:
      DataError: a file cannot be read at all.
    """
    if params.columns:
        return False
    try:
        there = path.exists()
    except OSError:
        return False  # the reader says so
    return there and not layouts.known(path, params) and bool(own.example(path))


def guessed(path: Place, params: ExampleGenParams) -> Survey:
    """A map of the columns at `path`.

    Raises:
      UnclearMapError: nobody can be certain.
      DataError: a file cannot be read at all.
    """
    found = survey(path, params)
    if not found.guess.certain:
        raise UnclearMapError(f"{found.files[0].path.name} is {found.files[0]}\n{questions(found, path)}")
    return found


def questions(found: Survey, path: Place) -> str:
    """The questions, the config that answers them, and how to save it."""
    command = typed("data", "check", str(path), "--write", "log.yaml")
    asked = "\n".join(f"question  {question}" for question in found.guess.questions)
    return (
        f"{asked}\n\n{found.yaml()}\nSave this with {command}, correct it where it is wrong, and go on with "
        "--config log.yaml"
    )
