"""Who the page takes a visitor for."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from serving.app.page import visitor

ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize("made", ["ada", "web-ada", "web-" + "a" * 25, "web-" + "ä" * 24, "web-" + "a" * 23])
def test_a_cookie_with_an_id_of_the_api_is_nobody(api: TestClient, popular: list[str], made: str) -> None:
    """Anybody who guessed a shop's ids could read, mark and erase its people, without a key."""
    assert api.post("/v1/people", json={"id": made}).status_code in (201, 409, 422)
    known = api.get(f"/v1/people/{made}").status_code
    cookie = {"Cookie": f"{visitor.PERSON}={made}".encode("latin-1")}
    sent = {"item_id": popular[0], "do": "like"}
    answer = api.post("/act", data=sent, headers={**ORIGIN, **cookie}, follow_redirects=False)
    assert answer.status_code == 303
    somebody = answer.cookies[visitor.PERSON]
    assert somebody != made and somebody.startswith("web-")
    assert api.post("/forget", headers={**ORIGIN, **cookie}, follow_redirects=False).status_code == 303
    assert api.get(f"/v1/people/{made}").status_code == known
    if known == 200:
        assert api.get(f"/v1/people/{made}").json()["events"] == 0


def test_a_visitor_is_known_again_and_can_be_forgotten(api: TestClient, popular: list[str]) -> None:
    sent = {"item_id": popular[0], "do": "like"}
    person = api.post("/act", data=sent, headers=ORIGIN, follow_redirects=False).cookies[visitor.PERSON]
    assert api.get(f"/v1/people/{person}").json()["events"] == 1
    cookie = {"Cookie": f"{visitor.PERSON}={person}"}
    api.cookies.clear()
    again = api.post(
        "/act", data={**sent, "do": "hide"}, headers={**ORIGIN, **cookie}, follow_redirects=False
    )
    assert again.cookies[visitor.PERSON] == person
    assert api.post("/forget", headers={**ORIGIN, **cookie}, follow_redirects=False).status_code == 303
    assert api.get(f"/v1/people/{person}").status_code == 404
