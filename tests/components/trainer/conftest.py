"""The artifacts of the shared small run, read as the trainer reads them."""

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
    transform: catalogue.ItemTransform
    items: catalogue.Items
    train: events.Events
    windows: events.Windows
    positions: object
    model_params: ModelParams

    @property
    def vocabularies(self):
        return self.transform.vocabularies

    def build(self, implicit=False, **knobs):
        return run.build(
            self.model_params, TrainerParams(uniform_negatives=64, **knobs), self.transform, self.items,
            self.train, self.windows, self.positions, implicit,
        )  # fmt: skip


@pytest.fixture(scope="session")
def material(pushed_workspace) -> Material:
    transform = catalogue.ItemTransform(str(pushed_workspace.artifact("transform", "transform_graph")))
    table = read.read_items(str(pushed_workspace.artifact("example_gen", "items")))
    items = catalogue.load(table, transform)
    timelines = str(pushed_workspace.artifact("example_gen", "timelines"))
    train = events.history_events(read.read_timelines(timelines, contract.TRAIN), items.ids)
    params = ModelParams(embedding_dim=16, hidden=(16,), history_window=20)
    windows = events.Windows(train, params.history_window)
    return Material(transform, items, train, windows, events.PairPositions(train), params)
