"""What the data of a run are, and what has moved since the last one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any, Final

import contract
from components.common import storage
from components.example_gen.accounts import Account
from pipeline.runs.run_records import NodeRun, Run

_STATISTICS: Final = {"statistics_timelines": "timelines", "statistics_items": "items"}
_MOVED: Final = 0.05  # a smaller change is not told
_ANOMALIES: Final = "anomalies.json"  # of data_check


def of_run(run: Run, before: Run | None) -> dict[str, Any]:
    """Rows of the tables, anomalies and statistics.

    Args:
      before: the run to compare with, if there is one.
    """
    account = Account.from_dict(_json(run, "example_gen", "quarantine", contract.ROWS, {}))
    now = statistics(run.nodes)
    then = statistics(before.nodes) if before else []
    return {
        "rows": {name: dataclasses.asdict(rows) for name, rows in account.tables.items()},
        "notes": list(account.notes),
        "anomalies": _json(run, "data_check", "report", _ANOMALIES, None),
        "statistics": now,
        "before": before.run_id if before and then else "",
        "same": bool(then) and _fingerprint(run) == _fingerprint(before) != "",
        "moved": moved(now, then) if then else [],
    }


def statistics(nodes: Iterable[NodeRun]) -> list[dict[str, Any]]:
    """A row a feature and split: what TensorFlow Data Validation counted."""
    rows = []
    for node in nodes:
        for output in node.outputs.get("statistics", ()) if node.node in _STATISTICS else ():
            for split in storage.list_names(output.uri):
                path = storage.join(output.uri, split, "FeatureStats.pb")
                if split.startswith("Split-") and storage.exists(path):
                    rows += _rows(_STATISTICS[node.node], split.removeprefix("Split-"), path)
    return rows


def _rows(table: str, split: str, path: str) -> list[dict[str, Any]]:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    with storage.open_binary(path, "rb") as file:
        found = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read())
    return [
        {"table": table, "split": split, **_feature(feature, dataset.num_examples)}
        for dataset in found.datasets
        for feature in dataset.features
    ]


def _feature(feature: Any, records: int) -> dict[str, Any]:
    kind = feature.WhichOneof("stats")
    stats = getattr(feature, kind)
    common = stats.common_stats
    row = {
        "feature": ".".join(feature.path.step) or feature.name,
        "records": records,
        "without": common.num_missing / records if records else 0.0,
        "values": common.avg_num_values,
    }
    if kind == "num_stats":
        return row | {
            "mean": stats.mean, "deviation": stats.std_dev, "min": stats.min, "median": stats.median,
            "max": stats.max,
        }  # fmt: skip
    if kind == "string_stats":
        return row | {
            "unique": stats.unique,
            "most": [value.value for value in stats.top_values[:3]],
        }
    return row


def moved(now: list[dict[str, Any]], then: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Figures that changed by 5 % or more, the most first, and features that came or went."""
    old = {(row["table"], row["split"], row["feature"]): row for row in then}
    new = {(row["table"], row["split"], row["feature"]): row for row in now}
    changes = []
    for key in old.keys() | new.keys():
        where = " / ".join(key)
        if key not in old or key not in new:
            words = "new" if key in new else "gone"
            changes.append({"where": where, "figure": words, "then": None, "now": None, "change": None})
            continue
        for figure in ("records", "without", "values", "mean", "deviation", "unique"):
            before, after = old[key].get(figure), new[key].get(figure)
            if before is None or after is None or before == after:
                continue
            # Shares by their difference: from 0.1 % to 0.2 % is no doubling worth telling.
            change = after - before if figure == "without" else (after - before) / (abs(before) or 1.0)
            if abs(change) >= _MOVED:
                changes.append(
                    {"where": where, "figure": figure, "then": before, "now": after, "change": change}
                )
    return sorted(changes, key=lambda row: (-abs(row["change"] or float("inf")), row["where"]))


def _json(run: Run, node_id: str, key: str, name: str, absent: Any) -> Any:
    node = run.node(node_id)
    for output in node.outputs.get(key, ()) if node else ():
        path = storage.join(output.uri, name)
        if storage.exists(path):
            return json.loads(storage.read_text(path))
    return absent


def _fingerprint(run: Run | None) -> str:
    node = run.node("example_gen") if run else None
    return str(node.properties.get(contract.DATA_FINGERPRINT, "")) if node else ""
