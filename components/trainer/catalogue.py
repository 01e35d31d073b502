"""The movies as the model reads them: raw records through Transform's graph."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft

from components import contract
from components.model.features import MovieFeatures, Popularity
from components.model.towers import Sizes
from components.model.two_tower import Catalogue


class MovieTransform:
    """Transform's saved graph as a function over batch-first tensors padded with "".

    The same call makes the catalogue's features in training and a new movie's
    in `embed_movie`.

    Attributes:
      layer: the Keras layer to track when the function is saved.
      movies, genres, tags: the vocabularies, in index order.
    """

    def __init__(self, transform_graph: str) -> None:
        output = tft.TFTransformOutput(transform_graph)
        self.layer = output.transform_features_layer()
        self._raw_spec = output.raw_feature_spec()
        self.movies = list(output.vocabulary_by_name(contract.MOVIE_VOCABULARY))
        self.genres = list(output.vocabulary_by_name(contract.GENRE_VOCABULARY))
        self.tags = list(output.vocabulary_by_name(contract.TAG_VOCABULARY))

    @property
    def sizes(self) -> Sizes:
        return Sizes(len(self.movies), len(self.genres), len(self.tags))

    def __call__(
        self,
        movie_id: tf.Tensor,
        year: tf.Tensor,
        genres: tf.Tensor,
        tags: tf.Tensor,
        rating_count: tf.Tensor,
    ) -> MovieFeatures:
        """Features of n movies from string[n], int64[n], string[n, G], string[n, T], int64[n]."""
        values = {
            contract.MOVIE_ID: movie_id,
            contract.YEAR: year,
            contract.GENRES: genres,
            contract.TAGS: tags,
            contract.RATING_COUNT: rating_count,
        }
        transformed = self.layer(
            {name: self._as_raw(name, value) for name, value in values.items() if name in self._raw_spec}
        )

        def single(name: str, dtype: tf.DType) -> tf.Tensor:
            value = transformed[name]
            dense = tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value
            return tf.cast(tf.reshape(dense, [-1]), dtype)

        def padded(name: str, dtype: tf.DType, pad: int) -> tf.Tensor:
            return tf.cast(_dense(transformed[name], pad), dtype)

        return MovieFeatures(
            movie_index=single(contract.MOVIE_INDEX, tf.int32),
            genre_indices=padded(contract.GENRE_INDICES, tf.int32, -1),
            tag_indices=padded(contract.TAG_INDICES, tf.int32, -1),
            tag_weights=padded(contract.TAG_WEIGHTS, tf.float32, 0),
            year_scaled=single(contract.YEAR_SCALED, tf.float32),
            year_known=single(contract.YEAR_KNOWN, tf.float32),
            popularity_scaled=single(contract.POPULARITY_SCALED, tf.float32),
        )

    def _as_raw(self, name: str, value: tf.Tensor) -> Any:
        """`value` in the form in which the raw schema has the feature."""
        spec = self._raw_spec[name]
        if isinstance(spec, tf.io.FixedLenFeature):
            return tf.reshape(value, [-1, *spec.shape])
        matrix = value if value.shape.rank == 2 else value[:, tf.newaxis]
        filled = matrix != contract.PAD_ID if matrix.dtype == tf.string else tf.ones_like(matrix, tf.bool)
        ragged = tf.ragged.boolean_mask(matrix, filled)
        return ragged if isinstance(spec, tf.io.RaggedFeature) else ragged.to_sparse()


def _dense(value: Any, pad: int) -> tf.Tensor:
    if isinstance(value, tf.SparseTensor):
        return tf.sparse.to_dense(value, default_value=tf.cast(pad, value.dtype))
    if isinstance(value, tf.RaggedTensor):
        return value.to_tensor(default_value=tf.cast(pad, value.dtype))
    return value


@dataclasses.dataclass(frozen=True)
class Movies:
    """The catalogue with its ids, in row order."""

    ids: list[bytes]
    catalogue: Catalogue


def load(movies: pa.Table, transform: MovieTransform, block: int = 16_384) -> Movies:
    """The catalogue from raw movies (contract.MOVIE_FEATURES columns).

    Raises:
      ValueError: a movie id occurs twice, or there are no movies.
    """
    ids = [text.encode() for text in movies[contract.MOVIE_ID].to_pylist()]
    if not ids:
        raise ValueError("the movies artifact is empty; expected at least one movie")
    if len(set(ids)) != len(ids):
        raise ValueError(f"{len(ids) - len(set(ids))} movie ids occur more than once in the movies artifact")
    count = movies[contract.RATING_COUNT].to_numpy().astype(np.int64)
    mean = movies[contract.RATING_MEAN].to_numpy().astype(np.float32)
    blocks = []
    for start in range(0, len(ids), block):
        part = slice(start, min(start + block, len(ids)))
        rows = movies.slice(start, part.stop - start)
        blocks.append(
            transform(
                tf.constant(ids[part]),
                tf.constant(rows[contract.YEAR].to_numpy(), tf.int64),
                _padded_strings(rows[contract.GENRES]),
                _padded_strings(rows[contract.TAGS]),
                tf.constant(count[part], tf.int64),
            )
        )
    features = MovieFeatures(
        *(_stack([np.asarray(x) for x in column]) for column in zip(*blocks, strict=True))
    )
    return Movies(
        ids=ids,
        catalogue=Catalogue(
            features=features,
            genres=_multi_hot(np.asarray(features.genre_indices), transform.sizes.genres + 1),
            rating_count=count.astype(np.float32),
            rating_sum=(count * mean).astype(np.float32),
            popularity=Popularity.recover(count, np.asarray(features.popularity_scaled)),
        ),
    )


def _padded_strings(column: pa.ChunkedArray) -> tf.Tensor:
    lists = column.combine_chunks()
    ragged = tf.RaggedTensor.from_row_lengths(
        tf.constant(lists.flatten().to_pylist(), tf.string), lists.value_lengths().to_numpy()
    )
    return ragged.to_tensor(default_value=contract.PAD_ID)


def _stack(parts: list[np.ndarray]) -> np.ndarray:
    """Concatenate along axis 0; narrower matrices are padded (-1 for indices, 0 for weights)."""
    if parts[0].ndim == 1:
        return np.concatenate(parts)
    width = max(part.shape[1] for part in parts)
    pad = -1 if np.issubdtype(parts[0].dtype, np.integer) else 0
    return np.concatenate(
        [np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=pad) for part in parts]
    )


def _multi_hot(indices: np.ndarray, width: int) -> np.ndarray:
    hot = np.zeros((len(indices), width), np.float32)
    movie, column = np.nonzero(indices >= 0)
    hot[movie, indices[movie, column]] = 1.0
    return hot
