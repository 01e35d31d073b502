"""The config's model section; how a model is fitted is in components/trainer/params.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from components.model.kinds import KINDS, AllHyperparameters, Kind


def _known(name: str) -> str:
    if name not in KINDS:
        raise PydanticCustomError("unknown_kind", "must be one of {names}", {"names": ", ".join(KINDS)})
    return name


KindName = Annotated[
    str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(KINDS)}, mode="validation")
]


class ModelParams(AllHyperparameters):
    kind: KindName = Field(
        "two_tower",
        description="what is fitted and served. In closed form: "
        + "; ".join(f"{kind.name} ({kind.summary})" for kind in KINDS.values() if not kind.in_steps)
        + ". In steps: "
        + "; ".join(f"{kind.name} ({kind.summary})" for kind in KINDS.values() if kind.in_steps)
        + ". A key that a kind does not read is refused unless it has its default; "
        "docs/explain/model-kinds.md lists what each reads",
    )

    @property
    def entry(self) -> Kind:
        """Of `kind`."""
        return KINDS[self.kind]

    @model_validator(mode="after")
    def _of_this_kind(self) -> ModelParams:
        refuse_unread(self.changed(self.entry.reads | {"kind"}), self.kind)
        self.entry.check(self)
        return self


def refuse_unread(changed: Mapping[str, tuple[Any, Any]], kind: str) -> None:
    """
    Args:
      changed: keys that `kind` does not read, with the value and the default: see `Section.changed`.

    Raises:
      ValueError: there are any.
    """
    if changed:
        named = ", ".join(f"{key} = {_word(value)}" for key, (value, _) in changed.items())
        defaults = ", ".join(f"{key} = {_word(default)}" for key, (_, default) in changed.items())
        raise ValueError(
            f"{named}: not read by model.kind {kind}; leave the default ({defaults}), or choose a kind that "
            "reads what you set"
        )


def _word(value: Any) -> str:
    """As YAML has it."""
    return str(list(value)) if isinstance(value, tuple) else repr(value)
