"""An interrupted fit that is begun anew ends as one that was not interrupted."""

import numpy as np
import pytest
from support.training import toy_training

from components.model.params import ModelParams
from components.trainer.inputs import events
from components.trainer.loop import checkpoints, fit
from components.trainer.params import TrainerParams

pytestmark = pytest.mark.long

SHAPE = {"embedding_dim": 8, "hidden": (8,), "history_window": 10, "attention_layers": 1}


class Interrupted(checkpoints.Checkpoints):
    """Loses its process after the n-th checkpoint."""

    def __init__(self, folder, every, after):
        super().__init__(folder, every)
        self.left = after

    def save(self, facts, arrays):
        super().save(facts, arrays)
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def fitted(tmp_path, kept, encoder="views", epochs=2, scores=(0.2, 0.1)):
    """(weights, result, epochs that were measured)"""
    train = toy_training.train_events()
    params = TrainerParams(seed=3, epochs=epochs, batch_size=100, uniform_negatives=20, sequence_batch=9)
    model = toy_training.model(
        train, ModelParams(query_encoder=encoder, **SHAPE), params.seed, uniform_negatives=20
    )
    windows = events.Windows(train, SHAPE["history_window"])
    measured = []

    def eval_recall():
        measured.append(len(measured))
        return {params.monitor_k: scores[len(measured) - 1]}

    arguments = (model, windows, events.PairPositions(train), eval_recall, params, str(tmp_path / "logs"))
    try:
        result = fit.fit(*arguments, None, kept)
    except KeyboardInterrupt:
        return None, None, len(measured)
    return model.get_weights(), result, len(measured)


@pytest.mark.parametrize(
    ("encoder", "every", "after", "measured"),
    [
        ("views", 6, 3, 1),
        pytest.param("views", 0, 1, 1, marks=pytest.mark.long),
        pytest.param("transformer", 7, 1, 0, marks=pytest.mark.long),
    ],
)
def test_a_fit_goes_on_as_if_it_had_not_been_interrupted(tmp_path, encoder, every, after, measured):
    whole, result, _ = fitted(tmp_path, checkpoints.Checkpoints(str(tmp_path / "whole"), every), encoder)
    folder = str(tmp_path / "broken")
    assert fitted(tmp_path, Interrupted(folder, every, after), encoder) == (None, None, measured)
    rest, again, more = fitted(
        tmp_path, checkpoints.Checkpoints(folder, every), encoder, scores=(0.2, 0.1)[measured:]
    )
    assert (more, again) == (2 - measured, result)
    assert (result.best_epoch, result.epochs) == (1, 2)
    for a, b in zip(whole, rest, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_a_fit_that_was_done_is_not_done_again(tmp_path):
    """Its chief may have been lost while it exported; the best epoch's weights come from the checkpoint."""
    folder = str(tmp_path / "kept")
    first, result, measured = fitted(tmp_path, checkpoints.Checkpoints(folder), epochs=1)
    assert (result.best_epoch, result.epochs, measured) == (1, 1, 1)
    second, again, measured = fitted(tmp_path, checkpoints.Checkpoints(folder), epochs=1, scores=())
    assert (again, measured) == (result, 0)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_key_changes_with_every_part():
    train = toy_training.train_events()

    def key(params="{}", rows=train.rows, offsets=train.offsets, code="abc", last=None):
        return checkpoints.key(params, [rows, offsets], code, last)

    others = [
        key(params="{ }"),
        key(rows=train.rows[::-1].copy()),
        key(rows=train.rows.astype(np.int64)),
        key(offsets=train.offsets[:-1]),
        key(code=None),
        key(last=3),
        checkpoints.key("{}", [train.rows], [train.offsets], "abc", None),
    ]
    assert key() == key()
    assert len({key(), *others}) == 1 + len(others)
    with pytest.raises(TypeError, match="cannot be part of a key"):
        checkpoints.key(object())
