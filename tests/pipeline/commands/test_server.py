"""The commands that ask a model, against a model server on the same models."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from support.servers.model_servers import Server, start

import contract
from contract.description import Description
from pipeline.ask import running_server
from serving.client import Client, Code, Query, ServingError

Marquee = Callable[..., tuple[int, str, str]]
Ask = Callable[..., dict[str, Any]]

VERSION = 1_700_000_000
HEAT, SABRINA = "13", "16"


@pytest.fixture(scope="module")
def server(world: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    config = "\n".join(
        f'config {{ name: "{model}" base_path: "{world["artifacts"] / "serving_model" / model}" '
        'model_platform: "tensorflow" }'
        for model in contract.MODELS
    )
    (folder / "models.config").write_text(f"model_config_list {{ {config} }}")
    running = start(
        [sys.executable, "-m", "serving.model_server"],
        [
            "--host=127.0.0.1",
            f"--model_config_file={folder / 'models.config'}",
            # What it answers is compared in full: the first requests of each shape may be slow.
            "--enable_model_warmup=false",
        ],
        folder,
    )
    yield running
    assert running.stop() == 0, running.output


@pytest.fixture(params=["grpc", "rest"])
def address(request: pytest.FixtureRequest, server: Server) -> str:
    return server.grpc if request.param == "grpc" else f"http://{server.rest}"


ASKED = [
    ("recommend", "--user", "u1", "--k", "7"),
    ("recommend", "--user", "nobody", "--k", "4"),
    (
        "recommend", "--likes", "Heat=4.5; id:19", "--taste", "Action=5", "--genres", "Drama,horror",
        "--exclude", "toy story", "--year-min", "1960", "--diversity", "0.3",
    ),
    ("recommend", "--likes", "Heat", "--exact"),
    ("similar", "Heat (1995)", "--k", "5"),
    ("rate", "--user", "u1"),
]  # fmt: skip


@pytest.mark.parametrize("arguments", ASKED, ids=lambda a: " ".join(a[:3]))
def test_a_server_answers_what_the_model_answers_here(
    marquee_json: Ask, address: str, arguments: tuple[str, ...]
) -> None:
    model = contract.MODEL_EXACT if arguments[0] == "rate" else contract.MODEL
    here = marquee_json(*arguments, "--model", model)
    there = marquee_json(*arguments, "--model", model, "--server", address)
    assert there == _nearly({**here, "server": address})


def _nearly(value: Any) -> Any:
    """The same document, floats within what a batched or fused graph may change."""
    if isinstance(value, dict):
        return {key: _nearly(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_nearly(item) for item in value]
    return pytest.approx(value, rel=1e-5, abs=1e-6) if isinstance(value, float) else value


def test_the_scann_model_is_asked_unless_another_is_named(marquee: Marquee, address: str) -> None:
    code, out, err = marquee("similar", "Heat (1995)", "--k", "3", "--server", address)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].endswith(f"(marquee version {VERSION}, at {address})")


def test_without_a_catalogue_ids_are_shown_and_it_says_so(
    marquee: Marquee, marquee_json: Ask, address: str, tmp_path: Path
) -> None:
    with_titles = marquee_json("similar", "id:13", "--k", "3", "--server", address)
    code, out, err = marquee(
        "similar", "id:13", "--k", "3", "--json", "--server", address, artifacts=tmp_path
    )
    assert code == 0
    assert err.startswith(f"note: no marquee has been pushed to {tmp_path}")
    assert "so there is no catalogue to take titles from: items are named by their ids" in err
    without = json.loads(out)
    ids = [result["item_id"] for result in with_titles["results"]]
    assert [result["item_id"] for result in without["results"]] == ids
    assert [result["title"] for result in without["results"]] == [f"id:{item_id}" for item_id in ids]


def test_without_a_catalogue_the_server_still_knows_users_and_tastes(
    marquee: Marquee, marquee_json: Ask, address: str, tmp_path: Path
) -> None:
    def bare(*arguments: str) -> tuple[int, dict[str, Any], str]:
        code, out, err = marquee(*arguments, "--json", "--server", address, artifacts=tmp_path)
        return code, json.loads(out) if out else {}, err

    code, answer, _ = bare("recommend", "--user", "u2", "--k", "5")
    assert code == 0 and answer["known_user"] is True and len(answer["results"]) == 5
    code, answer, _ = bare("recommend", "--user", "nobody", "--k", "5")
    assert code == 0 and (answer["known_user"], answer["popular"]) == (False, True)
    code, answer, _ = bare("recommend", "--likes", "id:13=4, id:16", "--taste", "Drama=2", "--genres", "War")
    assert code == 0
    assert [like["item_id"] for like in answer["likes"]] == [HEAT, SABRINA]
    code, _, err = bare("recommend", "--likes", "Heat")
    assert code == 2 and '"Heat": there is no catalogue here to look titles up in; give ids' in err


DEFAULT = (("recommend", "--user", "u1", "--k", "7"), ("similar", "Heat (1995)"), ("rate", "--user", "u1"))


@pytest.mark.parametrize("arguments", DEFAULT, ids=lambda a: a[0])
def test_a_server_that_is_up_with_the_same_version_is_asked_unasked(
    marquee_json: Ask, server: Server, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    here = marquee_json(*arguments)
    assert here["server"] is None
    address = f"http://{server.rest}"
    monkeypatch.setattr(running_server, "ADDRESS", address)
    # This one did not warm up: its first answers may take seconds.
    monkeypatch.setattr(running_server, "_ANSWER_S", 60.0)
    assert marquee_json(*arguments) == _nearly({**here, "server": address})
    assert marquee_json(*arguments, "--local") == here


def test_a_server_of_another_version_or_model_is_passed_over(
    marquee: Marquee, server: Server, monkeypatch: pytest.MonkeyPatch, world: dict[str, Any], tmp_path: Path
) -> None:
    monkeypatch.setattr(running_server, "ADDRESS", f"http://{server.rest}")
    monkeypatch.setattr(running_server, "_ANSWER_S", 60.0)

    def ask(artifacts: Path) -> tuple[str | None, str]:
        code, out, err = marquee("similar", "id:13", "--k", "3", "--json", artifacts=artifacts)
        assert code == 0
        return json.loads(out)["server"], err

    def pushed(number: int) -> Path:
        root = tmp_path / str(number)
        for model in contract.MODELS:
            source = world["artifacts"] / "serving_model" / model / str(VERSION)
            shutil.copytree(source, root / "serving_model" / model / str(number))
        return root

    where, err = ask(pushed(VERSION + 1))
    assert where is None
    assert f"has {contract.MODEL_EXACT} version {VERSION}, not {VERSION + 1}: loaded here" in err
    # The same name and number, and other counts behind it.
    other = pushed(VERSION)
    assert ask(other) == (f"http://{server.rest}", "")
    file = other / "serving_model" / contract.MODEL_EXACT / str(VERSION) / contract.ASSETS_EXTRA
    shares = pq.read_table(file / contract.POPULARITY)
    halved = pc.multiply(shares.column(1), 0.5)
    pq.write_table(shares.set_column(1, shares.column_names[1], halved), file / contract.POPULARITY)
    where, err = ask(other)
    assert (
        where is None and f"has another {contract.MODEL_EXACT} version {VERSION} than the pushed one" in err
    )


def test_what_is_no_model_server_is_passed_over_without_a_word(
    marquee_json: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(running_server, "ADDRESS", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert marquee_json("similar", "id:13")["server"] is None


def test_titles_of_another_version_are_announced(
    marquee: Marquee, server: Server, world: dict[str, Any], tmp_path: Path
) -> None:
    for model in contract.MODELS:
        (tmp_path / "serving_model" / model).mkdir(parents=True)
        version = world["artifacts"] / "serving_model" / model / str(VERSION)
        (tmp_path / "serving_model" / model / "5").symlink_to(version)
    code, out, err = marquee("similar", "Heat (1995)", "--server", server.grpc, artifacts=tmp_path)
    assert code == 0 and f"marquee version {VERSION}, at" in out
    assert f"version {VERSION} is not in {tmp_path}" in err
    assert "so titles are those of version 5" in err


def test_refusals_and_missing_servers_exit_with_a_reason(marquee: Marquee, address: str) -> None:
    code, out, err = marquee("recommend", "--likes", "Heat", "--k", "21", "--server", address)
    assert (code, out) == (2, "")
    assert err.startswith(f"marquee: marquee at {address} refused the request: k must be between 0")
    assert "max_k = 20" in err and "got 21" in err
    code, _, err = marquee("similar", "id:13", "--version", "5", "--server", address)
    assert code == 1 and f"{address}: model marquee, version 5: NOT_FOUND: " in err
    dead = "http://127.0.0.1:1" if address.startswith("http") else "127.0.0.1:1"
    code, _, err = marquee("similar", "id:13", "--server", dead)
    assert code == 1 and f"{dead}: model marquee: UNAVAILABLE: " in err and "4 attempts" in err
    code, _, err = marquee("similar", "id:13", "--server", "localhost")
    assert code == 2 and '"localhost" is no address of a server; expected host:port' in err
    code, _, err = marquee("similar", "id:13", "--server", address, "--timeout", "0")
    assert code == 2 and "timeout_s must be above 0" in err


def test_over_rest_a_fresh_process_needs_no_tensorflow(server: Server, world: dict[str, Any]) -> None:
    script = (
        "import sys\nfrom pipeline import cli\n"
        "code = cli.main(sys.argv[1:])\n"
        "print(code, 'tensorflow' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-c", script, "similar", "Heat (1995)", "--json"),
            *("--server", f"http://{server.rest}", "--set", f"artifacts={world['artifacts']}"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "0 False\n")
    assert len(json.loads(done.stdout)["results"]) == 10


# --- the client itself against the real server ------------------------------------------
def test_both_protocols_and_a_batch_give_the_same_rankings(server: Server) -> None:
    queries = [Query([(HEAT, 5.0)], k=5), Query([(SABRINA, 3.0), (HEAT, 4.0)], k=8, genres=["Drama"])]
    with Client(server.grpc) as grpc, Client(f"http://{server.rest}") as rest:
        one_by_one = [grpc.recommend(query.history, query.k, genres=query.genres) for query in queries]
        assert [len(ranking) for ranking in one_by_one] == [5, 8]
        for client in (grpc, rest):
            batch = client.recommend_batch(queries)
            assert [ranking.ids for ranking in batch] == [ranking.ids for ranking in one_by_one]
            for ranking, alone in zip(batch, one_by_one, strict=True):
                assert [item.score for item in ranking] == pytest.approx(
                    [item.score for item in alone], abs=1e-6
                )
        [stars] = {client.rate([(HEAT, 5.0)], [SABRINA, "nonesuch"]).stars for client in (grpc, rest)}
        assert 0.5 <= stars[0] <= 5.0 and stars[1] is None
        reasons = [client.explain([HEAT, SABRINA], one_by_one[0].ids[:2]).reasons for client in (grpc, rest)]
        assert reasons[0] == reasons[1] and {r.item_id for r in reasons[0][0]} <= {HEAT, SABRINA}
        assert grpc.status() == rest.status()
        assert [(s.version, s.state) for s in grpc.status()] == [(VERSION, "AVAILABLE")]


def test_details_over_both_protocols_in_rows_and_columns(server: Server, world: dict[str, Any]) -> None:
    columns = ["title", "genres"]
    for model in contract.MODELS:
        with Client(server.grpc, model=model) as grpc, Client(f"http://{server.rest}", model=model) as rest:
            everything = [client.details([HEAT, "nonesuch"]).items for client in (grpc, rest)]
            some = [client.details([HEAT, "nonesuch"], columns).items for client in (grpc, rest)]
            none = [client.details([]).items for client in (grpc, rest)]
        assert everything[0] == everything[1] and none == [(), ()]
        known, unknown = everything[0]
        assert known["item_id"] == HEAT and set(unknown.values()) == {""}
        assert some[0] == some[1] == tuple({n: item[n] for n in columns} for item in everything[0])

    def post(**body: Any) -> Any:
        body = {"signature_name": contract.DETAILS, **body}
        answer = server.http("POST", f"/v1/models/{contract.MODEL}:predict", json.dumps(body))
        return answer.json

    texts = [[known["title"], known["genres"]]]
    rows = [{"item_ids": [HEAT], "columns": columns}] * 2
    assert post(instances=rows)["predictions"] == [{"columns": columns, "values": texts}] * 2
    assert post(inputs={"item_ids": [[HEAT]], "columns": [columns]})["outputs"]["values"] == [texts]
    (left_out,) = post(instances=[{"item_ids": [HEAT]}])["predictions"]
    assert dict(zip(left_out["columns"], left_out["values"][0], strict=True)) == known
    mixed = post(instances=[{"item_ids": [HEAT]}, {"item_ids": [HEAT], "columns": ["title"]}])
    assert "keys must be equal to: columns,item_ids" in mixed["error"]


def test_the_model_says_what_it_may_be_asked(server: Server, world: dict[str, Any]) -> None:
    path = world["artifacts"] / "serving_model" / contract.MODEL / str(VERSION)
    written = json.loads((path / contract.ASSETS_EXTRA / contract.DESCRIPTION).read_text())
    with Client(server.grpc) as grpc, Client(f"http://{server.rest}", version=VERSION) as rest:
        assert grpc.describe() == rest.describe() == Description.of(written)
        assert set(grpc.details([HEAT]).items[0]) == {column.name for column in grpc.describe().columns}
        limit = grpc.describe().limits["max_k"]
        with pytest.raises(ServingError, match=f"max_k = {limit}"):
            rest.similar(HEAT, k=limit + 1)
    metadata = server.http("GET", f"/v1/models/{contract.MODEL}/metadata").json["metadata"]
    named = {**written, "model_card": f"{contract.ASSETS_EXTRA}/{contract.MODEL_CARD}"}
    assert set(metadata) == {"signature_def", "description"} and metadata["description"] == named
    document = server.http("GET", "/openapi.json").json
    paths = document["paths"]
    assert paths[f"/v1/models/{contract.MODEL}"]["x-model"] == named
    body = paths[f"/v1/models/{contract.MODEL}:predict"]["post"]["requestBody"]["content"]
    schemas = {one["description"]: one["properties"] for one in body["application/json"]["schema"]["oneOf"]}
    assert schemas["similar, a row per instance"]["instances"]["items"]["required"] == ["item_id"]
    assert "required" not in schemas["recommend, a row per instance"]["instances"]["items"]


REFUSED = [
    (
        "similar",
        {"item_id": [HEAT], "k": [21]},
        "k must be between 0 (which means 5) and max_k = 20, got 21; ask for fewer; index.max_k of the "
        "config is the limit",
    ),
    (
        "recommend",
        {"history_item_ids": [[HEAT]], "history_ratings": [[8.0]]},
        "history_ratings must be 0 (unknown) or from 0.5 to 5, got 8; map another scale "
        "(data_rating_scale of what the model says of itself) evenly onto 0.5 to 5",
    ),
    (
        "recommend",
        {"history_item_ids": [[HEAT, SABRINA]], "history_ratings": [[1.0]]},
        "history_item_ids and history_ratings need the same shape, got 1 2 and 1 1; give as many of one as "
        "of the other, or leave history_ratings out",
    ),
    ("similar", {"k": [3]}, "similar needs item_id in every row, got k; give what is missing"),
    (
        "similar",
        {"item_id": [HEAT], "genre": ["Drama"]},
        "similar has the inputs item_id, k, got genre; leave the others out",
    ),
    (
        "similar",
        {"item_id": [[HEAT]]},
        "item_id must have the shape [rows], got [1, 1]; give one value in each row",
    ),
    (
        "details",
        {"item_ids": [[HEAT]], "columns": [["colour"]]},
        "columns: expected some of item_id, title, year, genres, rating_count, rating_mean, got colour; ask "
        "for these, or leave columns out for all",
    ),
    (
        "embed_item",
        {"attributes": [["year=old"]]},
        "attributes: year must be a finite number, got old; write it in digits, or leave it out if it is "
        "unknown",
    ),
]


@pytest.mark.parametrize(("signature", "inputs", "words"), REFUSED, ids=lambda a: str(a)[:30])
def test_a_refusal_says_the_same_over_both_protocols(
    server: Server, signature: str, inputs: dict[str, Any], words: str
) -> None:
    with Client(server.grpc) as grpc, Client(f"http://{server.rest}") as rest:
        for client in (grpc, rest):
            with pytest.raises(ServingError) as error:
                client.predict(signature, inputs)
            assert (error.value.code, error.value.message) == (Code.INVALID_ARGUMENT, words)
    rows = [dict(zip(inputs, row, strict=True)) for row in zip(*inputs.values(), strict=True)]
    body = json.dumps({"signature_name": signature, "instances": rows})
    answer = server.http("POST", f"/v1/models/{contract.MODEL}:predict", body)
    assert (answer.status, answer.json["error"]) == (400, words)


def test_the_servers_own_words_come_through(server: Server) -> None:
    with Client(server.grpc, model="nonesuch") as client, pytest.raises(ServingError) as error:
        client.similar(HEAT)
    assert error.value.code is Code.NOT_FOUND
    assert error.value.message == "Servable not found for request: Latest(nonesuch)"
    with Client(f"http://{server.rest}") as client, pytest.raises(ServingError) as error:
        client.predict("nonesuch", {"x": [1.0]})
    assert error.value.code is Code.INVALID_ARGUMENT and "nonesuch" in error.value.message
