"""A compiled pipeline as a file: the spec and, after it, what Kubernetes adds to its steps.

YAML of one or two documents, as kfp's own compiler writes it: a bare PipelineSpec
and a PlatformSpec (volumes, secrets by name, node selectors).
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import InputError

PLATFORMS = "platforms"
KUBERNETES = "kubernetes"


@dataclasses.dataclass(frozen=True)
class Documents:
    """A PipelineSpec and a PlatformSpec (empty if there is none) in JSON's form."""

    pipeline: dict[str, Any]
    platform: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.pipeline["pipelineInfo"]["name"])

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        parts = [self.pipeline, *([self.platform] if self.platform else [])]
        text = "---\n".join(yaml.safe_dump(part, sort_keys=True, width=110) for part in parts)
        temporary = file.with_name(f".{file.name}.tmp")
        temporary.write_text(text)
        temporary.replace(file)


def read_all(file: str | Path) -> list[Any]:
    """Every document of a YAML or JSON file.

    Raises:
      InputError: it cannot be read.
    """
    path = Path(file).expanduser()
    try:
        text = path.read_text()
        return [part for part in yaml.safe_load_all(text) if part is not None]
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there; `marquee kubeflow compile` writes such a file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is neither YAML nor JSON: {' '.join(str(error).split())}") from error


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
