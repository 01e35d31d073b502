"""The documented config file, written from the fields themselves so that it cannot be out of date.

`marquee config --defaults` prints it; pipeline/configs/reference.yaml is
its output.
"""

from __future__ import annotations

import textwrap

from components.common.params import Section
from pipeline.config.reader import allowed_values, as_yaml, section_of
from pipeline.config.sections import Config

_WIDTH = 100
_HEAD = """\
# The reference of all keys: what each means, what it allows, and its default. The defaults
# are chosen on MovieLens ml-latest-small (610 users, 9,742 items, 100,836 ratings).
# Override one in a file of your own (`--config FILE`, only the keys that differ)
# or on the command line (`--set trainer.epochs=5`).
"""


def documented_defaults() -> str:
    """YAML with every key, its default, meaning, unit and allowed values."""
    return "\n".join([_HEAD, *_lines(Config, ""), ""])


def _lines(section: type[Section], indent: str) -> list[str]:
    lines: list[str] = []
    for key, field in section.model_fields.items():
        inner = section_of(field)
        if inner is not None:
            lines += ["", f"# --- {field.description}", f"{key}:", *_lines(inner, "  ")]
            continue
        lines += _comment(field.description or "", indent)
        lines += _comment(f"[{allowed_values(section, key)}]", indent)
        lines += [f"{indent}{key}: {as_yaml(field.get_default(call_default_factory=True))}"]
    return lines


def _comment(text: str, indent: str) -> list[str]:
    prefix = f"{indent}# "
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=prefix,
        subsequent_indent=prefix,
        break_long_words=False,
        break_on_hyphens=False,
    )
