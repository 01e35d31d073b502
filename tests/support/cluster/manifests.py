"""Rendered Kubernetes manifests, and whether a cluster would take them.

Kubernetes' own kinds are held against its published schemas, in strict form
(an unknown field is an error), for every release from 1.30 to the newest that
kubernetes-validate brings. Of custom resources, tests/kubernetes/
custom_resources.yaml says which fields we rely on.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import importlib_resources
import jsonschema
import pytest
import yaml
from referencing import Registry, Resource

Object = dict[str, Any]

REPOSITORY = Path(__file__).parents[3]
FOLDER = REPOSITORY / "kubernetes"
OLDEST = (1, 30)
_CUSTOM = Path(__file__).parents[2] / "kubernetes" / "custom_resources.yaml"
_SCHEMAS = importlib_resources.files("kubernetes_validate") / "kubernetes-json-schema"


def overlays() -> list[str]:
    """What `kubectl kustomize` is called on, as paths below kubernetes/."""
    return ["base", *sorted(f"overlays/{path.name}" for path in (FOLDER / "overlays").iterdir()), *_OTHERS]


# The former holds kubernetes/training, whose pods the trainer step makes.
_OTHERS = ("training-by-hand", "beam-flink", "app", "drift")


def render(folder: Path) -> list[Object]:
    """What an overlay is made of; skips the test where kubectl is not installed."""
    if shutil.which("kubectl") is None:
        pytest.skip("NOT CHECKED: kubectl is not installed, so no manifest was rendered")
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def render_with(folder: Path, components: Sequence[str]) -> list[Object]:
    """base with components, through a kustomization of its own in `folder`."""
    # Kustomize follows a path to a folder outside its own, but not an absolute one.
    up = "/".join([".."] * (len(folder.resolve().parts) - 1))
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "marquee",
        "resources": [f"{up}{FOLDER}/base"],
        "components": [f"{up}{FOLDER}/components/{name}" for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return render(folder)


def name_of(found: Object) -> str:
    return f"{found.get('kind')}/{found.get('metadata', {}).get('name')}"


# --- schemas --------------------------------------------------------------------
@functools.cache
def versions() -> tuple[str, ...]:
    """Releases that are checked against, such as "1.30.0"."""
    found = {match[1] for path in _SCHEMAS.iterdir() if (match := re.match(r"v([\d.]+)-", path.name))}
    numbers = sorted(tuple(map(int, text.split("."))) for text in found)
    return tuple(".".join(map(str, number)) for number in numbers if number[:2] >= OLDEST)


@functools.cache
def _definitions(version: str) -> Registry[Any]:
    text = (_SCHEMAS / f"v{version}-local-strict" / "_definitions.json").read_text()
    return Resource.from_contents(json.loads(text)) @ Registry()


@functools.cache
def _custom() -> dict[str, Object]:
    return {f"{one['apiVersion']} {one['kind']}": one for one in yaml.safe_load(_CUSTOM.read_text())}


@functools.cache
def _validator(version: str, api_version: str, kind: str) -> jsonschema.Draft202012Validator | None:
    """None for a kind that the release has not."""
    custom = _custom().get(f"{api_version} {kind}")
    if custom is not None:
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_closed(custom["schema"])}
    else:
        group, _, number = api_version.rpartition("/")
        stem = "-".join(filter(None, [kind.lower(), group.partition(".")[0], number]))
        path = _SCHEMAS / f"v{version}-local-strict" / f"{stem}.json"
        if not path.is_file():
            return None
        schema = json.loads(path.read_text())
    return jsonschema.Draft202012Validator(schema, registry=_definitions(version))


def _closed(schema: Any) -> Any:
    """The schema with unknown fields forbidden, and `kubernetes: TYPE` as a reference to Kubernetes' own."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "kubernetes" in schema:
        return {"$ref": f"https://kubernetes.io/api/_definitions.json#/$defs/io.k8s.{schema['kubernetes']}"}
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        closed = {"type": "object", "additionalProperties": False, **closed}
    return closed


def schema_problems(objects: Sequence[Object]) -> Iterator[str]:
    """What some release would refuse, as KIND/NAME: release: path: reason."""
    for found in objects:
        api_version, kind = str(found.get("apiVersion")), str(found.get("kind"))
        for version in versions():
            validator = _validator(version, api_version, kind)
            if validator is None:
                yield f"{name_of(found)}: Kubernetes {version} has no {kind} of {api_version}"
                continue
            for error in validator.iter_errors(found):
                path = ".".join(map(str, error.absolute_path))
                yield f"{name_of(found)}: Kubernetes {version}: {path}: {error.message[:300]}"


def found(objects: Any, kind: str, name: str = "marquee-model-server") -> Any:
    """The one object of a kind whose name matches."""
    [one] = [one for one in objects if one["kind"] == kind and re.fullmatch(name, one["metadata"]["name"])]
    return one
