"""The user sees the line that says what is wrong."""

from __future__ import annotations

import pytest

from components.data_check.anomalies import DataCheckError
from components.example_gen.errors import DataError
from pipeline.runs.root_cause import is_bad_data, root_cause


class OwnError(Exception):
    pass


OwnError.__module__ = "components.data_check.executor"


def test_own_errors_come_whole() -> None:
    text = "\n".join(f"anomaly {n}" for n in range(5))
    assert root_cause(OwnError(text)) == text
    assert root_cause(OwnError("\n".join("x" * 30))).endswith("... 10 more lines in the log")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("towers"), "KeyError: 'towers'"),
        (ValueError(), "ValueError"),
        (RuntimeError("a\nb\nc"), "RuntimeError: a\nb\n... 1 more lines in the log"),
        (RuntimeError("no such file [while running 'Read/ParDo(X)']"), "RuntimeError: no such file"),
        (
            RuntimeError(
                "Graph execution error:\n\nDetected at node G defined at\n<stack traces>\nindices[0] = 9"
            ),
            "RuntimeError: indices[0] = 9",
        ),
    ],
)
def test_foreign_errors_are_cut_to_what_matters(error: Exception, text: str) -> None:
    assert root_cause(error) == text


def test_a_workers_traceback_is_read() -> None:
    trace = (
        "Traceback (most recent call last):\n"
        '  File "a.py", line 1, in f\n'
        "    raise KeyError\n"
        "KeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\n"
        '  File "b.py", line 2, in g\n'
        "{} [while running 'step']\n"
    )
    assert root_cause(RuntimeError(trace.format("ValueError: bad row"))) == "ValueError: bad row"
    own = "components.example_gen.errors.DataError: ratings.csv, line 3: no number"
    assert root_cause(RuntimeError(trace.format(own))) == "ratings.csv, line 3: no number"


@pytest.mark.parametrize("error", [DataError("ratings.csv", "is empty"), DataCheckError([])])
def test_bad_data_is_known_for_what_it_is(error: Exception) -> None:
    assert is_bad_data(error)
    wrapped = RuntimeError("a step failed")
    wrapped.__cause__ = error
    assert is_bad_data(wrapped)
    assert not is_bad_data(ValueError(str(error)))
