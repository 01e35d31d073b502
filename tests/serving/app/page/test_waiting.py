"""What the page says while there is no model."""

from __future__ import annotations

import pytest

from serving.app.page.rendering import environment

DONE = [{"node": name, "state": "ran", "seconds": 1.5} for name in ("trainer", "pusher")]


@pytest.mark.parametrize(
    ("done", "state", "words"),
    [
        (DONE[:1], "running", "The first model is being made"),
        (DONE, "succeeded", "The model is made. Its server is starting"),
        (DONE[:1], "failed", "no space left"),
        (DONE[:1], "refused", "did not pass its gates"),
    ],
)
def test_it_says_what_is_under_way(done: list[dict[str, object]], state: str, words: str) -> None:
    template = environment.get_template("waiting.html")
    steps = {
        "done": done, "planned": ["trainer", "pusher"], "current": None, "state": state,
        "error": "no space left" if state == "failed" else None,
    }  # fmt: skip
    text = "".join(template.blocks["main"](template.new_context({"steps": steps, "detail": ""})))
    assert words in text
    assert f"<b>{len(done)} of 2</b>" in text
