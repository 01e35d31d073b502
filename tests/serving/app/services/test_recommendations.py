"""Lists for people: from the model, without what they know, changed by what they do."""

from __future__ import annotations


def like(api, person, *items, kind="like"):
    events = [{"kind": kind, "item_id": item, "time": 1_700_000_000 + n} for n, item in enumerate(items)]
    answer = api.post(f"/v1/people/{person}/events/batch", json={"events": events})
    assert answer.status_code == 201, answer.text


def recommended(api, person, **params):
    answer = api.get(f"/v1/people/{person}/recommendations", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(answer):
    return [item["id"] for item in answer["items"]]


def test_a_list_says_what_and_why(api, person, popular):
    like(api, person, *popular[:3])
    answer = recommended(api, person, k=5)
    assert (answer["source"], answer["reason"], len(answer["items"])) == ("model", None, 5)
    assert answer["version"] == api.get("/v1/model").json()["version"]
    for item in answer["items"]:
        assert item["title"] and 0.5 <= item["predicted_rating"] <= 5.0
        assert {reason["item_id"] for reason in item["reasons"]} <= set(popular[:3])
        details = api.get(f"/v1/items/{item['id']}").json()
        assert all(item[field] == details[field] for field in ("title", "year", "columns", "rating_count"))


def test_a_new_event_changes_the_next_answer(api, person, popular):
    like(api, person, popular[0])
    before = ids(recommended(api, person))
    like(api, person, popular[-1])
    assert ids(recommended(api, person)) != before


def test_seen_and_hidden_items_never_come_back(api, person):
    like(api, person, *ids(recommended(api, person, k=2)))
    for kind in ("view", "hide", "dislike", "like") * 3:
        answer = recommended(api, person, k=3)
        like(api, person, ids(answer)[0], kind=kind)
        assert ids(answer)[0] not in ids(recommended(api, person, k=100))
    seen = {event["item_id"] for event in api.get(f"/v1/people/{person}/events").json()["items"]}
    assert len(seen) == 14 and not seen & set(ids(recommended(api, person, k=100)))


def test_deleting_the_event_brings_the_item_back(api, person, popular):
    like(api, person, popular[0])
    first = ids(recommended(api, person))[0]
    stored = api.post(f"/v1/people/{person}/events", json={"id": "h", "kind": "hide", "item_id": first})
    assert stored.json()["created"] == 1 and first not in ids(recommended(api, person))
    assert api.delete(f"/v1/people/{person}/events/h").status_code == 204
    assert ids(recommended(api, person))[0] == first


def test_a_history_of_the_request_is_answered_as_that_of_a_person(api, person, popular):
    like(api, person, *popular[:2])
    body = {
        "history": [
            {"kind": "like", "item_id": item, "time": 1_700_000_000 + n} for n, item in enumerate(popular[:2])
        ]
    }
    answer = api.post("/v1/recommendations", json=body).json()
    assert answer["items"] == recommended(api, person)["items"]


def test_filters_exclusions_and_diversity(api, person, popular):
    like(api, person, *popular[:2])
    genre = api.get("/v1/model").json()["taste_values"][0]
    first = ids(recommended(api, person))[0]
    answer = recommended(api, person, k=5, genres=genre, year_min=1980, where="year<=2000", exclude=first)
    assert answer["items"] and first not in ids(answer)
    for item in answer["items"]:
        assert genre in item["columns"]["genres"] and 1980 <= item["year"] <= 2000
    assert ids(recommended(api, person, diversity=0.9)) != ids(recommended(api, person))


def test_candidates_boosts_and_counts(api, person, popular):
    like(api, person, *popular[:2])
    first, *others = ids(recommended(api, person, k=20))
    assert set(ids(recommended(api, person, candidates=[first, others[3], popular[0]]))) == {first, others[3]}
    assert ids(recommended(api, person, boosts=[f"{others[-1]}:2", f"{first}:-2"]))[0] == others[-1]
    assert first not in ids(recommended(api, person, k=20, boosts=f"{first}:-2"))
    genres = [
        genre
        for item in recommended(api, person, at_most="genres=1")["items"]
        for genre in item["columns"]["genres"]
    ]
    assert genres and len(genres) == len(set(genres))


def test_without_events_the_list_is_the_popular_one_and_tastes_change_it(api, person, popular):
    assert ids(recommended(api, person, k=10)) == popular[:10]
    taste = api.get("/v1/model").json()["taste_values"][-1]
    assert ids(recommended(api, person, k=10, tastes=f"{taste}:5")) != popular[:10]


def test_what_cannot_be_asked_names_the_field(api, person):
    for params, field in (
        ({"k": 0}, "k"),
        ({"k": 101}, "k"),
        ({"where": "nonsense"}, "where.0"),
        ({"where": ["year>=1990", "colour=red"]}, "where.1"),
        ({"where": "genres>=2"}, "where.0"),
        ({"where": ["year>=1990", "genres=none such"]}, "where.1"),
        ({"genres": "none such"}, "genres.0"),
        ({"tastes": "none such:2"}, "tastes.none such"),
        ({"tastes": "Drama:-1"}, "tastes.0"),
        ({"boosts": "318"}, "boosts.0"),
        ({"boosts": "318:nan"}, "boosts.0"),
        ({"boosts": "318:2.5"}, "boosts.318"),
        ({"at_most": "genres=0"}, "at_most.0"),
        ({"at_most": ["genres=1", "colour=1"]}, "at_most.colour"),
        ({"diversity": 2}, "diversity"),
        ({"limit": 5}, "limit"),
    ):
        answer = api.get(f"/v1/people/{person}/recommendations", params=params)
        assert answer.status_code == 422, (params, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert field in [error["field"] for error in answer.json()["errors"]], answer.text
    assert api.get("/v1/people/nobody/recommendations").status_code == 404
    limits = api.get("/v1/model").json()["limits"]
    for field, given in (
        ("candidates", [str(n) for n in range(int(limits["max_candidates"]) + 1)]),
        ("boosts", {str(n): 0.1 for n in range(int(limits["max_boosts"]) + 1)}),
        ("candidates", []),
    ):
        answer = api.post("/v1/recommendations", json={field: given})
        assert answer.status_code == 422, answer.text
        [error] = answer.json()["errors"]
        assert error["field"] == field, error
        assert not given or f"got {len(given)}" in error["detail"], error
