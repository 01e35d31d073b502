"""Runs the real `marquee` command on a small generated data set."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from support.runs import fork_server
from support.runs.fork_server import Finished

from datasets.generated import movielens_sample

REPOSITORY = Path(__file__).parents[2]

# Small enough for seconds, large enough that the gates mean something and that
# the model has a ScaNN index.
SMALL = (
    "model.embedding_dim=16",
    "model.hidden=[32]",
    "model.history_window=30",
    "trainer.batch_size=256",
    "trainer.uniform_negatives=256",
    "trainer.epochs=4",
    "index.exact_below=300",
    "model.history_dropout=0.2",
    "index.shown_users=5",
    # Latency is measured, in a tenth of a second, and on a machine under tests refuses nobody.
    "serving_check.latency_queries=10",
    "serving_check.latency_rate=200",
    "serving_check.latency_floor_ms=10000",
)


def marquee(
    *args: str, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 600, real: bool = False
) -> Finished:
    """Runs the real command in a process of its own: a fork that has imported what is not ours.

    Args:
      env: what differs from this process's environment.
      real: a new interpreter, as a user starts it. Each command has one test with it.
    """
    run = fork_server.run_process if real else fork_server.run
    # The sources under test, wherever the command runs.
    whole = {**os.environ, "PYTHONPATH": str(REPOSITORY), **(env or {})}
    return run(("-m", "pipeline.cli", *args), cwd, whole, timeout)


def killed_run(workspace: Workspace, node: str, when: str) -> str:
    """`marquee run`, killed in a component: see support/runs/run_and_kill.py; returns what it printed."""
    script = str(REPOSITORY / "tests" / "support" / "runs" / "run_and_kill.py")
    command = (script, node, when, "--", "run", "--data", str(workspace.data), *settings())
    done = fork_server.run(command, workspace.folder, {**os.environ, "PYTHONPATH": str(REPOSITORY)})
    # The serving check's model server outlives a run that cannot stop it any more.
    for process in psutil.process_iter(["cwd"]):
        if process.info["cwd"] == str(workspace.folder):
            process.kill()
    assert done.code == -signal.SIGKILL, done.out + done.err
    return done.out


def settings(**knobs: Any) -> list[str]:
    """`--set` arguments of the small config, then of `knobs` (dots as double underscores)."""
    pairs = [*SMALL, *(f"{name.replace('__', '.')}={value}" for name, value in knobs.items())]
    return [part for pair in pairs for part in ("--set", pair)]


@dataclasses.dataclass(frozen=True)
class Workspace:
    """A folder with data and the artifacts of runs on it."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def pushed(self) -> list[Path]:
        """Version folders of the ScaNN model, oldest first."""
        folder = self.artifacts / "serving_model" / "marquee"
        return sorted(p for p in folder.glob("*") if p.name.isdigit()) if folder.exists() else []

    def run(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        real: bool = False,
        timeout: float = 600,
        **knobs: Any,
    ) -> Finished:
        command = ("run", "--json", "--data", str(self.data), *settings(**knobs), *args)
        return marquee(*command, cwd=self.folder, env=env, real=real, timeout=timeout)

    def command(self, *args: str, real: bool = False) -> Finished:
        return marquee(*args, cwd=self.folder, real=real)

    def artifact(self, node: str, key: str) -> Path:
        """Newest output `key` of a component."""
        return max((self.artifacts / node / key).iterdir(), key=lambda path: int(path.name))


def new_workspace(folder: Path, items: int = 500) -> Workspace:
    folder.mkdir(parents=True, exist_ok=True)
    movielens_sample.generate(folder / "data", users=250, items=items, ratings=15_000, seed=7)
    return Workspace(folder)


def components_by_state(run: Finished) -> dict[str, list[str]]:
    """state -> nodes, of a `run --json`."""
    states: dict[str, list[str]] = {"ran": [], "cached": []}
    for component in run.json()["components"]:
        states["cached" if component["cached"] else "ran"].append(component["node"])
    return states
