"""`fake_model` for the tests of this folder."""

from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def fake_model() -> ModuleType:
    from support.models import fake_model

    return fake_model
