from __future__ import annotations

import pytest
from support.models import tiny_models
from support.models.batches import Watched

from serving.model_server.execution.runtime import Model


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Model:
    model = Model.load(str(tiny_models.everything(tmp_path_factory.mktemp("everything") / "1")))
    yield model
    model.close()


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Model:
    model = Model.load(str(tiny_models.histories(tmp_path_factory.mktemp("histories") / "1")))
    yield model
    model.close()


@pytest.fixture
def watched(everything: Model) -> Watched:
    return Watched(everything)
