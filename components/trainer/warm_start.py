"""Weights by name and vocabulary string, so that a later model can start from them."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
import tf_keras as keras

import contract
from components.common import storage
from components.model.profile import Profiles
from components.model.protocols import LearnsInSteps
from components.trainer.inputs.catalogue import ItemTransform

_log = logging.getLogger(__name__)

# Weights with a row a word of a vocabulary. Most have one more, out of vocabulary;
# weighted features have none (an unknown tag is dropped).
_TABLE = re.compile(r"(item_encoder|profile_tower)/(?:content/)?(\w+)/embeddings")


def weights_file(model_dir: str) -> str:
    """Where a model's export has them."""
    return storage.join(model_dir, contract.ASSETS_EXTRA, contract.WARM_START)


def vocabularies(transform: ItemTransform, known: Profiles | None) -> dict[str, Sequence[bytes]]:
    """Those of items by their names, and those of users' features."""
    of_users = {} if known is None else {_of_users(name): words for name, words in known.words.items()}
    return {**transform.vocabularies, **of_users}


def _of_users(feature: str) -> str:
    return f"user:{feature}"  # no item's feature has a colon in its name


def _vocabulary_of(weight: str) -> str | None:
    """The vocabulary that a weight's rows follow, if they follow any."""
    if weight == "genre_taste":
        return "tastes"
    found = _TABLE.fullmatch(weight)
    if not found:
        return None
    name = found[2]
    if found[1] == "profile_tower":
        return _of_users(name)
    return contract.ITEM_VOCABULARY if name == "item_ids" else name


def _by_name(model: keras.Model) -> dict[str, tf.Variable]:
    # Trainable ones: the statistics of the user features are this training's own.
    names = [variable.name.split(":")[0] for variable in model.trainable_variables]
    short = [name.removeprefix(f"{model.name}/") for name in names]
    if len(set(short)) != len(short):
        raise AssertionError(f"two weights share a name: {sorted(short)}")
    return dict(zip(short, model.trainable_variables, strict=True))


def save(model: keras.Model, vocabularies: Mapping[str, Sequence[bytes]], path: str) -> None:
    """Write the trainable weights and the vocabularies that their rows follow as .npz."""
    arrays = {f"weight:{name}": variable.numpy() for name, variable in _by_name(model).items()}
    arrays |= {f"vocabulary:{name}": np.array(list(words), np.bytes_) for name, words in vocabularies.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    tf.io.gfile.makedirs(path.rsplit("/", 1)[0])
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(buffer.getvalue())


def load(model: LearnsInSteps, vocabularies: Mapping[str, Sequence[bytes]], path: str) -> int:
    """Start `model` from the weights at `path`; rows are matched by vocabulary string.

    New words keep their fresh rows. Returns how many items were recognised.

    Raises:
      ValueError: `path` does not exist, the model's inputs follow words that differ, or a weight
        has another shape (another embedding_dim, hidden ...), which a warm start cannot bridge.
    """
    if not tf.io.gfile.exists(path):
        raise ValueError(
            f"trainer.warm_start: there are no weights at {path}; expected a version folder that "
            "Marquee pushed (a model in closed form has none), `latest`, or an empty value to start afresh"
        )
    with tf.io.gfile.GFile(path, "rb") as file:
        saved = dict(np.load(io.BytesIO(file.read())))
    for name in model.inputs_by_word:
        if (there := saved[f"vocabulary:{name}"].tolist()) != list(vocabularies[name]):
            raise ValueError(
                f"trainer.warm_start: the {len(there)} words of the {name} in {path} are others, "
                f"or in another order, than the {len(vocabularies[name])} here, and this kind of model "
                "has an input for each by its place; start afresh"
            )
    recognised = 0
    for name, variable in _by_name(model).items():
        if f"weight:{name}" not in saved:
            raise ValueError(
                f"trainer.warm_start: {path} has no weight {name}; it is of another kind of model"
            )
        old, new = saved[f"weight:{name}"], variable.numpy()
        vocabulary = _vocabulary_of(name)
        if vocabulary is None:
            if old.shape != new.shape:
                raise ValueError(
                    f"trainer.warm_start: weight {name} is {old.shape} in {path} and {new.shape} here; "
                    "use the same model section, or start afresh"
                )
            variable.assign(old)
            continue
        if old.shape[1:] != new.shape[1:]:
            raise ValueError(
                f"trainer.warm_start: {name} has {old.shape[1:]} columns in {path} and {new.shape[1:]} here; "
                "use the same model.embedding_dim, or start afresh"
            )
        before = {word: row for row, word in enumerate(saved[f"vocabulary:{vocabulary}"].tolist())}
        pairs = [(row, before[word]) for row, word in enumerate(vocabularies[vocabulary]) if word in before]
        if pairs:
            here, there = (list(x) for x in zip(*pairs, strict=True))
            new[here] = old[there]
        if len(new) > len(vocabularies[vocabulary]):
            new[-1] = old[-1]
        variable.assign(new)
        if vocabulary == "items":
            recognised = len(pairs)
    _log.info("warm start from %s: %d of %d items recognised", path, recognised, len(vocabularies["items"]))
    return recognised
