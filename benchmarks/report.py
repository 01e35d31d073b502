"""What every benchmark ends with: bars, printed and written to benchmarks/out/NAME.json."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

Bar = dict[str, str | float | bool]


def at_most(name: str, value: float, bound: float) -> Bar:
    """A bar that holds if `value` does not exceed `bound`; printed, and returned for the JSON."""
    return _bar(name, value, bound, value <= bound, "at most")


def at_least(name: str, value: float, bound: float) -> Bar:
    """A bar that holds if `value` reaches `bound`."""
    return _bar(name, value, bound, value >= bound, "at least")


def write(name: str, bars: list[Bar], figures: Mapping[str, Any], folder: Path | None = None) -> None:
    """Writes NAME.json: the bars, then the figures behind them."""
    folder = folder or ROOT / "benchmarks" / "out"
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / f"{name}.json"
    out.write_text(json.dumps({"cpus": os.cpu_count(), "bars": bars, **figures}, indent=2) + "\n")
    print(f"written {out.relative_to(ROOT) if out.is_relative_to(ROOT) else out}")


def _bar(name: str, value: float, bound: float, ok: bool, word: str) -> Bar:
    print(f"{name}: {value:.4g}, {word} {bound:g}: {'ok' if ok else 'MISSED'}", flush=True)
    return {"name": name, "value": value, "bound": bound, "ok": ok}
