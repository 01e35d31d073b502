from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def stub_model() -> ModuleType:
    """The helper module beside this file (tests are no package and not on the path)."""
    path = Path(__file__).with_name("stub_model.py")
    spec = importlib.util.spec_from_file_location("serving_tests_stub_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
