"""The shop's config from the generated log to a pushed model that is asked by its own columns."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import httpx
import pyarrow.parquet as pq
import pytest
from support.browser import browser, check_file
from support.servers.app import serve
from support.servers.page import page_server
from support.workspace import REPOSITORY, Workspace, marquee, settings

import contract
from components.serving_check.answers import read_requests
from datasets.generated import shop_sample

pytestmark = pytest.mark.long

CONFIG = ("--config", str(REPOSITORY / "pipeline" / "configs" / "shop.yaml"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Workspace:
    folder = tmp_path_factory.mktemp("shop")
    shop_sample.generate(folder / "data", users=300, items=500, interactions=15_000, seed=7)
    return Workspace(folder)


@pytest.fixture(scope="module")
def run(shop):
    knobs = settings(artifacts="artifacts")
    return marquee("run", "--json", *CONFIG, "--data", str(shop.data), *knobs, cwd=shop.folder)


def ask(shop, *args):
    return marquee(*args, *CONFIG, *settings(artifacts="artifacts"), cwd=shop.folder)


def test_it_is_pushed_through_its_gates(run):
    assert run.code == 0, run.out + run.err
    found = run.json()
    assert found["state"] == "pushed"
    gates = {gate["name"]: gate for gate in found["gates"]}
    assert not gates["rating head"]["applies"]
    assert gates["recall@10 floor"]["applies"]
    assert found["metrics"]["rmse"] is None
    assert found["metrics"]["recall@10"] > 1.1 * found["metrics"]["popularity_recall@10"]
    assert "not applicable" in run.err
    assert "no ratings: events count by event" in run.err


def test_its_report_is_complete_and_for_everybody(shop, run):
    """Every section has something to say, on a phone and on a desk; nothing is fetched."""
    report = shop.artifacts / "reports" / f"{run.json()['run']}.html"
    with browser() as chromium:
        for width in (360, 1440):
            sections = check_file(chromium, report, "light", width)
            assert len(sections) >= 12
            for text in sections:
                heading, _, content = text.partition("\n")
                assert len(content) > 40, heading
                assert "could not be read" not in text and "did not get as far" not in text, text


def test_its_columns_travel_with_the_model(shop, run):
    (version,) = shop.pushed
    catalogue = pq.read_table(version / contract.ASSETS_EXTRA / contract.CATALOGUE)
    assert {"category", "brand", "language", "price", "description"} <= set(catalogue.column_names)
    asked = {request.model_spec.signature_name for request in read_requests(str(version))}
    assert {contract.RECOMMEND, contract.EMBED_ITEM} <= asked


def test_the_model_says_what_it_may_be_asked(shop, run):
    (version,) = shop.pushed
    described = json.loads((version / contract.ASSETS_EXTRA / contract.DESCRIPTION).read_text())
    assert json.loads((version / contract.PUSHED).read_text())["description"] == described
    assert (described["item_noun"], described["feedback"], described["rating_scale"]) == (
        *("product", "implicit"),
        None,
    )
    assert max(described["event_weights"].values()) == 1.0
    types = {column["name"]: column["type"] for column in described["columns"]}
    assert types["category"] == "multi" and types["price"] == "number" and "genres" not in types


@pytest.mark.parametrize("model", contract.MODELS)
def test_it_recommends_by_its_own_columns(shop, run, model):
    conditions = ("category=books", "category=toys", "price<=30", "price>=5")
    where = [part for condition in conditions for part in ("--where", condition)]
    done = ask(shop, "recommend", "--json", "--user", "c1", "--model", model, *where)
    assert done.code == 0, done.err
    results = done.json()["results"]
    assert len(results) == 10
    for result in results:
        assert {"books", "toys"} & set(result["features"]["category"])
        assert 5 <= result["features"]["price"][0] <= 30
    plain = ask(shop, "recommend", "--json", "--user", "c1", "--model", model).json()["results"]
    assert [result["item_id"] for result in plain] != [result["item_id"] for result in results]
    tastes = ask(shop, "recommend", "--taste", "books=5", "--where", "language=en", "--model", model)
    assert tastes.code == 0, tastes.err


def test_no_more_of_a_brand_than_asked_and_none_of_a_category(shop, run):
    done = ask(shop, "recommend", "--json", "--user", "c1", "--at-most", "brand=1", "--not", "category=books")
    assert done.code == 0, done.err
    found = [result["features"] for result in done.json()["results"]]
    brands = [brand for item in found for brand in item.get("brand", ())]
    assert len(brands) == len(set(brands)) and found
    assert not any("books" in item["category"] for item in found)


def test_nobody_gets_the_popular_list_by_the_same_columns(shop, run):
    where = ("--where", "language=fr", "--where", "price<=20")
    done = ask(shop, "recommend", "--json", "--user", "nobody", *where)
    assert done.code == 0, done.err
    found = done.json()
    assert found["popular"]
    assert all(
        result["features"]["language"] == ["fr"] and result["features"]["price"][0] <= 20
        for result in found["results"]
    )
    assert found["results"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("recommend", "--user", "c1", "--where", "colour=red"),
            "expected COLUMN=VALUE or COLUMN!=VALUE for category, brand, language and COLUMN<=NUMBER",
        ),
        (("recommend", "--user", "c1", "--where", "price<=dear"), "got price<=dear"),
        (("rate", "--user", "c1"), "trained on events without ratings"),
    ],
)
def test_what_it_cannot_answer_it_says(shop, run, args, message):
    done = ask(shop, *args)
    assert done.code == 2
    assert message in done.err


def test_a_profile_changes_what_a_user_is_recommended(shop, run):
    """The same history with and without the user's id."""
    script = f"""
import json, sys, tensorflow as tf
import contract
model = tf.saved_model.load({str(shop.pushed[0].parents[1] / contract.MODEL_EXACT / shop.pushed[0].name)!r})
def ask(user):
    inputs = {{i.name: tf.fill(i.shape(1), tf.constant(i.neutral, i.dtype))
              for i in contract.signatures(implicit=True)[contract.RECOMMEND].inputs}}
    inputs[contract.HISTORY_ITEM_IDS] = tf.constant([["p000001"]])
    inputs[contract.USER_ID] = tf.constant([user])
    return model.signatures[contract.RECOMMEND](**inputs)[contract.SCORES][0, :10].numpy().tolist()
print(json.dumps([ask(""), ask("a stranger"), ask("c1"), ask("c2")]))
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    nobody, stranger, first, second = json.loads(done.stdout)
    assert nobody == pytest.approx(stranger)
    assert nobody != pytest.approx(first, abs=1e-4)
    assert first != pytest.approx(second, abs=1e-4)


def test_the_page_speaks_of_products_on_every_view(shop, run, tmp_path):
    server = serve(shop.artifacts / "serving_model" / "marquee", tmp_path)
    try:
        with page_server(server, tmp_path) as address, httpx.Client(base_url=address, timeout=60) as visitor:
            first = visitor.get("/").text
            assert "Pick three products" in first
            assert "Category" in first and "Price, at least" in first
            assert "of 5</span>" not in first  # likes alone: there are no ratings
            assert "What you like, hide or have seen" in first
            assert "rating" not in visitor.get("/forget").text
            item = re.findall(r'data-item="([^"]+)"', first)[0]
            for view in ("/search?query=blue", f"/items/{item}", "/map", "/map/points", "/model", "/known"):
                assert visitor.get(view).status_code == 200, view
            user = re.findall(r'href="(/known/[^"]+)"', visitor.get("/known").text)[0]
            look = visitor.get(user).text
            assert "mostly" in look and "held-out" in look
            assert not re.search("rating|Rated|Expected", look)
            done = visitor.post("/act", data={"do": "like", "item_id": item, "back": "/"})
            assert (done.status_code, done.headers["location"]) == (303, "/")
            after = visitor.get("/").text
            assert "Because of" in after and "You and 1 product" in after
            refused = visitor.post("/act", data={"do": "rating:4", "item_id": item})
            assert refused.status_code == 422 and "rating" in refused.text
            foreign = {"origin": "https://elsewhere.example"}
            assert (
                visitor.post("/act", data={"do": "hide", "item_id": item}, headers=foreign).status_code == 403
            )
    finally:
        server.stop()
