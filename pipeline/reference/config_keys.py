"""The page of every config key: meaning, default, what it allows."""

from __future__ import annotations

from collections.abc import Iterator

from components.common.params import Section
from pipeline.config.reader import allowed_values, as_yaml, section_of
from pipeline.config.sections import Config
from pipeline.reference.markdown import code, heading, page, paragraph

_INTRODUCTION = (
    "A config file holds only the keys that differ from their defaults; `--set KEY=VALUE` overrides one on "
    "the command line. `pipeline/configs/reference.yaml` is all of this as a file, and `marquee config` "
    "prints what is in force."
)


def config_page() -> str:
    """Markdown: a heading per section and per key."""
    return page(
        heading(
            "Config keys", "the Section classes (`params.py` of each step, `pipeline/config/sections.py`)"
        ),
        paragraph(_INTRODUCTION),
        *_keys(Config, ""),
    )


def _keys(section: type[Section], prefix: str) -> Iterator[str]:
    """Top-level keys first, then the sections in the order of the file."""
    if not prefix:
        yield "## The pipeline itself"
    for key, field in section.model_fields.items():
        inner = section_of(field)
        if inner is not None:
            yield f"## {key}"
            yield paragraph(_sentence(field.description))
            yield from _keys(inner, f"{prefix}{key}.")
            continue
        yield f"### {code(prefix + key)}"
        yield paragraph(_sentence(field.description))
        default = as_yaml(field.get_default(call_default_factory=True))
        yield paragraph(f"Default {code(default)}; {allowed_values(section, key)}.")


def _sentence(text: str | None) -> str:
    text = text or ""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
