"""Logs in the layouts in which people have them: what is read is what pandas reads."""

import numpy as np
import pytest
from support.gallery import GALLERY

from components.common.features import Features
from components.example_gen.params import ExampleGenParams
from datasets.own_log.survey import survey


@pytest.mark.parametrize("name", GALLERY)
def test_what_is_read_is_what_pandas_reads(tmp_path, read, name):
    entry = GALLERY[name]()
    folder = tmp_path / "log"
    folder.mkdir()
    path = entry.write(folder)
    found = read(path, **entry.params)
    expected = entry.frame(folder)
    wanted = sorted(zip(expected.user, expected.item, strict=True))
    assert sorted(row[:2] for row in found.ratings) == wanted
    if "time" in expected:
        times = {
            (user, item): int(at)
            for user, item, at in zip(expected.user, expected.item, expected.time, strict=True)
        }
        assert {row[:2]: row[3] for row in found.ratings} == times
    if "value" in expected:
        values = {
            (user, item): float(value)
            for user, item, value in zip(expected.user, expected.item, expected.value, strict=True)
        }
        if "rating" in entry.params["columns"]:
            scale = Features(rating_scale=entry.params.get("rating_scale", Features().rating_scale))
            ours = {row[:2]: scale.rating(row[2]) for row in found.ratings}
        else:
            ours = {row[:2]: row[2] for row in found.ratings}
        assert ours == pytest.approx(values, abs=1e-5)
    # Every row is somewhere: the fixture has added up what came; this is how many there are.
    assert found.bad.rows_in["ratings"] == entry.rows
    set_aside = found.bad.bad("ratings")
    assert len(found.ratings) + set_aside + sum(found.left_out.values()) == entry.rows
    assert all(isinstance(part, str) for row in found.ratings for part in row[:2])
    assert np.isfinite([row[2] for row in found.ratings]).all()


@pytest.mark.parametrize("name", GALLERY)
def test_the_map_is_guessed_right_or_asked(tmp_path, read, name):
    entry = GALLERY[name]()
    folder = tmp_path / "log"
    folder.mkdir()
    path = entry.write(folder)
    found = survey(path, ExampleGenParams())
    if not found.guess.certain:
        assert all(question.strip() for question in found.guess.questions)
        assert "example_gen:" in found.yaml()
        return
    params = found.params(ExampleGenParams())
    wanted = ExampleGenParams(**entry.params)
    if not wanted.names:
        for role in ("user", "item"):
            assert params.columns[role] == wanted.columns[role]
    rows = read(path, **{**found.guess.values, "max_bad_share": 1, "repeated": "last"})
    expected = entry.frame(folder)
    assert {row[:2] for row in rows.ratings} >= set(zip(expected.user, expected.item, strict=True))
