"""A new version under load: every list is of one version, whole; then the server is gone."""

from __future__ import annotations

import io
import shutil
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.servers.app import running, serve
from support.servers.model_servers import wait_until

import contract

pytestmark = pytest.mark.long

MARK = " (second edition)"


def second_edition(first: Path, second: Path) -> None:
    """A copy whose titles say that they are of the second version."""
    shutil.copytree(first, second.with_name("copying"))
    path = second.with_name("copying") / contract.ASSETS_EXTRA / contract.CATALOGUE
    table = pq.read_table(path)
    at = table.column_names.index(contract.TITLE)
    titles = [title + MARK for title in table.column(contract.TITLE).to_pylist()]
    buffer = io.BytesIO()
    pq.write_table(
        table.set_column(at, contract.TITLE, pa.array(titles, table.schema.field(at).type)), buffer
    )
    path.write_bytes(buffer.getvalue())
    second.with_name("copying").rename(second)


def test_titles_follow_the_version_that_answers(pushed_workspace, tmp_path):
    first = pushed_workspace.pushed[-1]
    base = tmp_path / "models"
    shutil.copytree(first, base / "1")
    server = serve(base, tmp_path)
    try:
        with running(server, tmp_path) as client:
            wait_until(lambda: client.get("/health/ready").status_code == 200)
            client.post("/v1/people", json={"id": "ada"})
            popular = [item["id"] for item in client.get("/v1/popular").json()["items"]]
            client.post("/v1/people/ada/events", json={"kind": "like", "item_id": popular[0]})
            seen: dict[tuple[int, str, bool], int] = {}
            stop = threading.Event()

            def ask() -> None:
                while not stop.is_set():
                    answer = client.get("/v1/people/ada/recommendations", params={"k": 5}).json()
                    titles = [item["title"] for item in answer["items"]]
                    titles += [why["title"] for item in answer["items"] for why in item["reasons"]]
                    marked = {title.endswith(MARK) for title in titles}
                    assert len(marked) == 1
                    key = answer["version"], answer["source"], marked.pop()
                    seen[key] = seen.get(key, 0) + 1

            failed: list[BaseException] = []

            def guarded() -> None:
                try:
                    ask()
                except BaseException as error:  # noqa: BLE001 (told by the test's own thread)
                    failed.append(error)

            asking = threading.Thread(target=guarded)
            asking.start()
            try:
                wait_until(lambda: (1, "model", False) in seen or failed)
                second_edition(first, base / "2")
                wait_until(lambda: (2, "model", True) in seen or failed, 120)
            finally:
                stop.set()
                asking.join()
            assert not failed, failed
            assert {(version, marked) for version, _, marked in seen} == {(1, False), (2, True)}, seen
            found = client.get("/v1/items", params={"query": "second edition", "limit": 1}).json()
            assert found["version"] == 2 and found["total"] == client.get("/v1/model").json()["items"]

            server.process.kill()
            server.process.wait()
            gone = client.get("/v1/people/ada/recommendations", params={"k": 5}).json()
            assert (gone["source"], gone["version"]) == ("cached", 2)
            assert gone["reason"] == "the model server cannot be reached"
            assert client.get("/v1/items", params={"limit": 1}).json()["total"] == found["total"]
    finally:
        server.stop()
