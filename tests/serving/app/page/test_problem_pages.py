"""Who asked for a page is told of a problem by a page; programs get it as JSON."""

from __future__ import annotations

import re

import pytest
from support.servers.app import running

from serving.app.edge import metrics

PAGE = {"Accept": "text/html,*/*"}


@pytest.fixture(scope="module")
def narrow(model_server, tmp_path_factory):
    given = {"address_limit": "8/minute", "max_body_bytes": 2048, "known_users": True}
    with running(model_server, tmp_path_factory.mktemp("narrow"), **given) as client:
        yield client


def told(answer, status: int, words: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert words in answer.text and ("What still works" in answer.text) == (status != 429)


def test_problems_are_pages_for_browsers_alone(narrow, monkeypatch):
    told(narrow.get("/no-such-view", headers=PAGE), 404, "/no-such-view")
    told(narrow.put("/map", headers=PAGE), 405, "PUT /map")
    told(narrow.post("/act", content=b"x" * 3000, headers=PAGE), 413, "3000 bytes")
    assert narrow.get("/no-such-view").headers["content-type"] == "application/problem+json"
    assert narrow.get("/v1/none", headers=PAGE).headers["content-type"] == "application/problem+json"
    assert "For you" in narrow.get("/", headers=PAGE).text

    def broken(*args):
        raise RuntimeError("secret words")

    monkeypatch.setattr(narrow.app.state.services.known_users, "all", broken)
    bug = narrow.get("/known", headers=PAGE)
    told(bug, 500, "An error of the server")
    assert "secret" not in bug.text
    for _ in range(9):
        last = narrow.get("/map", headers=PAGE)
    told(last, 429, "8/minute requests of one address.")
    for path in re.findall(r'"(/static/[^"]+\.(?:css|js))"', last.text):
        assert narrow.get(path).status_code == 200
    [counted] = metrics.REQUESTS.collect()
    assert "/static/" in {sample.labels["route"] for sample in counted.samples}
    assert f">Try again</a> in {last.headers['retry-after']} second" in last.text
