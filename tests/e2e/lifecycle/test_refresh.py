"""`marquee refresh` on a pushed model: a new item is found, an old one stays, none is lost in silence.

The model is served and asked all the time meanwhile.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import threading
import time
from collections.abc import Iterator

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.servers.model_servers import OUR_COMMAND, start, wait_until
from support.workspace import Workspace, components_by_state, marquee, settings

import contract
from serving.client import Client, Retry, ServingError

pytestmark = [
    pytest.mark.timeout(3600),
    pytest.mark.nightly(
        "components/pushed_towers",
        "components/catalogue_check",
        "components/index/retrieval.py",
        "components/index/carried/fitted_log.py",
        "components/pusher/publish.py",
        "pipeline/dag.py",
        "pipeline/commands/lifecycle/refresh.py",
    ),
]

NEW = "999999"


def refresh(workspace, *args, **knobs):
    command = ("refresh", "--json", "--data", str(workspace.data), *settings(**knobs), *args)
    return marquee(*command, cwd=workspace.folder)


@dataclasses.dataclass
class Asked:
    """What the clients have seen, one of each protocol twice.

    Attributes:
      known: by client, whether the new item was known, answer by answer.
      failed: what went wrong.
    """

    known: list[list[bool]] = dataclasses.field(default_factory=lambda: [[] for _ in range(4)])
    failed: list[str] = dataclasses.field(default_factory=list)


@contextlib.contextmanager
def under_load(workspace: Workspace) -> Iterator[Asked]:
    """Serves what is pushed and asks it all the time, nothing twice."""
    served = workspace.pushed[-1].parent
    liked = (workspace.data / "movies.csv").read_text().splitlines()[1].partition(",")[0]
    log = workspace.folder / "server"
    log.mkdir()
    server = start(OUR_COMMAND, [f"--model_name={contract.MODEL}", f"--model_base_path={served}"], log)
    asked, stop = Asked(), threading.Event()

    def run(address: str, known: list[bool]) -> None:
        with Client(address, model=contract.MODEL, retry=Retry(attempts=1), timeout_s=60) as client:
            while not stop.wait(0.1):
                try:
                    assert len(client.recommend([liked], k=10)) == 10
                    [item] = client.details([NEW], ["title"]).items
                    known.append(item["title"] != "")
                except (ServingError, AssertionError) as error:
                    asked.failed.append(f"{address}: {error}")

    addresses = [server.grpc, f"http://{server.rest}"] * 2
    threads = [threading.Thread(target=run, args=each) for each in zip(addresses, asked.known, strict=True)]
    try:
        for thread in threads:
            thread.start()
        yield asked
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        assert server.stop() == 0, server.output


@pytest.fixture(scope="module")
def refreshed(workspace_to_run_in: Workspace) -> tuple[Workspace, Asked]:
    """After a refresh under load with an item more, of the genres of the first."""
    workspace = workspace_to_run_in
    with under_load(workspace) as asked:
        wait_until(lambda: all(asked.known) or bool(asked.failed), 120)
        path = workspace.data / "movies.csv"
        rows = path.read_text().splitlines()
        path.write_text("\n".join([*rows, f"{NEW},New One (2000),{rows[1].rpartition(',')[2]}"]) + "\n")
        finished = refresh(workspace)
        assert finished.code == 0, finished.out + finished.err
        wait_until(lambda: all(known[-1] for known in asked.known) or bool(asked.failed), 300)
        time.sleep(1.0)  # the version that was served before is unloaded
    (workspace.folder / "refresh.json").write_text(finished.out)
    return workspace, asked


@pytest.fixture(scope="module")
def workspace(refreshed: tuple[Workspace, Asked]) -> Workspace:
    return refreshed[0]


def test_no_request_fails_and_the_old_version_answers_until_the_new_one_does(
    refreshed: tuple[Workspace, Asked],
) -> None:
    _, asked = refreshed
    assert asked.failed == []
    for known in asked.known:
        assert [value for value, _ in itertools.groupby(known)] == [False, True]


def test_the_new_item_is_placed_as_its_content_alone_would_place_it(workspace: Workspace) -> None:
    """So what docs/measurements/behaviour.md measures of content alone is what a refresh gives.

    There `embed_item` of the fitted version embeds an item that it does not know; here the refreshed
    version scores the item of its catalogue.
    """
    import tensorflow as tf

    before, after = (
        tf.saved_model.load(str(path.parents[1] / contract.MODEL_EXACT / path.name)).signatures
        for path in workspace.pushed[:2]
    )

    def ask(signatures, name: str, *requests: dict[str, object]) -> dict[str, np.ndarray]:
        wanted = contract.SIGNATURES[name]
        filled = wanted.filled(requests)
        given = {item.name: tf.constant(filled[item.name], item.dtype) for item in wanted.inputs}
        return {key: value.numpy() for key, value in signatures[name](**given).items()}

    genres = (workspace.data / "movies.csv").read_text().splitlines()[1].rpartition(",")[2].split("|")
    content = [f"{contract.GENRES}={genre}".encode() for genre in genres] + [b"year=2000"]
    unknown = {contract.ITEM_ID: NEW.encode(), contract.RATING_COUNT: 0, contract.ATTRIBUTES: content}
    vector = ask(before, contract.EMBED_ITEM, unknown)[contract.EMBEDDING][0]
    items = pq.read_table(workspace.pushed[0] / contract.ASSETS_EXTRA / contract.CATALOGUE)[contract.ITEM_ID]
    people = [{contract.HISTORY_ITEM_IDS: [item.encode()]} for item in items.to_pylist()[:50]]
    expected = ask(before, contract.EMBED_QUERY, *people)[contract.EMBEDDING] @ vector
    wished = [{**person, contract.CANDIDATES: [NEW.encode()], contract.K: 1} for person in people]
    found = ask(after, contract.RECOMMEND, *wished)
    assert set(found[contract.ITEM_IDS][:, 0]) == {NEW.encode()}
    np.testing.assert_allclose(found[contract.SCORES][:, 0], expected, atol=1e-5)
    assert np.ptp(expected) > 0.1, "people differ in what they get of it"


def test_nothing_is_trained_and_the_catalogue_is_counted(workspace):
    summary = json.loads((workspace.folder / "refresh.json").read_text())
    nodes = {component["node"] for component in summary["components"]}
    assert not nodes & {"trainer", "transform"}
    assert summary["catalogue"]["new"] == 1
    assert summary["catalogue"]["removed"] == 0
    assert summary["serving_check"]["ok"]
    before, after = workspace.pushed
    assert summary["pushed"] == str(after)
    assert json.loads((after / contract.PUSHED).read_text())[contract.REFRESHES] == int(before.name)


def test_the_new_item_is_recommended_and_the_old_ones_are_there(workspace):
    import tensorflow as tf

    before, after = (
        pq.read_table(path / contract.ASSETS_EXTRA / contract.CATALOGUE)[contract.ITEM_ID].to_pylist()
        for path in workspace.pushed
    )
    assert set(after) == {*before, NEW}
    newest = workspace.pushed[-1]
    model = tf.saved_model.load(str(newest.parents[1] / contract.MODEL_EXACT / newest.name))
    signature = contract.SIGNATURES[contract.RECOMMEND]
    asked = signature.filled([{contract.HISTORY_ITEM_IDS: [item], contract.K: 100} for item in before])
    found = model.signatures[contract.RECOMMEND](
        **{item.name: tf.constant(asked[item.name], item.dtype) for item in signature.inputs}
    )[contract.ITEM_IDS].numpy()
    assert set(found.ravel()) >= {NEW.encode()}
    assert len(set(found.ravel())) > len(before) / 2


def test_again_nothing_runs(workspace):
    finished = refresh(workspace)
    assert finished.code == 0, finished.out + finished.err
    assert set(components_by_state(finished)["ran"]) <= {"catalogue_check"}
    assert len(workspace.pushed) == 2


def test_an_item_is_lost_only_if_that_is_allowed(workspace):
    path = workspace.data / "movies.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join(rows[:-1]) + "\n")
    refused = refresh(workspace)
    assert refused.code == 2, refused.out + refused.err
    assert NEW in refused.err and "--allow-removals" in refused.err
    assert len(workspace.pushed) == 2
    allowed = refresh(workspace, "--allow-removals")
    assert allowed.code == 0, allowed.out + allowed.err
    assert allowed.json()["catalogue"]["removed"] == 1
    assert len(workspace.pushed) == 3
