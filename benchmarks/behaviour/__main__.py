"""New people, new items, explanations, diversity and similar items, asked of the newest pushed model.

    python -m benchmarks.behaviour [--config FILE] [--set KEY=VALUE] [--version N]

Loads the pushed model that has not seen the test split, reads the timelines of the run that
pushed it, prints tables, and writes behaviour.json (with bars) and behaviour.svg to
benchmarks/out. Figures that need a sentence are explained in docs/measurements/behaviour.md.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import report as bars_report

if TYPE_CHECKING:
    from benchmarks.behaviour import run


def main() -> None:
    from pipeline.commands.common import add_config_arguments, finite, load_config, open_store

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_config_arguments(parser)
    parser.add_argument("--version", type=int, metavar="N", help="a version of `marquee status`")
    parser.add_argument("--out", type=Path, default=bars_report.ROOT / "benchmarks" / "out", metavar="FOLDER")
    args = parser.parse_args()

    import contract
    from benchmarks.behaviour import report, run
    from components.pusher import versions
    from pipeline.ask.pushed_files import choose
    from pipeline.ask.user_timeline import timelines_uri
    from pipeline.errors import MarqueeError
    from pipeline.runs import run_records
    from pipeline.terminal.table import table

    try:
        config = load_config(args)
        version, _ = choose(config.serving_dir, contract.MODEL, args.version)
        if version.unseen is None:
            sys.exit(
                f"version {version.number} lacks {contract.MODEL_TESTED}; the other models have seen test"
            )
        store, run_id = open_store(config), version.record.get("run")
        # Another run's test split may be what this model was fitted on.
        if store and run_id not in {known.run_id for known in run_records.runs(store, config.name)}:
            sys.exit(
                f"error: version {version.number} was pushed by run {run_id}, which {config.name} "
                "does not know; name its config and metadata store (--config, --set)"
            )
        uri = timelines_uri(store, config.name, str(run_id))
        # Of a refresh the towers are an older version's; where that is gone, nothing counts as new to them.
        fitted = versions.fitted(config.serving_dir, version)
        found = run.measure(version.unseen, uri, fitted.path, lambda line: print(f"... {line}", flush=True))
    except (MarqueeError, ValueError) as error:
        sys.exit(f"error: {error}")
    for title, header, rows in report.tables(found):
        print(f"\n{title}\n{table(header, rows)}")
    print()
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "behaviour.svg").write_text(report.svg(found))
    figures = {"version": version.number, **report.as_dict(found)}
    bars_report.write("behaviour", bars(found), finite(figures), args.out)


def bars(found: run.Behaviour) -> list[bars_report.Bar]:
    """Low ends of the intervals, and what must hold exactly."""
    from benchmarks.behaviour import diversity

    steps = [figures.mean(diversity.UNLIKENESS) for figures in found.diversity.values()]
    least = min(after - before for before, after in itertools.pairwise(steps))
    return [
        *(
            bars_report.at_least(f"{name}: low end", compared.low, 0.0)
            for name, compared in found.comparisons.items()
        ),
        bars_report.at_least("explanation: same first item", found.explanation.same_first, 0.99),
        bars_report.at_least("diversity: least step of unlikeness", least, 0.0),
    ]


if __name__ == "__main__":
    main()
