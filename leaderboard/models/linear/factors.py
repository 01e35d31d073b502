"""Matrix factorisations that a library computes: iALS and BPR of `implicit`, SciPy's truncated SVD."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg

from components.model.closed_form import als
from leaderboard.model import Model
from leaderboard.split import Histories, Queries, Split


def unseen(split: Split) -> np.ndarray:
    """bool[N]: items without a train event, which no factor stands for."""
    return np.bincount(split.train.rows, minlength=split.catalogue.size) == 0


@dataclasses.dataclass
class ImplicitAls(Model):
    """iALS (Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008).

    A query's factors are solved for from its history, so new people have them too.

    Attributes:
      regularisation, alpha: as `implicit` has them: lambda, and the confidence of an event.
    """

    factors: int = 64
    regularisation: float = 10.0
    alpha: float = 1.0
    iterations: int = 15

    NAME: ClassVar[str] = "ials"
    RANDOM: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "factors": (64, 16, 32, 128),
        "regularisation": (10.0, 0.1, 1.0, 3.0, 30.0, 100.0),
        "alpha": (1.0, 0.5, 3.0, 10.0),
        "iterations": (15, 30),
    }

    def fit(self, split: Split) -> None:
        self._model = als.fit(
            split.train.matrix(split.catalogue.size),
            self.factors,
            self.regularisation,
            self.alpha,
            self.iterations,
            self.seed,
        )
        self._unseen = unseen(split)

    def score_many(self, queries: Queries) -> np.ndarray:
        history = queries.history.matrix(len(self._unseen))
        with als.one_blas_thread():
            users = np.atleast_2d(self._model.recalculate_user(np.arange(len(queries)), history))
        return np.where(self._unseen, -np.inf, users @ self._model.item_factors.T)

    @property
    def parameters(self) -> int:
        return int(self._model.item_factors.size + self._model.user_factors.size)


@dataclasses.dataclass
class Bpr(Model):
    """Bayesian personalised ranking by matrix factorisation (Rendle et al., UAI 2009).

    A user is an id: who was not in train gets the mean of all users' factors.
    """

    factors: int = 64
    learning_rate: float = 0.05
    regularisation: float = 0.01
    iterations: int = 100

    NAME: ClassVar[str] = "bpr"
    RANDOM: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "factors": (64, 16, 32, 128),
        "learning_rate": (0.05, 0.01, 0.1),
        "regularisation": (0.01, 0.001, 0.03, 0.1),
        "iterations": (100, 50, 200),
    }

    def fit(self, split: Split) -> None:
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        with als.one_blas_thread():
            self._model = BayesianPersonalizedRanking(
                factors=self.factors,
                learning_rate=self.learning_rate,
                regularization=self.regularisation,
                iterations=self.iterations,
                random_state=self.seed,
                num_threads=1,  # with more the order of the updates is a race: no two fits alike
            )
            self._model.fit(split.train.matrix(split.catalogue.size), show_progress=False)
        self._users = {id_: i for i, id_ in enumerate(split.user_ids) if split.train.lengths[i]}
        self._unseen = unseen(split)

    def score_many(self, queries: Queries) -> np.ndarray:
        known = np.asarray(self._model.user_factors)
        rows = np.array([self._users.get(id_, -1) for id_ in queries.user_ids])
        users = np.where((rows >= 0)[:, None], known[rows], known.mean(axis=0))
        return np.where(self._unseen, -np.inf, users @ self._model.item_factors.T)

    @property
    def parameters(self) -> int:
        return int(self._model.item_factors.size + self._model.user_factors.size)


@dataclasses.dataclass
class TruncatedSvd(Model):
    """Rank-k singular value decomposition of the ratings less each user's mean, 0 where unrated.

    The "PureSVD" of Cremonesi, Koren and Turrin (RecSys 2010) as notebooks have it. With V the
    items' k right singular vectors, a history x is completed to mean + (x - mean) V V', which
    for a train user's own ratings is the decomposition's own reconstruction.
    """

    factors: int = 50

    NAME: ClassVar[str] = "svd"
    RATES: ClassVar[bool] = True
    SPACE: ClassVar[Mapping[str, tuple[Any, ...]]] = {"factors": (50, 10, 20, 100)}

    def fit(self, split: Split) -> None:
        self._mean = float(split.train.ratings.mean())
        self._size = split.catalogue.size
        centred, _ = self._centred(split.train)
        rank = min(self.factors, min(centred.shape) - 1)
        _, _, right = scipy.sparse.linalg.svds(centred.astype(np.float64), k=rank, random_state=0)
        self._right = right

    def score_many(self, queries: Queries) -> np.ndarray:
        centred, _ = self._centred(queries.history)
        return np.asarray((centred @ self._right.T) @ self._right)

    def predict_ratings(self, queries: Queries, asked: Histories) -> np.ndarray:
        centred, means = self._centred(queries.history)
        users = centred @ self._right.T
        residual = np.einsum("ek,ke->e", users[asked.owner], self._right[:, asked.rows])
        return means[asked.owner] + residual

    def _centred(self, history: Histories) -> tuple[sp.csr_matrix, np.ndarray]:
        count = np.maximum(history.lengths, 1)
        total = np.bincount(history.owner, history.ratings, len(history))
        means = np.where(history.lengths > 0, total / count, self._mean)
        return history.matrix(self._size, history.ratings - means[history.owner]), means

    @property
    def parameters(self) -> int:
        return int(self._right.size)
