"""The artifacts of a small run, read as the trainer reads them."""

from __future__ import annotations

import dataclasses

import pytest

import contract
from components.example_gen.records import read
from components.model.params import ModelParams
from components.trainer import run
from components.trainer.inputs import catalogue, events
from components.trainer.params import TrainerParams


@dataclasses.dataclass(frozen=True)
class Material:
    transform: catalogue.MovieTransform
    movies: catalogue.Movies
    train: events.Events
    windows: events.Windows
    positions: object
    model_params: ModelParams

    @property
    def vocabularies(self):
        return self.transform.vocabularies

    def build(self, implicit=False, **knobs):
        return run.build(
            self.model_params, TrainerParams(uniform_negatives=64, **knobs), self.transform, self.movies,
            self.train, self.windows, self.positions, implicit,
        )  # fmt: skip


@pytest.fixture(scope="session")
def material(transformed_workspace) -> Material:
    transform = catalogue.MovieTransform(str(transformed_workspace.artifact("transform", "transform_graph")))
    table = read.read_movies(str(transformed_workspace.artifact("example_gen", "movies")))
    movies = catalogue.load(table, transform)
    timelines = str(transformed_workspace.artifact("example_gen", "timelines"))
    train = events.history_events(read.read_timelines(timelines, contract.TRAIN), movies.ids)
    params = ModelParams(embedding_dim=16, hidden=(16,), history_window=20)
    windows = events.Windows(train, params.history_window)
    return Material(transform, movies, train, windows, events.PairPositions(train), params)
