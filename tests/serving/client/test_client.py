"""The client against servers that answer as a test tells them, over both protocols."""

from __future__ import annotations

import contextlib
import inspect
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest
from support.servers.scripted_server import VERSION, Script, rest_server, unavailable

import contract
from benchmarks.harness.ports import free_port
from serving.client import AsyncClient, Client, Code, Event, Query, Retry, Scored, ServingError, Tls
from serving.client.errors import TransportError
from serving.protocol.errors import StatusError

ROOT = Path(__file__).parents[3]
RANKING = {contract.ITEM_IDS: [["1", "6", ""]], contract.SCORES: [[0.5, 0.25, 0.0]]}
# As fast as a test wants to see four attempts.
QUICK = Retry(first_delay_s=0.001)

Serve = Callable[..., contextlib.AbstractContextManager[str]]


def inputs(signature: str, **given: Any) -> dict[str, Any]:
    """All inputs of one row, as they arrive."""
    filled = contract.SIGNATURES[signature].filled([given])
    return {
        name: [[v.decode() if isinstance(v, bytes) else v for v in row] for row in value]
        if isinstance(value[0], list)
        else [v.decode() if isinstance(v, bytes) else v for v in value]
        for name, value in filled.items()
    }


def test_recommend_sends_every_input_and_reads_the_ranking(serve):
    script = Script([RANKING])
    with serve(script) as address, Client(address) as client:
        ranking = client.recommend(
            ["318", ("858", 4.5), Event("50", 3.0, 1_700_000_000)],
            k=3,
            exclude=["2"],
            genres=["Drama", "War"],
            tastes={"Action": 5.0},
            year_min=1950,
            year_max=1999,
            diversity=0.5,
            user_id="ü7",
            now=1_800_000_000,
        )
    assert ranking.items == (Scored("1", 0.5), Scored("6", 0.25))
    assert ranking.ids == ["1", "6"] and len(ranking) == 2
    assert ranking.model == "marquee"
    assert ranking.version == (None if address.startswith("http") else VERSION)
    [seen] = script.seen
    assert (seen.model, seen.signature, seen.version, seen.label) == ("marquee", "recommend", None, "")
    assert seen.inputs == inputs(
        "recommend",
        history_item_ids=["318", "858", "50"],
        history_ratings=[0.0, 4.5, 3.0],
        history_timestamps=[0, 0, 1_700_000_000],
        user_id="ü7",
        now=1_800_000_000,
        taste_genres=["Action"],
        taste_weights=[5.0],
        k=3,
        exclude=["2"],
        genres=["Drama", "War"],
        year_min=1950,
        year_max=1999,
        diversity=0.5,
    )


def test_a_batch_is_one_request_of_padded_rows(serve):
    outputs = {contract.ITEM_IDS: [["1", "6"], ["9", ""]], contract.SCORES: [[0.5, 0.25], [0.125, 0.0]]}
    script = Script([outputs])
    with serve(script) as address, Client(address) as client:
        first, second = client.recommend_batch([Query(["1", "2", "3"], k=2), Query(k=1)], exact=True)
    assert first.ids == ["1", "6"] and second.items == (Scored("9", 0.125),)
    [seen] = script.seen
    assert seen.signature == "recommend_exact"
    assert seen.inputs[contract.HISTORY_ITEM_IDS] == [["1", "2", "3"], ["", "", ""]]
    assert seen.inputs[contract.K] == [2, 1]


def test_conditions_are_a_signature_of_their_own(serve):
    outputs = {contract.ITEM_IDS: [["1"], ["9"]], contract.SCORES: [[0.5], [0.125]]}
    script = Script([outputs, RANKING])
    with serve(script) as address, Client(address) as client:
        client.recommend_batch([Query(["1"], where=["brand=acme", "price<=20"]), Query(k=1)])
        client.recommend(
            ["1"], k=2, where=["price>=5"], candidates=["6", "1"], boosts={"6": -0.5}, at_most={"brand": 3},
            exact=True,
        )  # fmt: skip
    batch, single = script.seen
    assert (batch.signature, single.signature) == ("recommend", "recommend_exact")
    assert batch.inputs[contract.WHERE] == [["brand=acme", "price<=20"], ["", ""]]
    wanted = inputs(
        "recommend_exact", history_item_ids=["1"], history_timestamps=[0], k=2, where=["price>=5"],
        candidates=["6", "1"], boost_item_ids=["6"], boosts=[-0.5], at_most=["brand=3"],
    )  # fmt: skip
    del wanted[contract.HISTORY_RATINGS]  # nobody gives any
    assert single.inputs == wanted


def test_the_other_signatures(serve):
    ratings = {contract.RATINGS: [[4.5, 0.0, 3.25]]}
    reasons = {
        contract.HISTORY_ITEM_IDS: [[["1", "2"], ["2", ""]]],
        contract.WEIGHTS: [[[0.5, 0.25], [0.125, 0.0]]],
    }
    script = Script([RANKING, RANKING, ratings, reasons])
    with serve(script) as address, Client(address) as client:
        assert client.similar("50", k=2).ids == ["1", "6"]
        assert client.recommend_user("u1").ids == ["1", "6"]
        assert client.rate([("1", 5.0)], ["2", "nonesuch", "3"]).stars == (4.5, None, 3.25)
        explained = client.explain(["1", "2"], ["7", "8"], tastes={"War": 1.0}).reasons
    assert [[(r.item_id, r.weight) for r in item] for item in explained] == [
        [("1", 0.5), ("2", 0.25)],
        [("2", 0.125)],
    ]
    similar, user, rate, explain = script.seen
    assert (similar.signature, similar.inputs) == ("similar", inputs("similar", item_id="50", k=2))
    assert (user.signature, user.inputs) == ("recommend_user", inputs("recommend_user", user_id="u1"))
    assert rate.signature == "rate" and rate.inputs[contract.ITEM_IDS] == [["2", "nonesuch", "3"]]
    assert explain.signature == "explain" and explain.inputs[contract.TASTE_GENRES] == [["War"]]


def test_any_other_signature_as_arrays(serve):
    script = Script([{"y": [[1.5, 2.0]], "words": [["ä", "b"]]}])
    with serve(script) as address, Client(address, model="other") as client:
        answer = client.predict("double", {"x": [[1, 2]], "text": [["ä"]]}, version=3)
    assert answer.outputs["y"].tolist() == [[1.5, 2.0]] and answer.outputs["y"].dtype == "float32"
    assert answer.outputs["words"].tolist() == [["ä".encode(), b"b"]]
    assert (script.seen[0].model, script.seen[0].version) == ("other", 3)
    assert script.seen[0].inputs == {"x": [[1, 2]], "text": [["ä"]]}


def test_a_model_of_ones_own_may_have_a_signature_of_a_name_that_the_contract_has(serve):
    script = Script([{"y": [1.5, 2.0]}])
    with serve(script) as address, Client(address) as client:
        [value] = client.predict("serving_default", {"x": [1, 2]}).outputs.values()
    assert value.tolist() == [1.5, 2.0]


def test_status(serve):
    with serve(Script([RANKING])) as address, Client(address) as client:
        [status] = client.status()
    assert (status.version, status.state, status.error_code, status.error_message) == (
        VERSION,
        "AVAILABLE",
        "OK",
        "",
    )


def test_a_label_and_what_is_sent_along(serve):
    script = Script([RANKING])
    with (
        serve(script) as address,
        Client(address, label="canary", metadata={"X-Team": "films", "x-a": "1"}) as client,
    ):
        client.similar("1", request_id="abc", metadata={"x-a": "2"})
        client.similar("1", label=None, version=2)
    first, second = script.seen
    assert (first.label, first.version) == ("canary", None)
    assert (second.label, second.version) == ("", 2)
    assert {name: first.headers[name] for name in ("x-team", "x-a", "x-request-id")} == {
        "x-team": "films",
        "x-a": "2",
        "x-request-id": "abc",
    }
    assert second.headers["x-request-id"] not in ("", "abc")


# --- errors and retries ----------------------------------------------------------
def test_what_may_pass_is_tried_again(serve):
    script = Script([unavailable(), unavailable(), RANKING])
    with serve(script) as address, Client(address, retry=QUICK) as client:
        assert client.similar("1").ids == ["1", "6"]
    assert len(script.seen) == 3
    # One request of one caller: the server's log shows it under one id.
    assert len({seen.headers["x-request-id"] for seen in script.seen}) == 1


@pytest.mark.parametrize(
    "code", [Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.INTERNAL, Code.RESOURCE_EXHAUSTED]
)
def test_what_will_not_pass_is_not(serve, code):
    script = Script([StatusError(code, "k must be between 0 and max_k = 100"), RANKING])
    with (
        serve(script) as address,
        Client(address, retry=QUICK) as client,
        pytest.raises(ServingError) as error,
    ):
        client.similar("1", version=4)
    assert len(script.seen) == 1
    assert (error.value.code, error.value.message) == (code, "k must be between 0 and max_k = 100")
    assert error.value.attempts == 1
    assert str(error.value) == (
        f"{address}: model marquee, version 4, signature similar: {code.name}: "
        f"k must be between 0 and max_k = 100 (request {script.seen[0].headers['x-request-id']})"
    )


def test_attempts_end(serve):
    script = Script([unavailable()])
    with (
        serve(script) as address,
        Client(address, retry=QUICK, label="stable") as client,
        pytest.raises(ServingError, match=r"label stable, .* UNAVAILABLE: the queue is full .* 4 attempts"),
    ):
        client.similar("1")
    assert len(script.seen) == 4


def test_past_the_deadline_there_is_no_second_attempt(serve):
    script = Script([2.0])
    with serve(script) as address, Client(address) as client:
        with pytest.raises(ServingError) as error:
            client.similar("1", timeout_s=0.1)
        assert error.value.code is Code.DEADLINE_EXCEEDED
    assert len(script.seen) == 1


def test_a_delay_beyond_the_deadline_is_not_waited_for(monkeypatch):
    retry = Retry(attempts=5, first_delay_s=2.0, max_delay_s=3.0)
    lost = TransportError(Code.UNAVAILABLE, "lost")
    drawn = []
    monkeypatch.setattr("random.uniform", lambda low, high: drawn.append((low, high)) or high)
    assert retry.delay(lost, 1, None) == 2.0
    assert retry.delay(lost, 2, None) == 3.0  # 4 without the bound
    assert drawn == [(0.0, 2.0), (0.0, 3.0)]
    assert retry.delay(lost, 1, 2.0) is None
    assert retry.delay(lost, 1, 2.5) == 2.0
    assert retry.delay(lost, 5, None) is None
    assert retry.delay(TransportError(Code.INTERNAL, "bug"), 1, None) is None
    assert (
        retry.delay(TransportError(Code.UNAVAILABLE, "wrong certificate", retryable=False), 1, None) is None
    )


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "http://127.0.0.1:{}"])
def test_nobody_there(form):
    address = form.format(free_port())
    with Client(address, retry=QUICK) as client, pytest.raises(ServingError) as error:
        client.similar("1")
    assert error.value.code is Code.UNAVAILABLE and error.value.attempts == 4
    assert str(error.value).startswith(f"{address}: model marquee, signature similar: UNAVAILABLE: ")
    assert "refused" in str(error.value) or "failed" in str(error.value)


def test_a_server_that_comes_late_and_one_that_comes_back(serve):
    """A refused connection is tried again, and one that was lost while idle is made anew."""
    port = free_port()
    where = {"port": port} if serve is rest_server else {"address": f"127.0.0.1:{port}"}
    address = f"http://127.0.0.1:{port}" if serve is rest_server else f"127.0.0.1:{port}"
    patient = Retry(attempts=1000, first_delay_s=0.02, max_delay_s=0.1)
    script = Script([RANKING])
    with Client(address, retry=patient, timeout_s=60) as client:
        for _ in range(2):
            with futures.ThreadPoolExecutor(1) as pool:
                asked = pool.submit(client.similar, "1")
                with serve(script, **where):
                    assert asked.result().ids == ["1", "6"]


def test_what_proxies_answer():
    """No JSON, or none that TensorFlow Serving would send: the text is shown, nothing is guessed."""

    def answer_once(status: str, body: str) -> str:
        listener = socket.create_server(("127.0.0.1", 0))

        def run() -> None:
            for _ in range(4):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                    connection.sendall((head + body).encode())

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    for status, body, code, shown in (
        (
            "502 Bad Gateway",
            "<html>no upstream</html>",
            Code.UNAVAILABLE,
            "HTTP 502: <html>no upstream</html>",
        ),
        ("403 Forbidden", "", Code.PERMISSION_DENIED, "HTTP 403: "),
        ("200 OK", "<html>log in</html>", Code.INTERNAL, "no JSON object: <html>log in</html>"),
        ("200 OK", '{"predictions": []}', Code.INTERNAL, 'without "outputs": {"predictions": []}'),
        ("418 Teapot", '{"error": "tea"}', Code.UNKNOWN, "tea"),
    ):
        with (
            Client(answer_once(status, body), retry=QUICK) as client,
            pytest.raises(ServingError) as error,
        ):
            client.similar("1")
        assert error.value.code is code
        assert shown in error.value.message


def test_weights_go_to_a_model_of_weights_and_what_nobody_says_of_events_to_either(serve):
    script = Script([RANKING])
    with serve(script) as address, Client(address) as client:
        client.recommend([Event("1", weight=0.5), "2"])
        client.recommend(["1", "2"])
    weighed, bare = (dict(seen.inputs) for seen in script.seen)
    assert weighed.pop(contract.HISTORY_WEIGHTS) == [[0.5, 0.0]]
    assert weighed.keys() == bare.keys()
    assert contract.HISTORY_RATINGS not in bare and contract.HISTORY_TIMESTAMPS in bare


@pytest.mark.parametrize(
    ("ask", "kind", "reason"),
    [
        (lambda c: c.recommend("318"), TypeError, r"history takes several values; write \['318'\]"),
        (lambda c: c.recommend([318]), TypeError, "int"),
        (
            lambda c: c.recommend([(318, 5.0)]),
            TypeError,
            'history: item ids are strings, such as "318"; got 318',
        ),
        (lambda c: c.recommend([""]), ValueError, "history: an item id is empty"),
        (lambda c: c.recommend(["1"], exclude="2"), TypeError, "exclude takes several values"),
        (lambda c: c.recommend(["1"], genres="War"), TypeError, "genres takes several values"),
        (lambda c: c.recommend(["1"], where="year>=1990"), TypeError, "where takes several values"),
        (lambda c: c.recommend(["1"], candidates=[]), ValueError, "candidates: no item to rank"),
        (lambda c: c.recommend(["1"], candidates="12"), TypeError, "candidates takes several values"),
        (lambda c: c.recommend(["1"], boosts={"": 1.0}), ValueError, "boosts: an item id is empty"),
        (lambda c: c.similar(""), ValueError, "item: an item id is empty"),
        (lambda c: c.rate(["1"], "2"), TypeError, "items takes several values"),
        (lambda c: c.rate_batch([Query()], []), ValueError, "1 queries and 0 lists of items"),
        (
            lambda c: c.recommend([Event("1", 5.0), Event("2", weight=0.5)]),
            ValueError,
            "histories have history_ratings and history_weights; a model takes one of them",
        ),
        (lambda c: c.recommend_batch([]), ValueError, "recommend: an empty batch asks for nothing"),
        (lambda c: c.similar("1", version=1, label="x"), ValueError, "a version or a label, not both"),
        (lambda c: c.similar("1", timeout_s=0), ValueError, "timeout_s must be above 0"),
    ],
)
def test_what_cannot_be_sent_is_told_before(ask, kind, reason):
    with Client("http://127.0.0.1:1") as client, pytest.raises(kind, match=reason):
        ask(client)


def test_wrong_settings():
    with pytest.raises(ValueError, match="no address of a server"):
        Client("localhost")
    with pytest.raises(ValueError, match="plain HTTP, so tls would not be used; write https://"):
        Client("http://localhost:1", tls=Tls())
    with pytest.raises(ValueError, match="both a certificate and its key"):
        Tls(certificate=__file__)
    with pytest.raises(ValueError, match="there is no file nowhere"):
        Tls(ca="nowhere.pem")
    with pytest.raises(ValueError, match="attempts must be at least 1, got 0"):
        Retry(attempts=0)
    with pytest.raises(ValueError, match="a version or a label"):
        Client("http://localhost:1", version=1, label="x")


# --- what it costs and how it reads ---------------------------------------------------
def test_rest_pays_for_neither_tensorflow_nor_grpc():
    script = (
        "import sys, serving.client\n"
        "client = serving.client.Client('http://127.0.0.1:1', retry=serving.client.Retry(attempts=1))\n"
        "try:\n    client.similar('1')\n"
        "except serving.client.ServingError:\n    pass\n"
        "client.close()\n"
        "print([name for name in ('tensorflow', 'grpc', 'tensorflow_serving') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_both_clients_have_the_same_methods_and_say_what_they_take():
    def methods(kind: type) -> dict[str, Any]:
        return {
            name: (str(inspect.signature(value)), value.__doc__)
            for name, value in vars(kind).items()
            if inspect.isfunction(value) and not name.startswith("_") and name != "close"
        }

    assert methods(Client) == methods(AsyncClient)
    assert set(methods(Client)) >= {"recommend", "recommend_user", "similar", "rate", "explain", "status"}
    assert list(inspect.signature(Client("http://h:1").similar).parameters) == ["item", "k", "options"]
    assert inspect.iscoroutinefunction(AsyncClient.similar) and not inspect.iscoroutinefunction(
        Client.similar
    )
