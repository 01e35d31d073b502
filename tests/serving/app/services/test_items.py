"""Search, details, similar, popular and new items over the API."""

from __future__ import annotations

import pytest


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def test_a_title_is_found_with_a_typo(api, popular):
    title = next(
        item["title"] for item in api.get("/v1/popular", params={"k": 50}).json()["items"]
        if max(map(len, item["title"].split())) >= 7
    )  # fmt: skip
    word = max(title.split(), key=len)
    typo = title.replace(word, word[:3] + word[4:])
    found = api.get("/v1/items", params={"query": typo}).json()
    assert title in [item["title"] for item in found["items"]] and found["corrected"]


def test_pages_of_a_search_are_its_results_and_no_other_s(api):
    params = {"query": "", "year_min": 1990, "limit": 40}
    seen, cursor = [], None
    while True:
        page = api.get("/v1/items", params={**params, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
        last = cursor
    assert len(seen) == len(set(seen)) == page["total"]
    wrong = api.get("/v1/items", params={"year_min": 1991, "cursor": last})
    assert wrong.status_code == 422 and wrong.json()["errors"][0]["field"] == "cursor"
    assert api.get("/v1/items", params={"cursor": "bm9uc2Vuc2U"}).status_code == 422


def test_facets_count_the_whole_result(api):
    found = api.get("/v1/items", params={"limit": 1}).json()
    for facet in found["facets"]["genres"]:
        alone = api.get("/v1/items", params={"limit": 1, "genres": facet["value"]}).json()
        assert alone["total"] == facet["count"]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"genres": ["Comedy", "Drama"]},
        {"year_min": 1980, "year_max": 1999},
        {"where": ["year>=1990"]},
        {"where": ["year>=1980", "year<=2000", "genres=Comedy", "genres=Horror"]},
        {"where": ["genres=Comedy", "year<=1"]},
        {"where": ["genres!=none such"]},
    ],
)
def test_popular_items_are_those_of_the_model_under_the_same_filters(api, params):
    """The application's filters beside the graph's own, which answers an empty history by popularity."""
    asked = api.post("/v1/recommendations", json={"k": 50, **params})
    assert asked.json()["source"] == "model"
    assert ids(api.get("/v1/popular", params={"k": 50, **params})) == ids(asked)


@pytest.mark.parametrize("path", ["/v1/items", "/v1/popular", "/v1/new"])
@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"genres": ["Comedy", "comdy"]}, "genres.1"),
        ({"where": "genres=comdy"}, "where.0"),
    ],
)
def test_a_value_that_no_item_has_is_refused_with_similar_ones(api, path, params, field):
    answer = api.get(path, params=params)
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert 'did you mean "Comedy"?' in error["detail"], error


def test_similar_and_details(api, popular):
    similar = ids(api.get(f"/v1/items/{popular[0]}/similar", params={"k": 5}))
    assert len(similar) == 5 and popular[0] not in similar
    details = api.get(f"/v1/items/{popular[0]}").json()
    assert details["rating_count"] > 0 and details["version"] == api.get("/v1/model").json()["version"]
    assert api.get("/v1/items/none-such").status_code == 404
    assert api.get("/v1/items/none-such/similar").status_code == 404


def test_new_items_are_the_latest(api):
    years = [item["year"] for item in api.get("/v1/new", params={"k": 20}).json()["items"]]
    assert years == sorted(years, reverse=True)
