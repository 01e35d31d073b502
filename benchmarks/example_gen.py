"""ExampleGen beside TFX's CsvExampleGen on the same ratings, and alone on tens of millions.

    python benchmarks/example_gen.py
    python benchmarks/example_gen.py --ratings 10000000 32000000 --alone
    python benchmarks/example_gen.py --ratings 1000000 --beam

Each runs in a process of its own, as its executor, with the imports done before
the clock starts. CsvExampleGen writes one record per line of ratings.csv;
ExampleGen also checks, sorts, cuts and joins items and tags. With --beam it is beside
itself on Beam, in its process and on 2 worker processes. Prints a table and writes
benchmarks/out/example_gen.json with the bars.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OURS, TFX = "ExampleGen", "CsvExampleGen"
# ExampleGen on Beam: in its process, and on workers of their own.
ON_BEAM = {
    "on Beam": ("--runner=FnApiRunner",),
    "on 2 workers": (
        "--runner=FnApiRunner",
        "--direct_running_mode=multi_processing",
        "--direct_num_workers=2",
    ),
}
BESIDE = (100_000, 1_000_000)
ALONE = (10_000_000, 32_000_000)
TIMES_FASTER = 5.0
SLOWER_PER_ROW = 1.2
PEAK_MIB = 4096
PROCESSES = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def ours(data: Path, target: Path, flags: tuple[str, ...] = ()) -> Any:
    """The executor's call, ready to be timed; with Beam's flags, on Beam."""
    from tfx.dsl.components.base import base_beam_executor
    from tfx.types import standard_artifacts
    from tfx.types.experimental import simple_artifacts

    from components.example_gen import component, executor
    from components.example_gen.fingerprint import fingerprint
    from components.example_gen.params import ExampleGenParams

    params = ExampleGenParams.model_validate({"scratch": str(target), "engine": "beam" if flags else "local"})
    # As the pipeline gives them: no container, so TFX packs nothing for it.
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=[*flags, "--sdk_container_image=not-read-on-this-machine"] if flags else [],
        tmp_dir=str(target / "tmp"),
    )
    artifacts = {}
    for name in (executor.TIMELINES, executor.ITEMS, executor.QUARANTINE):
        kind = simple_artifacts.File if name == executor.QUARANTINE else standard_artifacts.Examples
        artifact = kind()
        artifact.uri = str(target / name)
        artifacts[name] = [artifact]

    def call() -> None:
        # Both fingerprints count: a run takes them as well.
        step = component.ExampleGen(str(data), fingerprint(data, params), params)
        executor.Executor(context).Do({}, artifacts, step.spec.exec_properties)

    return call


def tfx(data: Path, target: Path) -> Any:
    """CsvExampleGen's call, on Beam's in-process runner as the pipeline uses it."""
    from google.protobuf import json_format
    from tfx.components.example_gen import utils
    from tfx.components.example_gen.csv_example_gen import executor
    from tfx.dsl.components.base import base_beam_executor
    from tfx.proto import example_gen_pb2
    from tfx.types import standard_artifacts

    # It reads a folder whole, so it gets one with the ratings alone.
    alone = target / "csv"
    alone.mkdir()
    (alone / "ratings.csv").symlink_to((data / "ratings.csv").absolute())
    artifact = standard_artifacts.Examples()
    artifact.uri = str(target / "examples")
    inputs = utils.make_default_input_config()
    properties = {
        "input_base": str(alone),
        "input_config": json_format.MessageToJson(inputs, preserving_proto_field_name=True),
        "output_config": json_format.MessageToJson(
            utils.make_default_output_config(inputs), preserving_proto_field_name=True
        ),
        "output_data_format": example_gen_pb2.FORMAT_TF_EXAMPLE,
        "output_file_format": example_gen_pb2.FORMAT_TFRECORDS_GZIP,
    }
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=["--runner=FnApiRunner"], tmp_dir=str(target / "tmp"), unique_id="1"
    )
    return lambda: executor.Executor(context).Do({}, {"examples": [artifact]}, properties)


def work(who: str, data: Path, ratings: int) -> dict[str, Any]:
    """Times one of the two in this process."""
    target = Path(tempfile.mkdtemp(prefix="marquee-bench-"))
    try:
        call = tfx(data, target) if who == TFX else ours(data, target, ON_BEAM.get(who, ()))
        before, children = map(resource.getrusage, PROCESSES)
        begin = time.monotonic()
        call()
        seconds = time.monotonic() - begin
    finally:
        shutil.rmtree(target, ignore_errors=True)
    after, children_after = map(resource.getrusage, PROCESSES)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    cpu += children_after.ru_utime + children_after.ru_stime - children.ru_utime - children.ru_stime
    return {
        "who": who, "ratings": ratings, "seconds": seconds, "rows_per_second": ratings / seconds,
        "cpu_seconds": cpu, "peak_mib": max(after.ru_maxrss, children_after.ru_maxrss) / 1024,
        "imports_mib": before.ru_maxrss / 1024,
    }  # fmt: skip


def measure(who: str, data: Path, ratings: int) -> dict[str, Any]:
    """The same in a process of its own.

    Raises:
      SystemExit: it failed; its output is shown.
    """
    done = subprocess.run(
        [sys.executable, __file__, "--work", who, str(data), str(ratings)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{who} on {ratings:,} ratings failed:\n{done.stderr[-3000:]}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{ratings:>12,} {who:<14}{row['seconds']:>9.1f} s{row['cpu_seconds']:>9.1f} CPU s"
        f"{row['rows_per_second']:>11,.0f} rows/s{row['peak_mib']:>8,.0f} MiB"
        f" ({row['imports_mib']:,.0f} by imports)",
        flush=True,
    )
    return row


def generated(folder: Path, ratings: int) -> Path:
    """A generated set of so many ratings in `folder`, as an earlier call left it there or made now."""
    from datasets.generated.movielens_sample import generate

    data = folder / f"s{ratings}"
    if not data.exists():
        generate(data, users=ratings // 160, items=max(3000, ratings // 640), ratings=ratings)
    return data


def bars(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the figures have to reach, as far as they were measured."""
    found = {(row["who"], row["ratings"]): row for row in rows}
    result = []
    for ratings in BESIDE:
        if (TFX, ratings) in found:
            value = found[OURS, ratings]["rows_per_second"] / found[TFX, ratings]["rows_per_second"]
            name = f"times CsvExampleGen's rows/s at {ratings:,}"
            result.append({"name": name, "value": value, "bound": TIMES_FASTER, "ok": value >= TIMES_FASTER})
    small, large = ((found.get((OURS, ratings))) for ratings in ALONE)
    if small and large:
        value = small["rows_per_second"] / large["rows_per_second"]
        name = "seconds per row at 32M over those at 10M"
        result.append({"name": name, "value": value, "bound": SLOWER_PER_ROW, "ok": value <= SLOWER_PER_ROW})
    if large:
        value = large["peak_mib"]
        name = "peak MiB at 32M"
        result.append({"name": name, "value": value, "bound": PEAK_MIB, "ok": value <= PEAK_MIB})
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratings", type=int, nargs="+", default=[*BESIDE, *ALONE])
    parser.add_argument("--alone", action="store_true", help="leave CsvExampleGen out")
    parser.add_argument("--beam", action="store_true", help="beside itself on Beam instead")
    parser.add_argument("--keep", help="folder that keeps the generated sets (s100000 ...) between calls")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        who, data, ratings = args.work
        print(json.dumps(work(who, Path(data), int(ratings))))
        return

    out = ROOT / "benchmarks" / "out" / "example_gen.json"
    # A later call adds to what an earlier one measured.
    rows = json.loads(out.read_text())["rows"] if out.exists() else []
    with tempfile.TemporaryDirectory() as scratch:
        for ratings in args.ratings:
            data = generated(Path(args.keep or scratch), ratings)
            if args.beam:
                whose = (OURS, *ON_BEAM)
            else:
                whose = (OURS,) if args.alone or ratings > max(BESIDE) else (OURS, TFX)
            for who in whose:
                row = measure(who, data, ratings)
                rows = [old for old in rows if (old["who"], old["ratings"]) != (who, ratings)] + [row]
                out.parent.mkdir(exist_ok=True)
                found = bars(rows)
                out.write_text(
                    json.dumps({"cpus": os.cpu_count(), "bars": found, "rows": rows}, indent=2) + "\n"
                )
    for bar in bars(rows):
        print(f"{bar['name']}: {bar['value']:.2f}, bound {bar['bound']}: {'ok' if bar['ok'] else 'MISSED'}")
    print(f"written {out.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
