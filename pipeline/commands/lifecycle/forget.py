"""`marquee forget USER`: where a person's data are; deletes what may go and says what a run replaces."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.commands.common import (
    Subparsers,
    add_command,
    add_config_arguments,
    load_config,
    open_store,
    print_json,
)

if TYPE_CHECKING:
    from pipeline.config.sections import Config
    from pipeline.retention.personal_data import Found


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "forget",
        "List where a user's data are; --delete removes the artifacts and pushed versions that no server "
        "needs. Take the user out of the log first: a run reads it anew.",
        "marquee forget 4711 --delete",
    )
    add_config_arguments(parser)
    parser.add_argument("user", metavar="USER", help="the id as the log has it")
    parser.add_argument("--delete", action="store_true", help="delete what may go; else only list")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from components.common import storage
    from components.pusher import removal, retention, versions
    from pipeline.errors import DeletionError, InputError
    from pipeline.report import files
    from pipeline.retention import artifacts as artifact_retention
    from pipeline.retention import personal_data
    from pipeline.runs import lock

    config = load_config(args)
    store = open_store(config)
    if store is None:
        raise InputError(
            f"no run in {config.artifacts_dir} yet; --config or --set artifacts=FOLDER says where to look"
        )
    found = personal_data.find(store, config.name, config.serving_dir, args.user)
    latest = versions.latest(config.serving_dir)
    serving = [v for v in found.versions if v.pinned or v == latest]
    retired = [v for v in found.versions if v not in serving]
    reports = files.of_runs(config, (*found.runs, *found.unknown))
    freed, stayed = 0, list[str]()
    if args.delete:
        with lock.run_lock(lock.lock_path(config), "forget"):
            hidden = removal.unfinished(config.serving_dir)
            each: list[Callable[[], Any]] = [
                *(partial(artifact_retention.delete, store, [uri], True) for uri in found.artifacts),
                *(partial(removal.delete, config.serving_dir, one.number, True) for one in retired),
                *(partial(retention.delete_withdrawn, config.serving_dir, number, True)
                  for number in found.withdrawn),
                *(partial(storage.remove_file, report) for report in reports),
                *(partial(storage.remove_tree, path, True) for path in hidden),
            ]  # fmt: skip
            for delete in each:
                try:
                    done = delete()
                    freed += done.bytes if isinstance(done, artifact_retention.Freed) else 0
                except OSError as error:
                    stayed.append(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
    elsewhere = _elsewhere(config)
    if args.json:
        print_json(
            {
                "user": args.user,
                "runs": found.runs,
                "runs_whose_timelines_are_gone": found.unknown,
                "artifacts": found.artifacts,
                "versions": [version.path for version in retired],
                "versions_in_use": [version.path for version in serving],
                "versions_withdrawn": found.withdrawn,
                "reports": reports,
                "deleted": args.delete,
                "freed_bytes": freed,
                "not_deleted": stayed,
                "elsewhere": elsewhere,
            }
        )
    else:
        _show(args, found, [v.path for v in retired], [v.path for v in serving], reports, freed, elsewhere)
    if stayed:
        raise DeletionError(
            f"{len(stayed)} of the above could not be deleted, and the user's data are there still: "
            f"{'; '.join(stayed)}. Remove what stands in the way (whose files are they?), and run this again"
        )
    return 0


def _elsewhere(config: Config) -> dict[str, str]:
    """Places that this command cannot look into, by what to do there."""
    return {
        "the log": f"{config.data or 'what `data` names'}: take the user's rows out; every run reads it",
        "runs on Kubeflow": "their artifacts below kubeflow.artifacts_dir, and its own metadata",
        "scratch and checkpoints of runs that were killed": ", ".join(
            str(place)
            for place in (config.example_gen.scratch, config.trainer.scratch, config.trainer.checkpoint_dir)
            if place
        )
        or "the folder for temporary files",
        "weights": "trainer.warm_start goes on from weights that were fitted on the user's events, too; "
        "null starts anew",
        "request logs of servers": "the files of logging_config's filename_prefix: without user ids, with "
        "items; delete them by age",
        "access logs of servers": "addresses of clients, no ids of users",
        "backups": "of any of these",
    }


def _show(
    args: argparse.Namespace,
    found: Found,
    retired: list[str],
    serving: list[str],
    reports: list[str],
    freed: int,
    elsewhere: dict[str, Any],
) -> None:
    from components.common.disk import size_text
    from pipeline.terminal.typed import typed

    verb = "deleted" if args.delete else "delete"
    for run_id in found.runs:
        print(f"run      {run_id} read this user's events")
    for run_id in found.unknown:
        print(f"run      {run_id} may have: its timelines are gone")
    for uri in found.artifacts:
        print(f"{verb:<8} {uri}")
    for path in retired:
        print(f"{verb:<8} {path}, and the other models of this version")
    for number in found.withdrawn:
        print(f"{verb:<8} version {number}, which was withdrawn")
    for path in reports:
        print(f"{verb:<8} {path}")
    for path in serving:
        print(f"in use   {path}: the newest version, or pinned; not deleted")
    if not (found.runs or found.unknown):
        print(f"no run here has read events of user {args.user}")
    print("\nnot looked into:")
    for place, what in elsewhere.items():
        print(f"  {place}: {what}")
    print()
    if not args.delete:
        if found.artifacts or retired or found.withdrawn or reports:
            print(f"nothing was deleted; next  {typed('forget', args.user, '--delete')}")
    elif serving:
        print(
            f"freed {size_text(freed)}. Take the user out of the log, then `{typed('run')}` pushes a version "
            f"without them; `{typed('forget', args.user, '--delete')}` then deletes those in use now (unpin "
            "them first)"
        )
    else:
        print(f"freed {size_text(freed)}; a new run makes everything from the log as it is then")
