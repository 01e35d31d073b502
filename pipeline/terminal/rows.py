"""Where the rows of the data went, in words."""

from __future__ import annotations

import json

import contract
from components.common import storage
from pipeline.runs.run_records import NodeRun

_QUARANTINE = "quarantine"  # the output of ExampleGen


def account_lines(node: NodeRun) -> list[str]:
    """For each table "ratings: 5 rows = 4 used + 1 set aside"; none of a component that reads no data."""
    if _QUARANTINE not in node.outputs:
        return []
    from components.example_gen.accounts import Account

    uri = node.outputs[_QUARANTINE][0].uri
    account = Account.from_dict(json.loads(storage.read_text(storage.join(uri, contract.ROWS))))
    lines = account.lines()
    if any(table.bad for table in account.tables.values()):
        lines.append(f"set aside: {storage.join(uri, contract.BAD_ROWS)}")
    return lines
