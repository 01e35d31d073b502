"""Locks and floors against the holes that are known, and what the images hold."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from support.workspace import REPOSITORY

from tools import sbom

AUDIT: dict[str, Any] = tomllib.loads((REPOSITORY / "requirements" / "audit.toml").read_text())
PYPROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
LOCKS = ("app", "server", "pipeline", "dev")


def asked(package: str) -> list[SpecifierSet]:
    """Whatever pyproject.toml says of a package."""
    groups = [*PYPROJECT["project"]["optional-dependencies"].values(), PYPROJECT["tool"]["uv"]["override-dependencies"]]
    found = [Requirement(text) for group in groups for text in group]
    return [each.specifier for each in found if each.name == package]


@pytest.mark.parametrize("hole", AUDIT["mended"], ids=lambda hole: hole["id"])
def test_neither_a_lock_nor_a_floor_lets_a_mended_hole_in(hole: dict[str, str]) -> None:
    package, mended = hole["package"], Version(hole["from"])
    for lock in LOCKS:
        assert Version(sbom.packages(lock)[package]) >= mended
    floors = asked(package)
    assert floors
    for specifiers in floors:
        [floor] = [Version(each.version) for each in specifiers if each.operator in (">=", "==")]
        assert floor >= mended, f"{package}: {specifiers} lets {hole['id']} in"


@pytest.mark.parametrize("hole", AUDIT["accepted"], ids=lambda hole: hole["id"])
def test_what_is_accepted_is_still_there_and_says_why(hole: dict[str, str]) -> None:
    """Else the entry is to be taken out."""
    held = {sbom.packages(lock).get(hole["package"]) for lock in LOCKS} - {None}
    affected = SpecifierSet(hole["affected"])
    assert all(version in affected for version in held if version) and held
    assert len(hole["why"]) > 40
    page = (REPOSITORY / "docs" / "operate" / "packages.md").read_text()
    assert hole["id"] in page


@pytest.mark.parametrize("image", ["app", "model-server", "pipeline"])
def test_the_sbom_has_what_the_lock_has_without_what_is_left_out(image: str) -> None:
    found = sbom.sbom(image)
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    held = {one["name"]: one["version"] for one in found["components"]}
    lock = sbom.packages({"model-server": "server"}.get(image, image))
    assert lock.keys() - held.keys() == set(sbom.left_out(image))
    assert held.items() <= lock.items()
    assert all(re.fullmatch(r"pkg:pypi/[a-z0-9._-]+@\S+", one["purl"]) for one in found["components"])


def test_the_dockerfile_takes_out_what_the_sbom_leaves_out() -> None:
    text = (REPOSITORY / "kubernetes" / "images" / "model-server" / "Dockerfile").read_text()
    assert "kubernetes/images/model-server/left-out.txt" in text
    assert re.search(r"uninstall .*< /src/left-out\.txt", text)
