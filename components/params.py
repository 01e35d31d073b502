"""Base of every room's config section."""

from __future__ import annotations

from typing import Self

import pydantic


class Section(pydantic.BaseModel):
    """A frozen, checked group of knobs. An unknown key is an error, not ignored.

    A section travels to its component as JSON (`to_json`, `from_json`): a
    Kubeflow spec can hold nothing richer.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    def to_json(self) -> str:
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls.model_validate_json(text)
