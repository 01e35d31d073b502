"""Options of the fit; the model's hyperparameters are in components/model/params.py."""

from __future__ import annotations

from pydantic import Field

from components.common.params import Section
from components.model.params import ModelParams, refuse_unread


class TrainerParams(Section):
    seed: int = Field(1, ge=0, description="seed of weights, shuffling, dropout and drawn negatives")
    epochs: int = Field(8, ge=1, description="passes over the (prefix, next) pairs, at most")
    max_steps: int = Field(
        0,
        ge=0,
        description="steps of the fit in all, at most, however many its epochs have; 0: no such limit. The "
        "learning rate falls to 0 by the last one",
    )
    batch_size: int = Field(
        1024, ge=2, description="B, pairs in a step; each is the others' in-batch negative"
    )
    uniform_negatives: int = Field(
        1024, ge=0, description="S, candidates drawn evenly from the catalogue beside the batch's own"
    )
    sequence_batch: int = Field(
        128,
        ge=1,
        description="windows in a step of the transformer, which learns from every event of each at once; "
        "`batch_size` pairs beside them are for the rating head and the genre tastes",
    )
    learning_rate: float = Field(
        4e-3, gt=0, le=1, description="of Adam, at its peak; it warms up and then decays to 0"
    )
    lazy_adam: bool = Field(
        False,
        description="leave an embedding's rows, and Adam's moments of them, alone in steps without them: a "
        "step's time does not grow with the catalogue then",
    )
    rating_weight: float = Field(
        0.3, ge=0, description="weight of the rating head's squared error in the loss"
    )
    low_rating_weight: float = Field(
        0.3,
        ge=0,
        le=1,
        description="weight of a next item rated below the relevance threshold as a positive",
    )
    monitor_k: int = Field(
        20,
        ge=1,
        le=1000,
        description="k of the eval Recall@k that early stopping watches and whose best weights are kept",
    )
    monitor_users: int = Field(
        20_000,
        ge=1,
        description="eval users whose Recall@k is measured after each epoch, at most: of more, so many drawn",
    )
    patience: int = Field(3, ge=1, description="epochs without a better eval Recall@k before training stops")
    warm_start: str = Field(
        "",
        description="start from the weights of an earlier model: a pushed version's folder (after "
        "final_fit: all that in marquee-tested, since the other has seen the test split), or `latest` "
        "for the last pushed one; empty starts afresh. Rows are matched by vocabulary string",
    )
    scratch: str = Field(
        "",
        description="folder on a local disk for the events while they are trained on, 16 bytes each; empty: "
        "the system's for temporary files",
    )
    checkpoint_dir: str = Field(
        "",
        description="folder or URL of checkpoints: a fit that was interrupted and is begun anew, with the "
        "same data, config and sources, goes on from its last one; they are removed when it is done. "
        "Several workers must all see it. Empty: none, and a fit begins at the beginning",
    )
    checkpoint_steps: int = Field(
        0, ge=0, description="steps between checkpoints; 0: one at the end of each epoch"
    )

    def check_kind(self, model: ModelParams) -> None:
        """
        Raises:
          ValueError: a key is set that a model of this kind does not read.
        """
        read = model.entry.trainer_reads
        if read is not None:
            refuse_unread(self.changed(read), model.kind)
