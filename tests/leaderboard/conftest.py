"""A small generated data set under every protocol."""

from __future__ import annotations

import pytest

from datasets.generated import movielens_sample, shop_sample
from leaderboard import protocols
from pipeline.config import reader


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaderboard") / "data"
    movielens_sample.generate(folder, users=90, items=700, ratings=4_000, seed=5)
    return folder


@pytest.fixture(scope="session")
def protocol(data):
    """name -> Protocol, each read once."""
    known = {}

    def load(name: str) -> protocols.Protocol:
        if name not in known:
            known[name] = protocols.load(data, name)
        return known[name]

    return load


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """Path of a generated shop, and how to read it."""
    folder = tmp_path_factory.mktemp("leaderboard-shop") / "data"
    shop_sample.generate(folder, users=60, items=80, interactions=1_500, seed=3)
    return folder, reader.load("shop").example_gen
