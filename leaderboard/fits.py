"""One fit of one model, measured; and a folder that remembers those already made.

A leaderboard takes hours. What a fit came to is written when it ends, under a key of
everything it depends on, so a run that broke off goes on where it was.
"""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard import protocols, ranking, rating_errors, registry
from leaderboard.ranking import UserMetrics
from leaderboard.split import Part, Split

# Arrays in the file of a fit: one a metric.
_VALUES, _WEIGHTS = "values ", "weights "


@dataclasses.dataclass(frozen=True)
class Fit:
    """What a fit came to.

    Attributes:
      metrics: on the part that was measured.
      seconds: of the fit.
      parameters: `Model.parameters`.
      chosen: `Model.chosen()`.
    """

    metrics: UserMetrics
    seconds: float
    parameters: int
    chosen: dict[str, Any]


class Fits:
    """Fits, or remembers.

    Args:
      folder: of what is remembered.
      depends_on: whatever a result depends on beside model, hyperparameters, seed and part, such as data.
      code: model -> hash of the sources that its fit runs.
    """

    def __init__(
        self, folder: Path, depends_on: Mapping[str, Any], code: Mapping[str, str] | None = None
    ) -> None:
        self._folder = folder
        self._depends_on = dict(depends_on)
        self._code = dict(code or {})
        self.remembered = 0
        folder.mkdir(parents=True, exist_ok=True)

    def fit(self, name: str, hyperparameters: Mapping[str, Any], seed: int, split: Split, part: str) -> Fit:
        """Fits on `split` and measures on its part "eval" or "test"."""
        path = self._path(name, hyperparameters, seed, part)
        if path.exists():
            self.remembered += 1
            return _read(path)
        model = registry.make(name, seed, hyperparameters)
        model.fit_name = path.stem
        began = time.perf_counter()
        model.fit(split.without_test())
        seconds = time.perf_counter() - began
        wanted = split.eval if part == "eval" else split.test
        assert wanted is not None
        found = Fit(_measure(model, split, wanted), seconds, model.parameters, model.chosen())
        _write(path, found)
        # A graph of TensorFlow's is a cycle and holds its weights until it is collected.
        del model
        gc.collect()
        return found

    def _path(self, name: str, hyperparameters: Mapping[str, Any], seed: int, part: str) -> Path:
        own = {
            "model": name,
            "code": self._code.get(name),
            "hyperparameters": hyperparameters,
            "seed": seed,
            "part": part,
        }
        key = {**self._depends_on, **own}
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
        return self._folder / f"{name}-{part}-{digest[:20]}.npz"


def _measure(model: Any, split: Split, part: Part) -> UserMetrics:
    module: Any = rating_errors if split.protocol in protocols.BY_RATINGS else ranking
    found: UserMetrics = module.evaluate(model, split, part)
    return found


def _write(path: Path, fit: Fit) -> None:
    metrics, info = fit.metrics, {"seconds": fit.seconds, "parameters": fit.parameters, "chosen": fit.chosen}
    info["seconds_per_query"] = metrics.seconds_per_query
    arrays = {
        "users": metrics.users,
        **{f"{_VALUES}{name}": values for name, values in metrics.values.items()},
        **{f"{_WEIGHTS}{name}": weights for name, weights in metrics.weights.items()},
    }
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        arrays["info"] = np.array(json.dumps(info))
        np.savez(file, allow_pickle=False, **arrays)
    part.replace(path)  # whole or not at all


def _read(path: Path) -> Fit:
    with np.load(path) as file:
        info = json.loads(str(file["info"]))
        arrays = {name: file[name] for name in file.files if name != "info"}
    metrics = UserMetrics(
        arrays["users"], _named(arrays, _VALUES), info["seconds_per_query"], _named(arrays, _WEIGHTS)
    )
    return Fit(metrics, info["seconds"], info["parameters"], info["chosen"])


def _named(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): of for name, of in arrays.items() if name.startswith(prefix)}
