"""Toy artifacts, read as the trainer reads them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import contract
from components.example_gen.records import read
from components.model.params import ModelParams
from components.trainer import fitting
from components.trainer.inputs import catalogue, events
from components.trainer.params import TrainerParams


@dataclasses.dataclass(frozen=True)
class Material:
    transform: catalogue.ItemTransform
    items: catalogue.Items
    train: events.Events
    windows: events.Windows
    positions: Any
    model_params: ModelParams

    @property
    def vocabularies(self):
        return self.transform.vocabularies

    def build(self, implicit=False, **options):
        return fitting.build(
            self.model_params, TrainerParams(uniform_negatives=64, **options), self.transform, self.items,
            self.windows, self.positions, implicit,
        )  # fmt: skip


@pytest.fixture(scope="session")
def material(artifacts) -> Material:
    transform = catalogue.ItemTransform(artifacts.transform_graph)
    items = catalogue.load(read.read_items(artifacts.items), transform)
    train = events.history_events(read.read_timelines(artifacts.timelines, contract.TRAIN), items.ids)
    params = ModelParams(embedding_dim=16, hidden=(16,), history_window=20)
    windows = events.Windows(train, params.history_window)
    return Material(transform, items, train, windows, events.PairPositions(train), params)
