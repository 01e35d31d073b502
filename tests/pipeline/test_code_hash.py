"""A step's hash changes when a file that it runs changes, and only then."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.code_hash import code_hash, source_files

FILES = {
    "contract/__init__.py": "A = 1\n",
    "components/__init__.py": "",
    "components/params.py": "",
    "components/alpha/__init__.py": "",
    "components/alpha/executor.py": (
        "import contract\nfrom components.beta import towers\nfrom .helper import x\nfrom .. import delta\n"
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import components.alpha.shapes\n"
        "else:\n    import components.alpha.at_run_time\n"
    ),
    "components/alpha/helper.py": "x = 1\n",
    "components/alpha/generator.py": "import components.alpha.helper\n",
    "components/alpha/shapes.py": "",
    "components/alpha/at_run_time.py": "",
    "components/alpha/schemas/items.pbtxt": "feature {}\n",
    "components/alpha/schemas/other.pbtxt": "feature {}\n",
    "components/beta/__init__.py": "import components.beta.base\n",
    "components/beta/towers.py": "def f():\n    from components.gamma.late import g\n",
    "components/beta/base.py": "",
    "components/beta/other.py": "import components.params\n",
    "components/gamma/__init__.py": "",
    "components/gamma/late.py": "import numpy\n",
    "components/delta/__init__.py": "from .inner import y as z\n",
    "components/delta/inner.py": "",
    "serving/__init__.py": "",
    "serving/server/__init__.py": "",
    "serving/server/__main__.py": "from serving.server.run import main\n",
    "serving/server/run.py": "import contract\n",
    "serving/server/client.py": "",
    "requirements/pipeline.txt": "tfx==1\n",
    "requirements/dev.txt": "pytest==1\n",
}
EXECUTOR = "components.alpha.executor"
ITEMS = "components/alpha/schemas/items.pbtxt"
# What alpha's step runs: its executor; what that imports, inside functions too; the packages above
# those; the file that it reads.
ALPHA = {
    "contract/__init__.py",
    "components/__init__.py",
    "components/alpha/__init__.py",
    "components/alpha/executor.py",
    "components/alpha/helper.py",
    "components/alpha/at_run_time.py",
    "components/alpha/schemas/items.pbtxt",
    "components/beta/__init__.py",
    "components/beta/towers.py",
    "components/beta/base.py",
    "components/gamma/__init__.py",
    "components/gamma/late.py",
    "components/delta/__init__.py",
    "components/delta/inner.py",
    "requirements/pipeline.txt",
}
SERVER = {
    "contract/__init__.py",
    "serving/__init__.py",
    "serving/server/__init__.py",
    "serving/server/__main__.py",
    "serving/server/run.py",
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
def test_changes_exactly_when_a_file_that_runs_changes(tree: Path, name: str) -> None:
    def hashes() -> tuple[str, str]:
        return code_hash([EXECUTOR], [ITEMS], root=tree), code_hash(["serving.server"], root=tree)

    before = hashes()
    (tree / name).write_text(FILES[name] + "\n# another line\n")
    changed = tuple(new != old for new, old in zip(hashes(), before, strict=True))
    assert changed == (name in ALPHA, name in SERVER)


def test_a_new_file_counts_as_soon_as_it_is_imported(tree: Path) -> None:
    before = code_hash([EXECUTOR], root=tree)
    (tree / "components/alpha/new.py").write_text("")
    assert code_hash([EXECUTOR], root=tree) == before
    (tree / "components/alpha/helper.py").write_text("from components.alpha import new\n")
    after = code_hash([EXECUTOR], root=tree)
    (tree / "components/alpha/new.py").write_text("# a line\n")
    assert code_hash([EXECUTOR], root=tree) != after != before


def test_renaming_a_file_counts_and_moving_the_tree_does_not(tree: Path, tmp_path: Path) -> None:
    before = code_hash([EXECUTOR], [ITEMS], root=tree)
    moved = shutil.copytree(tree, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("elsewhere"))
    assert code_hash([EXECUTOR], [ITEMS], root=moved) == before
    films = ITEMS.replace("items", "films")
    (moved / ITEMS).rename(moved / films)
    assert code_hash([EXECUTOR], [films], root=moved) != before


def test_a_stock_component_depends_on_the_lock_alone(tree: Path) -> None:
    assert source_files([], root=tree) == []
    before = code_hash([], root=tree)
    (tree / "requirements/pipeline.txt").write_text("tfx==2\n")
    assert code_hash([], root=tree) != before


def test_modules_that_import_each_other_end(tree: Path) -> None:
    (tree / "components/beta/base.py").write_text("import components.beta.other\n")
    (tree / "components/beta/other.py").write_text("import components.beta.base\n")
    found = {path.name for path in source_files(["components.beta.base"], root=tree)}
    assert found == {"__init__.py", "base.py", "other.py"}


@pytest.mark.parametrize("module", ["components.alpha.execute", "numpy", ""])
def test_an_unknown_module_is_an_error(tree: Path, module: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"there is no module {module} below"):
        code_hash([module], root=tree)


def test_an_unknown_data_file_is_an_error(tree: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file .*films\.pbtxt"):
        code_hash([EXECUTOR], [ITEMS.replace("items", "films")], root=tree)
