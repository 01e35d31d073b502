"""The transform graph against NumPy, in analysis and as it serves."""

import functools
import json
import math
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
from components import contract
from components.example_gen import features, write
from components.transform.params import TransformParams
from components.transform.preprocessing import custom_config, preprocessing_fn

SCHEMA = Path(components.transform.__file__).parent / "schemas" / "movies.pbtxt"
SERVED = (contract.MOVIE_ID, contract.YEAR, contract.GENRES, contract.TAGS, contract.RATING_COUNT)


def movie(id_, year, genres, tags, count):
    return dict(
        zip(contract.MOVIE_FEATURES, (id_, f"Title {id_}", year, genres, tags, count, 3.0), strict=True)
    )


# "late" is on no second movie; "d" was never rated in train; "c" has no year.
CATALOGUE = [
    movie("a", 1990, ["Action", "Comedy"], ["dark", "fun"], 3),
    movie("b", 2000, ["Action"], ["dark", "late"], 50),
    movie("c", 0, [], [], 50),
    movie("d", 1980, ["Drama"], ["dark", "fun", "slow"], 0),
    movie("e", 2010, ["Action", "Comedy", "Drama"], ["fun", "slow"], 7),
]


def fit(catalogue: list[dict], folder: Path, params: TransformParams) -> tft.TFTransformOutput:
    """Analyses a catalogue as the Transform component does, in process."""
    schema = text_format.Parse(SCHEMA.read_text(), schema_pb2.Schema())
    source = tf_example_record.TFExampleBeamRecord("inmem", ["test"], schema)
    examples = write.encode(pa.Table.from_pylist(catalogue, schema=features.MOVIES))
    # The component sends the dict through JSON.
    config = json.loads(json.dumps(custom_config(params)))
    with tft_beam.Context(temp_dir=str(folder / "tmp")), beam.Pipeline(runner=FnApiRunner()) as pipeline:
        data = pipeline | beam.Create(examples, reshuffle=False) | source.BeamSource()
        graph = (data, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(
            functools.partial(preprocessing_fn, custom_config=config)
        )
        _ = graph | tft_beam.WriteTransformFn(str(folder / "graph"))
    return tft.TFTransformOutput(str(folder / "graph"))


def apply(output: tft.TFTransformOutput, catalogue) -> dict[str, np.ndarray | list]:
    """Runs the saved graph on raw movies given the served inputs alone."""
    columns = {name: [row[name] for row in catalogue] for name in SERVED}
    inputs = {
        contract.MOVIE_ID: tf.constant(columns[contract.MOVIE_ID])[:, None],
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


def test_movies_are_ordered_by_rating_count_and_need_one(output):
    # TensorFlow Transform orders ties by the larger string.
    assert vocabulary(output, contract.MOVIE_VOCABULARY) == ["c", "b", "e", "a"]


def test_genres_and_tags_are_ordered_by_movies_and_rare_tags_left_out(output):
    assert vocabulary(output, contract.GENRE_VOCABULARY) == ["Action", "Drama", "Comedy"]
    assert vocabulary(output, contract.TAG_VOCABULARY) == ["fun", "dark", "slow"]


def test_features_equal_the_reference(output):
    got = apply(output, CATALOGUE)
    movies, genres, tags = (
        vocabulary(output, name)
        for name in (contract.MOVIE_VOCABULARY, contract.GENRE_VOCABULARY, contract.TAG_VOCABULARY)
    )
    years = np.array([1990, 2000, 1980, 2010])
    logs = np.log1p([row[contract.RATING_COUNT] for row in CATALOGUE])
    for i, row in enumerate(CATALOGUE):
        id_, year = row[contract.MOVIE_ID], row[contract.YEAR]
        assert got[contract.MOVIE_INDEX][i].tolist() == [movies.index(id_) if id_ in movies else len(movies)]
        assert got[contract.GENRE_INDICES][i] == [genres.index(genre) for genre in row[contract.GENRES]]
        assert got[contract.YEAR_KNOWN][i].tolist() == [float(year > 0)]
        scaled = (year - years.mean()) / years.std() if year else 0.0
        assert got[contract.YEAR_SCALED][i].tolist() == [pytest.approx(scaled, abs=1e-5)]
        popularity = (logs[i] - logs.mean()) / logs.std()
        assert got[contract.POPULARITY_SCALED][i].tolist() == [pytest.approx(popularity, abs=1e-5)]

        known = [tag for tag in row[contract.TAGS] if tag in tags]
        expected = {}
        for tag in known:
            documents = sum(tag in other[contract.TAGS] for other in CATALOGUE)
            expected[tags.index(tag)] = (1 + math.log((len(CATALOGUE) + 1) / (documents + 1))) / len(known)
        weights = dict(zip(got[contract.TAG_INDICES][i], got[contract.TAG_WEIGHTS][i], strict=True))
        assert weights == {index: pytest.approx(weight, rel=1e-5) for index, weight in expected.items()}


def test_an_unknown_movie_with_unknown_genres_and_tags_is_served(output):
    got = apply(output, [movie("new", 2024, ["Action", "Musical"], ["unheard of", "dark"], 0), CATALOGUE[2]])
    size = len(vocabulary(output, contract.MOVIE_VOCABULARY))
    assert got[contract.MOVIE_INDEX].tolist()[0] == [size]
    genres = vocabulary(output, contract.GENRE_VOCABULARY)
    assert got[contract.GENRE_INDICES] == [[0, len(genres)], []]
    dark = vocabulary(output, contract.TAG_VOCABULARY).index("dark")
    assert got[contract.TAG_INDICES] == [[dark], []]
    assert got[contract.TAG_WEIGHTS] == [[pytest.approx(1 + math.log(6 / 4))], []]


def test_the_knobs_cut_the_vocabularies(tmp_path):
    output = fit(CATALOGUE, tmp_path, TransformParams(min_ratings=7, max_tags=2, min_tag_movies=1))
    assert set(vocabulary(output, contract.MOVIE_VOCABULARY)) == {"b", "c", "e"}
    assert set(vocabulary(output, contract.TAG_VOCABULARY)) == {"dark", "fun"}


def test_a_catalogue_without_tags_genres_and_years_works(tmp_path):
    bare = [movie("a", 0, [], [], 3), movie("b", 0, [], [], 3)]
    output = fit(bare, tmp_path, TransformParams())
    # The one entry is TensorFlow Transform's placeholder.
    assert output.vocabulary_size_by_name(contract.TAG_VOCABULARY) == 1
    got = apply(output, [*bare, CATALOGUE[0]])
    assert got[contract.TAG_INDICES] == got[contract.TAG_WEIGHTS] == [[], [], []]
    assert got[contract.GENRE_INDICES] == [[], [], [1, 1]]
    assert got[contract.YEAR_SCALED].tolist() == [[0.0]] * 3
    assert got[contract.YEAR_KNOWN].tolist() == [[0.0], [0.0], [1.0]]
    assert np.isfinite(got[contract.POPULARITY_SCALED]).all()


def test_outputs_are_the_contracts(output):
    assert set(output.transformed_feature_spec()) == {
        contract.MOVIE_INDEX,
        contract.GENRE_INDICES,
        contract.TAG_INDICES,
        contract.TAG_WEIGHTS,
        contract.YEAR_SCALED,
        contract.YEAR_KNOWN,
        contract.POPULARITY_SCALED,
    }
