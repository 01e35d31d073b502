"""The model server against what it could be: in process, a naive server, gRPC that does nothing.

    python benchmarks/serving.py [--models artifacts/serving_model] [--sample]

Client and server on one machine, in one run (see load.py for the client, the
same for every server). Requests are single queries to `serving_default` with
histories of realistic length. Prints tables and writes
benchmarks/out/serving.json with the bars:

- requests a second over gRPC: at least 4 times the naive server's;
- server CPU per request over gRPC: at most what the model itself takes in
  process at the best batch size, and 300 microseconds;
- `marquee serve`, from its start to the first answer: time and memory; and
  that it stops on Ctrl-C.

Servers are measured in turn, several rounds; a bar takes the median round.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import dataclasses
import json
import os
import pickle
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # before this folder, in which this file hides the package `serving`

import contract  # noqa: E402
from benchmarks import report  # noqa: E402
from benchmarks.harness import load  # noqa: E402
from benchmarks.harness.ports import free_port  # noqa: E402

PREDICT = "/tensorflow.serving.PredictionService/Predict"
TIMES_NAIVE = 4.0
CPU_ABOVE_CEILING = 300.0  # microseconds
SHARES_OF_CAPACITY = (0.3, 0.6, 0.9)
START_SECONDS = 300.0

# Lengths of histories, as of MovieLens's users: median 70, one in a hundred above a thousand.
_MEDIAN_LENGTH = 70
_LENGTH_SIGMA = 1.2

History = tuple[list[bytes], list[float], list[int]]


@dataclasses.dataclass(frozen=True)
class Server:
    """A running server and how it is asked."""

    name: str
    process: subprocess.Popen[bytes]
    grpc: str = ""
    rest: str = ""


def histories(folder: Path, count: int, seed: int = 1) -> list[History]:
    """Histories of items that the model knows, popular ones more often."""
    import pyarrow.parquet as pq

    extra = folder / contract.ASSETS_EXTRA
    ids = pq.read_table(extra / contract.CATALOGUE)[contract.ITEM_ID].to_pylist()
    ids = np.array([each.encode() if isinstance(each, str) else each for each in ids], dtype=object)
    limit = json.loads((extra / contract.INDEX_INFO).read_text())["params"]["max_history"]
    rng = np.random.default_rng(seed)
    lengths = rng.lognormal(np.log(_MEDIAN_LENGTH), _LENGTH_SIGMA, count)
    lengths = np.clip(lengths, 1, min(limit, len(ids))).astype(int)
    # The catalogue is ordered by popularity; exponential clocks draw without replacement.
    weight = 1.0 / (np.arange(len(ids)) + 15.0)
    made = []
    for length in lengths:
        chosen = np.argpartition(rng.exponential(size=len(ids)) / weight, length - 1)[:length]
        stars = rng.integers(1, 11, length) / 2
        times = 1_600_000_000 + np.sort(rng.integers(0, 10**8, length))
        made.append((list(ids[chosen]), stars.tolist(), times.tolist()))
    return made


def grpc_body(history: History) -> bytes:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = contract.MODEL
    request.model_spec.signature_name = contract.SERVING_DEFAULT
    types = (tf.string, tf.float32, tf.int64)
    for name, dtype, values in zip(contract.HISTORY_FEATURES, types, history, strict=True):
        request.inputs[name].CopyFrom(tf.make_tensor_proto([values], dtype))
    return request.SerializeToString()


def rest_body(history: History) -> bytes:
    import orjson

    ids, stars, times = history
    row = (("history_item_ids", [i.decode() for i in ids]), ("history_ratings", stars))
    return orjson.dumps({"instances": [{**dict(row), "history_timestamps": times}]})


def check_answer(kind: str, answer: bytes) -> None:
    """Refuses to go on with a server whose answers are not recommendations."""
    if kind == "grpc":
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        outputs = predict_pb2.PredictResponse.FromString(answer).outputs
        ids = tf.make_ndarray(outputs[contract.ITEM_IDS]).ravel().tolist()
    else:
        ids = json.loads(answer)["predictions"][0][contract.ITEM_IDS]
    if not ids or not all(ids):
        sys.exit(f"an answer over {kind} holds no full list of items: {answer[:300]!r}")


# --- servers ------------------------------------------------------------------


@contextlib.contextmanager
def started(name: str, command: Sequence[str], grpc: int, rest: int = 0) -> Iterator[Server]:
    """A server that accepts connections; killed at the end.

    Raises:
      SystemExit: it ends, or does not listen in time; its output is shown.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        )  # fmt: skip
        try:
            deadline = time.monotonic() + START_SECONDS
            for port in filter(None, (grpc, rest)):
                while not _listens(port):
                    if process.poll() is not None or time.monotonic() > deadline:
                        output.seek(0)
                        text = output.read().decode(errors="replace")
                        sys.exit(f"{text}\n{name}: does not listen on port {port}")
                    time.sleep(0.02)
            yield Server(name, process, f"127.0.0.1:{grpc}", f"127.0.0.1:{rest}" if rest else "")
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ours_command(models: Path, grpc: int, rest: int) -> list[str]:
    return [
        "-m", "serving.model_server",
        f"--model_name={contract.MODEL}",
        f"--model_base_path={models / contract.MODEL}",
        f"--port={grpc}",
        f"--rest_api_port={rest}",
    ]  # fmt: skip


# --- measuring ----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Requests:
    """Files of request bodies by protocol."""

    grpc: Path
    rest: Path
    histories: Path

    @classmethod
    def write(cls, folder: Path, made: list[History]) -> Requests:
        files = cls(folder / "grpc", folder / "rest", folder / "histories")
        files.grpc.write_bytes(pickle.dumps([grpc_body(history) for history in made]))
        files.rest.write_bytes(pickle.dumps([rest_body(history) for history in made]))
        files.histories.write_bytes(pickle.dumps(made))
        return files


def ask(server: Server, kind: str, requests: Requests, *options: str, check: bool = True) -> dict[str, Any]:
    """One run of load.py against a model server.

    Raises:
      SystemExit: it failed, or a request did.
    """
    path = PREDICT if kind == "grpc" else f"/v1/models/{contract.MODEL}:predict"
    found = generated(server, kind, path, getattr(requests, kind), *options)
    if check:
        check_answer(kind, base64.b64decode(found["first_answer"]))
    del found["first_answer"]
    return {"server": server.name, "protocol": kind, **found}


def generated(server: Server, kind: str, path: str, requests: Path, *options: str) -> dict[str, Any]:
    """What load.py prints after one run.

    Args:
      kind: its protocol: grpc, rest or get.
      path: what is asked.
      requests: file of bodies, or with "get" of paths.

    Raises:
      SystemExit: it failed, or a request did.
    """
    done = subprocess.run(
        [
            sys.executable, str(Path(load.__file__)), "--protocol", kind, "--path", path,
            "--address", server.grpc if kind == "grpc" else server.rest, "--requests", str(requests),
            "--server-pid", str(server.process.pid), *options,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{server.name}, {kind}: the load generator failed\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    if found["errors"]:
        sys.exit(f"{server.name}, {kind}: {found['errors']} requests failed: {found['error_kinds']}")
    return found


def ceiling(model: Path, requests: Requests, seconds: float) -> dict[str, dict[str, dict[str, float]]]:
    """order of the queries -> batch size -> microseconds per query."""
    done = subprocess.run(
        [
            sys.executable, str(ROOT / "benchmarks" / "ceiling.py"), "--model", str(model),
            "--histories", str(requests.histories), "--seconds", str(seconds),
        ],
        capture_output=True, text=True, check=False, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"the model did not run in process\n{done.stderr}")
    found: dict[str, dict[str, dict[str, float]]] = json.loads(done.stdout)
    print("\nthe model in process\nbatches         batch   CPU us per query   us per query")
    for order, by_size in found.items():
        for batch, costs in by_size.items():
            print(f"{order:<14}{batch:>7}{costs['cpu_microseconds']:>19.0f}{costs['microseconds']:>15.0f}")
    return found


_COLUMNS = f"{'server':<16}{'protocol':<9}{'load':>12}{'req/s':>9}{'CPU us':>8}{'p50 ms':>9}{'p99 ms':>9}"
_COLUMNS += f"{'p99.9 ms':>10}{'client us':>11}"


def show(found: dict[str, Any], load_text: str) -> None:
    times = found["milliseconds"]
    print(
        f"{found['server']:<16}{found['protocol']:<9}{load_text:>12}{found['rate']:>9.0f}"
        f"{found['server_cpu_microseconds']:>8.0f}{times['p50']:>9.2f}{times['p99']:>9.2f}"
        f"{times['p99.9']:>10.2f}{found['client_cpu_microseconds']:>11.0f}",
        flush=True,
    )


def closed_loop(
    servers: Sequence[Server], requests: Requests, clients: Sequence[int], rounds: int, seconds: float
) -> list[dict[str, Any]]:
    """Every server at every number of clients, in turn, `rounds` times."""
    print(f"\nclosed loop, single queries\n{_COLUMNS}")
    found = []
    for turn in range(rounds):
        for count in clients:
            for server in servers:
                for kind in ("grpc", "rest"):
                    if not getattr(server, kind):
                        continue
                    empty = server.name.startswith("empty")
                    if empty and turn:
                        continue
                    row = ask(
                        server, kind, requests, "--clients", str(count), "--seconds", str(seconds),
                        "--warm-up", str(min(1.0, seconds / 2)), check=not empty,
                    )  # fmt: skip
                    row |= {"clients": count, "round": turn}
                    show(row, f"{count} clients")
                    found.append(row)
    return found


def open_loop(
    server: Server, requests: Requests, capacity: dict[str, float], seconds: float
) -> list[dict[str, Any]]:
    """Latencies at shares of the capacity."""
    print(f"\nopen loop: latency from when a request was due\n{_COLUMNS}")
    found = []
    for kind in ("grpc", "rest"):
        for share in SHARES_OF_CAPACITY:
            rate = share * capacity[kind]
            row = ask(
                server, kind, requests, "--rate", f"{rate:.1f}", "--seconds", str(seconds),
                "--connections", "8" if kind == "grpc" else "128",
            )  # fmt: skip
            row |= {"share": share, "wanted_rate": rate}
            show(row, f"{share:.0%} load")
            found.append(row)
    return found


def cold_start(models: Path, requests: Requests) -> dict[str, float]:
    """`marquee serve`: seconds to the first answer, memory then, and how it ends on Ctrl-C."""
    grpc, rest = free_port(), free_port()
    began = time.monotonic()
    command = ["-m", "pipeline.cli", "serve", "--set", f"push_to={models}"]
    command += [f"--port={grpc}", f"--rest-port={rest}"]
    with started("marquee serve", command, grpc, rest) as server:
        ask(server, "grpc", requests, "--clients", "1", "--seconds", "0.05", "--warm-up", "0")
        seconds = time.monotonic() - began
        family = [psutil.Process(server.process.pid)]
        family += family[0].children(recursive=True)
        memory = sum(member.memory_info().rss for member in family) / 2**20
        began = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        try:
            code = server.process.wait(60)
        except subprocess.TimeoutExpired:
            code = -1
        stopped = time.monotonic() - began
    print(
        f"\nmarquee serve: first answer after {seconds:.1f} s, {memory:.0f} MiB; "
        f"stopped {stopped:.1f} s after Ctrl-C, exit code {code}"
    )
    return {"first_answer_seconds": seconds, "mebibytes": memory, "stop_seconds": stopped, "exit_code": code}


# --- the whole ------------------------------------------------------------------


def sample_models(folder: Path) -> Path:
    """Trains and pushes a model of a generated sample; the folder of its models."""
    print("training a model of a generated sample ...", flush=True)
    data, artifacts = folder / "data", folder / "artifacts"
    for arguments in (
        ["data", "sample", str(data)],
        ["run", "--data", str(data), "--set", f"artifacts={artifacts}", "--set", "index.exact_below=500"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"{done.stdout}\nmarquee {arguments[0]} ended with exit code {done.returncode}")
    return artifacts / "serving_model"


def newest(models: Path) -> Path:
    versions = [path for path in (models / contract.MODEL).glob("*") if path.name.isdigit()]
    if not versions:
        sys.exit(f"no version of {contract.MODEL} in {models}; run `marquee run`, or give --sample")
    return max(versions, key=lambda path: int(path.name))


def best(rows: Sequence[dict[str, Any]], server: str, kind: str, turn: int) -> dict[str, Any]:
    """A server's row with the most requests a second in a round."""
    of = [row for row in rows if (row["server"], row["protocol"], row["round"]) == (server, kind, turn)]
    return max(of, key=lambda row: row["rate"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, default=ROOT / "artifacts" / "serving_model")
    parser.add_argument("--sample", action="store_true", help="train a model of a generated sample first")
    parser.add_argument("--clients", default="1,8,32,64,256", help="in flight at once, closed loop")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement, closed loop")
    parser.add_argument("--open-seconds", type=float, default=10.0, help="of each measurement, open loop")
    parser.add_argument("--histories", type=int, default=2000, help="different requests")
    parser.add_argument("--out", type=Path, help="folder of serving.json; default benchmarks/out")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    clients = [int(part) for part in args.clients.split(",")]
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        models = (sample_models(folder) if args.sample else args.models).absolute()
        model = newest(models)
        requests = Requests.write(folder, histories(model, args.histories))
        in_process = ceiling(model, requests, min(args.seconds, 1.5))
        start = cold_start(models, requests)

        naive_port, ports, rest = free_port(), (free_port(), free_port(), free_port()), free_port()
        reference = str(ROOT / "benchmarks" / "harness" / "reference_servers.py")
        ours_port = free_port()
        ours = stack.enter_context(started("ours", ours_command(models, ours_port, rest), ours_port, rest))
        naive = stack.enter_context(
            started("naive", [reference, "naive", "--model", str(model), f"--port={naive_port}"], naive_port)
        )
        empty = [
            stack.enter_context(started(kind, [reference, kind, f"--port={port}"], port))
            for kind, port in zip(("empty-threads", "empty-asyncio", "empty-queue"), ports, strict=True)
        ]
        closed = closed_loop([ours, naive, *empty], requests, clients, args.rounds, args.seconds)
        turns = range(args.rounds)
        capacity = {
            kind: statistics.median(best(closed, "ours", kind, turn)["rate"] for turn in turns)
            for kind in ("grpc", "rest")
        }
        opened = open_loop(ours, requests, capacity, args.open_seconds)

    times = [
        best(closed, "ours", "grpc", turn)["rate"] / best(closed, "naive", "grpc", turn)["rate"]
        for turn in turns
    ]
    cpu = statistics.median(best(closed, "ours", "grpc", turn)["server_cpu_microseconds"] for turn in turns)
    # What arrives together is not of one length: the ceiling is that of queries as they come.
    floor = min(costs["cpu_microseconds"] for costs in in_process["as they came"].values())
    print()
    bars = [
        report.at_least(
            "requests/s over gRPC, times the naive server's", statistics.median(times), TIMES_NAIVE
        ),
        report.at_most("server CPU per request over gRPC, us", cpu, floor + CPU_ABOVE_CEILING),
        report.at_most("exit code of marquee serve after Ctrl-C", start["exit_code"], 0),
    ]
    report.write(
        "serving",
        bars,
        {
            "in_process": in_process,
            "closed_loop": closed,
            "open_loop": opened,
            "capacity": capacity,
            "times_naive": times,
            "marquee_serve": start,
        },
        args.out,
    )


if __name__ == "__main__":
    main()
