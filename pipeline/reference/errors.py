"""The page of what a request is refused for: the contract's words, as they are sent."""

from __future__ import annotations

from typing import Final

from contract import refusals
from pipeline.reference.markdown import code, escape, heading, page, paragraph, table

_INTRODUCTION: Final = (
    "A request for one of the [signatures](signatures.md) that breaks a rule is INVALID_ARGUMENT (over REST "
    "400), and the text says the rule, what came, and what to do: `RULE, got WHAT; DO`. gRPC and REST "
    "say the same. What stands in braces is filled in. The model's graph checks what depends on values, so "
    "these rules hold on any server. A stock TensorFlow Serving, and a plain SavedModel, add TensorFlow's "
    "words: `assertion failed: [RULE, got] [WHAT] [; DO]` and the names of the graph's nodes. Names, types "
    "and shapes are refused there in TensorFlow's own words. Values that are no JSON of their type are "
    "refused in [TensorFlow Serving's](tensorflow-serving.md), which a client of both knows."
)


def errors_page() -> str:
    """Markdown: a row per rule."""
    rows = [(code(name), escape(refusal.rule), escape(refusal.do)) for name, refusal in refusals.ALL.items()]
    return page(
        heading("Errors of a request", "`contract/refusals.py`"),
        paragraph(_INTRODUCTION),
        table(("", "rule", "do"), rows),
    )
