"""What an image holds, as CycloneDX 1.6 (SBOM): `python -m tools.sbom model-server|pipeline|app`.

From the image's lock, whose hashes pip checks, without what the Dockerfile leaves out. Standard
library alone: it runs wherever images are built.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).parents[1]
_LOCKS: Final = {"model-server": "server", "pipeline": "pipeline", "app": "app"}


def packages(lock: str) -> dict[str, str]:
    """Version by name in requirements/`lock`.txt."""
    text = (_ROOT / "requirements" / f"{lock}.txt").read_text()
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", text, re.MULTILINE)
    return {name.lower(): version for name, version in found}


def left_out(image: str) -> list[str]:
    """Packages of its lock that an image goes without."""
    file = _ROOT / "kubernetes" / "images" / image / "left-out.txt"
    return file.read_text().split() if file.exists() else []


def sbom(image: str) -> dict[str, Any]:
    """The document.

    Args:
      image: a folder of kubernetes/images.
    """
    version = re.search(r'^version = "(.+)"$', (_ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    held = packages(_LOCKS[image])
    for name in left_out(image):
        del held[name]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": f"marquee-{image}", "version": version[1]}},
        "components": [
            {"type": "library", "name": name, "version": number, "purl": f"pkg:pypi/{name}@{number}"}
            for name, number in sorted(held.items())
        ],
    }


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in _LOCKS:
        sys.exit(f"usage: python -m tools.sbom {'|'.join(_LOCKS)}")
    print(json.dumps(sbom(sys.argv[1]), indent=1))
