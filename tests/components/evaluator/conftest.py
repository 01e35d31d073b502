"""`fake_model` for the tests of this folder."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def fake_model() -> ModuleType:
    """The module beside this file. Test folders are no packages, so it is loaded by path."""
    path = Path(__file__).with_name("fake_model.py")
    spec = importlib.util.spec_from_file_location("evaluator_fake_model", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
