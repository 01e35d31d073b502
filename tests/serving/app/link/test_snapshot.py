"""What is read of a pushed version."""

from __future__ import annotations

import asyncio
import gc
import shutil
import weakref

import pytest

import contract
from serving.app.link import snapshot
from serving.app.link.files import FilesError, FolderFiles
from serving.app.results import Scale


def test_a_version_is_read_as_its_description_has_it(pushed_workspace):
    version = pushed_workspace.pushed[-1]
    files = FolderFiles(version.parent.parent)
    found = asyncio.run(snapshot.load(files, version.parent.name, int(version.name)))
    assert found.description.items == len(found.catalogue)
    assert (found.item_noun, found.taste_column, found.explicit) == ("movie", contract.GENRES, True)
    assert found.scale == Scale(low=0.5, high=5.0, step=0.5)
    assert [(column.name, column.kind, column.filters) for column in found.catalogue.columns] == [
        ("year", "number", True), ("genres", "multi", True), ("tags", "multi", False),
    ]  # fmt: skip
    assert found.limit("max_k") == 100 and found.limits["max_boost"] == 2.0


def test_a_version_that_is_let_go_is_freed_at_once(pushed_workspace):
    """Python searches for cycles so seldom that a catalogue in one would stay for days."""
    version = pushed_workspace.pushed[-1]
    gc.disable()
    try:
        files = FolderFiles(version.parent.parent)
        found = asyncio.run(snapshot.load(files, version.parent.name, int(version.name)))
        assert found.catalogue.fields(0) and found.scale and found.taste_column
        gone = weakref.ref(found), weakref.ref(found.catalogue)
        del found
        assert [one() for one in gone] == [None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, r"carries no model\.json: it, or the model server, is older"), ("{}", "cannot be read: 'model'")],
)
def test_a_description_that_is_missing_or_another_thing_is_named(pushed_workspace, tmp_path, text, words):
    shutil.copytree(
        pushed_workspace.pushed[-1] / contract.ASSETS_EXTRA,
        tmp_path / "marquee" / "1" / contract.ASSETS_EXTRA,
    )
    path = tmp_path / "marquee" / "1" / contract.ASSETS_EXTRA / contract.DESCRIPTION
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(FilesError, match=words):
        asyncio.run(snapshot.load(FolderFiles(tmp_path), "marquee", 1))
