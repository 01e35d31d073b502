"""run_fn on toy artifacts, as a final fit."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

import contract
from components.model.params import ModelParams
from components.trainer import run
from components.trainer.loop import fit
from components.trainer.params import TrainerParams


def test_a_final_fit_reads_train_alone_and_ends_with_the_tested_best_epoch(artifacts, tmp_path, monkeypatch):
    fitted_with = []
    real = fit.fit
    monkeypatch.setattr(fit, "fit", lambda *args: fitted_with.append(args[4]) or real(*args))
    timelines = Path(artifacts.timelines)
    shutil.copytree(timelines / "Split-train", tmp_path / "timelines" / "Split-train")  # no eval, no test
    fit.FitResult(best_epoch=1, epochs=3, recall={10: 0.2}).write(str(tmp_path / "tested_run"))
    checkpoints = tmp_path / "checkpoints"
    params = TrainerParams(epochs=3, batch_size=1024, uniform_negatives=64, checkpoint_dir=str(checkpoints))
    run.run_fn(
        SimpleNamespace(
            transform_graph_path=artifacts.transform_graph,
            serving_model_dir=str(tmp_path / "towers"),
            model_run_dir=str(tmp_path / "run"),
            custom_config={
                run.MODEL_PARAMS: ModelParams(embedding_dim=16, hidden=(16,), history_window=20).to_json(),
                run.TRAINER_PARAMS: params.to_json(),
                run.TIMELINES: str(tmp_path / "timelines"),
                run.ITEMS: artifacts.items,
                run.TESTED_RUN: str(tmp_path / "tested_run"),
                run.MAX_STEPS: 10_000,  # of the run, in place of the params'
            },
        )
    )
    assert fitted_with == [params.model_copy(update={"max_steps": 10_000})]
    assert fit.FitResult.read(str(tmp_path / "run")) == fit.FitResult(best_epoch=1, epochs=1, recall={})
    assert list(checkpoints.iterdir()) == []  # they were there, and the fit is done
    assert (tmp_path / "towers" / "saved_model.pb").is_file()
    assert (tmp_path / "towers" / contract.ASSETS_EXTRA / contract.WARM_START).is_file()
    assert (tmp_path / "towers" / contract.ASSETS_EXTRA / contract.KIND).read_text() == "two_tower"


def test_a_place_for_the_events_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    params = TrainerParams(scratch=str(tmp_path / "file" / "events"))
    with pytest.raises(ValueError, match=r"trainer.scratch = '.*events' cannot be written: Not a directory"):
        run.run_fn(SimpleNamespace(custom_config={run.TRAINER_PARAMS: params.to_json()}))
