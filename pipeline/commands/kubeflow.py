"""`marquee kubeflow`: compile, lint, rehearse and submit the pipeline for Kubeflow Pipelines v2."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.commands.common import (
    Subparsers,
    add_command,
    add_config_arguments,
    load_config,
    print_json,
)

if TYPE_CHECKING:
    from pipeline.kubeflow.documents import Documents

_SUMMARY = "Run the pipeline on Kubeflow Pipelines v2."


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "kubeflow",
        help=_SUMMARY,
        description=_SUMMARY,
        epilog="example:\n  marquee kubeflow compile --output marquee.yaml\n\n"
        "marquee kubeflow ACTION --help shows an action's own arguments.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _add_compile(actions)
    _add_lint(actions)
    _add_rehearse(actions)
    _add_submit(actions)


def _add_compile(actions: Subparsers) -> None:
    parser = add_command(
        actions,
        "compile",
        "Write the pipeline as a spec that open-source Kubeflow Pipelines accepts, and check it.",
        "marquee kubeflow compile --set kubeflow.image=registry.example/marquee:1.0 --output marquee.yaml",
    )
    add_config_arguments(parser)
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="where to write it (default: NAME.yaml by the config's name)",
    )
    parser.add_argument(
        "--drift",
        action="store_true",
        help="a pipeline NAME-drift that only looks for drift, to be scheduled: a run that finds some fails",
    )
    parser.set_defaults(run=run_compile)


def _add_lint(actions: Subparsers) -> None:
    parser = add_command(
        actions,
        "lint",
        "Check a compiled spec for what open-source Kubeflow Pipelines rejects, ignores or trips over. "
        "Exit code 0 sound, 2 not.",
        "marquee kubeflow lint marquee.yaml",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="YAML or JSON")
    parser.set_defaults(run=run_lint)


def _add_rehearse(actions: Subparsers) -> None:
    parser = add_command(
        actions,
        "rehearse",
        "Run a compiled spec on this machine, each step in a process of its own by its container's command. "
        "Exit code 0 pushed, 1 failed, 2 bad spec or data, 3 the model was refused.",
        "marquee kubeflow rehearse marquee.yaml --data data/ml-latest-small",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="what `marquee kubeflow compile` wrote")
    parser.add_argument(
        "--data",
        metavar="PATH",
        help="folder with the raw files, for the parameter `data` (default: as marquee run)",
    )
    parser.add_argument(
        "--root",
        metavar="PATH",
        type=Path,
        default=Path("artifacts") / "rehearsal",
        help="folder for everything the rehearsal writes (default %(default)s)",
    )
    _add_param(parser)
    parser.set_defaults(run=run_rehearse)


def _add_submit(actions: Subparsers) -> None:
    parser = add_command(
        actions,
        "submit",
        "Upload a compiled spec to Kubeflow Pipelines, and run or schedule it.",
        "marquee kubeflow submit marquee.yaml --set kubeflow.host=http://localhost:8080 --run",
    )
    parser.add_argument(
        "file", metavar="FILE", type=Path, help="what `marquee kubeflow compile` wrote; .yaml"
    )
    add_config_arguments(parser)
    parser.add_argument(
        "--version",
        metavar="NAME",
        help="name of the pipeline's version (default: the time and the spec's hash)",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--run", dest="run_once", action="store_true", help="start one run")
    what.add_argument(
        "--schedule",
        metavar="CRON",
        help="start runs by the clock (UTC): six fields, seconds first, such as '0 0 3 * * *' for 3 o'clock",
    )
    parser.add_argument(
        "--if-drift",
        action="store_true",
        help="with --schedule or --run: a run trains only if the data have drifted since the served version "
        "was fitted (config section drift)",
    )
    parser.add_argument("--name", metavar="NAME", help="of the run or the schedule (default: the version's)")
    parser.add_argument(
        "--token-file", metavar="FILE", type=Path, help="bearer token (default: $KUBEFLOW_TOKEN, if set)"
    )
    parser.add_argument("--ca-file", metavar="FILE", type=Path, help="certificate authority of the API's TLS")
    _add_param(parser)
    parser.set_defaults(run=run_submit)


def _add_param(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--param",
        metavar="NAME=VALUE",
        dest="params",
        action="append",
        default=[],
        help="parameter of the run, such as max_steps=1000; may be repeated",
    )


def run_compile(args: argparse.Namespace) -> int:
    from pipeline.terminal.output import logs_to_file
    from pipeline.terminal.typed import typed

    config = load_config(args)
    output: Path = args.output or Path(f"{config.name}{'-drift' if args.drift else ''}.yaml")
    # TFX and what it imports talk while they load.
    with logs_to_file(Path(config.logs_dir) / "kubeflow-compile.log", terminal_descriptor=2):
        from pipeline.kubeflow import compiler

        make = compiler.compile_drift if args.drift else compiler.compile_pipeline
        documents = make(config)
    documents.write(output)
    parameters = documents.pipeline["root"]["inputDefinitions"]["parameters"]
    if args.json:
        print_json({"file": str(output), "steps": sorted(_tasks(documents)), "parameters": parameters})
        return 0
    print(f"{output}: {documents.name}, {len(_tasks(documents))} steps, image {config.kubeflow.image}")
    for name, spec in parameters.items():
        default = f"default {spec['defaultValue']!r}" if "defaultValue" in spec else "must be given"
        print(f"  {name:<12} {spec['description']}; {default}")
    print(f"next  {typed('kubeflow', 'rehearse', str(output))}")
    return 0


def run_lint(args: argparse.Namespace) -> int:
    from pipeline.errors import BAD_INPUT, OK
    from pipeline.kubeflow.documents import read_all
    from pipeline.kubeflow.lint import problems

    found = problems(read_all(args.file))
    if args.json:
        print_json({"file": str(args.file), "problems": found})
    else:
        print("\n".join(found) if found else f"{args.file}: sound")
    return BAD_INPUT if found else OK


def run_rehearse(args: argparse.Namespace) -> int:
    from pipeline.config import reader
    from pipeline.errors import INTERRUPTED
    from pipeline.kubeflow import checked
    from pipeline.kubeflow.parameters import given
    from pipeline.kubeflow.rehearsal import DATA
    from pipeline.runs import data, interrupt, run_records

    documents = checked.read(args.file)
    params = given(documents, args.params)
    if args.data is not None or DATA not in params:
        source = data.resolve(reader.load().model_copy(update={"data": args.data}))
        params[DATA] = str(source.path)
    run_id = run_records.new_run_id()
    try:
        with interrupt.ctrl_c_ends_the_process():
            return _rehearse(args, documents, params, run_id)
    except KeyboardInterrupt:
        print("\nmarquee: interrupted; the next rehearsal starts anew", file=sys.stderr)
        return INTERRUPTED


def _rehearse(args: argparse.Namespace, documents: Documents, params: dict[str, Any], run_id: str) -> int:
    from pipeline.errors import OK, REFUSED, ComponentFailedError
    from pipeline.kubeflow import rehearsal
    from pipeline.runs.verdict import as_json, gates_table, verdict
    from pipeline.terminal.display import Display
    from pipeline.terminal.typed import typed

    # With --json the document has stdout to itself.
    terminal = sys.stderr if args.json else sys.stdout
    folder = args.root.expanduser().absolute() / run_id
    print(f"data  {params[rehearsal.DATA]}\nlogs  {folder / rehearsal.LOGS}", file=terminal)
    with Display(terminal) as display:
        try:
            outcomes = rehearsal.rehearse(documents, params, folder, display)
        except ComponentFailedError as error:
            log = folder / rehearsal.LOGS / f"{error.node_id}.log"
            display.line(f"\n{error}", "bold red")
            display.line(f"log   {log}")
            if args.json:
                print_json(
                    {
                        "run": run_id,
                        "state": "failed",
                        "failed": error.node_id,
                        "error": error.reason,
                        "log": str(log),
                    }
                )
            return error.exit_code
        found = verdict(outcomes)
        trains = any(output.type == "PushedModel" for node in outcomes for made in node.outputs.values()
                     for output in made)  # fmt: skip
        if trains:
            display.line("\n" + gates_table(found) + "\n")
        if not trains:
            display.line("no drift: nothing was trained", "bold green")
        elif found.refused:
            display.line("refused: the model was not pushed", "bold yellow")
        else:
            display.line(f"pushed  {found.pushed}", "bold green")
            place = str(Path(found.pushed).parent.parent)
            display.line(f"next    {typed('recommend', '--user', '1', '--set', f'push_to={place}')}")
    if args.json:
        steps = [{"node": node.node, "state": node.state, "seconds": node.seconds} for node in outcomes]
        state = "refused" if found.refused else "pushed" if trains else "no drift"
        print_json(
            {"run": run_id, "state": state, "folder": str(folder), "components": steps, **as_json(found)}
        )
    return REFUSED if found.refused else OK


def run_submit(args: argparse.Namespace) -> int:
    from pipeline.errors import InputError
    from pipeline.kubeflow import checked, submission
    from pipeline.kubeflow.parameters import given
    from pipeline.kubeflow.steps.check_drift import ON_DRIFT
    from pipeline.kubeflow.steps.spec import TRAIN_IF

    documents = checked.read(args.file)
    config = load_config(args)
    starts = args.run_once or bool(args.schedule)
    pairs = args.params
    if args.if_drift:
        if not starts:
            raise InputError("--if-drift says when runs train; give --schedule CRON, or --run, with it")
        pairs = [*pairs, f"{TRAIN_IF}={ON_DRIFT}"]
    params = given(documents, pairs, complete=starts)
    made = submission.submit(
        args.file,
        documents,
        config.kubeflow,
        params,
        version=args.version,
        run=args.run_once,
        schedule=args.schedule,
        name=args.name,
        token_file=args.token_file,
        ca_file=args.ca_file,
    )
    if args.json:
        print_json(made)
    else:
        for key, value in made.items():
            print(f"{key:<9} {value}")
    return 0


def _tasks(documents: Documents) -> dict[str, Any]:
    tasks: dict[str, Any] = documents.pipeline["root"]["dag"]["tasks"]
    return tasks
