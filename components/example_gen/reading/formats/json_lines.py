"""JSON lines: an object per line. A block of plain ones is Arrow's work, any other is read line by line.

A column is a key, or a path of keys (`a.b`) through objects and lists. Arrow is told the types of the
first records, so that no text is taken for a date and no long number for a float; where it meets other
types, or what is no JSON, the block is read again, and each line speaks for itself.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from components.example_gen.errors import DataError
from components.example_gen.reading import quarantine, text_blocks
from components.example_gen.reading.places import Place
from components.example_gen.reading.quarantine import SetAside
from components.example_gen.reading.source import JsonLines, Kind, Source
from components.example_gen.reading.text_blocks import WHOLE, BadLine, Block, Span

_LOOKED_AT: Final = 200  # records
_LEAST_BLOCK_BYTES: Final = 1 << 22


class _Whole(str):
    """A whole number as it is written."""


class _Fraction(str):
    """Any other number as it is written."""


def rows(
    source: Source,
    path: Place,
    span: Span,
    max_line_bytes: int,
    set_aside: SetAside,
    block_bytes: int | None = None,
) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """Columns by their meaning, and int64[rows]: the line of each. A key that is not there is null.

    Raises:
      DataError: the file is no text, or its first records lack a column.
    """
    schema: pa.Schema | None = None
    lists: frozenset[str] | None = None
    for block in _blocks(source.format, path, max_line_bytes, span, block_bytes):
        if isinstance(block, BadLine):
            set_aside(block.line, block.kind, block.reason)
            continue
        if not len(block.starts):
            continue
        if lists is None:
            first = [record for _, record in _records(block, lambda *_: None, _LOOKED_AT)]
            if not span.start:
                _require_columns(source, path, first)
            schema, lists = _types(source, first)
        found = _arrow(source, block, schema)
        lines = block.lines
        if found is None:
            found, lines = _line_by_line(source, block, lists, set_aside)
        yield found, lines


def header(
    format_: JsonLines, path: Place, max_line_bytes: int, block_bytes: int | None = None
) -> tuple[str, ...]:
    """The paths of the first records' values.

    Raises:
      DataError: the file is no text.
    """
    found: dict[str, None] = {}
    for block in _blocks(format_, path, max_line_bytes, WHOLE, block_bytes):
        if isinstance(block, Block) and len(block.starts):
            for _, record in _records(block, lambda *_: None, _LOOKED_AT):
                found.update(dict.fromkeys(_paths(record)))
            break
    return tuple(found)


def _blocks(
    format_: Any, path: Place, max_line_bytes: int, span: Span, block_bytes: int | None
) -> Iterator[Block | BadLine]:
    more: dict[str, Any] = {} if block_bytes is None else {"block_bytes": block_bytes}
    return text_blocks.blocks(
        path, encoding=format_.encoding, quoted=False, max_line_bytes=max_line_bytes, span=span, **more
    )


def _paths(record: Mapping[str, Any]) -> Iterator[str]:
    for key, value in record.items():
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict):
            yield from (f"{key}.{path}" for path in _paths(inner))
        else:
            yield key


def _records(block: Block, set_aside: SetAside, limit: int | None = None) -> Iterator[tuple[int, Any]]:
    """(position, object) of the lines that are JSON objects; numbers are texts as they are written."""
    ends = np.append(block.starts[1:], len(block.data))
    for position, (start, end) in enumerate(zip(block.starts.tolist(), ends.tolist(), strict=True)):
        if position == limit:
            return
        line = block.data[start:end]
        try:
            record = _parsed(line.decode())
        except UnicodeDecodeError:
            set_aside(int(block.lines[position]), quarantine.ENCODING, "a line that is no UTF-8")
            continue
        except (ValueError, RecursionError, MemoryError, SyntaxError) as error:
            reason = f"{_short(line)} is no JSON ({error})"
            set_aside(int(block.lines[position]), quarantine.NO_JSON, reason)
            continue
        if not isinstance(record, dict):
            set_aside(int(block.lines[position]), quarantine.NO_JSON, f"{_short(line)} is no JSON object")
            continue
        yield position, record


def _short(line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip()
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _parsed(line: str) -> Any:
    try:
        return json.loads(line, parse_float=_Fraction, parse_int=_Whole, parse_constant=_Fraction)
    except json.JSONDecodeError:
        # As Python prints a dictionary, which some data sets are published as.
        if line.lstrip().startswith(("{'", "{u'")):
            return ast.literal_eval(line.strip())
        raise


def _at(value: Any, path: str) -> Any:
    """The value at a path, of lists that of each member; None if there is none."""
    if isinstance(value, list):
        return [_at(inner, path) for inner in value]
    if not isinstance(value, dict):
        return None
    if path in value:
        return value[path]
    key, _, rest = path.partition(".")
    while rest:
        if key in value:
            return _at(value[key], rest)
        more, _, rest = rest.partition(".")
        key = f"{key}.{more}"
    return None


def _require_columns(source: Source, path: Place, records: list[Any]) -> None:
    for role, name in source.columns.items():
        if role in source.optional or any(_at(record, name) is not None for record in records):
            continue
        found = ", ".join(dict.fromkeys(path for record in records for path in _paths(record)))
        wanted = ", ".join(source.columns.values())
        raise DataError(
            path.name,
            f"key {name!r} is missing in the first {len(records)} lines; found {found or 'no JSON object'}, "
            f"expected {wanted} (a key in an object is named with a dot: a.b)",
        )


def _types(source: Source, records: list[Any]) -> tuple[pa.Schema | None, frozenset[str]]:
    """The types that Arrow shall read, None where it cannot; and the columns that are lists."""
    schema: dict[str, Any] | None = {}
    lists = set()
    for role, name in source.columns.items():
        found = [value for record in records if (value := _at(record, name)) is not None]
        if source.kinds[role] in ("texts", "any") and any(isinstance(value, list) for value in found):
            lists.add(role)
        type_ = _type(found, source.kinds[role])
        keys = _keys(name, records)
        if schema is None or type_ is None or keys is None or not _put(schema, keys, type_):
            schema = None
    return None if schema is None else pa.schema(_fields(schema)), frozenset(lists)


def _type(found: list[Any], kind: Kind) -> pa.DataType | None:
    """One type of all values; None if there is none that keeps what they are."""
    if kind == "texts" and found and all(isinstance(value, list) for value in found):
        plain = all(type(inner) is str for value in found for inner in value)
        return pa.list_(pa.string()) if plain else None
    if all(type(value) is str for value in found):
        return pa.string()
    measured = kind in ("number", "finite") or kind.startswith("time")
    if all(type(value) is _Whole for value in found):
        return pa.float64() if kind in ("number", "finite") else pa.int64()
    if measured and all(type(value) in (_Whole, _Fraction) for value in found):
        return pa.float64()
    return None


def _keys(name: str, records: list[Any]) -> list[str] | None:
    """The keys of a path, where all of them but the last are of objects; None if a list is among them."""
    if "." not in name or any(name in record for record in records):
        return [name]
    keys = name.split(".")
    for record in records:
        inner = record
        for key in keys[:-1]:
            inner = inner.get(key)
            if inner is None:
                break
            if not isinstance(inner, dict):
                return None
    return keys


def _put(schema: dict[str, Any], keys: list[str], type_: pa.DataType) -> bool:
    """Adds a column; whether no other one is where it has to be."""
    for key in keys[:-1]:
        schema = schema.setdefault(key, {})
        if not isinstance(schema, dict):
            return False
    return schema.setdefault(keys[-1], type_) is type_ or schema[keys[-1]] == type_


def _fields(schema: Mapping[str, Any]) -> list[pa.Field]:
    return [
        pa.field(key, pa.struct(_fields(inner)) if isinstance(inner, dict) else inner)
        for key, inner in schema.items()
    ]


def _arrow(source: Source, block: Block, schema: pa.Schema | None) -> pa.RecordBatch | None:
    """A block's columns; None if it has other types, or lines that are none of one object each."""
    if schema is None:
        return None
    longest = int(np.diff(np.append(block.starts, len(block.data))).max())
    try:
        table = pj.read_json(
            pa.BufferReader(block.data),
            pj.ReadOptions(block_size=max(_LEAST_BLOCK_BYTES, 2 * longest)),
            pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
    except pa.ArrowInvalid:
        return None
    if len(table) != len(block.starts):
        return None
    table = table.combine_chunks()
    columns = {}
    for role, name in source.columns.items():
        direct = name in table.column_names
        column = table[name if direct else name.split(".")[0]]
        for key in [] if direct else name.split(".")[1:]:
            column = pc.struct_field(column, key)
        columns[role] = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return pa.RecordBatch.from_pydict(columns)


def _line_by_line(
    source: Source, block: Block, lists: frozenset[str], set_aside: SetAside
) -> tuple[pa.RecordBatch, np.ndarray]:
    """The same of any block, and the lines that have objects."""
    columns: dict[str, list[Any]] = {role: [] for role in source.columns}
    lines = []
    for position, record in _records(block, set_aside):
        line = int(block.lines[position])
        values = {role: _at(record, name) for role, name in source.columns.items()}
        odd = [role for role, value in values.items() if isinstance(value, list) and role not in lists]
        if odd:
            reason = f"{source.columns[odd[0]]} is a list, expected one value"
            set_aside(line, quarantine.NO_JSON, reason)
            continue
        for role, value in values.items():
            columns[role].append(_texts(value) if role in lists else _text(value))
        lines.append(line)
    arrays = {
        # Texts may hold what JSON has and UTF-8 has not: half a surrogate pair.
        role: pa.array(cells, pa.large_list(pa.binary())).cast(pa.large_list(pa.string()), safe=False)
        if role in lists
        else pa.array(cells, pa.binary()).view(pa.string())
        for role, cells in columns.items()
    }
    return pa.RecordBatch.from_pydict(arrays), np.array(lines, np.int64)


def _text(value: Any) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False) if isinstance(value, bool | dict | list) else str(value)
    return value.encode("utf-8", "surrogatepass")


def _texts(value: Any) -> list[bytes] | None:
    """A list's texts, those of lists in it too; one value is a list of it."""
    if value is None:
        return None
    if not isinstance(value, list):
        text = _text(value)
        return [] if text is None else [text]
    return [text for inner in value for text in _texts(inner) or ()]
