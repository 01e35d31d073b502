"""The parameters that a run is given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipeline.errors import InputError
from pipeline.kubeflow.documents import Documents

_KINDS = {
    "STRING": (str, "text"),
    "NUMBER_INTEGER": (int, "a whole number"),
    "NUMBER_DOUBLE": (float, "a number"),
}
_JSON_KINDS = {
    "BOOLEAN": (bool, "true or false"),
    "LIST": (list, "a JSON list"),
    "STRUCT": (dict, "a JSON object"),
}


def definitions(documents: Documents) -> dict[str, Any]:
    """Parameter -> its ParameterSpec, of the whole pipeline."""
    found: dict[str, Any] = (documents.pipeline["root"].get("inputDefinitions") or {}).get("parameters") or {}
    return found


def given(documents: Documents, pairs: Sequence[str], complete: bool = False) -> dict[str, Any]:
    """The values of `NAME=VALUE` pairs, in the types that the spec wants; the last one of a name wins.

    Args:
      complete: also that every parameter without a default is among them.

    Raises:
      InputError: an unknown name, a value of another type, or one that is missing.
    """
    specs = definitions(documents)
    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"--param {pair}: expected NAME=VALUE, such as --param max_steps=1000")
        if name not in specs:
            raise InputError(
                f"--param {pair}: no such parameter; the pipeline has {', '.join(sorted(specs)) or 'none'}"
            )
        values[name] = _value(pair, text, specs[name]["parameterType"])
    if complete:
        require(specs, values)
    return values


def with_defaults(documents: Documents, values: dict[str, Any]) -> dict[str, Any]:
    """`values` and the defaults of the rest.

    Raises:
      InputError: one has neither.
    """
    specs = definitions(documents)
    require(specs, values)
    return {name: values.get(name, spec.get("defaultValue")) for name, spec in specs.items()}


def require(specs: dict[str, Any], values: dict[str, Any]) -> None:
    for name, spec in specs.items():
        if name not in values and "defaultValue" not in spec and not spec.get("isOptional"):
            text = f" ({spec['description']})" if "description" in spec else ""
            raise InputError(
                f"the parameter {name}{text} has no default in this spec; give --param {name}=VALUE, or "
                f"compile with --set kubeflow.{name}=VALUE"
            )


def _value(pair: str, text: str, kind: str) -> Any:
    words = (_KINDS | _JSON_KINDS)[kind][1]
    try:
        if kind in _KINDS:
            return _KINDS[kind][0](text)
        value = json.loads(text)
        if not isinstance(value, _JSON_KINDS[kind][0]):
            raise ValueError
    except ValueError as error:
        raise InputError(f"--param {pair}: must be {words}") from error
    return value
