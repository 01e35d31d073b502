"""What requests to the application leave to Python's search for cycles."""

from __future__ import annotations

import itertools

import pytest
from support.servers.cycles import left_in_cycles

_TIMES = 10
_numbers = itertools.count()


@pytest.mark.parametrize("what", ["list", "bare list", "event", "search", "details", "refused"])
def test_requests_leave_no_cycles(api, person, popular, what):
    """A search stops the event loop for tens of milliseconds: without cycles it need hardly ever run.

    Pages leave some: Jinja's own, of the macros that are imported with their context.
    """

    def ask():
        match what:
            case "list":
                return api.get(f"/v1/people/{person}/recommendations")
            case "bare list":
                return api.get(f"/v1/people/{person}/recommendations?explain=false&ratings=false")
            case "event":
                event = {"id": f"e{next(_numbers)}", "kind": "like", "item_id": popular[0]}
                return api.post(f"/v1/people/{person}/events", json=event)
            case "search":
                return api.get("/v1/items?query=a")
            case "details":
                return api.get(f"/v1/items/{popular[0]}")
            case _:
                return api.get(f"/v1/people/{person}/recommendations?k=-1")

    status = {"event": 201, "refused": 422}.get(what, 200)
    for _ in range(3):  # what is made once is made
        assert ask().status_code == status
    with left_in_cycles("serving") as left:
        for _ in range(_TIMES):
            assert ask().status_code == status
    assert not {kind: count for kind, count in left.items() if count >= _TIMES}, left
