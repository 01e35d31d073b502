"""run_fn: what TFX's Trainer calls."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras as keras
from tfx.components.trainer.fn_args_utils import FnArgs

import contract
from components.common import feature_file, storage
from components.common.features import Features
from components.example_gen.records import read
from components.model.params import ModelParams
from components.model.profile import Profiles
from components.trainer import fitting, warm_start
from components.trainer.inputs import catalogue, event_files, events, profiles
from components.trainer.loop import checkpoints, fit
from components.trainer.params import TrainerParams

_log = logging.getLogger(__name__)

MODEL_PARAMS = "model"
TRAINER_PARAMS = "trainer"
TIMELINES = "timelines_uri"
ITEMS = "items_uri"
TESTED_RUN = "tested_run_uri"
MAX_STEPS = "max_steps"
CODE = "code"


def run_fn(fn_args: FnArgs) -> None:
    """Reads timelines and items, fits the model, exports it.

    Args:
      fn_args: `transform_graph_path`, `serving_model_dir`, `model_run_dir`, and in
        `custom_config` the URIs of the two artifacts and the two params as JSON;
        for a final fit also that of the tested fit's model_run: then train is all
        there is, and the fit ends after as many epochs as the tested one kept. A
        MAX_STEPS among them stands in for `max_steps` of the params, and CODE is the hash
        of the sources, with which checkpoints are found again.

    Raises:
      ValueError: nothing to train on, a key is set that this kind of model does not read, or there is
        no place for the events.
    """
    params = TrainerParams.from_json(fn_args.custom_config[TRAINER_PARAMS])
    try:
        if params.scratch:
            Path(params.scratch).mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix="marquee-events-", dir=params.scratch or None)
    except OSError as error:
        raise ValueError(
            f"trainer.scratch = {params.scratch!r} cannot be written: {error.strerror}; name a folder on a "
            "local disk"
        ) from error
    with made as scratch:
        _run(fn_args, params, Path(scratch))


def _run(fn_args: FnArgs, params: TrainerParams, scratch: Path) -> None:
    config = fn_args.custom_config
    model_params = ModelParams.from_json(config[MODEL_PARAMS])
    if MAX_STEPS in config:
        params = TrainerParams.model_validate({**params.model_dump(), MAX_STEPS: config[MAX_STEPS]})
    params.check_kind(model_params)
    keras.utils.set_random_seed(params.seed)
    meaning = feature_file.read(config[TIMELINES])
    transform = catalogue.ItemTransform(fn_args.transform_graph_path, meaning.item)
    items = catalogue.load(read.read_items(config[ITEMS]), transform)
    known = None
    if meaning.user:
        columns = [contract.USER_ID, *(contract.user_feature(spec.name) for spec in meaning.user)]
        users = read.read_timelines(config[TIMELINES], contract.TRAIN, columns)
        known = profiles.profiles(users, meaning.user, model_params.max_profile_values)
    (train,) = _events(
        config[TIMELINES], contract.TRAIN, items.ids, [contract.HISTORY_FEATURES], known, scratch
    )
    held_out, last_epoch = None, None
    if TESTED_RUN in config:
        last_epoch = fit.FitResult.read(config[TESTED_RUN]).best_epoch
    else:
        lists = [contract.HISTORY_FEATURES, contract.TARGET_FEATURES]
        histories, targets = _events(config[TIMELINES], contract.EVAL, items.ids, lists, known, scratch)
        held_out = histories, targets
    vocabularies = warm_start.vocabularies(transform, known)
    kept = None
    if params.checkpoint_dir:
        name = _fit_name(config, params, meaning, vocabularies, items, known, train, held_out, last_epoch)
        kept = checkpoints.Checkpoints(storage.join(params.checkpoint_dir, name), params.checkpoint_steps)
    model, result = fitting.fit_model(
        model_params, params, transform, items, train, held_out, fn_args.model_run_dir, last_epoch,
        implicit=meaning.implicit, known=known, kept=kept,
    )  # fmt: skip
    _log.info(
        "%s, kept epoch %d of %d: %s", model_params.kind, result.best_epoch, result.epochs, result.recall
    )
    result.write(fn_args.model_run_dir)

    fitting.servable(model, items, transform).save(fn_args.serving_model_dir)
    kind = storage.join(fn_args.serving_model_dir, contract.ASSETS_EXTRA, contract.KIND)
    storage.write_text(kind, model_params.kind)
    if model_params.entry.warm_start:
        warm_start.save(model, vocabularies, warm_start.weights_file(fn_args.serving_model_dir))
    if kept:
        kept.remove()


def _fit_name(
    config: dict[str, Any],
    params: TrainerParams,
    meaning: Features,
    vocabularies: Mapping[str, Sequence[bytes]],
    items: catalogue.Items,
    known: Profiles | None,
    train: events.Events,
    held_out: tuple[events.Events, events.Events] | None,
    last_epoch: int | None,
) -> str:
    """The same for the same fit begun again, another for other data, params or sources."""
    arrays, users = items.catalogue, Profiles([], {}, [], {}) if known is None else known
    return checkpoints.key(
        config[MODEL_PARAMS],
        params.model_dump_json(exclude={"checkpoint_dir"}),
        config.get(CODE),
        last_epoch,
        meaning.to_json(),
        *(b"\n".join(words) for words in (items.ids, *vocabularies.values(), users.user_ids)),
        [np.asarray(x) for x in (arrays.features.item_index, *arrays.features.content.values())],
        [np.asarray(x) for x in users.content.values()],
        [arrays.rating_count, arrays.rating_sum],
        *([x.rows, x.ratings, x.timestamps, x.offsets] for x in (train, *(held_out or ()))),
    )


def _events(
    uri: str,
    split: str,
    ids: list[bytes],
    lists: Sequence[tuple[str, str, str]],
    known: Profiles | None,
    scratch: Path,
) -> list[events.Events]:
    """`lists` of a split, with each record's row in the table of profiles if there is one."""
    folder = scratch / split
    folder.mkdir()
    columns = [name for names in lists for name in names]
    started = time.monotonic()
    found = event_files.write(read.timeline_batches(uri, split, columns), ids, lists, folder)
    number = sum(len(flat.rows) for flat in found)
    _log.info("%s: %d events read in %.1f s", split, number, time.monotonic() - started)
    if known is None:
        return found
    rows = profiles.rows_of(known, read.read_timelines(uri, split, [contract.USER_ID]))
    return [dataclasses.replace(flat, profiles=rows) for flat in found]
