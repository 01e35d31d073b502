"""Which lines end inside quotes, beside Python's csv."""

import csv
import io

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from components.example_gen.reading import text_blocks
from components.example_gen.reading.formats import quoting

lines = st.lists(st.text(alphabet='ab",; \xff', max_size=12), min_size=1, max_size=8)


def is_closed(line: str, delimiter: str) -> bool:
    """Whether csv reads a line as a record although another line follows."""
    reader = csv.reader(io.StringIO(f"{line}\nend\n"), delimiter=delimiter)
    next(reader)
    return reader.line_num == 1


@given(lines, st.sampled_from([",", ";", "\t"]))
@example(['"a"",b', '5" x,6" y', '5" x,"open', '"a"x""y,c', ',"', '"",""'], ",")
def test_open_lines_are_those_of_csv(some, delimiter):
    data = "".join(f"{line}\n" for line in some).encode("latin-1")
    found = quoting.open_lines(data, text_blocks.line_starts(data), delimiter)
    assert found.tolist() == [i for i, line in enumerate(some) if not is_closed(line, delimiter)]


@given(lines, st.sampled_from([",", ";"]))
def test_the_end_of_a_record_is_that_of_csv(some, delimiter):
    text = "".join(f"{line}\n" for line in some)
    data = text.encode("latin-1")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False)
    next(reader)
    end = quoting.record_end(data, 0, len(data), delimiter)
    starts = np.append(text_blocks.line_starts(data), len(data))
    if end is not None:
        assert end == starts[reader.line_num]
    else:  # csv takes the end of the text for the end of the quote
        assert reader.line_num == len(some)
    assert quoting.record_end(data, 0, 0, delimiter) is None
