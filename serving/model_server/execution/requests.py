"""What a request is for, and what a prediction says."""

from __future__ import annotations

import dataclasses

import numpy as np

Tensors = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, slots=True)
class ModelSpec:
    """Model, version and signature of a request; "" is the default signature."""

    name: str
    version: int | None = None
    label: str | None = None
    signature: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Prediction:
    """Outputs and what they were computed on."""

    name: str
    version: int
    signature: str
    outputs: Tensors
