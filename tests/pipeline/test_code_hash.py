"""A component's hash changes when a file it runs on changes, and only then."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.code_hash import ROOT, code_hash, source_files

FILES = {
    "components/__init__.py": "",
    "contract/__init__.py": "A = 1\n",
    "components/common/params.py": "",
    "components/alpha/__init__.py": "",
    "components/alpha/executor.py": (
        "import contract\nfrom components.beta import towers\nfrom .helper import x\n"
    ),
    "components/alpha/helper.py": "x = 1\n",
    "components/alpha/schemas/items.pbtxt": "feature {}\n",
    "components/beta/__init__.py": "import components.beta.base\n",
    "components/beta/towers.py": "def f():\n    from components.gamma.late import g\n",
    "components/beta/base.py": "",
    "components/beta/other.py": "import components.common.params\n",
    "components/gamma/__init__.py": "",
    "components/gamma/late.py": "",
    "requirements/pipeline.txt": "tfx==1\n",
    "requirements/dev.txt": "pytest==1\n",
}
# What alpha runs on: its own files; what they import, inside functions too;
# the packages above those.
ALPHA = {
    "components/__init__.py",
    "contract/__init__.py",
    "components/alpha/__init__.py",
    "components/alpha/executor.py",
    "components/alpha/helper.py",
    "components/alpha/schemas/items.pbtxt",
    "components/beta/__init__.py",
    "components/beta/towers.py",
    "components/beta/base.py",
    "components/gamma/__init__.py",
    "components/gamma/late.py",
    "requirements/pipeline.txt",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_changes_exactly_when_a_file_it_runs_on_changes(tree: Path, name: str) -> None:
    before = code_hash("alpha", root=tree)
    (tree / name).write_text(FILES[name] + "\n# another line\n")
    assert (code_hash("alpha", root=tree) != before) == (name in ALPHA)


def test_a_new_file_in_the_room_counts(tree: Path) -> None:
    before = code_hash("alpha", root=tree)
    (tree / "components/alpha/new.py").write_text("")
    assert code_hash("alpha", root=tree) != before


def test_renaming_a_file_counts_and_moving_the_tree_does_not(tree: Path, tmp_path: Path) -> None:
    before = code_hash("alpha", root=tree)
    moved = shutil.copytree(tree, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("elsewhere"))
    assert code_hash("alpha", root=moved) == before
    (moved / "components/alpha/schemas/items.pbtxt").rename(moved / "components/alpha/schemas/films.pbtxt")
    assert code_hash("alpha", root=moved) != before


def test_compiled_files_do_not_count(tree: Path) -> None:
    before = code_hash("alpha", root=tree)
    (tree / "components/alpha/__pycache__").mkdir()
    (tree / "components/alpha/__pycache__/executor.cpython-311.pyc").write_bytes(b"x")
    assert code_hash("alpha", root=tree) == before


def test_a_folder_of_a_room_and_no_room(tree: Path) -> None:
    assert source_files("alpha/schemas", root=tree) == [tree / "components/alpha/schemas/items.pbtxt"]
    assert source_files(root=tree) == []
    before = code_hash(root=tree)
    (tree / "requirements/pipeline.txt").write_text("tfx==2\n")
    assert code_hash(root=tree) != before


def test_what_is_started_as_a_process_counts(tree: Path) -> None:
    (tree / "serving").mkdir()
    (tree / "serving/server.py").write_text("from components.beta import other\n")
    found = {path.name for path in source_files(also=("serving",), root=tree)}
    assert {"server.py", "other.py", "params.py"} <= found
    before = code_hash("alpha", also=("serving",), root=tree)
    (tree / "serving/server.py").write_text("")
    assert code_hash("alpha", also=("serving",), root=tree) != before


def test_an_unknown_room_is_an_error(tree: Path) -> None:
    with pytest.raises(FileNotFoundError, match="delta"):
        code_hash("delta", root=tree)


def names(*rooms: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in source_files(*rooms)}


def test_the_models_code_reruns_the_trainer_and_nothing_before_it() -> None:
    towers = "components/model/towers/encoders.py"
    assert towers in names("trainer")
    for earlier in ("example_gen", "transform", "data_check", "transform/schemas"):
        assert towers not in names(earlier)


def test_every_room_depends_on_the_contract() -> None:
    for room in ("example_gen", "transform", "trainer", "index", "evaluator", "baseline", "pusher"):
        assert "contract/__init__.py" in names(room)
