"""What `make house` measures, on planted examples and on this repository."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.house import __main__ as house
from tools.house import duplicates, figures, imports, places, private, words
from tools.house.figures import Figure, files_per_folder
from tools.house.sources import ROOT, Source, python_sources, tracked_files

BLOCK = "\n".join(f"value_{n} = {n} + offset" for n in range(duplicates.LINES))
FUNCTION = """
def {name}({a}, {b}):
    {doc}
    total = []
    for {a}_one in {a}:
        if {a}_one > {b} and {a}_one not in total:
            total.append(({a}_one - {b}) ** 2 / len({a}))
    return sorted(total)[:{k}]
"""


def source(folder: Path, name: str, text: str) -> Source:
    (folder / name).write_text(text)
    return Source(name, folder)


def test_the_same_lines_are_found_however_they_are_laid_out(tmp_path: Path) -> None:
    one = source(tmp_path, "one.py", f"import os\n{BLOCK}\n")
    two = source(
        tmp_path, "two.py", "# a comment\n" + BLOCK.replace(" + ", "  +  ").replace("\n", "  # x\n\n")
    )
    assert duplicates.same_lines([one, two]) == [f"one.py:2 = two.py:2, {duplicates.LINES} lines"]
    shorter = source(tmp_path, "three.py", BLOCK[: BLOCK.rindex("\n")])
    assert duplicates.same_lines([one, shorter]) == []
    parameters = "".join(f"    value_{n}: int = {n},\n" for n in range(20))
    signatures = [source(tmp_path, name, f"def f(\n{parameters}):\n    pass\n") for name in ("c.py", "d.py")]
    assert duplicates.same_lines(signatures) == []
    imports_alone = "\n".join(f"import module_{n}" for n in range(20))
    pair = [source(tmp_path, name, imports_alone) for name in ("a.py", "b.py")]
    assert duplicates.same_lines(pair) == []


def test_functions_that_differ_in_names_alone_are_found(tmp_path: Path) -> None:
    one = source(tmp_path, "one.py", FUNCTION.format(name="f", a="xs", b="low", k=3, doc='"""Says."""'))
    two = source(tmp_path, "two.py", FUNCTION.format(name="g", a="rows", b="bound", k=3, doc='"""Other."""'))
    other = source(tmp_path, "other.py", FUNCTION.format(name="h", a="xs", b="low", k=4, doc='"""Says."""'))
    assert duplicates.same_functions([one, two, other]) == ["one.py:2 f = two.py:2 g"]


def test_circles_of_any_length_are_found() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}, "g": {"g"}}
    assert sorted(map(sorted, imports.strongly_connected(edges))) == [["a", "b", "c"], ["d", "e"]]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from grpc._cython import cygrpc", ["grpc._cython.cygrpc"]),
        ("import prometheus_client._internal", ["prometheus_client._internal"]),
        ("def f(child):\n    return child._upper_bounds", ["child._upper_bounds"]),
        ("class A:\n    def f(self, other):\n        self._x = other._x\n        return self._inherited", []),
        ("from components._own import x\nimport os\nos._exit(1)\nrow._replace(a=1)", []),
    ],
)
def test_private_interfaces_of_others_are_found(tmp_path: Path, text: str, found: list[str]) -> None:
    assert [name for _, name in private.uses(source(tmp_path, "x.py", text))] == found


def test_a_guard_that_no_test_holds_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = source(tmp_path, "test_x.py", "def test_falls_back():\n    pass\n")
    (tmp_path / "tools").mkdir()
    user = source(tmp_path, "tools/x.py", "from grpc._cython import cygrpc\n")
    monkeypatch.setattr(private, "python_sources", lambda: (test, user))
    for name, found in (("test_falls_back", 0), ("test_not_there", 1)):
        monkeypatch.setattr(private, "GUARDED", {"tools/x.py": f"test_x.py::{name}"})
        assert len(private.unguarded()) == found


def test_the_contract_is_held_to_the_standard_library() -> None:
    assert imports.outside_standard_library() == []
    found = [name for _, name in imports._absolute_imports(Source("pipeline/dag.py"))]
    assert {"contract", "tfx.types", "dataclasses"} <= set(found)


def test_the_files_of_a_change_are_those_that_the_docs_name() -> None:
    page = (
        "# I want to\n\n## A gate\n\n| file | what |\n|---|---|\n| `a.py`, `b.py` | x |\n| `tests/c.py` | |\n"
        "| `docs/d.md` | |\n"
    )
    assert places.files_to_touch("A gate", page) == ["a.py", "b.py"]
    with pytest.raises(ValueError, match="no section '## A probe'"):
        places.files_to_touch("A probe", page)
    assert places.files_to_touch("A metric") == ["components/common/metrics/registry.py"]
    assert all(places.files_to_touch(section) for section in places.SECTIONS)


def test_no_folder_is_full() -> None:
    figure = files_per_folder()
    assert figure.ok, figure.places


def test_the_files_are_those_that_are_committed_or_may_be() -> None:
    files = set(tracked_files())
    assert {"pyproject.toml", "tools/house/__main__.py", "tests/tools/test_house.py"} <= files
    assert not [file for file in files if file.startswith((".venv/", "artifacts/")) or "__pycache__" in file]
    assert {source.path for source in python_sources()} == {file for file in files if file.endswith(".py")}


def test_identifiers_that_say_movie_are_found_but_where_movielens_is_read(tmp_path: Path) -> None:
    text = 'movie_id = "movie"  # a movie\nfrom datasets import movielens\n'
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "datasets" / "movielens").mkdir(parents=True)
    planted = [source(tmp_path, path, text) for path in ("pipeline/a.py", "datasets/movielens/b.py")]
    assert words.movie_identifiers(planted) == {"pipeline/a.py": 1}
    assert words.movie_identifiers() == {}
    # Nothing is allowed that is not there.
    assert all(any(file.startswith(path) for file in tracked_files()) for path in words.ALLOWED)


def test_the_table_tells_the_worst_and_the_json_all(capsys: pytest.CaptureFixture[str]) -> None:
    broken = Figure("circles", 7, 0, [f"place {n}" for n in range(7)])
    lines = house.table([broken, Figure("lines", 1_234, None, [])])
    assert lines[1].split() == ["circles", "7", "0", "BROKEN"]
    assert lines[2:8] == [*(f"    place {n}" for n in range(5)), "    and 2 more, see the JSON"]
    assert lines[8].split() == ["lines", "1,234", "-"]
    assert house.table([Figure("lines", 1, 2, [])], only_broken=True) == []


def test_the_command_ends_with_one_if_a_bound_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tree's own figures, by bounds that it holds and by one that it cannot."""
    out = tmp_path / "house.json"
    names = [
        "files in the fullest folder", "imports of the contract", "import circles between modules",
        "private interfaces without a fallback", "identifiers that say movie",
    ]  # fmt: skip
    command = ["--quick", "--quiet", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "tools.house", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    bars = json.loads(out.read_text())["bars"]
    assert [bar["name"] for bar in bars] == names
    assert (done.returncode, [bar["ok"] for bar in bars]) == (0, [True] * len(names)), done.stdout
    monkeypatch.setattr(figures, "FILES_PER_FOLDER", 1)
    assert house.main(command) == 1
    assert capsys.readouterr().out.startswith("files in the fullest folder")
    assert [bar["ok"] for bar in json.loads(out.read_text())["bars"]] == [False, *[True] * (len(names) - 1)]
