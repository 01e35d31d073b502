"""A small generated data set under every protocol."""

from __future__ import annotations

import pytest

from components.example_gen import sample, shop_sample
from components.leaderboard import protocols
from pipeline import config_file


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaderboard") / "data"
    sample.generate(folder, users=90, movies=700, ratings=4_000, seed=5)
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
    return folder, config_file.load("shop").example_gen
