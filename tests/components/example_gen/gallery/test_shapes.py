"""Logs whose columns, header, delimiters or lines are changed: as many rows as lines, or a clean error."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.gallery.layouts import EVENTS

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.detection import formats
from datasets.own_log.survey import survey

COLUMNS = {"user": "user", "item": "item", "rating": "stars", "time": "at"}
NAMES = list(COLUMNS.values())
ROWS = [[e.user, e.item.replace(" ", "_"), str(e.rating / 2), str(e.time)] for e in EVENTS[:14]]
QUICK, NIGHTLY = 80, 5_000  # of each of the two tests
DELIMITERS = (",", ";", "\t", "|", "::", "~")
NAMED = ("", " ", "user", "Item", "1", "0.5", "#", "x y", "é", "rating:float", "stars ", "NA", "at.b")
CELLS = ("", " ", "NA", "x", "1", "-1", "2017-08-18", "nan", "a b", "é" * 40, "#", "{", "0x1f", "\u2028", "'")

row = st.integers(0, len(ROWS) - 1)
column = st.integers(0, len(NAMES) - 1)
change = st.one_of(
    st.tuples(st.sampled_from(("less", "empty line", "blank line", "header again", "gone", "twice")), row),
    st.tuples(st.just("more"), row, st.sampled_from(CELLS)),
    st.tuples(st.just("cell"), row, column, st.sampled_from(CELLS)),
    st.tuples(st.sampled_from(("without", "doubled", "first")), column),
    st.tuples(st.just("between"), row, st.sampled_from(DELIMITERS)),
    st.tuples(st.just("name"), column, st.sampled_from(NAMED)),
    st.tuples(
        st.sampled_from(("numbered", "trailing", "capitals", "no header", "number names", "quoted names"))
    ),
)
changes = st.lists(change, min_size=1, max_size=4)
ends = st.sampled_from(["\n", "\r\n", "\r"])


def changed(delimiter: str, several: list) -> tuple[list[str], set[tuple[str, str]]]:
    """The lines of a changed log, and the pairs of user and item of the lines that are as they were."""
    names, rows, blank, between = list(NAMES), [list(cells) for cells in ROWS], [], {}
    header = True
    for kind, *where in several:
        at = where[0] if where else 0
        if kind == "less":
            rows[at % len(rows)] = rows[at % len(rows)][:-1]
        elif kind == "more":
            rows[at % len(rows)] = [*rows[at % len(rows)], where[1]]
        elif kind == "cell":
            cells = rows[at % len(rows)]
            if where[1] < len(cells):
                cells[where[1]] = where[2]
        elif kind in ("empty line", "blank line"):
            blank.append((at, "" if kind == "empty line" else "  "))
        elif kind == "header again":
            rows.insert(at % len(rows), list(names))
        elif kind == "gone" and len(rows) > 2:
            del rows[at % len(rows)]
        elif kind == "twice":
            rows.insert(at % len(rows), list(rows[at % len(rows)]))
        elif kind in ("without", "doubled", "first"):
            for cells in (names, *rows):
                if at < len(cells):
                    cell = cells.pop(at)
                    cells[:0] = {"without": [], "doubled": [cell, cell], "first": [cell]}[kind]
        elif kind == "between":
            between[at] = where[1]
        elif kind == "name":
            names[at % len(names)] = where[1]
        elif kind == "numbered":
            names.insert(0, "")
            for number, cells in enumerate(rows):
                cells.insert(0, str(number))
        elif kind == "trailing":
            for cells in (names, *rows):
                cells.append("")
        elif kind == "capitals":
            names = [name.upper() for name in names]
        elif kind == "no header":
            header = False
        elif kind == "number names":
            names = [str(number) for number in range(len(names))]
        elif kind == "quoted names":
            names = [f"'{name}'" for name in names]
    lines = [between.get(number, delimiter).join(cells) for number, cells in enumerate(rows)]
    lines = [delimiter.join(names), *lines] if header else lines
    untouched = {
        tuple(cells[:2])
        for number, cells in enumerate(rows)
        if cells in ROWS and rows.count(cells) == 1 and number not in between and names == NAMES
    }
    for at, line in blank:
        lines.insert(1 + at % len(lines), line)
    return lines, untouched


def written(folder, lines, end):
    path = folder / "log.csv"
    path.write_text("".join(f"{line}{end}" for line in lines), newline="")
    return path


def counts(lines) -> set[int]:
    """How many records there are: a line of blanks is one, but between columns of blanks."""
    return {sum(line != "" for line in lines), sum(line.strip() != "" for line in lines)}


def check_shape(tmp_path, read, delimiter, several, end, said) -> None:
    lines, untouched = changed(delimiter, several)
    path = written(tmp_path, lines, end)
    params = {"columns": COLUMNS, "max_bad_share": 1, "quoted": False, "encoding": "utf-8"}
    try:
        found = read(path, **params, **({"delimiter": delimiter} if said else {}))
    except DataError as error:
        assert error.reason
        return
    delimiter_ = {"delimiter": delimiter} if said else {}
    format_ = formats.format_of(path, ExampleGenParams(**params, **delimiter_), COLUMNS.values())
    assert found.bad.rows_in["ratings"] + 1 + format_.above in counts(lines)
    gone = {lines[row["line"] - 1] for row in found.rows_bad}
    here = {row[:2] for row in found.ratings}
    for pair in untouched if said else ():
        assert pair in here or any(line.startswith(delimiter.join(pair)) for line in gone)


def check_guess(tmp_path, read, delimiter, several, end) -> None:
    lines, _ = changed(delimiter, several)
    path = written(tmp_path, lines, end)
    try:
        found = survey(path, ExampleGenParams())
    except DataError as error:
        assert error.reason
        return
    assert found.guess.certain or all(question.strip() for question in found.guess.questions)
    assert "example_gen:" in found.yaml()
    if not {"user", "item"} <= found.guess.values["columns"].keys():
        return
    with contextlib.suppress(DataError):
        rows = read(path, **{**found.guess.values, "max_bad_share": 1, "repeated": "last"})
        more = found.files[0].header + getattr(found.files[0].format, "above", 0)
        assert rows.bad.rows_in["ratings"] + more in counts(lines)


# A loaded machine draws slowly, which is no fault of a log.
lenient = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
between = st.sampled_from(DELIMITERS)


@settings(max_examples=QUICK, **lenient)
@given(between, changes, ends, st.booleans())
def test_columns_headers_and_delimiters(tmp_path, read, delimiter, several, end, said):
    check_shape(tmp_path, read, delimiter, several, end, said)


@settings(max_examples=QUICK, **lenient)
@given(between, changes, ends)
def test_the_guess_of_changed_logs(tmp_path, read, delimiter, several, end):
    check_guess(tmp_path, read, delimiter, several, end)


@pytest.mark.nightly("components/example_gen/reading")
@settings(max_examples=NIGHTLY, **lenient)
@given(between, changes, ends, st.booleans())
def test_columns_headers_and_delimiters_at_length(tmp_path, read, delimiter, several, end, said):
    check_shape(tmp_path, read, delimiter, several, end, said)


@pytest.mark.nightly("components/example_gen/reading", "datasets/own_log")
@settings(max_examples=NIGHTLY, **lenient)
@given(between, changes, ends)
def test_the_guess_of_changed_logs_at_length(tmp_path, read, delimiter, several, end):
    check_guess(tmp_path, read, delimiter, several, end)
