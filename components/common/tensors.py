"""What exported graphs are made of: the contract's signatures in TensorFlow's terms, and tables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

import contract


def input_specs(signature: str) -> list[tf.TensorSpec]:
    """The inputs of `signature`, in the contract's order; every dimension is open."""
    return specs_of(contract.SIGNATURES[signature].inputs)


def specs_of(inputs: Iterable[contract.Input]) -> list[tf.TensorSpec]:
    return [tf.TensorSpec(item.shape(None, None), tf.as_dtype(item.dtype), item.name) for item in inputs]


def function_of(
    inputs: Sequence[contract.Input],
    body: Callable[[Mapping[str, tf.Tensor]], Any],
    defaults: Mapping[str, tf.Tensor] | None = None,
) -> Any:
    """A tf.function with a parameter for each input, whichever they are; `body` gets them by name.

    Args:
      inputs: in the order of the parameters, but that those with a default come last.
      body: what it computes.
      defaults: values of inputs that a call may leave out. A SavedModel holds them as
        `SignatureDef.defaults` of the signature that the function is exported as.
    """
    defaults = defaults or {}
    ordered = sorted(inputs, key=lambda item: item.name in defaults)
    kind, none = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
    signature = inspect.Signature(
        [inspect.Parameter(item.name, kind, default=defaults.get(item.name, none)) for item in ordered]
    )

    def call(*args: tf.Tensor, **kwargs: tf.Tensor) -> Any:
        return body(signature.bind(*args, **kwargs).arguments)

    call.__signature__ = signature  # type: ignore[attr-defined]
    return tf.function(call, input_signature=specs_of(ordered), autograph=False)


def neutral(item: contract.Input, batch: int | tf.Tensor) -> tf.Tensor:
    """[batch] or [batch, 1] of the value that changes nothing."""
    return tf.fill(item.shape(batch), tf.constant(item.neutral, item.dtype))


def apart(function: Callable[..., Any], input_signature: Sequence[Any] | None = None) -> Any:
    """A tf.function whose operations stay in a function of their own.

    Inlined, each of them is looked at in every run, also in a branch that is not taken; and with
    an `input_signature` a graph holds them once, however often they are called.
    """
    return tf.function(
        function, input_signature, autograph=False, experimental_attributes={"_noinline": True}
    )


def take(table: tf.Variable, rows: tf.Tensor) -> tf.Tensor:
    """The rows [...] of a variable, as tf.gather.

    `tf.gather(variable)` takes the variable for one that is updated sparsely: from
    its first run on, whatever else reads the variable copies all of it
    (TensorFlow's copy-on-read mode) - every embedding for every query.
    """
    return tf.gather(table.read_value(), rows)
