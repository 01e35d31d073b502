"""benchmarks/serving.py at toy size on a really pushed model, and its load generator."""

from __future__ import annotations

import json
import pickle
import socketserver
import subprocess
import sys
import threading

import pytest
from support.workspace import REPOSITORY

BARS = {
    "requests/s over gRPC, times the naive server's",
    "server CPU per request over gRPC, us",
    "exit code of marquee serve after Ctrl-C",
}


@pytest.mark.nightly("benchmarks/serving.py", "benchmarks/harness")
def test_measures_every_server_and_writes_the_bars(pushed_workspace, tmp_path):
    done = subprocess.run(
        [
            sys.executable, "benchmarks/serving.py", f"--out={tmp_path}",
            f"--models={pushed_workspace.artifacts / 'serving_model'}",
            "--clients=1,4", "--rounds=1", "--seconds=0.3", "--open-seconds=0.5", "--histories=40",
        ],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((tmp_path / "serving.json").read_text())
    bars = {bar["name"]: bar for bar in written["bars"]}
    assert set(bars) == BARS
    assert bars["exit code of marquee serve after Ctrl-C"]["ok"]
    measured = {(row["server"], row["protocol"], row["clients"]) for row in written["closed_loop"]}
    servers = {("ours", "grpc"), ("ours", "rest"), ("naive", "grpc"), ("empty-threads", "grpc")}
    assert {(*server, clients) for server in servers for clients in (1, 4)} <= measured
    assert {(row["protocol"], row["share"]) for row in written["open_loop"]} == {
        (protocol, share) for protocol in ("grpc", "rest") for share in (0.3, 0.6, 0.9)
    }
    for row in (*written["closed_loop"], *written["open_loop"]):
        assert row["errors"] == 0 and row["requests"] > 0
        times = row["milliseconds"]
        assert 0 < times["p50"] <= times["p99"] <= times["p99.9"]
        assert row["server_cpu_microseconds"] > 0
    for by_size in written["in_process"].values():
        assert min(costs["cpu_microseconds"] for costs in by_size.values()) > 0
    assert written["marquee_serve"]["mebibytes"] > 100


class _Answering(socketserver.StreamRequestHandler):
    """Answers HTTP requests; every third is an error."""

    def handle(self):
        while line := self.rfile.readline():
            length = 0
            while line.strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
                line = self.rfile.readline()
            body = self.rfile.read(length)
            self.server.bodies.append(body)
            status = b"503 Service Unavailable" if len(self.server.bodies) % 3 == 0 else b"200 OK"
            self.wfile.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\n{}")


@pytest.fixture
def server():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Answering) as made:
        made.bodies = []
        made.daemon_threads = True
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()


@pytest.mark.parametrize("mode", [["--clients=3"], ["--rate=150"]])
def test_load_counts_errors_and_sends_what_it_was_given(server, tmp_path, mode):
    requests = tmp_path / "requests"
    requests.write_bytes(pickle.dumps([b"one", b"two"]))
    done = subprocess.run(
        [
            sys.executable, "benchmarks/harness/load.py",
            "--protocol=rest", "--path=/x", f"--requests={requests}",
            f"--address=127.0.0.1:{server.server_address[1]}", "--seconds=0.5", "--warm-up=0.1",
            "--server-pid=1", *mode,
        ],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(server.bodies) == {b"one", b"two"}
    assert found["errors"] == len(server.bodies) // 3
    assert next(iter(found["error_kinds"])).startswith("HTTP 503")
    if "--rate=150" in mode:
        assert 30 <= found["requests"] <= 130
