"""Reads a config: YAML, then `--set` overrides, then checks; every error names its key.

An error says which key, what came and what is allowed, and suggests the
nearest key when one is misspelt.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pydantic
import yaml
from pydantic.fields import FieldInfo

from components.common.params import Section
from pipeline.config.allowed import describe
from pipeline.config.metadata_url import without_password
from pipeline.config.sections import Config
from pipeline.errors import ConfigError

CONFIGS = Path(__file__).parents[1] / "configs"
DEFAULT_FILE = CONFIGS / "reference.yaml"

# What stands alone as a delimiter or the like, of which YAML would make something else or nothing.
_SIGNS: Final = re.compile(r"[|>:;^#@$&*%,]|[|>:;^#@$&*%,~]{2}")


def load(file: str | Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """The config of `file` (default: reference.yaml) with `overrides` on top.

    Args:
      file: a YAML file, or the name of one in pipeline/configs ("sample").
      overrides: `key.path=value`, the value read as YAML; the last one wins.

    Raises:
      ConfigError: naming the key, what came and what is allowed.
    """
    values = _read(_find(file))
    for override in overrides:
        _apply(values, override)
    # A section whose keys are all commented out reads as null.
    values = {key: {} if value is None and key in _sections() else value for key, value in values.items()}
    try:
        return Config.model_validate(values)
    except pydantic.ValidationError as error:
        raise ConfigError("\n".join(_explain(detail) for detail in error.errors())) from error


def allowed_values(section: type[Section], key: str) -> str:
    """What one key of a section allows, in words."""
    return describe(section.model_json_schema()["properties"][key])


def as_yaml(value: Any) -> str:
    """A value on one line of YAML."""
    plain = [_plain(item) for item in value] if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, width=10_000).splitlines()[0]


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_defaults=True) if isinstance(value, Section) else value


def key_paths(section: type[Section] = Config, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key that holds a value, as `trainer.epochs`, with its field."""
    for name, field in section.model_fields.items():
        inner = section_of(field)
        if inner is None:
            yield prefix + name, field
        else:
            yield from key_paths(inner, f"{prefix}{name}.")


def section_of(field: FieldInfo) -> type[Section] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _sections() -> list[str]:
    return [name for name, field in Config.model_fields.items() if section_of(field)]


# --- reading ---------------------------------------------------------------------


_NO_TEXT = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "null", "timestamp"))


class Loader(yaml.SafeLoader):
    """Refuses a key written twice, where YAML takes the last; keys are text, also yes, no and 1."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag in _NO_TEXT:
                key.tag = "tag:yaml.org,2002:str"
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            keys = [self.construct_object(key) for key, _ in node.value]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise yaml.MarkedYAMLError(problem=f"{twice} is given twice", problem_mark=node.start_mark)
        return mapping


def _find(file: str | Path | None) -> Path:
    if file is None:
        return DEFAULT_FILE
    path = Path(file).expanduser()
    if path.is_file():
        return path
    named = CONFIGS / f"{file}.yaml"
    if named.is_file():
        return named
    shipped = ", ".join(sorted(path.stem for path in CONFIGS.glob("*.yaml")))
    raise ConfigError(f"no config file {file}; give a path, or one of the shipped ones by name: {shipped}")


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(), Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {_one_line(error)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds {_show(values)}; expected keys and values, such as `name: marquee`")
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"--set {override}: expected key.path=value, such as --set trainer.epochs=5")
    try:
        value = text.strip() if _SIGNS.fullmatch(text.strip()) else yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not valid YAML: {_one_line(error)}") from error
    at = values
    for depth, key in enumerate(keys[:-1], start=1):
        inner = at.get(key)
        if inner is None:
            # One entry of a mapping that the file leaves out: the others keep their defaults.
            inner = at[key] = _default_mapping(keys[:depth])
        if not isinstance(inner, dict):
            raise ConfigError(
                f"--set {override}: {'.'.join(keys[:depth])} is a value ({_show(inner)}), not a section"
            )
        at = inner
    at[keys[-1]] = value


def _default_mapping(location: Sequence[str]) -> dict[str, Any]:
    found = _field_at(location)
    if found is None or found[0] < len(location) or section_of(found[1]):
        return {}
    default = found[1].get_default(call_default_factory=True)
    return dict(default) if isinstance(default, dict) else {}


def _one_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else " ".join(problem.split())


# --- explaining --------------------------------------------------------------------


def _explain(detail: Mapping[str, Any]) -> str:
    """One message for one of pydantic's error details."""
    location = [str(part) for part in detail["loc"]]
    if detail["type"] == "extra_forbidden":
        return _unknown_key(location)
    message = detail["msg"].removeprefix("Value error, ")
    section = _section_at(location)
    if not location or (section is not None and detail["type"] == "value_error"):
        return (
            ".".join(location) + ": " + message if location else message
        )  # a rule across keys; it names them itself
    if section is not None:
        keys = ", ".join(section.model_fields)
        return f"{'.'.join(location)} = {_show(detail['input'])}: is a section; allowed: {keys}"
    found = _field_at(location)
    if found is None:
        return f"{'.'.join(location)} = {_show(detail['input'])}: {message}"
    depth, field = found
    key = ".".join(location[:depth])
    if len(location) > depth:  # an item of a list, an entry of a mapping
        key += f"[{location[depth]}]"
    # A validator's own words say more than the schema does.
    allowed = message if detail["type"] == "value_error" else f"must be {_allowed(location[:depth])}"
    if detail["type"] == "finite_number":  # which JSON schema has no word for
        allowed += ", and finite"
    default = as_yaml(field.get_default(call_default_factory=True))
    text = f"{key} = {_show(detail['input'])}: {allowed}; default {default}"
    return f"{text} ({field.description})" if field.description else text


def _allowed(location: Sequence[str]) -> str:
    section = _section_at(location[:-1])
    assert section is not None, location
    return allowed_values(section, location[-1])


def _unknown_key(location: list[str]) -> str:
    path = ".".join(location)
    section = _section_at(location[:-1])
    if section is None:
        return f"{path}: no such key"
    siblings = list(section.model_fields)
    where = ".".join(location[:-1]) or "the config"
    near = difflib.get_close_matches(location[-1], siblings, n=1, cutoff=0.6)
    if near:
        hint = f"did you mean {'.'.join([*location[:-1], near[0]])}?"
    else:
        # Right key, wrong section: `epochs` for `trainer.epochs`.
        leaves = {known.rpartition(".")[2]: known for known, _ in key_paths()}
        elsewhere = difflib.get_close_matches(location[-1], leaves, n=1, cutoff=0.75)
        hint = (
            f"did you mean {leaves[elsewhere[0]]}?"
            if elsewhere
            else f"keys of {where}: {', '.join(siblings)}"
        )
    return f"{path}: no such key; {hint}"


def _section_at(location: Sequence[str]) -> type[Section] | None:
    section: type[Section] | None = Config
    for key in location:
        field = section.model_fields.get(key) if section else None
        section = section_of(field) if field else None
    return section


def _field_at(location: Sequence[str]) -> tuple[int, FieldInfo] | None:
    """The field a location lies in and how many parts of the location name it."""
    for depth in range(len(location), 0, -1):
        section = _section_at(location[: depth - 1])
        field = section.model_fields.get(location[depth - 1]) if section else None
        if field:
            return depth, field
    return None


def _show(value: Any) -> str:
    kinds = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a section",
    }
    kind = kinds.get(type(value))
    text = without_password(repr(value))
    text = text if len(text) <= 60 else text[:57] + "..."
    return f"{text} ({kind})" if kind else text
