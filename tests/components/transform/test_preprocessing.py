"""The transform graph against NumPy, in analysis and as it serves."""

import functools
import json
import math
from collections.abc import Sequence
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio import tf_example_record

import components.transform
import contract
from components.common.features import MOVIELENS, FeatureSpec, own
from components.example_gen.records import schemas, write
from components.import_schema.own_features import add_features
from components.transform.params import TransformParams
from components.transform.preprocessing import custom_config, preprocessing_fn

SCHEMA = Path(components.transform.__file__).parent / "schemas" / "items.pbtxt"
SERVED = (contract.ITEM_ID, contract.YEAR, contract.GENRES, contract.TAGS, contract.RATING_COUNT)


def item(id_, year, genres, tags, count):
    return dict(
        zip(contract.ITEM_FEATURES, (id_, f"Title {id_}", year, genres, tags, count, 3.0), strict=True)
    )


# "late" is on no second item; "d" was never rated in train; "c" has no year.
CATALOGUE = [
    item("a", 1990, ["Action", "Comedy"], ["dark", "fun"], 3),
    item("b", 2000, ["Action"], ["dark", "late"], 50),
    item("c", 0, [], [], 50),
    item("d", 1980, ["Drama"], ["dark", "fun", "slow"], 0),
    item("e", 2010, ["Action", "Comedy", "Drama"], ["fun", "slow"], 7),
]


def fit(
    catalogue: list[dict], folder: Path, params: TransformParams, specs: Sequence[FeatureSpec] = MOVIELENS
) -> tft.TFTransformOutput:
    """Analyses a catalogue as the Transform component does, in process."""
    schema = text_format.Parse(SCHEMA.read_text(), schema_pb2.Schema())
    add_features(schema, own(specs))
    source = tf_example_record.TFExampleBeamRecord("inmem", ["test"], schema)
    examples = write.encode(pa.Table.from_pylist(catalogue, schema=schemas.items_schema(specs)))
    # The component sends the dict through JSON.
    config = json.loads(json.dumps(custom_config(params, specs)))
    with tft_beam.Context(temp_dir=str(folder / "tmp")), beam.Pipeline(runner=FnApiRunner()) as pipeline:
        data = pipeline | beam.Create(examples, reshuffle=False) | source.BeamSource()
        graph = (data, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(
            functools.partial(preprocessing_fn, custom_config=config)
        )
        _ = graph | tft_beam.WriteTransformFn(str(folder / "graph"))
    return tft.TFTransformOutput(str(folder / "graph"))


def apply(output: tft.TFTransformOutput, catalogue) -> dict[str, np.ndarray | list]:
    """Runs the saved graph on raw items given the served inputs alone."""
    columns = {name: [row[name] for row in catalogue] for name in SERVED}
    inputs = {
        contract.ITEM_ID: tf.constant(columns[contract.ITEM_ID])[:, None],
        contract.YEAR: tf.constant(columns[contract.YEAR], tf.int64)[:, None],
        contract.RATING_COUNT: tf.constant(columns[contract.RATING_COUNT], tf.int64)[:, None],
    }
    for name in (contract.GENRES, contract.TAGS):
        inputs[name] = tf.ragged.constant(columns[name], dtype=tf.string, ragged_rank=1).to_sparse()
    result = output.transform_features_layer()(inputs)
    return {
        name: tf.RaggedTensor.from_sparse(value).to_list()
        if isinstance(value, tf.SparseTensor)
        else value.numpy()
        for name, value in result.items()
    }


@pytest.fixture(scope="module")
def output(tmp_path_factory) -> tft.TFTransformOutput:
    return fit(CATALOGUE, tmp_path_factory.mktemp("transform"), TransformParams())


def vocabulary(output: tft.TFTransformOutput, name: str) -> list[str]:
    return [entry.decode() for entry in output.vocabulary_by_name(name)]


def test_items_are_ordered_by_rating_count_and_need_one(output):
    # TensorFlow Transform orders ties by the larger string.
    assert vocabulary(output, contract.ITEM_VOCABULARY) == ["c", "b", "e", "a"]


def test_genres_and_tags_are_ordered_by_items_and_rare_tags_left_out(output):
    assert vocabulary(output, contract.GENRES) == ["Action", "Drama", "Comedy"]
    assert vocabulary(output, contract.TAGS) == ["fun", "dark", "slow"]


def test_features_equal_the_reference(output):
    got = apply(output, CATALOGUE)
    items, genres, tags = (
        vocabulary(output, name) for name in (contract.ITEM_VOCABULARY, contract.GENRES, contract.TAGS)
    )
    years = np.array([1990, 2000, 1980, 2010])
    logs = np.log1p([row[contract.RATING_COUNT] for row in CATALOGUE])
    for i, row in enumerate(CATALOGUE):
        id_, year = row[contract.ITEM_ID], row[contract.YEAR]
        assert got[contract.ITEM_INDEX][i].tolist() == [items.index(id_) if id_ in items else len(items)]
        assert got["genres_indices"][i] == [genres.index(genre) for genre in row[contract.GENRES]]
        assert got[contract.known(contract.YEAR)][i].tolist() == [float(year > 0)]
        scaled = (year - years.mean()) / years.std() if year else 0.0
        assert got[contract.scaled(contract.YEAR)][i].tolist() == [pytest.approx(scaled, abs=1e-5)]
        popularity = (logs[i] - logs.mean()) / logs.std()
        assert got[contract.POPULARITY_SCALED][i].tolist() == [pytest.approx(popularity, abs=1e-5)]

        known = [tag for tag in row[contract.TAGS] if tag in tags]
        expected = {}
        for tag in known:
            documents = sum(tag in other[contract.TAGS] for other in CATALOGUE)
            expected[tags.index(tag)] = (1 + math.log((len(CATALOGUE) + 1) / (documents + 1))) / len(known)
        weights = dict(zip(got["tags_indices"][i], got["tags_weights"][i], strict=True))
        assert weights == {index: pytest.approx(weight, rel=1e-5) for index, weight in expected.items()}


def test_an_unknown_item_with_unknown_genres_and_tags_is_served(output):
    got = apply(output, [item("new", 2024, ["Action", "Musical"], ["unheard of", "dark"], 0), CATALOGUE[2]])
    size = len(vocabulary(output, contract.ITEM_VOCABULARY))
    assert got[contract.ITEM_INDEX].tolist()[0] == [size]
    genres = vocabulary(output, contract.GENRES)
    assert got[contract.indices(contract.GENRES)] == [[0, len(genres)], []]
    dark = vocabulary(output, contract.TAGS).index("dark")
    assert got[contract.indices(contract.TAGS)] == [[dark], []]
    assert got[contract.weights(contract.TAGS)] == [[pytest.approx(1 + math.log(6 / 4))], []]


def test_the_knobs_cut_the_vocabularies(tmp_path):
    output = fit(CATALOGUE, tmp_path, TransformParams(min_ratings=7, max_tags=2, min_tag_items=1))
    assert set(vocabulary(output, contract.ITEM_VOCABULARY)) == {"b", "c", "e"}
    assert set(vocabulary(output, contract.TAGS)) == {"dark", "fun"}


def test_a_catalogue_without_tags_genres_and_years_works(tmp_path):
    bare = [item("a", 0, [], [], 3), item("b", 0, [], [], 3)]
    output = fit(bare, tmp_path, TransformParams())
    # The one entry is TensorFlow Transform's placeholder.
    assert output.vocabulary_size_by_name(contract.TAGS) == 1
    got = apply(output, [*bare, CATALOGUE[0]])
    assert got[contract.indices(contract.TAGS)] == got[contract.weights(contract.TAGS)] == [[], [], []]
    assert got[contract.indices(contract.GENRES)] == [[], [], [1, 1]]
    assert got[contract.scaled(contract.YEAR)].tolist() == [[0.0]] * 3
    assert got[contract.known(contract.YEAR)].tolist() == [[0.0], [0.0], [1.0]]
    assert np.isfinite(got[contract.POPULARITY_SCALED]).all()


def test_outputs_are_the_contracts(output):
    assert set(output.transformed_feature_spec()) == {
        contract.ITEM_INDEX,
        contract.indices(contract.GENRES),
        contract.indices(contract.TAGS),
        contract.weights(contract.TAGS),
        contract.scaled(contract.YEAR),
        contract.known(contract.YEAR),
        contract.POPULARITY_SCALED,
    }


def test_own_features_equal_plain_python(tmp_path):
    specs = (
        FeatureSpec(name="brand", kind="categorical"),
        FeatureSpec(name="shelf", kind="multi"),
        FeatureSpec(name="price", kind="number", log=True),
        FeatureSpec(name="about", kind="text"),
    )
    rows = [
        (["acme"], ["cups", "blue"], [19.5], "A mug, blue: a MUG"),
        ([], [], [], ""),
        (["zeta"], ["wear"], [1000.0], "Für Köpfe, blue"),
        (["acme"], ["cups"], [0.0], "mug"),
    ]
    catalogue = [
        item(str(i), 0, [], [], 1) | dict(zip([s.name for s in specs], row, strict=True))
        for i, row in enumerate(rows)
    ]
    output = fit(catalogue, tmp_path, TransformParams(min_tag_items=2, max_values=2), specs)
    layer = output.transform_features_layer()
    lists = {name: tf.ragged.constant([r[at] for r in rows], tf.string, ragged_rank=1).to_sparse()
             for name, at in (("brand", 0), ("shelf", 1))}  # fmt: skip
    got = layer(
        {
            contract.ITEM_ID: tf.constant([[row[contract.ITEM_ID]] for row in catalogue]),
            contract.RATING_COUNT: tf.ones([4, 1], tf.int64),
            "price": tf.ragged.constant([r[2] for r in rows], tf.float32, ragged_rank=1).to_sparse(),
            "about": tf.constant([[r[3]] for r in rows]),
            **lists,
        }
    )

    def listed(name):
        return tf.RaggedTensor.from_sparse(got[name]).to_list()

    assert vocabulary(output, "brand") == ["acme", "zeta"]
    assert listed("brand_indices") == [[0], [], [1], [0]]
    shelf = vocabulary(output, "shelf")
    assert shelf[0] == "cups"  # the most frequent
    assert len(shelf) == 2  # max_values
    assert listed("shelf_indices") == [[shelf.index(x) if x in shelf else 2 for x in r[1]] for r in rows]
    logs = np.log1p([r[2][0] for r in rows if r[2]])
    expected = [(np.log1p(r[2][0]) - logs.mean()) / logs.std() if r[2] else 0.0 for r in rows]
    np.testing.assert_allclose(got["price_scaled"].numpy()[:, 0], expected, rtol=1e-5)
    assert got["price_known"].numpy()[:, 0].tolist() == [1, 0, 1, 1]

    words = [{"a", "mug", "blue"}, set(), {"für", "köpfe", "blue"}, {"mug"}]
    known = vocabulary(output, "about")
    assert set(known) == {"mug", "blue"}
    for i, own_words in enumerate(words):
        kept = own_words & set(known)
        wanted = {
            known.index(word): (1 + math.log(5 / (sum(word in other for other in words) + 1))) / len(kept)
            for word in kept
        }
        weights = dict(zip(listed("about_indices")[i], listed("about_weights")[i], strict=True))
        assert weights == pytest.approx(wanted, rel=1e-5)
