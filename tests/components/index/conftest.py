from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import contract
from components.index.build import Built, assemble
from components.index.params import IndexParams


@pytest.fixture(scope="session")
def fake() -> ModuleType:
    from support.models import fake_towers

    return fake_towers


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    from support import search_reference

    return search_reference


@dataclasses.dataclass
class World:
    """A catalogue, towers over it, users, and what the tests ask for."""

    items: pa.Table
    towers: Any
    timelines: dict[str, pa.Table]
    params: IndexParams
    vectors: np.ndarray
    built: dict[str, Built]
    reference: ModuleType
    functions: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        """In row order."""
        return [item.decode() for item in self.built[contract.MODEL].catalogue.ids]

    @property
    def shares(self) -> np.ndarray:
        """float64[N] of the train ratings, in row order."""
        return self.built[contract.MODEL].catalogue.shares

    def plain(self) -> Any:
        """The catalogue as the reference wants it."""
        table = self.built[contract.MODEL].catalogue.table
        position = {item: row for row, item in enumerate(self.items[contract.ITEM_ID].to_pylist())}
        return self.reference.Items(
            self.ids,
            self.vectors[[position[item] for item in self.ids]],
            table[contract.YEAR].to_pylist(),
            [set(genres) for genres in table[contract.GENRES].to_pylist()],
        )

    def ask(self, model: str, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        """Answers one signature; inputs left out are neutral, rows may have different lengths."""
        batch = len(next(iter(inputs.values())))
        tensors = request(signature, batch, **inputs)
        return {name: value.numpy() for name, value in self.function(model, signature)(**tensors).items()}

    def function(self, model: str, signature: str) -> Any:
        """As it is exported; traced once for all tests of a process."""
        if model not in self.functions:
            self.functions[model] = self.built[model].module.functions()
        return self.functions[model][signature]

    def ask_eagerly(self, model: str, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        """The same without making a graph first: seconds faster where a model is asked once."""
        tensors = request(signature, len(next(iter(inputs.values()))), **inputs)
        outputs = getattr(self.built[model].module, signature)(tensors)
        return {name: value.numpy() for name, value in outputs.items()}

    def query(self, **inputs: Any) -> np.ndarray:
        tensors = request(contract.EMBED_QUERY, len(next(iter(inputs.values()))), **inputs)
        return self.towers.embed_query(**tensors).numpy()


def request(signature: str, batch: int, **inputs: Any) -> dict[str, tf.Tensor]:
    expected = {item.name: item for item in contract.SIGNATURES[signature].inputs}
    assert set(inputs) <= set(expected), (signature, sorted(inputs))
    ids = inputs.get(contract.HISTORY_ITEM_IDS)
    if ids is not None:
        inputs.setdefault(contract.HISTORY_RATINGS, [[4.0] * len(row) for row in ids])
        inputs.setdefault(contract.HISTORY_TIMESTAMPS, [[0] * len(row) for row in ids])
    tensors = {}
    for name, item in expected.items():
        dtype = tf.dtypes.as_dtype(item.dtype)
        value = inputs.get(name)
        if value is None:
            value = [item.neutral] * batch if item.columns is None else [[item.neutral]] * batch
        if item.columns is None:
            tensors[name] = tf.constant(value, dtype)
        else:
            rows = tf.ragged.constant([list(row) for row in value], dtype, ragged_rank=1)
            tensors[name] = rows.to_tensor(tf.constant(item.neutral, dtype))
    return tensors


@pytest.fixture(scope="session")
def make_world(fake: ModuleType, reference: ModuleType, tmp_path_factory: pytest.TempPathFactory):
    worlds: dict[tuple, World] = {}

    def make(count: int, dim: int = 16, users: int = 12, **params: Any) -> World:
        key = (count, dim, users, *sorted(params.items()))
        if key not in worlds:
            items, vectors = fake.make_items(count), fake.make_vectors(count, dim)
            vocabulary = tmp_path_factory.mktemp("vocabulary") / "items.txt"
            towers = fake.FakeTowers(items[contract.ITEM_ID].to_pylist(), vectors, vocabulary)
            timelines = fake.make_timelines(items, users)
            section = IndexParams(**params)
            built = assemble(towers, items, timelines, section)
            worlds[key] = World(items, towers, timelines, section, vectors, built, reference)
        return worlds[key]

    return make


@pytest.fixture(scope="session")
def world(make_world) -> World:
    """2,000 items behind ScaNN."""
    return make_world(2000)


def answers(output: dict[str, np.ndarray], row: int = 0) -> list[tuple[str, float]]:
    """[(id, score)] of one row without its padding, which it checks to be at the end."""
    ids, scores = output[contract.ITEM_IDS][row], output[contract.SCORES][row]
    found = int(np.sum(ids != b""))
    assert all(ids[:found] != b"") and all(scores[found:] == 0.0)
    assert np.isfinite(scores).all()
    return [(item.decode(), float(score)) for item, score in zip(ids[:found], scores[:found], strict=True)]


@pytest.fixture(scope="session")
def results():
    return answers
