from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

_STUB = Path(__file__).parents[2] / "serving" / "stub_model.py"


@pytest.fixture(scope="session")
def stub_model() -> ModuleType:
    """The model that the warm-up's own tests use."""
    spec = importlib.util.spec_from_file_location("serving_check_tests_stub_model", _STUB)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
