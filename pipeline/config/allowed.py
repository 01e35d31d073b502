"""What a config key allows, in words, from its JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "of {} characters or more",
    "maxLength": "of {} characters at most",
    "pattern": "matching {}",
    "minItems": "with {} items or more",
    "maxItems": "with {} items at most",
}


def describe(schema: Mapping[str, Any]) -> str:
    """For instance "a whole number, at least 1 and at most 1024".

    Args:
      schema: one property of `Section.model_json_schema()`.
    """
    if "anyOf" in schema:
        return " or ".join(describe(option) for option in schema["anyOf"])
    if "$ref" in schema:
        return "a section"
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        text = f"a list, each item {_items(schema)}"
    elif kind == "object":
        text = f"a mapping of text to {describe(schema.get('additionalProperties') or {})}"
    else:
        text = _KINDS.get(str(kind), "a value of another kind")
    bounds = [words.format(schema[key]) for key, words in _BOUNDS.items() if key in schema]
    return f"{text}, {' and '.join(bounds)}" if bounds else text


def _items(schema: Mapping[str, Any]) -> str:
    if "prefixItems" in schema:
        return "in turn " + ", ".join(describe(item) for item in schema["prefixItems"])
    return describe(schema.get("items", {}))
