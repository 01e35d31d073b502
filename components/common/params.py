"""Base of every room's config section."""

from __future__ import annotations

import typing
from collections.abc import Collection
from typing import Any, Self

import pydantic
from pydantic_core import PydanticCustomError


class Section(pydantic.BaseModel):
    """A frozen, checked group of options. An unknown key is an error, not ignored.

    A section travels to its component as JSON (`to_json`, `from_json`): a
    Kubeflow spec can hold nothing richer.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _no_boolean_for_a_number(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        """Pydantic takes True for 1; YAML reads a bare `yes` as True."""
        assert info.field_name is not None
        kind = cls.model_fields[info.field_name].annotation
        # A section, or each of a list of them, has this check of its own.
        sections = any(
            isinstance(part, type) and issubclass(part, Section) for part in (kind, *typing.get_args(kind))
        )
        if bool not in (kind, *typing.get_args(kind)) and not sections and _holds_boolean(value):
            raise PydanticCustomError("boolean", "must not be true or false")
        return value

    def changed(self, besides: Collection[str] = ()) -> dict[str, tuple[Any, Any]]:
        """Keys whose value is not their default, with both, without those of `besides`."""
        found = {}
        for key, field in type(self).model_fields.items():
            value, default = getattr(self, key), field.get_default(call_default_factory=True)
            if key not in besides and value != default:
                found[key] = (value, default)
        return found

    def to_json(self) -> str:
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls.model_validate_json(text)


def _holds_boolean(value: Any) -> bool:
    if isinstance(value, dict):
        return _holds_boolean(list(value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_boolean, value))
    return isinstance(value, bool)
