"""The page with the keys of one's own log has every one of them."""

import re
from pathlib import Path

from components.example_gen.params import ExampleGenParams

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-log-keys.md"


def test_each_key_is_in_its_place_once():
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    named = [key for row in rows for key in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(ExampleGenParams.model_fields)
